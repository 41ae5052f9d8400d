"""Training examples: what the student reads, what the teacher reads, which words correspond."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .graft import Parent, WordVectors
from .links import TokenLinks
from .segment import Cutter
from .text import Pair, words_of

Ints = NDArray[np.int64]
_PARTS = ("student", "student_owner", "teacher", "teacher_owner", "links")


@dataclass
class Example:
    """One sentence.

    student (S,), student_owner (S,): wordpieces and the word each belongs to; empty student means
    that the example only serves as text.
    teacher (T,), teacher_owner (T,): rows of the teacher's input table, and their words.
    links (K, 2): student word, teacher word.
    """

    student: Ints
    student_owner: Ints
    teacher: Ints
    teacher_owner: Ints
    links: Ints


@dataclass
class Pool:
    """The examples of one objective in one language."""

    objective: str
    lang: str
    examples: list[Example]

    @property
    def pieces(self) -> int:
        return sum(len(e.student) for e in self.examples)


def save_pools(pools: Sequence[Pool], path: Path) -> None:
    """Write pools as flat arrays, so that a resumed run need not read its text again."""
    flat: dict[str, NDArray] = {}
    for k, pool in enumerate(pools):
        flat[f"{k}/name"] = np.array([pool.objective, pool.lang])
        for part in _PARTS:
            rows = [getattr(example, part).reshape(-1) for example in pool.examples]
            flat[f"{k}/{part}"] = np.concatenate([*rows, _array([])]).astype(np.int32)
            flat[f"{k}/{part}/sizes"] = _array([len(row) for row in rows])
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **flat)
    os.replace(temporary, path)


def load_pools(path: Path) -> list[Pool]:
    """Read what `save_pools` wrote."""
    pools = []
    with np.load(path) as data:
        for k in range(sum(name.endswith("/name") for name in data.files)):
            objective, lang = (str(value) for value in data[f"{k}/name"])
            columns = []
            for part in _PARTS:
                values = data[f"{k}/{part}"].astype(np.int64)
                columns.append(np.split(values, np.cumsum(data[f"{k}/{part}/sizes"])[:-1]))
            examples = [
                Example(a, b, c, d, links.reshape(-1, 2))
                for a, b, c, d, links in zip(*columns, strict=True)
            ]
            pools.append(Pool(objective, lang, examples))
    return pools


class TeacherTable:
    """Rows that the frozen English body reads: the parent's wordpieces, then the grafted words.

    A foreign word is one row, however rare or long: this is how what the graft knows about whole
    words reaches the student, which reads wordpieces.
    """

    def __init__(self, parent: Parent, languages: dict[str, WordVectors], *, norm_power: float):
        typical = float(np.median(np.linalg.norm(parent.embeddings, axis=1)))
        blocks = [parent.embeddings.astype(np.float32)]
        self.index: dict[str, dict[str, int]] = {}
        offset = len(parent.embeddings)
        for lang, found in languages.items():
            if lang == "en":
                continue
            length = np.linalg.norm(found.vectors, axis=1, keepdims=True)
            scale = (typical / np.maximum(length, 1e-6)) ** norm_power
            blocks.append((found.vectors * scale).astype(np.float32))
            self.index[lang] = {word: offset + i for i, word in enumerate(found.words)}
            offset += len(found.words)
        self.table = torch.from_numpy(np.concatenate(blocks))
        vocabulary = parent.tokenizer.get_vocab()
        self.cls, self.sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
        self.parent = parent
        self._cache: dict[str, list[int]] = {}

    def english(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Rows and owners of English words, whatever their case."""
        rows: list[int] = []
        owner: list[int] = []
        for k, word in enumerate(words):
            if word not in self._cache:
                low = " ".join(words_of(word, lowercase=True))
                encoding = self.parent.tokenizer.encode(low, add_special_tokens=False)
                self._cache[word] = encoding.ids
            rows += self._cache[word]
            owner += [k] * len(self._cache[word])
        return rows, owner


class Reader:
    """Cuts words into the student's pieces, with a cache."""

    def __init__(self, tokenizer: Tokenizer, *, max_pieces: int) -> None:
        self.tokenizer, self.max_pieces = tokenizer, max_pieces
        self._cache: dict[str, list[int]] = {}

    def read(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Pieces and owners of the longest beginning that fits."""
        pieces: list[int] = []
        owner: list[int] = []
        for k, word in enumerate(words):
            if word not in self._cache:
                self._cache[word] = self.tokenizer.encode(word, add_special_tokens=False).ids
            ids = self._cache[word]
            if len(pieces) + len(ids) > self.max_pieces:
                break
            pieces += ids
            owner += [k] * len(ids)
        return pieces, owner


def _array(values: Sequence[int]) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _example(
    student: Sequence[int],
    student_owner: Sequence[int],
    teacher: Sequence[int],
    teacher_owner: Sequence[int],
    links: Ints,
) -> Example:
    return Example(
        _array(student), _array(student_owner), _array(teacher), _array(teacher_owner), links
    )


def english_examples(lines: Sequence[str], reader: Reader, table: TeacherTable) -> list[Example]:
    """Cased English for the student, the same words lower-cased for the teacher."""
    out = []
    for line in lines:
        words = words_of(line)
        pieces, owner = reader.read(words)
        if len(pieces) < 4:
            continue
        n_words = owner[-1] + 1
        rows, t_owner = table.english(words[:n_words])
        have = sorted(set(t_owner))
        links = np.stack([_array(have), _array(have)], axis=1)
        out.append(_example(pieces, owner, rows, t_owner, links))
    return out


def foreign_examples(
    lines: Sequence[str],
    lang: str,
    reader: Reader,
    table: TeacherTable,
    cut: Cutter = words_of,
) -> list[Example]:
    """Foreign text: wordpieces for the student, one grafted row a word for the teacher.

    Sentences with many words that the graft does not know are left out."""
    index = table.index[lang]
    unknown = table.parent.tokenizer.token_to_id("[UNK]")
    out = []
    for line in lines:
        words = cut(line)
        pieces, owner = reader.read(words)
        if len(pieces) < 4:
            continue
        words = words[: owner[-1] + 1]
        rows = [index.get(word, unknown) for word in words]
        known = [k for k, row in enumerate(rows) if row != unknown]
        if len(known) < 0.7 * len(words):
            continue
        links = np.stack([_array(known), _array(known)], axis=1)
        t_owner = list(range(len(words)))
        out.append(_example(pieces, owner, rows, t_owner, links))
    return out


def parallel_examples(
    cased: Sequence[Pair], tokens: TokenLinks, reader: Reader, table: TeacherTable
) -> list[Example]:
    """Translations: the student reads the foreign side, the teacher the English side."""
    order = np.argsort(tokens.pair, kind="stable")
    start = np.searchsorted(tokens.pair[order], np.arange(len(cased) + 1))
    out = []
    for k, (left, right) in enumerate(cased):
        pieces, owner = reader.read(left)
        if not pieces:
            continue
        rows, t_owner = table.english(right)
        part = order[start[k] : start[k + 1]]
        links = np.stack([tokens.foreign[part], tokens.english[part]], axis=1)
        have = set(t_owner)
        keep = [i for i, (s, t) in enumerate(links) if s <= owner[-1] and int(t) in have]
        if not keep or len(rows) > 120:
            continue
        out.append(_example(pieces, owner, rows, t_owner, links[keep]))
    return out


def text_examples(lines: Sequence[str], reader: Reader) -> list[Example]:
    """Plain text, for masked language modelling alone."""
    none = _array([])
    out = []
    for line in lines:
        pieces, owner = reader.read(words_of(line))
        if len(pieces) >= 4:
            out.append(Example(_array(pieces), _array(owner), none, none, none.reshape(0, 2)))
    return out


def translation_examples(pairs: Sequence[tuple[str, str]], reader: Reader) -> list[Example]:
    """Translations as the student's own pieces, for translation language modelling."""
    out = []
    for left, right in pairs:
        pieces, owner = reader.read(words_of(left))
        other, other_owner = reader.read(words_of(right))
        if pieces and other:
            links = _array([]).reshape(0, 2)
            out.append(_example(pieces, owner, other, other_owner, links))
    return out
