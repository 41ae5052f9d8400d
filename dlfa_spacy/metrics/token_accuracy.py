"""Token accuracy of POS tags."""

from __future__ import annotations

from collections.abc import Sequence


class TokenAccuracy:
    """Share of gold tokens with the right tag.

    This is `sklearn.metrics.accuracy_score` over all tokens and what UD evaluation calls UPOS
    accuracy on gold tokens. It is *not* XTREME's POS score, which is `UposChunkF1`. Gold tokens
    without a tag are not counted. With raw text, a gold token without a predicted token of the
    same extent is counted as an error.
    """

    def __init__(self) -> None:
        self.n_correct = 0
        self.n_gold = 0
        self.n_misaligned = 0

    def add(self, gold: Sequence[str], predicted: Sequence[str | None]) -> None:
        """Count the tokens of one text.

        gold (Sequence[str]): Gold tag per token, "" where there is none.
        predicted (Sequence[Optional[str]]): Predicted tag per gold token; `None` if no predicted
            token covers exactly this gold token.
        """
        for gold_tag, predicted_tag in zip(gold, predicted, strict=True):
            if not gold_tag:
                continue
            self.n_gold += 1
            self.n_correct += gold_tag == predicted_tag
            self.n_misaligned += predicted_tag is None

    @property
    def accuracy(self) -> float:
        """Accuracy from 0 to 1; 0 if there are no gold tags."""
        return self.n_correct / self.n_gold if self.n_gold else 0.0
