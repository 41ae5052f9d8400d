"""`dlfa analyze`: why transfer works or does not, on any trained pipeline or encoder."""

# The order of the commands in the help.
from . import cka, retrieval, language_id, vectors, aggregator, drift, tsne, random_init  # noqa: F401, I001
from .app import analyze_app

__all__ = ["analyze_app"]
