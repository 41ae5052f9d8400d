"""The training loop of alignment: plain PyTorch, resumable, one folder in and one folder out."""
