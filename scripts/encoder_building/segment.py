"""Find words in text that is written without spaces.

The encoder reads Han characters one by one; the aligner and the teacher do better with words. A
unigram language model (Kudo 2018) over the monolingual text finds them without a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tokenizers import Tokenizer, models, trainers

from dlfa_spacy.corpora.files import write_text

from .text import words_of
from .vocabulary import is_han

Cutter = Callable[[str], list[str]]


def han_runs(words: Sequence[str]) -> Iterator[str]:
    """Join runs of single Han characters; other words pass as they are."""
    for han, group in groupby(words, key=lambda word: len(word) == 1 and is_han(word)):
        if han:
            yield "".join(group)
        else:
            yield from group


class HanCutter:
    """Cuts text into words, runs of Han characters by a unigram model.

    lines (Sequence[str]): Sentences to learn from.
    path (Path): Where the learnt model is kept, and read from when it is there.
    size (int): Words to learn.
    """

    def __init__(self, lines: Sequence[str], path: Path | None = None, *, size: int = 25_000):
        self._cache: dict[str, list[str]] = {}
        if path is not None and path.is_file():
            self.model = Tokenizer.from_file(str(path))
            return
        self.model = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=size, max_piece_length=4, unk_token="\ufffd",
            special_tokens=["\ufffd"], show_progress=False,
        )  # fmt: skip
        runs = (run for line in lines for run in han_runs(words_of(line)) if is_han(run[0]))
        self.model.train_from_iterator(runs, trainer)
        if path is not None:
            write_text(path, self.model.to_str())

    def __call__(self, text: str) -> list[str]:
        """Cut one text (str) into words (list[str])."""
        out: list[str] = []
        for run in han_runs(words_of(text)):
            if len(run) == 1 or not is_han(run[0]):
                out.append(run)
                continue
            if run not in self._cache:
                spans = self.model.encode(run, add_special_tokens=False).offsets
                self._cache[run] = [run[a:b] for a, b in spans]
            out += self._cache[run]
        return out


def cutter_for(lang: str, lines: Sequence[str], folder: Path | None = None) -> Cutter:
    """Choose how a language's text is cut into words.

    lang (str): Language code.
    lines (Sequence[str]): Its sentences.
    folder (Path): Where learnt cutters are kept.
    RETURNS (Cutter): Takes a text, returns its words.
    """
    han = sum(is_han(char) for line in lines[:200] for char in line)
    if han > 500:
        return HanCutter(lines, folder / f"cutter-{lang}.json" if folder else None)
    return words_of
