"""A byte-pair model that lost merges cuts covered text as before."""

import json
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from dlfa_spacy.optimization.byte_pairs import Merges, trim_pairs, with_parts


def random_words(n: int, seed: int) -> list[str]:
    """Over few letters, so that pairs compete for them."""
    draw = random.Random(seed)
    return ["".join(draw.choices("abcä", k=draw.randint(1, 9))) for _ in range(n)]


def learned(words: list[str]) -> dict:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    return json.loads(tokenizer.to_str())["model"]


def tokenizer_of(vocab: dict[str, int], merges: list) -> Tokenizer:
    return Tokenizer(models.BPE(vocab, [tuple(pair) for pair in merges]))


def test_text_whose_pieces_are_kept_is_cut_as_before() -> None:
    words = random_words(400, 0)
    model = learned(words)
    before = tokenizer_of(model["vocab"], model["merges"])
    used = {i for word in words[:12] for i in before.encode(word).ids}
    letters = {i for piece, i in model["vocab"].items() if len(piece) == 1}
    kept = with_parts(model, used | letters)
    vocab = {p: i for i, p in enumerate(p for p, i in model["vocab"].items() if i in kept)}
    n_merges = len(model["merges"])
    trim_pairs(model, vocab)
    assert len(model["merges"]) < n_merges
    after = tokenizer_of(vocab, model["merges"])
    covered = 0
    for word in random_words(400, 1):
        pieces = before.encode(word).tokens
        if set(pieces) <= set(vocab):
            covered += 1
            assert after.encode(word).tokens == pieces
        assert "".join(after.encode(word).tokens) == word
    assert 20 < covered < 380


def test_a_piece_is_made_in_the_order_in_which_pairs_were_learned() -> None:
    merges = Merges({"merges": [["b", "c"], "a b", ["a", "bc"]]})
    assert merges.parts("abc") == {"a", "b", "c", "bc", "abc"}
    # Nothing makes it: it is never cut so, but it is in the vocabulary.
    assert merges.parts("xyz") == {"x", "y", "z", "xyz"}
