"""The transformer that provides every layer, takes gradients back, and batches by wordpieces."""
