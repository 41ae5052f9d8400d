"""What a stock component learns from: which of a text's annotation, and with which labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.language import Language
from spacy.morphology import Morphology
from spacy.pipeline import (
    DependencyParser,
    EntityRecognizer,
    Morphologizer,
    SentenceRecognizer,
    SpanCategorizer,
    Tagger,
    TextCategorizer,
)
from spacy.pipeline.edit_tree_lemmatizer import EditTreeLemmatizer
from spacy.tokens import Doc


@dataclass(frozen=True)
class Annotation:
    """What a kind of component learns from.

    kind (type): Its class.
    has (Callable[[Any, Doc], bool]): Whether a text has some of it. An entity recognizer has it
        told that there are none: `doc.ents = []` is annotation, unset entities are not.
    labels (Callable[[Any, Doc], Iterable[str]]): The labels of a text; none where a component has
        no labels of its own.
    """

    kind: type
    has: Callable[[Any, Doc], bool]
    labels: Callable[[Any, Doc], Iterable[str]] = lambda pipe, doc: ()


def _attribute(*names: str) -> Callable[[Any, Doc], bool]:
    # To spaCy a single token is a sentence, whoever said so.
    least = 2 if "SENT_START" in names else 1
    return lambda pipe, doc: len(doc) >= least and any(map(doc.has_annotation, names))


def _morphs(pipe: Any, doc: Doc) -> Iterable[str]:
    for token in doc:
        if token.pos_ or token.has_morph():
            features = Morphology.feats_to_dict(str(token.morph))
            features.update({Morphologizer.POS_FEAT: token.pos_} if token.pos_ else {})
            yield doc.vocab.strings[doc.vocab.morphology.add(features)]


# Of a class and its subclass, the subclass first.
ANNOTATIONS = (
    Annotation(
        EntityRecognizer, _attribute("ENT_IOB"), lambda pipe, doc: [e.label_ for e in doc.ents]
    ),
    Annotation(
        DependencyParser, _attribute("DEP"), lambda pipe, doc: [t.dep_ for t in doc if t.dep_]
    ),
    Annotation(SentenceRecognizer, _attribute("SENT_START")),
    Annotation(Morphologizer, _attribute("POS", "MORPH"), _morphs),
    Annotation(EditTreeLemmatizer, _attribute("LEMMA")),
    Annotation(Tagger, _attribute("TAG"), lambda pipe, doc: [t.tag_ for t in doc if t.tag_]),
    Annotation(TextCategorizer, lambda pipe, doc: bool(doc.cats), lambda pipe, doc: doc.cats),
    Annotation(
        SpanCategorizer,
        lambda pipe, doc: pipe.key in doc.spans,
        lambda pipe, doc: [span.label_ for span in doc.spans[pipe.key]],
    ),
)


def annotation_of(pipe: Any) -> Annotation | None:
    """RETURNS (Optional[Annotation]): What a component learns from; None for any but those of
    spaCy that are trained on annotated texts."""
    return next((one for one in ANNOTATIONS if isinstance(pipe, one.kind)), None)


def find_learners(nlp: Language, docs: Sequence[Doc], chosen: Sequence[str] = ()) -> list[str]:
    """Find the components that some texts have annotation for.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): The texts.
    chosen (Sequence[str]): Only these components.
    RETURNS (List[str]): Their names, in the order of the pipeline.
    RAISES (ValueError): There is none, or not each of those chosen.
    """
    known = {name: annotation_of(pipe) for name, pipe in nlp.pipeline}
    able = [
        name
        for name, one in known.items()
        if one is not None and any(one.has(nlp.get_pipe(name), doc) for doc in docs)
    ]
    lacking = [name for name in chosen if name not in able]
    if lacking or not able:
        learn = [name for name, one in known.items() if one is not None]
        raise ValueError(
            f"components = {', '.join(chosen) or 'all'}: found {len(docs)} texts with annotation "
            f"for {', '.join(able) or 'none'} of the pipeline's components. Expected some for "
            f"{', '.join(lacking) or 'one of ' + (', '.join(learn) or 'them')}. Fix: correct the "
            "names, or annotate the texts."
        )
    return [name for name in able if not chosen or name in chosen]


def check_labels(nlp: Language, docs: Sequence[Doc], names: Sequence[str]) -> None:
    """
    nlp (Language): The pipeline.
    docs (Sequence[Doc]): Texts to train on.
    names (Sequence[str]): The components that will learn from them.
    RAISES (ValueError): The texts have a label that such a component does not know. spaCy would
        skip it, stop at it, or take it for a new one, each component in its own way.
    """
    for name in names:
        pipe: Any = nlp.get_pipe(name)
        annotation = annotation_of(pipe)
        assert annotation is not None
        annotated = (doc for doc in docs if annotation.has(pipe, doc))
        found = Counter(label for doc in annotated for label in annotation.labels(pipe, doc))
        new = {label: n for label, n in found.items() if label not in pipe.labels}
        if new:
            shown = ", ".join(f"{label} ({n} times)" for label, n in sorted(new.items()))
            grow = f'nlp.get_pipe("{name}").add_label(...), and save the pipeline before'
            resizable = bool(getattr(pipe, "is_resizable", False))
            raise ValueError(
                f"{name}: found the labels {shown}. Expected those that it knows: "
                f"{', '.join(pipe.labels)}. Fix: correct them; if they are new, "
                + (f"{grow}." if resizable else "train the component from the beginning.")
            )
