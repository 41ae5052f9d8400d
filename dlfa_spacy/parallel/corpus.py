"""Parallel text of any format as a stream of sentence pairs with linked words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from spacy.util import minibatch
from spacy.vocab import Vocab

from ..checks import check_choice
from ..encoder.segment.frames import SINGLE
from ..encoder.segment.pieces import PieceTokenizer
from .dico import link_by_dictionary
from .dictionary import WordDictionary
from .long_texts import cut_pair, word_sizes
from .pair import SentencePair, one_to_one
from .pharaoh import parse_links
from .raw import RawPair, clean
from .sources import PathLike, Source, find_sources
from .words import WordSplitter, pair_docs

logger = logging.getLogger("spacy")

LONG_TEXTS = ("keep", "window", "drop")
# Pairs that are tokenized at once.
_BATCH = 256


class ParallelCorpus:
    """Sentence pairs from files, read again on every pass and never in memory as a whole.

    paths (Union[str, Path, Sequence]): See `find_sources`.
    languages (Optional[Sequence[str]]): Read only these; all by default.
    dictionaries (Optional[Mapping[str, WordDictionary]]): Language -> dictionary to link words with
        (`dico`), where the file has no links itself.
    limit (int): Pairs to yield per language; 0 for all.
    tokenizer (Optional[PieceTokenizer]): The encoder's, to count wordpieces. Without it no text is
        too long.
    max_length (int): Wordpieces the encoder reads at once, special tokens included.
    single_links (bool): Leave out links of a file that share a word with another (`one_to_one`).
    long_texts (str): What happens to a pair with a longer side: `"keep"` yields it whole
        (the encoder reads it in windows that overlap), `"window"` cuts it between links that do not
        cross (see `cut_pair`), `"drop"` leaves it out.

    counts (Dict[str, Counts]): What the last pass met, by language.
    """

    def __init__(
        self,
        paths: PathLike | Sequence[PathLike],
        *,
        languages: Sequence[str] | None = None,
        dictionaries: Mapping[str, WordDictionary] | None = None,
        limit: int = 0,
        single_links: bool = True,
        tokenizer: PieceTokenizer | None = None,
        max_length: int = 128,
        long_texts: str = "keep",
    ) -> None:
        check_choice("long_texts", long_texts, LONG_TEXTS)
        self.sources = find_sources(paths)
        self.languages = None if languages is None else set(languages)
        self.dictionaries = dict(dictionaries or {})
        self.limit = limit
        self.single_links = single_links
        self.tokenizer = tokenizer
        self.room = max_length
        self.long_texts = long_texts
        self.counts: dict[str, Counts] = {}
        self._split = WordSplitter()
        self._vocab = Vocab()
        if tokenizer is not None:
            self.room -= tokenizer.frames[SINGLE].size
            if self.room < 1:
                raise ValueError(
                    f"max_length = {max_length}: expected more than the special tokens of the "
                    f"encoder, {max_length - self.room}. Fix: max_length = 128."
                )

    def __iter__(self) -> Iterator[SentencePair]:
        """Make one pass.

        YIELDS (SentencePair): The pairs, file after file.
        RAISES (ValueError): A file is malformed, or nothing is left.
        """
        self.counts = {}
        # Hashes, because the texts themselves would be the whole corpus.
        seen: set[int] = set()
        for source in self.sources:
            if self._done(source):
                continue
            for pair in self._sized(self._pairs(source, seen)):
                counts = self.counts[pair.language]
                if self.limit and counts.kept >= self.limit:
                    if self._done(source):
                        break
                    continue
                counts.kept += 1
                counts.links += len(pair.links)
                counts.unlinked += not pair.links
                yield pair
        self._check()

    def _done(self, source: Source) -> bool:
        """RETURNS (bool): Nothing of this file is wanted, or nothing more."""
        language = source.language
        if language is None:
            return False
        if self.languages is not None and language not in self.languages:
            return True
        return bool(self.limit) and self.counts.get(language, Counts()).kept >= self.limit

    def _pairs(self, source: Source, seen: set[int]) -> Iterator[SentencePair]:
        for raw in source.read():
            if self.languages is not None and raw.language not in self.languages:
                continue
            counts = self.counts.setdefault(raw.language, Counts())
            counts.read += 1
            texts = clean(raw.source), clean(raw.target)
            if not all(texts):
                counts.empty += 1
            elif texts[0] == texts[1]:
                counts.identical += 1
            elif (key := hash((raw.language, *texts))) in seen:
                counts.duplicates += 1
            else:
                seen.add(key)
                yield self._pair(raw, *texts)

    def _pair(self, raw: RawPair, source: str, target: str) -> SentencePair:
        if raw.links is not None:
            # Whoever counted these words separated them by blanks.
            words = source.split(), target.split()
            links = parse_links(raw.links, len(words[0]), len(words[1]), *raw.place)
            if self.single_links:
                links = one_to_one(links)
            return SentencePair(raw.language, *words, links, source, target)
        words = self._split(source), self._split(target)
        links = []
        if raw.language in self.dictionaries:
            links = link_by_dictionary(*words, self.dictionaries[raw.language])
        return SentencePair(raw.language, *words, links, source, target)

    def _sized(self, pairs: Iterator[SentencePair]) -> Iterator[SentencePair]:
        """YIELDS (SentencePair): The pairs, long ones as `long_texts` says."""
        if self.tokenizer is None:
            yield from pairs
            return
        # No more than are wanted: with a limit of 10, nobody waits for 256.
        for batch in minibatch(pairs, min(_BATCH, self.limit or _BATCH)):
            sides = [word_sizes(docs, self.tokenizer) for docs in pair_docs(batch, self._vocab)]
            for pair, source, target in zip(batch, *sides, strict=True):
                if max(int(source.sum()), int(target.sum())) <= self.room:
                    yield pair
                    continue
                self.counts[pair.language].long += 1
                if self.long_texts == "keep":
                    yield pair
                elif self.long_texts == "window":
                    yield from cut_pair(pair, source, target, self.room)

    def _check(self) -> None:
        total = sum(counts.kept for counts in self.counts.values())
        missing = (self.languages or set()) - self.counts.keys()
        if missing or not total:
            files = ", ".join(str(source.path) for source in self.sources[:3])
            met = {language: counts.as_dict() for language, counts in self.counts.items()}
            raise ValueError(
                f"{files}: found no sentence pair in {sorted(missing) or 'any language'}, expected "
                f"at least one. Met: {met}. Fix: name other files or languages."
            )
        bare = [name for name, counts in sorted(self.counts.items()) if not counts.links]
        if bare and (self.dictionaries or len(bare) < len(self.counts)):
            logger.warning(
                "No words are linked in %s: losses of words learn nothing there. Fix: give a "
                "dictionary or links for these languages, or take text enough to induce one.",
                ", ".join(bare),
            )


@dataclass
class Counts:
    """Sentence pairs of one language.

    read (int): In the files.
    kept (int): Yielded, parts of long ones included.
    empty (int): Left out, because a side has no text.
    identical (int): Left out, because both sides are the same text: no translation.
    duplicates (int): Left out, because the same pair occurred before.
    long (int): With a side of more wordpieces than the encoder reads at once.
    unlinked (int): Yielded without a single link between words.
    links (int): Links of all that was yielded.
    """

    read: int = 0
    kept: int = 0
    empty: int = 0
    identical: int = 0
    duplicates: int = 0
    long: int = 0
    unlinked: int = 0
    links: int = 0

    def as_dict(self) -> dict[str, int]:
        """RETURNS (Dict[str, int]): Name -> number, for logs and tables."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
