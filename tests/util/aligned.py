"""A toy parallel corpus for the tests of alignment: made-up words and their translations."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlfa_spacy.alignment.methods import Method, create_method
from dlfa_spacy.alignment.training.batch import Collator
from dlfa_spacy.alignment.training.examples import Example, make_examples
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.parallel import SentencePair, WordDictionary

ENGLISH = ["sun", "moon", "tree", "fish", "bird", "rain", "snow", "fire", "Anna", "in"]
FOREIGN = ["дар", "лок", "мип", "нес", "пуг", "рит", "сав", "тол", "фед", "хуб"]


def toy_pairs(n: int, seed: int = 0, languages: Sequence[str] = ("ru",)) -> list[SentencePair]:
    """n different sentences of 3 to 5 words, the foreign ones in reverse order."""
    random_ = random.Random(seed)
    pairs: dict[tuple[int, ...], SentencePair] = {}
    while len(pairs) < n:
        words = tuple(random_.sample(range(len(ENGLISH)), random_.randint(3, 5)))
        size = len(words)
        pairs[words] = SentencePair(
            languages[len(pairs) % len(languages)],
            [FOREIGN[i] for i in reversed(words)],
            [ENGLISH[i] for i in words],
            [(size - 1 - i, i) for i in range(size)],
        )
    return list(pairs.values())


def toy_method(folder: str, name: str, **settings: Any) -> tuple[Method, Collator]:
    objects = load_encoder(folder, {}, {})
    known = {"ru": WordDictionary(zip(FOREIGN, ENGLISH, strict=True))}
    made = objects.transformer, objects.tokenizer
    method = create_method(name, *made, settings, ["ru"], folder, known)
    return method, Collator(PieceTokenizer(objects.tokenizer), 64)


def toy_examples(folder_tokenizer: Any, pairs: Sequence[SentencePair]) -> list[Example]:
    return make_examples(pairs, PieceTokenizer(folder_tokenizer), 60)


def write_text(path: Path, n: int = 40) -> Path:
    lines = []
    for pair in toy_pairs(n):
        links = " ".join(f"{i}-{j}" for i, j in pair.links)
        lines.append(f"{pair.source_text}\t{pair.target_text}\t{links}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
