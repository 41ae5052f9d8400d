"""Read the text folders that the encoder is built from, and cut text into words.

A *word* here is what the tokenizer of the finished encoder sees before it splits into
wordpieces: whitespace and punctuation separate, and every Han character stands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from tokenizers import normalizers, pre_tokenizers

Pair = tuple[list[str], list[str]]

_PRE_TOKENIZER = pre_tokenizers.BertPreTokenizer()


@lru_cache(maxsize=2)
def normalizer(lowercase: bool = False) -> normalizers.BertNormalizer:
    """Return the normalizer of the encoder (cased), or its lower-casing English twin."""
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase
    )


def words_of(text: str, *, lowercase: bool = False) -> list[str]:
    """Cut one text into words.

    text (str): The text.
    lowercase (bool): Fold case and accents, as the English parent does.
    RETURNS (list[str]): Its words, in order.
    """
    normal = normalizer(lowercase).normalize_str(text)
    return [word for word, _ in _PRE_TOKENIZER.pre_tokenize_str(normal)]


def raw_lines(folder: Path, lang: str) -> list[str]:
    """Read the monolingual sentences of one language.

    folder (Path): Holds `<lang>.txt`, one sentence a line.
    lang (str): Language code.
    RETURNS (list[str]): Its non-empty lines; empty where the language has no file.
    """
    path = folder / f"{lang}.txt"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def parallel_lines(folder: Path, lang: str) -> Iterator[tuple[str, str, str]]:
    """Read the translations of one language into English.

    folder (Path): Holds `<source>/<lang>-en.tsv`, foreign TAB English.
    lang (str): Language code of the foreign side.
    YIELDS (tuple[str, str, str]): Source name, foreign sentence, English sentence.
    RAISES (ValueError): A line that has no tab.
    """
    for path in sorted(folder.glob(f"*/{lang}-en.tsv")):
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                foreign, tab, english = line.rstrip("\n").partition("\t")
                if not tab:
                    raise ValueError(
                        f"{path}, line {number}: found {line.strip()[:60]!r}, expected "
                        "'foreign<TAB>English'. Remove the line, or add the missing column."
                    )
                if foreign.strip() and english.strip():
                    yield path.parent.name, foreign.strip(), english.strip()


def parallel_words(
    folder: Path,
    lang: str,
    *,
    cut: Callable[[str], list[str]] | None = None,
    max_words: int = 50,
    max_pairs_per_source: int = 25_000,
) -> list[Pair]:
    """Read translations as words: the foreign side cased, the English side lower-cased.

    folder (Path): As in `parallel_lines`.
    lang (str): Language code.
    cut (Callable): Cuts a foreign sentence into words; `words_of` by default.
    max_words (int): Longer sentences are left out; the aligner is quadratic in them.
    max_pairs_per_source (int): Keeps one large source from outweighing the others.
    RETURNS (list[Pair]): (foreign words, English words) for each pair.
    """
    seen: Counter[str] = Counter()
    pairs: list[Pair] = []
    for source, foreign, english in parallel_lines(folder, lang):
        if seen[source] >= max_pairs_per_source:
            continue
        left = (cut or words_of)(foreign)
        right = words_of(english, lowercase=True)
        if 0 < len(left) <= max_words and 0 < len(right) <= max_words:
            seen[source] += 1
            pairs.append((left, right))
    return pairs


def word_counts(lines: list[str], pairs: list[Pair] | None = None) -> Counter[str]:
    """Count the cased words of a language.

    lines (list[str]): Monolingual sentences.
    pairs (list[Pair]): Translations whose foreign side counts too.
    RETURNS (Counter[str]): Occurrences of each word.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(words_of(line))
    for left, _ in pairs or []:
        counts.update(left)
    return counts
