"""The transformer that hands out every layer, takes gradients back, and batches by wordpieces."""
