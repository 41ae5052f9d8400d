"""Cross-lingual training of an encoder before fine-tuning, in plain PyTorch."""
