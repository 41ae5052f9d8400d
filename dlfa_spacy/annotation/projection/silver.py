"""What a pipeline says of a sentence, said of its translation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spacy.parts_of_speech import IDS
from spacy.tokens import Doc, Span

from ...checks import check_choice, check_number
from ...evaluation.tasks import gold_tags
from ...parallel import Link
from ...pipeline.confidence import entity_confidence
from .carry import GAP, OVERLAP, UNLINKED, Carried, carry

# What can be carried over, and what a component assigns that says it.
LABELS = {
    "entities": {"doc.ents"},
    "tags": {"token.tag", "token.pos"},
    "categories": {"doc.cats"},
}
# What becomes of a sentence that has lost an entity.
MASK, DROP = "mask", "drop"
UNSURE = "unsure"
REASONS = (UNLINKED, GAP, OVERLAP, UNSURE)


@dataclass(frozen=True)
class Projection:
    """What is carried over, and how.

    labels (Sequence[str]): "entities", "tags" (parts of speech) and "categories".
    max_gap (int): See `carry`.
    lost (str): A sentence that has lost an entity: "mask" leaves the annotation missing for the
        words where it may be, "drop" leaves the sentence out.
    min_confidence (float): An entity of which the pipeline is less sure counts as lost.
    """

    labels: Sequence[str] = ("entities",)
    max_gap: int = 1
    lost: str = MASK
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        for label in self.labels or [""]:
            check_choice("--labels", label, list(LABELS))
        check_choice("--lost", self.lost, (MASK, DROP))
        check_number("--max-gap", self.max_gap, self.max_gap >= 0, "0 or more", 1)
        sure = self.min_confidence
        check_number("--min-confidence", sure, 0 <= sure <= 1, "0 to 1", 0.5)


@dataclass
class Tally:
    """What became of the pairs of one language.

    pairs (int): Read.
    written (int): Sentences that were kept.
    entities (int): Of the English sides.
    carried (int): Those that arrived, in sentences that were dropped too.
    lost (Counter): How many did not, by reason.
    """

    pairs: int = 0
    written: int = 0
    entities: int = 0
    carried: int = 0
    lost: Counter[str] = field(default_factory=Counter)


def project(
    english: Doc, foreign: Doc, links: Sequence[Link], settings: Projection, tally: Tally
) -> bool:
    """Annotate a translation with what is said of the English sentence.

    english (Doc): As the pipeline has annotated it.
    foreign (Doc): Its translation, which is changed.
    links (Sequence[Tuple[int, int]]): Foreign word, English word, as in `SentencePair`.
    settings (Projection): What is carried over.
    tally (Tally): Counts.
    RETURNS (bool): Whether to keep it.
    RAISES (ValueError): A confidence is asked for, and the pipeline does not set it.
    """
    tally.pairs += 1
    lost = 0
    if "entities" in settings.labels:
        found = _entities(english, links, settings)
        _set_entities(foreign, english, found, links)
        reasons = [one.lost for one in found if one.lost]
        lost = len(reasons)
        tally.entities += len(found)
        tally.carried += len(found) - lost
        tally.lost.update(reasons)
    if lost and settings.lost == DROP:
        return False
    if "tags" in settings.labels:
        _set_tags(foreign, english, links)
    if "categories" in settings.labels:
        foreign.cats = dict(english.cats)
    tally.written += 1
    return True


def _entities(english: Doc, links: Iterable[Link], settings: Projection) -> list[Carried]:
    """RETURNS (List[Carried]): A place for each of `english.ents`."""
    spans = [(ent.start, ent.end) for ent in english.ents]
    found = carry(spans, [(there, here) for here, there in links], settings.max_gap)
    if settings.min_confidence:
        for number, ent in enumerate(english.ents):
            if not found[number].lost and _confidence(ent) < settings.min_confidence:
                found[number] = found[number]._replace(lost=UNSURE)
    return found


def _confidence(ent: Span) -> float:
    confidence = entity_confidence(ent)
    if confidence is None:
        raise ValueError(
            f"--min-confidence: the pipeline does not say how sure it is of {ent.text!r}, expected "
            "ent._.confidence. Fix: dlfa calibrate, and take the pipeline that it writes."
        )
    return confidence


def _set_entities(
    foreign: Doc, english: Doc, found: Sequence[Carried], links: Iterable[Link]
) -> None:
    kept = [
        Span(foreign, one.start, one.end, label=ent.label_)
        for one, ent in zip(found, english.ents, strict=True)
        if not one.lost
    ]
    linked = {here for here, _ in links}
    unsure: set[int] = set()
    for one in found:
        if one.lost == UNLINKED:
            unsure |= set(range(len(foreign))) - linked
        elif one.lost:
            unsure |= set(range(one.start, one.end))
    for span in kept:
        unsure -= set(range(span.start, span.end))
    missing = [foreign[i : i + 1] for i in sorted(unsure)]
    foreign.set_ents(kept, missing=missing, default="outside")


def _set_tags(foreign: Doc, english: Doc, links: Iterable[Link]) -> None:
    """Set the tags of words whose English words all have the same; the others have none."""
    tags = gold_tags(english) or [""] * len(english)
    found: dict[int, set[str]] = {}
    for here, there in links:
        found.setdefault(here, set()).add(tags[there])
    for here, some in found.items():
        if len(some) == 1:
            (tag,) = some
            foreign[here].tag_ = tag
            foreign[here].pos_ = tag if tag in IDS else ""
