"""Words of scripts without spaces, as an encoder's vocabulary has them."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer as PieceTokenizer
from tokenizers import models

UNIGRAM = "Unigram"


class UnspacedPieces:
    """Cuts a run of Han, Kana, Thai, ... into the wordpieces that an encoder reads there.

    A token is then what the encoder has one vector for: with one token a character, two characters
    of a piece get the same vector, and no component can tell them apart.

    pieces (Sequence[str]): Of these scripts alone.
    scores (Sequence[float]): Their log probabilities.
    """

    def __init__(self, pieces: Sequence[str], scores: Sequence[float]):
        self.pieces = list(pieces)
        self.scores = [float(score) for score in scores]
        self._known = set(self.pieces)
        # What no piece spells comes back as it is, under the first id.
        vocabulary = [("", 0.0), *zip(self.pieces, self.scores, strict=True)]
        self._model = PieceTokenizer(models.Unigram(vocabulary, 0, False)).model

    def cut(self, run: str) -> Iterator[tuple[str, bool]]:
        """YIELDS (Tuple[str, bool]): The parts of a run in order, and whether each is a piece."""
        for token in self._model.tokenize(run):
            yield token.value, token.value in self._known


def find_pieces(tokenizer: Any, wanted: Callable[[str], bool], key: str) -> UnspacedPieces:
    """Take from an encoder's vocabulary the pieces of some scripts.

    tokenizer (PreTrainedTokenizerBase): The encoder's.
    wanted (Callable[[str], bool]): Whether a piece is of these scripts alone.
    key (str): Where the config names the encoder, for errors.
    RETURNS (UnspacedPieces): The pieces.
    RAISES (ValueError): The vocabulary has no scores, as WordPiece has none.
    """
    kind = type(tokenizer).__name__
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"] if tokenizer.is_fast else {}
    if model.get("type") != UNIGRAM:
        raise ValueError(
            f"{key}: the encoder's tokenizer {kind} has a model of type {model.get('type')}. "
            f"Expected {UNIGRAM}, as XLM-R has it. Fix: leave {key} out, and texts in scripts "
            "without spaces are cut into characters and syllables."
        )
    pairs = [(piece, score) for piece, score in model["vocab"] if wanted(piece)]
    return UnspacedPieces([piece for piece, _ in pairs], [score for _, score in pairs])
