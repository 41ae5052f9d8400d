"""String links: names, numbers and cognates across scripts, by shared character n-grams."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CYRILLIC = dict(
    zip(
        "абвгґдеєёжзиіїйклмнопрстуфхцчшщъыьэюя",
        "a b v g g d e e e zh z i i i i k l m n o p r s t u f h c ch sh sh . y . e u a".split(),
        strict=True,
    )
)
_ARABIC = dict(
    zip(
        "ابتثجحخدذرزسشصضطظعغفقكلمنهويىءآأؤإئةپڤکگی",
        (
            "a b t th j h kh d d r z s sh s d t z a g f k k l m n h w i a . a a w i i a p v k g i"
        ).split(),
        strict=True,
    )
)
_PUNCTUATION = str.maketrans("。，、；：？！（）「」『』《》〈〉“”„«»‘’‚—–−…،؛؟।॥～％／．",
                             ".,,;:?!()\"\"\"\"\"\"\"\"\"\"\"\"\"'''---.,;?..~%/.")  # fmt: skip


@lru_cache(maxsize=500_000)
def romanise(word: str) -> str:
    """Spell a word roughly as English would: lower case, no accents, Latin letters.

    word (str): A word in any script.
    RETURNS (str): The spelling; characters that have none (Han, Thai, ...) are kept.
    """
    out: list[str] = []
    for char in unicodedata.normalize("NFD", word.casefold().translate(_PUNCTUATION)):
        if char in _CYRILLIC:
            out.append(_CYRILLIC[char].replace(".", ""))
        elif char in _ARABIC:
            out.append(_ARABIC[char].replace(".", ""))
        elif "ऀ" <= char <= "ॿ":
            out.append(_devanagari(char))
        elif unicodedata.category(char) == "Nd":
            out.append(str(unicodedata.digit(char)))
        elif unicodedata.category(char) != "Mn":
            out.append(
                {"ł": "l", "ı": "i", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"}.get(char, char)
            )
    return "".join(out)


@lru_cache(maxsize=256)
def _devanagari(char: str) -> str:
    """Unicode names its letters by sound: DEVANAGARI LETTER BHA, ... VOWEL SIGN AA."""
    name = unicodedata.name(char, "")
    sound = name.rsplit(" ", 1)[-1].lower()
    if "DIGIT" in name:
        return str(unicodedata.digit(char))
    if "VOWEL SIGN" in name or name.endswith(("LETTER A", "LETTER AA", "LETTER I", "LETTER II")):
        return {"aa": "a", "ii": "i", "uu": "u", "ai": "ai", "au": "au"}.get(sound, sound[:1])
    if "SIGN ANUSVARA" in name or "CANDRABINDU" in name:
        return "n"
    if "LETTER" in name:
        if len(sound) > 1 and sound.endswith("a"):
            sound = sound[:-1]
        return {
            "c": "ch",
            "tt": "t",
            "dd": "d",
            "nn": "n",
            "tth": "th",
            "ddh": "dh",
            "ss": "sh",
        }.get(sound, sound)
    return ""


def skeleton(word: str) -> str:
    """The romanised word without vowels or doubled letters: what scripts agree on best."""
    folded = romanise(word)
    for old, new in (("ph", "f"), ("ck", "k"), ("c", "k"), ("q", "k"), ("v", "w"), ("y", "i")):
        folded = folded.replace(old, new)
    out = folded[:1] + "".join(char for char in folded[1:] if char not in "aeiouw")
    return "".join(char for i, char in enumerate(out) if i == 0 or char != out[i - 1])


def ngram_matrix(words: Sequence[str], buckets: int = 1 << 17) -> sparse.csr_matrix:
    """Unit rows of hashed character n-grams.

    words (Sequence[str]): W words; romanised here.
    buckets (int): Columns.
    RETURNS (sparse.csr_matrix): (W, buckets), bigrams and trigrams with word boundaries, and
        bigrams of the consonant skeleton.
    """
    rows: list[int] = []
    columns: list[int] = []
    for row, word in enumerate(words):
        latin = f"^{romanise(word)}$"
        bones = f"^{skeleton(word)}$"
        grams = {latin[i : i + n] for n in (2, 3) for i in range(len(latin) - n + 1)}
        grams |= {"s" + bones[i : i + 2] for i in range(len(bones) - 1)}
        rows.extend([row] * len(grams))
        columns.extend(_bucket(gram, buckets) for gram in grams)
    data = np.ones(len(rows))
    matrix = sparse.csr_matrix((data, (rows, columns)), shape=(len(words), buckets))
    matrix.data[:] = 1.0
    norm = (
        np.sqrt(matrix.multiply(matrix).sum(1)).A1
        if hasattr(matrix, "A1")
        else np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    )
    return sparse.diags(1.0 / np.maximum(norm, 1e-9)) @ matrix


@lru_cache(maxsize=1_000_000)
def _bucket(gram: str, buckets: int) -> int:
    """A hash that is the same in every process (Python's own is salted)."""
    value = 2166136261
    for byte in gram.encode("utf-8"):
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value % buckets


def string_similarity(
    foreign: list[str], english: list[str], foreign_ids: Ints, english_ids: Ints
) -> Floats:
    """Similarity of word pairs by spelling, for `links.align`.

    foreign, english (list[str]): Word lists.
    foreign_ids, english_ids (Ints): (K,) the pairs to compare.
    RETURNS (Floats): (K,) in [0, 1]; 0 below 0.35, where likeness is chance, and for short words
        that are not the same.
    """
    left, right = ngram_matrix(foreign), ngram_matrix(english)
    out = np.zeros(len(foreign_ids))
    for start in range(0, len(out), 500_000):
        part = slice(start, start + 500_000)
        cosines = left[foreign_ids[part]].multiply(right[english_ids[part]]).sum(1)
        out[part] = np.asarray(cosines).ravel()
    short = np.array([len(romanise(word)) < 4 for word in foreign])[foreign_ids]
    letter = np.array([word[:1].isalpha() for word in foreign])[foreign_ids]
    same = out > 0.999
    out[out < 0.35] = 0.0
    out[(short | ~letter) & ~same] = 0.0
    return out


def nearest(
    foreign: Sequence[str], english: Sequence[str], *, threshold: float = 0.55, top: int = 3
) -> list[tuple[int, int, float]]:
    """Find the English words most alike in spelling.

    foreign, english (Sequence[str]): Words to look up, and candidates.
    threshold (float): Least similarity.
    top (int): Most links for one word.
    RETURNS (list[tuple[int, int, float]]): foreign index, English index, similarity.
    """
    right = ngram_matrix(english).T.tocsc()
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(foreign), 1000):
        block = (ngram_matrix(foreign[start : start + 1000]) @ right).tocsr()
        for row in range(block.shape[0]):
            data = block.data[block.indptr[row] : block.indptr[row + 1]]
            if not len(data) or data.max() < threshold:
                continue
            order = np.argsort(-data)[:top]
            columns = block.indices[block.indptr[row] : block.indptr[row + 1]]
            for k in order:
                if data[k] >= threshold:
                    found.append((start + row, int(columns[k]), float(data[k])))
    return found
