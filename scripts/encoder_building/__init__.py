"""Stages of `scripts/build_encoder.py`: one idea a module, none of them imported by `dlfa_spacy`."""
