"""Scores of labels, and measures of vectors: numpy alone."""
