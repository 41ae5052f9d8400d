"""What changes fine-tuning, so that what is learned in one language serves in others."""
