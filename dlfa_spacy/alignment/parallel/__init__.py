"""Sentences and their translations, and which words of them belong together."""
