"""Masked words are predicted with the sense they have, and with its translation: dictionaries and
plain text are enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...checks import check_number
from ...parallel.dictionary import fold
from ...parallel.naming import ENGLISH
from ..losses import (
    move_centres,
    nearest_sense,
    principal_axes,
    sense_loss,
    squared_distance,
)
from ..training.batch import Batch, Side
from ..training.method import Method
from ..training.vectors import last_layer, word_vectors
from .frozen import Frozen
from .masking import hide_pieces, vocabulary
from .queue import KeyQueue

# Language and folded form.
Word = tuple[str, str]


@dataclass(frozen=True)
class SenseSettings:
    """Settings of sense-aware training.

    senses (int): S, senses of a word at most.
    vocabulary (int): Words of the dictionaries that are predicted, the most frequent of the text.
    rate (float): Fraction of them that is masked. 0.15 as in BERT.
    alpha (float): How far the centre of a sense moves toward a state in which it was met.
    width (int): d', dimensions in which senses are told apart. 14 as in the paper.
    queue (int): Q, states that these dimensions are found in.
    refresh (int): Steps after which they are found anew.
    keep (float): Weight of the distance of English words from where they were, as in `cao`.
    """

    senses: int = 4
    vocabulary: int = 5000
    rate: float = 0.15
    alpha: float = 0.01
    width: int = 14
    queue: int = 4096
    refresh: int = 50
    keep: float = 1.0

    def __post_init__(self) -> None:
        for name in ("senses", "vocabulary", "width", "queue", "refresh"):
            value = getattr(self, name)
            check_number(name, value, value >= 1, "1 or more", getattr(SenseSettings, name))
        check_number("rate", self.rate, 0 < self.rate < 1, "a number between 0 and 1", 0.15)
        check_number("alpha", self.alpha, 0 < self.alpha <= 1, "above 0 and at most 1", 0.01)
        check_number("keep", self.keep, self.keep >= 0, "0 or more", 1.0)


class Sense(Method):
    """L = mean over masked words of (L_SENSE + L_TRAN) / 2 + k mean ||f(j, t) - f_0(j, t)||^2, t
    English: see `sense_loss`. Experimental.

    Each side of a pair is read for itself, so it need not be a translation of the other. A word is
    the mean of its wordpieces' last layer. The centres of its senses begin as the first S states in
    which it was met, and follow those that are nearest. Centres and predicted vectors belong to the
    words of the dictionaries, and are thrown away afterwards. The vectors begin at random and learn
    at the encoder's rate, so they need many steps.

    The paper trains ELMo and a small BERT from the beginning, on words; S, Q, the steps between two
    projections and alpha are not known. Going on with an encoder, with wordpieces and what keeps
    English, is this project's.

    Source: Liu et al. 2022 (Towards Multi-Sense Cross-Lingual Alignment of Contextual Embeddings),
    section 3.
    """

    settings_class = SenseSettings
    translations: Tensor
    centres: Tensor
    n_centres: Tensor
    projection: Tensor
    n_steps: Tensor

    def __init__(self, encoder: Any, tokenizer: Any, settings: SenseSettings):
        super().__init__(encoder, tokenizer, settings)
        self.known = vocabulary(tokenizer, encoder.get_input_embeddings().num_embeddings)
        self.initial = Frozen(encoder) if settings.keep else None
        self.queue = KeyQueue(settings.queue, self.width)
        narrow = min(settings.width, self.width)
        self.register_buffer("projection", torch.randn(self.width, narrow))
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.long))
        self.numbers: dict[Word, int] = {}

    def prepare(self, batches: Callable[[], list[Batch]]) -> bool:
        """Choose the words that are predicted; nothing is trained here."""
        counts = Counter(
            word
            for batch in batches()
            for side, languages in _sides(batch)
            for word in _words(side, languages)
        )
        translations = self._translations()
        found = sorted(counts.keys() & translations.keys(), key=lambda word: (-counts[word], word))
        found = found[: self.settings.vocabulary]
        if not found:
            raise ValueError(
                "No word of the text is in a dictionary, and the method predicts those. Expected "
                "some. Fix: --dictionaries with <xx>-en.txt, or more text to induce them from."
            )
        self.numbers = {word: number for number, word in enumerate(found)}
        rows = [
            sorted(self.numbers[other] for other in translations[word] if other in self.numbers)
            for word in found
        ]
        width = max(1, *map(len, rows))
        table = torch.tensor([row + [-1] * (width - len(row)) for row in rows])
        device = self.projection.device
        size = len(found) * self.settings.senses
        self.register_buffer("translations", table.to(device))
        self.register_buffer("centres", torch.zeros(size, self.width, device=device))
        self.register_buffer("n_centres", torch.zeros(len(found), dtype=torch.long, device=device))
        self.vectors = nn.Parameter(torch.empty(size, self.width, device=device))
        nn.init.normal_(self.vectors, std=0.02)
        return False

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: SenseSettings = self.settings
        found = [self._predicted(side, languages, generator) for side, languages in _sides(batch)]
        states, words = (torch.cat(parts) for parts in zip(*found, strict=True))
        self._meet(states.detach(), words)
        # A word that has not been met has no sense yet; before the first step none has.
        seen = self.n_centres[words] > 0
        states, words = states[seen], words[seen]
        senses, translated = self._senses(states.detach(), words)
        each = sense_loss(states, self.vectors, senses, translated)
        loss = each.sum() / max(len(each), 1)
        parts = {"sense": loss}
        if self.initial is not None:
            english, initial = (
                word_vectors(last_layer(encoder, batch.target), batch.target.words)
                for encoder in (self.encoder, self.initial.module)
            )
            parts["keep"] = squared_distance(english, initial)
            loss = loss + settings.keep * parts["keep"]
        return {"loss": loss, **parts}

    def after_step(self) -> None:
        self.n_steps += 1
        states, _ = self.queue.filled()
        if self.n_steps % self.settings.refresh == 0 and len(states) > self.projection.shape[1]:
            self.projection.copy_(principal_axes(states, self.projection.shape[1]))

    def _translations(self) -> dict[Word, set[Word]]:
        found: dict[Word, set[Word]] = {}
        for language, known in self.dictionaries.items():
            for foreign, english in known.entries():
                found.setdefault((language, foreign), set()).add((ENGLISH, english))
                found.setdefault((ENGLISH, english), set()).add((language, foreign))
        return found

    def _predicted(
        self, side: Side, languages: Sequence[str], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """RETURNS (Tuple[Tensor, Tensor]): `(k, E)` of words whose wordpieces were hidden, and
        which they are, `(k,)`."""
        words = side.words
        numbers = torch.tensor(
            [self.numbers.get(word, -1) for word in _words(side, languages)], dtype=torch.long
        ).to(side.ids.device)
        drawn = torch.rand(len(numbers), generator=generator).to(side.ids.device)
        chosen = (drawn < self.settings.rate) & (numbers >= 0)
        hidden = torch.zeros(side.ids.numel(), dtype=torch.bool, device=side.ids.device)
        hidden[words.rows[torch.repeat_interleave(chosen, words.lengths)]] = True
        ids = hide_pieces(side.ids, hidden.view_as(side.ids), self.known, generator)
        masked = Side(ids, side.mask, side.special, words)
        return word_vectors(last_layer(self.encoder, masked), words)[chosen], numbers[chosen]

    @torch.no_grad()
    def _meet(self, states: Tensor, words: Tensor) -> None:
        """Let words have the senses that they still may have, and move those that they have."""
        if not self.training or not len(words):
            return
        settings: SenseSettings = self.settings
        self.queue.push(states, words)
        old = torch.ones(len(words), dtype=torch.bool, device=words.device)
        for row, word in enumerate(words.tolist()):
            number = int(self.n_centres[word])
            begin = word * settings.senses
            if number == settings.senses:
                continue
            # The same state again would be no other sense.
            if not (self.centres[begin : begin + number] == states[row]).all(dim=1).any():
                self.centres[begin + number] = states[row]
                self.n_centres[word] += 1
                old[row] = False
        if old.any():
            senses, _ = self._senses(states[old], words[old])
            move_centres(self.centres, senses, states[old], settings.alpha)

    @torch.no_grad()
    def _senses(self, states: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """RETURNS (Tuple[Tensor, Tensor]): `(n,)` the sense of each word, and that of a
        translation; -1 if none has been met."""
        own, _ = self._nearest(states, words[:, None])
        translated, there = self._nearest(states, self.translations[words])
        return own, torch.where(there, translated, -1)

    def _nearest(self, states: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """RETURNS (Tuple[Tensor, Tensor]): `(n,)` the nearest sense of some words, `(n, T)` with -1
        for none, and whether there is one."""
        size = self.settings.senses
        places = torch.arange(size, device=words.device)
        rows = words.clamp(min=0)[:, :, None] * size + places
        there = (words[:, :, None] >= 0) & (places < self.n_centres[words.clamp(min=0)][:, :, None])
        rows, there = rows.flatten(1), there.flatten(1)
        best = nearest_sense(states, self.centres[rows], there, self.projection)
        return rows.gather(1, best[:, None])[:, 0], there.any(dim=1)


def _sides(batch: Batch) -> list[tuple[Side, list[str]]]:
    return [(batch.source, batch.languages), (batch.target, [ENGLISH] * len(batch.english))]


def _words(side: Side, languages: Sequence[str]) -> Iterator[Word]:
    """YIELDS (Tuple[str, str]): Language and folded form of each word."""
    words = side.words
    firsts = words.rows[words.lengths.cumsum(0) - words.lengths] // side.ids.shape[1]
    for row, form in zip(firsts.tolist(), words.forms, strict=True):
        yield languages[row], fold(form)
