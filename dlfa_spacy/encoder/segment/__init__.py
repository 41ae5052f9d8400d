"""Text to windows of wordpieces, and which token owns which of them."""
