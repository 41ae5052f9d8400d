"""Stages of `scripts/build_encoder.py`: one idea a module, none imported by `dlfa_spacy`."""
