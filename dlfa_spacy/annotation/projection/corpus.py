"""From parallel text to a silver corpus in each of its languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy.vocab import Vocab

from ...corpora import write_docs
from ...corpora.bare import bare_doc
from ...parallel import Link, ParallelCorpus, SentencePair, find_sources, pair_docs
from .silver import LABELS, Projection, Tally, project

# Pairs in one memory zone: what the vocab learned from them is forgotten afterwards.
_ZONE = 256
Linker = Callable[[Sequence[Doc], Sequence[Doc]], list[list[Link]]]


def write_silver(
    parallel: Path,
    target: Path,
    nlp: Language,
    linker: Linker | None,
    settings: Projection | None = None,
    *,
    languages: Sequence[str] = (),
    limit: int = 0,
    split: str = "train",
    on_pair: Callable[[], None] | None = None,
) -> dict[str, Tally]:
    """Write `<language>/<split>.spacy` files, each when it is complete.

    parallel (Path): Parallel text, see `ParallelCorpus`. Links in the files come before those of
        the linker.
    target (Path): The corpus folder.
    nlp (Language): The pipeline that annotates the English side.
    linker (Optional[Callable]): Foreign Docs, English Docs -> the links of each pair, see
        `EncoderLinks`; None if the files have all of them.
    settings (Optional[Projection]): What is carried over, and how.
    languages (Sequence[str]): Only these; empty for all.
    limit (int): Pairs per language; 0 for all.
    split (str): The name of the files.
    on_pair (Optional[Callable[[], None]]): Called for each pair.
    RETURNS (Dict[str, Tally]): Language -> what became of its pairs.
    RAISES (ValueError): The text is malformed, a pair has no links and nobody to find them, or the
        pipeline does not say what is asked for.
    """
    settings = settings or Projection()
    _check(nlp, settings.labels)
    tallies = {}
    for language in languages or _languages(parallel):
        pairs = ParallelCorpus(parallel, languages=[language], limit=limit, single_links=False)
        tallies[language] = tally = Tally()
        docs = silver_docs(pairs, nlp, linker, settings, tally, on_pair)
        write_docs(docs, target / language / f"{split}.spacy")
    return tallies


def silver_docs(
    pairs: Iterable[SentencePair],
    nlp: Language,
    linker: Linker | None,
    settings: Projection,
    tally: Tally,
    on_pair: Callable[[], None] | None = None,
) -> Iterator[Doc]:
    """Annotate translations of sentences that a pipeline annotates.

    pairs, nlp, linker, settings, on_pair: See `write_silver`.
    tally (Tally): Counts.
    YIELDS (Doc): The translations that are kept, each with a vocab that outlives the pipeline's
        memory.
    """
    for batch in minibatch(pairs, _ZONE):
        with nlp.memory_zone():
            vocab = Vocab()
            foreign, bare = pair_docs(batch, nlp.vocab)
            english = list(nlp.pipe(bare))
            links = _linked(batch, foreign, english, linker, settings)
            for one, translation, some in zip(english, foreign, links, strict=True):
                made = bare_doc(vocab, translation)
                if project(one, made, some, settings, tally):
                    yield made
                if on_pair is not None:
                    on_pair()


def _linked(
    pairs: Sequence[SentencePair],
    foreign: Sequence[Doc],
    english: Sequence[Doc],
    linker: Linker | None,
    settings: Projection,
) -> list[list[Link]]:
    """RETURNS (List[List[Tuple[int, int]]]): The links of each pair; none where nobody asks."""
    links = [pair.links for pair in pairs]
    wanted = [
        i
        for i, doc in enumerate(english)
        if not links[i] and (doc.ents or "tags" in settings.labels)
    ]
    if wanted and linker is None:
        raise ValueError(
            f"{pairs[wanted[0]].source_text!r} has no links to its translation, and the pipeline "
            "no encoder of dlfa_spacy to find them. Fix: --encoder with one that reads both "
            "languages, or links as third column of the file."
        )
    if wanted and linker is not None:
        found = linker([foreign[i] for i in wanted], [english[i] for i in wanted])
        for i, some in zip(wanted, found, strict=True):
            links[i] = some
    return links


def _languages(parallel: Path) -> list[str]:
    found: set[str] = set()
    for source in find_sources(parallel):
        if source.language is None:
            # A file that names its languages itself has to be read.
            found |= {pair.language for pair in source.read()}
        else:
            found.add(source.language)
    return sorted(found)


def _check(nlp: Language, labels: Iterable[str]) -> None:
    assigned = {what for name in nlp.pipe_names for what in nlp.get_pipe_meta(name).assigns}
    for label in labels:
        if not LABELS[label] & assigned:
            raise ValueError(
                f"--labels {label}: no component of {nlp.pipe_names} says them, expected one that "
                f"assigns {' or '.join(sorted(LABELS[label]))}. Fix: another pipeline, or other "
                "labels."
            )
