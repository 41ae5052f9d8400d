"""Put a new vocabulary under the body of the English parent.

Each word of each language gets an English embedding from its links (`links`), its spelling
(`cognates`) and its neighbourhood (`vectors`); each wordpiece gets the weighted mean over the words
that contain it. After Tran 2020 (RAMEN) and Minixhofer et al. 2022 (WECHSEL).
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tokenizers import Tokenizer

from .cognates import nearest, romanise, string_similarity
from .links import Links, align
from .segment import Cutter
from .text import Pair, words_of
from .vectors import cooccurrence, ppmi_svd, ridge, word_features

Floats = NDArray[np.float64]


@dataclass
class GraftSettings:
    """What the graft can be tuned by; the defaults are what measured best."""

    power: float = 2.0
    top: int = 4
    kappa: float = 2.0
    penalty: float = 30.0
    max_words: int = 30_000
    context_words: int = 1500
    svd_width: int = 200
    case_norm: float = 0.15
    language_smoothing: float = 0.5
    frequency_power: float = 0.75
    string_threshold: float = 0.6
    norm_power: float = 1.0
    extend: bool = True
    cognates: bool = True


class Parent:
    """The English parent's embeddings of words: the mean over a word's wordpieces."""

    def __init__(self, tokenizer: Tokenizer, embeddings: Floats) -> None:
        self.tokenizer = tokenizer
        self.embeddings = embeddings
        self._cache: dict[str, Floats] = {}

    def vector(self, word: str) -> Floats:
        """Return the embedding (E,) of a lower-cased word."""
        if word not in self._cache:
            ids = self.tokenizer.encode(word, add_special_tokens=False).ids
            self._cache[word] = self.embeddings[ids].mean(0) if ids else self.embeddings.mean(0)
        return self._cache[word]

    def matrix(self, words: Sequence[str]) -> Floats:
        """Return the embeddings (W, E) of lower-cased words."""
        return np.stack([self.vector(word) for word in words])


@dataclass
class WordVectors:
    """Words of one language: their occurrences and their English embeddings (W, E)."""

    words: list[str]
    counts: Floats
    vectors: Floats
    trust: Floats
    report: dict[str, float] = field(default_factory=dict)


def linked_vectors(
    links: Links, parent: Parent, settings: GraftSettings
) -> dict[str, tuple[Floats, float]]:
    """Average the English counterparts of each linked word.

    links (Links): Links of one language.
    parent (Parent): English embeddings.
    settings (GraftSettings): `power` sharpens the weights, `top` bounds their number.
    RETURNS (dict[str, tuple]): Folded word -> (vector (E,), expected number of links).
    """
    by_word: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for f, e, count in zip(links.foreign_ids, links.english_ids, links.counts, strict=True):
        by_word[int(f)].append((float(count), int(e)))
    out = {}
    for f, found in by_word.items():
        found.sort(reverse=True)
        best = found[: settings.top]
        weights = np.array([count**settings.power for count, _ in best])
        vectors = parent.matrix([links.english[e] for _, e in best])
        trust = sum(count for count, _ in best)
        out[links.foreign[f]] = ((weights / weights.sum()) @ vectors, trust)
    return out


def cognate_vectors(
    words: Sequence[str], english: Mapping[str, int], parent: Parent, settings: GraftSettings
) -> dict[str, tuple[Floats, float]]:
    """Average the English words of like spelling (names and loans above all).

    words (Sequence[str]): Cased words of the language.
    english (Mapping[str, int]): Lower-cased English words and their counts.
    parent (Parent): English embeddings.
    settings (GraftSettings): `string_threshold`.
    RETURNS (dict[str, tuple]): Word -> (vector (E,), trust in units of links).
    """
    candidates = [w for w, n in english.items() if n >= 2 and len(w) > 3 and w[:1].isalpha()]
    look_up = [w for w in words if len(romanise(w)) > 3 and romanise(w).isalpha()]
    grouped: dict[int, list[tuple[float, int]]] = defaultdict(list)
    if candidates:
        for f, e, sim in nearest(look_up, candidates, threshold=settings.string_threshold):
            grouped[f].append((sim, e))
    out = {}
    for f, found in grouped.items():
        weights = np.array([sim**8 for sim, _ in found])
        vectors = parent.matrix([candidates[e] for _, e in found])
        best = max(sim for sim, _ in found)
        capital = 2.0 if look_up[f][:1].isupper() else 1.0
        trust = capital * max(0.0, (best - 0.5) * 2) ** 2 * (2.0 if best > 0.95 else 1.0)
        out[look_up[f]] = ((weights / weights.sum()) @ vectors, trust)
    return out


def english_vectors(counts: Counter[str], parent: Parent, settings: GraftSettings) -> WordVectors:
    """Take the cased English words to the parent's lower-cased ones."""
    words = [w for w, n in counts.most_common(settings.max_words * 2)]
    folded = [" ".join(words_of(word, lowercase=True)) or word for word in words]
    number = np.array([counts[w] for w in words], dtype=float)
    return WordVectors(words, number, parent.matrix(folded), np.full(len(words), 1e6))


def foreign_vectors(
    lines: Sequence[str],
    pairs: Sequence[Pair],
    english: Mapping[str, int],
    parent: Parent,
    settings: GraftSettings,
    cut: Cutter = words_of,
) -> WordVectors:
    """Give each frequent word of a language an English embedding.

    lines (Sequence[str]): Monolingual sentences.
    pairs (Sequence[Pair]): Translations as words.
    english (Mapping[str, int]): Lower-cased English words and their counts.
    parent (Parent): English embeddings.
    settings (GraftSettings): See there.
    cut (Cutter): Cuts a sentence into words.
    RETURNS (WordVectors): The words, with `report["held_out_cosine"]` of the regression on one
        linked word in ten that it did not see (centred on the mean).
    """
    sentences = [cut(line) for line in lines] + [left for left, _ in pairs]
    counts = Counter(word for sentence in sentences for word in sentence)
    words = [w for w, n in counts.most_common(settings.max_words)]
    links = align(pairs, string_similarity)
    linked = linked_vectors(links, parent, settings)
    names = cognate_vectors(words, english, parent, settings) if settings.cognates else {}

    width = parent.embeddings.shape[1]
    total = np.zeros((len(words), width))
    trust = np.zeros(len(words))
    folded: Counter[str] = Counter()
    for word in words:
        folded[word.casefold()] += counts[word]
    for i, word in enumerate(words):
        for found, key in ((linked, word.casefold()), (names, word)):
            if key in found:
                vector, amount = found[key]
                total[i] += amount * vector
                trust[i] += amount
        latin = romanise(word)
        if not any(char.isalpha() for char in word) and latin and latin.isascii():
            # Digits and punctuation mean what they mean in English, whatever EM says.
            total[i], trust[i] = 1e3 * parent.vector(latin), 1e3
    known = np.maximum(trust, 1e-9)[:, None]
    direct = total / known
    report = {"words": float(len(words)), "linked": float((trust > 0).sum())}
    if not settings.extend:
        keep = trust > 0
        chosen = [w for w, k in zip(words, keep, strict=True) if k]
        number = np.array([counts[w] for w in chosen], dtype=float)
        return WordVectors(chosen, number, direct[keep], trust[keep], report)

    case_index: dict[str, int] = {}
    for word in words:
        case_index.setdefault(word.casefold(), len(case_index))
    ids = [[case_index.get(w.casefold(), -1) for w in sentence] for sentence in sentences]
    table = cooccurrence(ids, len(case_index), min(settings.context_words, len(case_index)))
    neighbours = ppmi_svd(table, settings.svd_width)
    rows = np.array([case_index[word.casefold()] for word in words])
    features = word_features(words, neighbours[rows])
    rng = np.random.default_rng(0)
    fit = np.flatnonzero((trust >= 0.8) & (trust < 500))
    guess = np.zeros_like(total)
    if len(fit) >= 50:
        held = rng.random(len(fit)) < 0.1
        weights = np.minimum(trust[fit], 6.0) ** 0.7
        for rows_in, rows_out in ((fit[~held], fit[held]), (fit, None)):
            row_weights = weights[~held] if rows_out is not None else weights
            coefficients, mean = ridge(
                features[rows_in], direct[rows_in], row_weights, penalty=settings.penalty
            )
            if rows_out is not None and len(rows_out):
                hat = np.asarray(features[rows_out] @ coefficients)
                report["held_out_cosine"] = _mean_cosine(hat, direct[rows_out] - mean)
        guess = np.asarray(features @ coefficients) + mean
    elif len(fit):
        guess[:] = direct[fit].mean(0)
    column = trust[:, None]
    vectors = (column * direct + settings.kappa * guess) / (column + settings.kappa)
    number = np.array([counts[w] for w in words], dtype=float)
    return WordVectors(words, number, vectors, trust, report)


def _mean_cosine(left: Floats, right: Floats) -> float:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(1) / np.maximum(norms, 1e-9)).mean())


def piece_embeddings(
    tokenizer: Tokenizer,
    languages: Mapping[str, WordVectors],
    parent: Parent,
    settings: GraftSettings,
) -> tuple[Floats, Floats]:
    """Average word vectors into wordpiece vectors.

    tokenizer (Tokenizer): The new vocabulary.
    languages (Mapping[str, WordVectors]): Words of each language, English among them.
    parent (Parent): English embeddings.
    settings (GraftSettings): See there.
    RETURNS (tuple[Floats, Floats]): Embeddings (V, E), and the trust in each (V,).
    """
    size = tokenizer.get_vocab_size()
    rows: list[int] = []
    columns: list[int] = []
    data: list[float] = []
    blocks: list[Floats] = []
    trusts: list[Floats] = []
    offset = 0
    for found in languages.values():
        mass = found.counts**settings.frequency_power
        mass *= found.counts.sum() ** settings.language_smoothing / mass.sum()
        mass *= 0.15 + 0.85 * found.trust / (found.trust + 1.0)
        for i, encoding in enumerate(tokenizer.encode_batch(found.words, add_special_tokens=False)):
            pieces = encoding.ids
            rows.extend(pieces)
            columns.extend([offset + i] * len(pieces))
            data.extend([float(mass[i]) / len(pieces) ** 2] * len(pieces))
        blocks.append(found.vectors)
        trusts.append(np.minimum(found.trust, 10.0))
        offset += len(found.words)
    weights = sparse.csr_matrix((data, (rows, columns)), shape=(size, offset))
    total = np.asarray(weights.sum(1)).ravel()
    vectors = np.concatenate(blocks).astype(np.float64)
    known = total > 0
    scale = 1.0 / np.maximum(total, 1e-12)
    pieces = (weights @ vectors) * scale[:, None]
    norms = (weights @ np.linalg.norm(vectors, axis=1)) * scale
    trust = (weights @ np.concatenate(trusts)) * scale
    mean = pieces[known].mean(0)
    pieces[~known] = mean
    norms[~known] = float(np.linalg.norm(mean))
    length = np.linalg.norm(pieces, axis=1)
    # A mean of vectors is shorter than they are; the body expects the parent's lengths.
    typical = np.linalg.norm(parent.embeddings, axis=1)
    goal = norms ** (1 - settings.norm_power) * np.median(typical) ** settings.norm_power
    goal = np.clip(goal, *np.quantile(typical, [0.01, 0.99]))
    pieces *= (goal / np.maximum(length, 1e-9))[:, None]
    _mark_capitals(tokenizer, pieces, settings.case_norm)
    parent_ids = parent.tokenizer.get_vocab()
    for token, i in tokenizer.get_vocab().items():
        if token in parent_ids and token.startswith("[") and len(token) > 1:
            pieces[i] = parent.embeddings[parent_ids[token]]
            trust[i] = 10.0
    return pieces, trust


def _mark_capitals(tokenizer: Tokenizer, pieces: Floats, share: float) -> None:
    """Add one shared direction to capitalised pieces: the parent never saw case, and names in
    every cased script can then be told apart in the same way."""
    direction = np.random.default_rng(7).normal(size=(pieces.shape[1],))
    direction /= np.linalg.norm(direction)
    middle = float(np.median(np.linalg.norm(pieces, axis=1)))
    for token, i in tokenizer.get_vocab().items():
        if token[:1].isupper():
            pieces[i] += share * middle * direction


def save_words(found: WordVectors, path: Path) -> None:
    """Write the words of one language, vectors in half precision, in one step."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez(
            file,
            words=np.array("\n".join(found.words)),
            counts=found.counts,
            vectors=found.vectors.astype(np.float16),
            trust=found.trust,
            report=np.array(json.dumps(found.report)),
        )
    os.replace(temporary, path)


def load_words(path: Path) -> WordVectors:
    """Read what `save_words` wrote."""
    with np.load(path) as data:
        return WordVectors(
            str(data["words"]).split("\n"),
            data["counts"],
            data["vectors"].astype(np.float32),
            data["trust"],
            json.loads(str(data["report"])),
        )


def load_parent(folder: Path) -> Parent:
    """Load the English parent's tokenizer and embeddings.

    folder (Path): Holds `tokenizer.json` and `model.safetensors`.
    RETURNS (Parent): The parent.
    """
    from safetensors.numpy import load_file

    weights = load_file(str(folder / "model.safetensors"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Parent(tokenizer, weights["embeddings.word_embeddings.weight"].astype(np.float64))
