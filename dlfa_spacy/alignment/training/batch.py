"""Examples as tensors: two padded sides, their words, the links between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ...encoder.segment.frames import FIRST, SECOND, SINGLE
from ...encoder.segment.pieces import PieceTokenizer
from .examples import Example, Text


@dataclass(frozen=True)
class Words:
    """The words of a padded batch.

    rows (Tensor): `(P,)` int, pieces as rows of `(B x T)`, word after word.
    lengths (Tensor): `(n,)` int, pieces of each word, 1 or more.
    forms (Sequence[str]): `(n,)` how they are written.
    """

    rows: Tensor
    lengths: Tensor
    forms: Sequence[str]


@dataclass(frozen=True)
class Side:
    """One language of a batch.

    ids (Tensor): `(B, T)` int.
    mask (Tensor): `(B, T)` int, 1 for wordpieces and special tokens.
    special (Tensor): `(B, T)` bool, special tokens and padding.
    words (Words): Its words.
    """

    ids: Tensor
    mask: Tensor
    special: Tensor
    words: Words


@dataclass(frozen=True)
class Batch:
    """B pairs.

    source, target (Side): The foreign and the English side.
    links (Tensor): `(k, 2)` int, words of `source.words` and of `target.words`.
    link_pairs (Tensor): `(k,)` int, the pair each link is in, ascending.
    same (Tensor): `(B, B)` bool, pairs that share a text on either side; the diagonal is true.
    languages (List[str]): `(B,)` of the foreign sides.
    english (List[str]): `(B,)` the English sides.
    joined (Side): Both texts as one, in either order, for translation language modeling. It has no
        words.
    """

    source: Side
    target: Side
    links: Tensor
    link_pairs: Tensor
    same: Tensor
    languages: list[str]
    english: list[str]
    joined: Side

    def to(self, device: torch.device) -> Batch:
        """RETURNS (Batch): The same on another device."""
        moved: Batch = _to(self, device)
        return moved


class Collator:
    """Makes batches.

    tokenizer (PieceTokenizer): The encoder's.
    max_length (int): Wordpieces the encoder reads at once; joined texts are cut to it.
    """

    def __init__(self, tokenizer: PieceTokenizer, max_length: int):
        self.frames = tokenizer.frames
        self.pad = int(tokenizer.tokenizer.pad_token_id or 0)
        self.room = (max_length - self.frames.pair_size) // 2

    def __call__(self, examples: Sequence[Example], generator: torch.Generator) -> Batch:
        """
        examples (Sequence[Example]): B of them.
        generator (Generator): Decides which side of a joined text comes first.
        RETURNS (Batch): On the CPU.
        """
        source, n_source = self._side([example.source for example in examples])
        target, n_target = self._side([example.target for example in examples])
        links = [
            (i + n_source[b], j + n_target[b], b)
            for b, example in enumerate(examples)
            for i, j in example.links
        ]
        table = torch.tensor(links, dtype=torch.long).reshape(-1, 3)
        texts = [[getattr(e, side).text for e in examples] for side in ("source", "target")]
        equal = [torch.tensor([[a == b for a in side] for b in side]) for side in texts]
        return Batch(
            source,
            target,
            table[:, :2],
            table[:, 2],
            equal[0] | equal[1],
            [example.language for example in examples],
            [example.target.text for example in examples],
            self._joined(examples, generator),
        )

    def _side(self, texts: list[Text]) -> tuple[Side, list[int]]:
        """RETURNS: The side, and where each text's words begin."""
        frame = self.frames[SINGLE]
        ids = [[*frame.before, *text.ids, *frame.after] for text in texts]
        special = [
            [True] * len(frame.before) + [False] * len(text.ids) + [True] * len(frame.after)
            for text in texts
        ]
        width = max(len(row) for row in ids)
        rows: list[int] = []
        lengths: list[int] = []
        forms: list[str] = []
        begins: list[int] = []
        for b, text in enumerate(texts):
            begins.append(len(lengths))
            for form, pieces in text.words:
                rows += [b * width + len(frame.before) + piece for piece in pieces]
                lengths.append(len(pieces))
                forms.append(form)
        places, sizes = (torch.tensor(x, dtype=torch.long) for x in (rows, lengths))
        words = Words(places, sizes, forms)
        return self._pad(ids, special, words), begins

    def _joined(self, examples: Sequence[Example], generator: torch.Generator) -> Side:
        frames = self.frames[FIRST], self.frames[SECOND]
        ids, special = [], []
        turned = torch.randint(2, (len(examples),), generator=generator).tolist()
        for example, turn in zip(examples, turned, strict=True):
            texts = [example.source.ids[: self.room], example.target.ids[: self.room]]
            row: list[int] = []
            marks: list[bool] = []
            for frame, text in zip(frames, texts[::-1] if turn else texts, strict=True):
                row += [*frame.before, *text, *frame.after]
                marks += [True] * len(frame.before) + [False] * len(text)
                marks += [True] * len(frame.after)
            ids.append(row)
            special.append(marks)
        empty = torch.zeros(0, dtype=torch.long)
        return self._pad(ids, special, Words(empty, empty, []))

    def _pad(self, ids: list[list[int]], special: list[list[bool]], words: Words) -> Side:
        width = max(len(row) for row in ids)
        return Side(
            torch.tensor([row + [self.pad] * (width - len(row)) for row in ids]),
            torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids]),
            torch.tensor([row + [True] * (width - len(row)) for row in special]),
            words,
        )


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, (Batch, Side, Words)):
        return type(value)(*(_to(getattr(value, f.name), device) for f in fields(value)))
    return value
