"""One cased WordPiece vocabulary for all languages of the encoder."""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from dlfa_spacy.corpora.files import write_text

from .text import normalizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def is_han(char: str) -> bool:
    """Say whether the normalizer puts spaces around this character (CJK ideographs)."""
    return "CJK" in unicodedata.name(char, "")


def alphabet_of(
    texts: Mapping[str, Sequence[str]],
    *,
    min_count: int = 3,
    min_share: float = 2e-6,
    max_han: int = 3300,
) -> list[str]:
    """Choose the characters that the vocabulary must hold.

    texts (Mapping[str, Sequence[str]]): Sentences of each language.
    min_count (int): A character seen less often in a language is noise there.
    min_share (float): Likewise, as a share of the language's characters.
    max_han (int): Number of Han characters to keep, by frequency: each costs a wordpiece.
    RETURNS (list[str]): The characters, sorted.
    """
    chars: set[str] = set()
    han: Counter[str] = Counter()
    for lines in texts.values():
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update(normalizer().normalize_str(line))
        total = sum(counts.values())
        for char, count in counts.items():
            if char.isspace():
                continue
            if is_han(char):
                han[char] += count
            elif count >= max(min_count, min_share * total):
                chars.add(char)
    chars.update(char for char, _ in han.most_common(max_han))
    return sorted(chars)


def sample(
    texts: Mapping[str, Sequence[str]],
    *,
    characters: int,
    smoothing: float,
    boost: Mapping[str, float],
    seed: int,
) -> Iterator[str]:
    """Sample sentences so that thin languages get wordpieces too.

    texts (Mapping[str, Sequence[str]]): Sentences of each language.
    characters (int): Size of the sample.
    smoothing (float): A language's share is (its size) ** smoothing, normalised.
    boost (Mapping[str, float]): Factor on a language's share.
    seed (int): Seed of the order of sentences.
    YIELDS (str): Sentences; a language runs through its text again where its share asks for it.
    """
    sizes = {lang: sum(map(len, lines)) for lang, lines in texts.items() if lines}
    shares = {lang: size**smoothing * boost.get(lang, 1.0) for lang, size in sizes.items()}
    total = sum(shares.values())
    for lang in sorted(shares):
        rng = random.Random(f"{seed}-{lang}")
        lines = list(texts[lang])
        rng.shuffle(lines)
        left = characters * shares[lang] / total
        while left > 0:
            for line in lines:
                yield line
                left -= len(line)
                if left <= 0:
                    break


def train_tokenizer(
    texts: Mapping[str, Sequence[str]],
    *,
    size: int,
    characters: int = 24_000_000,
    smoothing: float = 0.3,
    boost: Mapping[str, float] | None = None,
    max_han: int = 3300,
    seed: int = 0,
) -> Tokenizer:
    """Train the WordPiece tokenizer.

    texts (Mapping[str, Sequence[str]]): Sentences of each language.
    size (int): Number of wordpieces, special ones included.
    characters, smoothing, boost, seed: See `sample`.
    max_han (int): See `alphabet_of`.
    RETURNS (Tokenizer): A BERT tokenizer with case and accents kept.
    """
    alphabet = alphabet_of(texts, max_han=max_han)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix="##",
        show_progress=False,
    )
    corpus = sample(texts, characters=characters, smoothing=smoothing, boost=boost or {}, seed=seed)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, max_length: int = 512) -> None:
    """Write the tokenizer as a Hugging Face folder reads it.

    tokenizer (Tokenizer): The tokenizer.
    folder (Path): Made if missing; each file is replaced in one step.
    max_length (int): Positions of the encoder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = dict(
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip
    config = dict(
        names,
        tokenizer_class="BertTokenizerFast",
        do_lower_case=False,
        strip_accents=False,
        tokenize_chinese_chars=True,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
    write_text(folder / "tokenizer_config.json", json.dumps(config, indent=2) + "\n")
    write_text(folder / "special_tokens_map.json", json.dumps(names, indent=2) + "\n")
