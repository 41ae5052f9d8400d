"""Weights in and out: loading, saving, eight and four bits."""
