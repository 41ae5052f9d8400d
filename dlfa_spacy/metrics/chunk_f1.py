"""XTREME's POS score: seqeval's chunk F1 over bare UPOS tags.

XTREME hands sentences of bare tags (`NOUN`, not `B-NOUN`) to `seqeval.metrics.f1_score`. The
result is neither accuracy nor an F1 over words:

* A run of equal tags is one chunk, right or wrong as a whole (`PROPN PROPN`). The score is
  therefore lower than token accuracy.
* seqeval 1.x takes a tag's first letter for its IOB prefix and the rest for its type. `CCONJ` and
  `SCONJ` both have the type `CONJ`, so confusing them costs nothing, and in `CCONJ SCONJ` the
  first is lost. Tags that begin with S (`SCONJ`, `SYM`) never merge into runs. The type of `X` is
  `_`, the same as that of the `O` which seqeval puts between sentences, so an `X` at the end of a
  sentence never counts and one at the beginning may reach back into the sentence before.
* seqeval 0.0.12, current when XTREME's tables were made, keeps the whole tag as the type and has
  only the first trap and that of S (compared with 0.0.12 itself on 3,000 random corpora).

`rules` selects one; scores under different rules must not be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..checks import check_choice
from .span_f1 import f1

RULES = ("seqeval1", "seqeval0")


class _Chunker:
    """seqeval's `get_entities`, one tag at a time, so that nothing has to be kept."""

    def __init__(self, rules: str) -> None:
        self.rules = rules
        self.position = 0
        self.begin = 0
        self.previous = "O"
        self.previous_type = ""

    def push(self, tag: str) -> tuple[str, int] | None:
        """Take the next tag; the chunk that it ends, if any: its type and where it began."""
        if self.rules == "seqeval1":
            type_ = tag[1:].split("-", maxsplit=1)[-1] or "_"
        else:
            type_ = tag.split("-")[-1]
        prefix = tag[0]
        ended: tuple[str, int] | None = None
        changed = self.previous_type != type_
        # No UPOS tag begins with B, E or O, so that of seqeval's many rules for the end and the
        # begin of a chunk these remain: S always stands alone, I joins what came before it.
        ends = self.previous == "S" or (self.previous == "I" and prefix in "SO")
        if ends or (self.previous != "O" and changed):
            ended = (self.previous_type, self.begin)
        begins = prefix == "S" or (self.previous in "SO" and prefix == "I")
        if begins or (prefix != "O" and changed):
            self.begin = self.position
        self.position += 1
        self.previous, self.previous_type = prefix, type_
        return ended


class UposChunkF1:
    """Micro-averaged F1 over runs of equal UPOS tags, exactly equal to seqeval's.

    rules (str): `"seqeval1"` for seqeval 1.x (compared in the tests with 1.2.2), `"seqeval0"` for
        0.0.12.
    """

    def __init__(self, rules: str = "seqeval1") -> None:
        check_choice("rules", rules, RULES)
        self._gold = _Chunker(rules)
        self._predicted = _Chunker(rules)
        self.n_correct = 0
        self.n_gold = 0
        self.n_predicted = 0

    def _push(self, gold: str, predicted: str) -> None:
        gold_chunk = self._gold.push(gold)
        predicted_chunk = self._predicted.push(predicted)
        self.n_gold += gold_chunk is not None
        self.n_predicted += predicted_chunk is not None
        # Chunks that end at the same place are equal if they also began there with the same type.
        self.n_correct += gold_chunk is not None and gold_chunk == predicted_chunk

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence. A missing tag ("") becomes `X`, as in XTREME.

        gold (Sequence[str]): Gold UPOS per token.
        predicted (Sequence[str]): Predicted UPOS per token.
        """
        for gold_tag, predicted_tag in zip(gold, predicted, strict=True):
            self._push(gold_tag or "X", predicted_tag or "X")
        # seqeval puts an O after each sentence, and one more at the very end that changes nothing.
        self._push("O", "O")

    @property
    def f1(self) -> float:
        """Micro-averaged F1."""
        return f1(self.n_correct, self.n_predicted, self.n_gold)
