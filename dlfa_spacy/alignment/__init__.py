"""Cross-lingual training of an encoder before fine-tuning: plain PyTorch, a folder comes out."""
