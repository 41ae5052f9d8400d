"""Windows to layers: buckets, packed rows, early exit."""
