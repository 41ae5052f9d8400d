"""Tests, intervals and corrections: numpy and scipy alone."""
