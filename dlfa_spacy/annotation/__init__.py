"""Corpora annotated at scale, by pipelines and by people."""
