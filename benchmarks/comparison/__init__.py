"""What the package costs in time and memory, beside others on the same texts and weights."""
