"""The pipelines that are compared: stock spacy-transformers, and ours with some aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

from dlfa_spacy.optimization.half import store_as_half
from dlfa_spacy.optimization.int8 import make_int8
from dlfa_spacy.optimization.speed.limit import wordpieces
from dlfa_spacy.pipeline.encoders import encoder_of
from dlfa_spacy.pipeline.readers import encoders_in_use
from dlfa_spacy.recipes import read_aggregation

from .texts import Text

STOCK = "stock spacy-transformers, last layer"
CURATED = "spacy-curated-transformers, all layers"
HF = "Hugging Face pipeline"
POOLING = {"@layers": "reduce_mean.v1"}
HEADS: dict[str, dict[str, Any]] = {
    "ner": {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": False,
    },
    "tagger": {"@architectures": "spacy.Tagger.v2"},
}
LABELS = ("PER", "ORG", "LOC")
TAGS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON"),
    *("PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)


@dataclass(frozen=True)
class System:
    """A pipeline to measure.

    aggregation (str): A shipped aggregation, or "stock".
    mixed_precision (bool): Let the encoder compute in bfloat16 (CPU) or half floats (GPU).
    int8 (bool): Its Linear layers as integers.
    half (bool): Saved as half floats.
    """

    aggregation: str
    mixed_precision: bool = False
    int8: bool = False
    half: bool = False

    @property
    def is_stock(self) -> bool:
        return self.aggregation == "stock"

    @property
    def name(self) -> str:
        """As in tables."""
        if self.is_stock:
            return STOCK
        extras = [
            name
            for name, wanted in (
                ("bf16", self.mixed_precision),
                ("int8", self.int8),
                ("half", self.half),
            )
            if wanted
        ]
        return ", ".join([f"ours, {self.aggregation}", *extras])


def build(folder: str, system: System, head: str = "ner", cleaner: bool = True) -> Language:
    """Make a pipeline of a transformer and an untrained head, ready to run.

    folder (str): The encoder.
    system (System): Which pipeline.
    head (str): "ner" or "tagger".
    cleaner (bool): End with a `dlfa_doc_cleaner`, as shipped configs do.
    RETURNS (Language): The pipeline; the same weights for the same encoder and head.
    """
    package = "spacy-transformers" if system.is_stock else "dlfa_spacy"
    listener: dict[str, Any] = {
        "@architectures": f"{package}.TransformerListener.v1",
        "pooling": POOLING,
    }
    if system.is_stock:
        factory = "transformer"
        spans: dict[str, Any] = {"@span_getters": f"{package}.strided_spans.v1"}
        spans |= {"window": 128, "stride": 96}
        model: dict[str, Any] = {"@architectures": f"{package}.TransformerModel.v3"}
    else:
        factory = "dlfa_transformer"
        listener["aggregation"] = read_aggregation(system.aggregation)
        spans = {"@span_getters": f"{package}.wordpiece_spans.v1", "window": 126, "stride": 96}
        model = {"@architectures": f"{package}.TransformerModel.v1"}
    model |= {"name": folder, "get_spans": spans, "mixed_precision": system.mixed_precision}
    names = ["transformer", head] + (["doc_cleaner"] if cleaner else [])
    components: dict[str, Any] = {
        "transformer": {"factory": factory, "model": model},
        head: {"factory": head, "model": {**HEADS[head], "tok2vec": listener}},
    }
    if cleaner:
        components["doc_cleaner"] = {"factory": "dlfa_doc_cleaner"}
    config = Config({"nlp": {"lang": "xx", "pipeline": names}, "components": components})
    spacy.util.fix_random_seed(0)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    for label in LABELS if head == "ner" else TAGS:
        nlp.get_pipe(head).add_label(label)  # type: ignore[attr-defined]
    nlp.initialize()
    if system.int8:
        make_int8(encoders_in_use(nlp))
    if system.half:
        store_as_half(encoders_in_use(nlp), "float16")
    return nlp


def annotate(nlp: Language, texts: Sequence[Text]) -> None:
    """Make Docs of all texts and run the pipeline over them; keep none."""
    docs = [Doc(nlp.vocab, words=text.words) for text in texts]
    for _ in nlp.pipe(docs, batch_size=256):
        pass


def examples(nlp: Language, texts: Sequence[Text]) -> list[Example]:
    """RETURNS (List[Example]): Texts with their tags, to train a tagger on."""
    made = []
    for text in texts:
        reference = Doc(nlp.vocab, words=text.words, tags=[tag or "X" for tag in text.tags])
        made.append(Example(Doc(nlp.vocab, words=text.words), reference))
    return made


def windows_of(nlp: Language, texts: Sequence[Text]) -> list[list[int]]:
    """RETURNS (List[List[int]]): The wordpieces of each window of some texts."""
    docs = [Doc(nlp.vocab, words=text.words) for text in texts]
    return wordpieces(encoder_of(nlp), docs)
