"""Which tasks a pipeline does and a gold Doc has annotation for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc


@dataclass(frozen=True)
class PipelineTasks:
    """What a pipeline predicts.

    ner (bool): Whether it sets `doc.ents`.
    pos (Optional[str]): The token attribute with its POS tag, `"POS"` or `"TAG"`; `None` if it
        predicts none.
    morphologizer (bool): Whether it sets `token.morph`.
    parser (bool): Whether it sets `token.head` and `token.dep`.
    sentences (bool): Whether it sets `token.is_sent_start`.
    spans_keys (Tuple[str, ...]): The groups of `doc.spans` that it sets.
    textcat (bool): Whether it sets `doc.cats`.
    threshold (Optional[float]): If several categories may hold at once, the score from which one
        does; `None` for exclusive ones.
    """

    ner: bool = False
    pos: str | None = None
    morphologizer: bool = False
    parser: bool = False
    sentences: bool = False
    spans_keys: tuple[str, ...] = ()
    textcat: bool = False
    threshold: float | None = None

    @property
    def names(self) -> list[str]:
        """The tasks by the names of `dlfa init-config --task`, in a fixed order."""
        flags = {
            "ner": self.ner,
            "pos": self.pos is not None,
            "morphologizer": self.morphologizer,
            "parser": self.parser,
            "sentences": self.sentences,
            "spancat": bool(self.spans_keys),
            "textcat": self.textcat,
        }
        return [name for name, on in flags.items() if on]


def pipeline_tasks(nlp: Language) -> PipelineTasks:
    """Tell what a pipeline predicts from what its components say they assign.

    nlp (Language): The pipeline.
    RETURNS (PipelineTasks): Its tasks. `token.pos` is read if a component assigns it (the
        morphologizer) or an attribute ruler can map tags to it, else `token.tag` (the tagger).
    RAISES (ValueError): If it predicts nothing that can be scored.
    """
    assigned: set[str] = set()
    for name in nlp.pipe_names:
        assigned.update(nlp.get_pipe_meta(name).assigns)
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    tag = "token.tag" in assigned
    if "token.pos" in assigned or (tag and "attribute_ruler" in factories):
        pos: str | None = "POS"
    else:
        pos = "TAG" if tag else None
    tasks = PipelineTasks(
        ner="doc.ents" in assigned,
        pos=pos,
        morphologizer="token.morph" in assigned,
        parser="token.dep" in assigned,
        sentences="token.is_sent_start" in assigned,
        spans_keys=_spans_keys(nlp),
        textcat="doc.cats" in assigned,
        threshold=_multilabel_threshold(nlp),
    )
    if not tasks.names:
        raise ValueError(
            f"pipeline: found the components {', '.join(nlp.pipe_names) or 'none'}, expected one "
            "that sets doc.ents, token.pos, token.tag, token.morph, token.dep, "
            "token.is_sent_start, doc.spans or doc.cats. Nothing there can be scored."
        )
    return tasks


def _spans_keys(nlp: Language) -> tuple[str, ...]:
    setting = (n for n in nlp.pipe_names if "doc.spans" in nlp.get_pipe_meta(n).assigns)
    keys = (getattr(nlp.get_pipe(name), "key", None) for name in setting)
    return tuple(sorted({key for key in keys if isinstance(key, str)}))


def _multilabel_threshold(nlp: Language) -> float | None:
    for name, pipe in nlp.pipeline:
        if nlp.get_pipe_meta(name).factory == "textcat_multilabel":
            settings: dict[str, Any] = getattr(pipe, "cfg", {})
            return float(settings.get("threshold", 0.5))
    return None


def gold_label(doc: Doc) -> str | None:
    """Read the one category of a gold Doc.

    doc (Doc): The gold Doc.
    RETURNS (Optional[str]): The label, or `None` if it has no categories.
    RAISES (ValueError): If it has none or several that hold: only exclusive classes are scored.
    """
    if not doc.cats:
        return None
    labels = [label for label, value in doc.cats.items() if value >= 0.5]
    if len(labels) != 1:
        raise ValueError(
            f"doc.cats: found {len(labels)} labels that hold ({', '.join(labels) or 'none'}), "
            "expected exactly one. Only exclusive classes can be scored; convert the corpus with "
            "one topic per text."
        )
    return labels[0]


def gold_tags(doc: Doc) -> list[str] | None:
    """Read the UPOS tags of a gold Doc, from `pos_` or else from `tag_`.

    doc (Doc): The gold Doc.
    RETURNS (Optional[List[str]]): Tag per token; `None` if it has neither.
    """
    if doc.has_annotation("POS"):
        return [token.pos_ for token in doc]
    if doc.has_annotation("TAG"):
        return [token.tag_ for token in doc]
    return None


def predicted_tags(doc: Doc, attribute: str) -> list[str]:
    """Read the POS tags of a predicted Doc.

    doc (Doc): The predicted Doc.
    attribute (str): `"POS"` or `"TAG"`.
    RETURNS (List[str]): Tag per token.
    """
    return [token.pos_ if attribute == "POS" else token.tag_ for token in doc]
