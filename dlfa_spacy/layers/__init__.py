"""Registered thinc layers: the listener, the inline encoder, pooling, text classification."""
