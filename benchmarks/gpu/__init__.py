"""What only a machine with a GPU can show: its tests, and its rows of the benchmarks."""
