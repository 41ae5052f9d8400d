"""The `dlfa_doc_cleaner` component: removes from a Doc what the encoder left, and nothing else."""

from spacy.language import Language
from spacy.pipeline.functions import make_doc_cleaner

# spaCy merges a factory's defaults into any config, so `attrs` of the stock `doc_cleaner` cannot do
# without `tensor = null`. A Doc whose tensor is no array raises in `has_vector`, `similarity` and
# `Span.as_doc`.
make_dlfa_doc_cleaner = Language.factory(
    "dlfa_doc_cleaner",
    default_config={"attrs": {"_.trf_data": None}, "silent": True},
)(make_doc_cleaner)
