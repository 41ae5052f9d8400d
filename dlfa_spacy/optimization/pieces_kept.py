"""Which wordpieces a tokenizer keeps: those of some texts, and those that any text may need."""

from collections.abc import Iterable, Iterator
from typing import Any

from ..encoder.pieces import PieceTokenizer

WORDPIECE, UNIGRAM = "WordPiece", "Unigram"
SPACE = "\u2581"


def kept_ids(tokenizer: Any, spec: dict[str, Any], texts: Iterable[str]) -> list[int]:
    """
    tokenizer (PreTrainedTokenizerFast): The tokenizer.
    spec (Dict[str, Any]): Its tokenizer.json.
    texts (Iterable[str]): The texts in use.
    RETURNS (List[int]): Ids, in order: the pieces of the texts, all special and added tokens, all
        single characters, at the beginning of a word and inside.
    """
    model = spec["model"]
    kept = {int(token["id"]) for token in spec["added_tokens"]}
    kept.update(int(i) for i in tokenizer.all_special_ids)
    pieces = PieceTokenizer(tokenizer)
    kept.update(i for side in pieces.special_ids for i in side)
    vocab = vocabulary(model)
    for piece, i in vocab.items():
        if len(_plain(piece, model)) <= 1 or _is_byte(piece):
            kept.add(i)
    if model["type"] == UNIGRAM:
        # An unknown character costs the lowest score of all pieces, and more.
        scores = [score for _, score in model["vocab"]]
        kept.add(scores.index(min(scores)))
    for text in texts:
        ids = pieces([text]).ids.tolist()
        kept.update(ids)
        if model["type"] == WORDPIECE and tokenizer.unk_token_id in ids:
            kept.update(_before_unknown(tokenizer, model, vocab, text))
    # Counted once: the tokenizer goes through its added tokens each time.
    size = len(tokenizer)
    return sorted(i for i in kept if i < size)


def vocabulary(model: dict[str, Any]) -> dict[str, int]:
    """RETURNS (Dict[str, int]): Piece -> id."""
    if model["type"] == WORDPIECE:
        return dict(model["vocab"])
    return {piece: i for i, (piece, _) in enumerate(model["vocab"])}


def _plain(piece: str, model: dict[str, Any]) -> str:
    if model["type"] == WORDPIECE:
        return piece.removeprefix(model["continuing_subword_prefix"])
    return piece.removeprefix(SPACE)


def _is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def _before_unknown(
    tokenizer: Any, model: dict[str, Any], vocab: dict[str, int], text: str
) -> Iterator[int]:
    """YIELDS (int): The pieces that WordPiece takes of an unknown word before it gives up. Without
    them it would take shorter ones, and might get through."""
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    for word, _ in backend.pre_tokenizer.pre_tokenize_str(text):
        if len(word) > model["max_input_chars_per_word"]:
            continue
        start = 0
        while start < len(word):
            prefix = model["continuing_subword_prefix"] if start else ""
            end = next(
                (e for e in range(len(word), start, -1) if prefix + word[start:e] in vocab), None
            )
            if end is None:
                break
            yield vocab[prefix + word[start:end]]
            start = end
