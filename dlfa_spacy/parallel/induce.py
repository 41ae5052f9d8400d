"""A dictionary from parallel text itself: words that explain each other in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from ..checks import check_installed
from ..types import IntArray
from .dictionary import WordDictionary, fold
from .pair import SentencePair

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[numpy.float64]

# Word pairs of sentences at once: what is held besides the result, some 50 bytes each.
CHUNK = 2_000_000


@dataclass(frozen=True)
class Induced:
    """Entries that were found in parallel text.

    entries (List[Tuple[str, str]]): Foreign word, English word, the most certain first.
    scores (List[float]): Of each, the geometric mean of the two translation probabilities.
    """

    entries: list[tuple[str, str]]
    scores: list[float]

    def dictionary(self) -> WordDictionary:
        """RETURNS (WordDictionary): To link words with, equal words included: what stands in
        parallel sentences again and again is no accident."""
        return WordDictionary(self.entries, ignore_identical=False)


def induce_dictionary(
    pairs: Iterable[SentencePair],
    threshold: float = 0.3,
    min_count: int = 2,
    iterations: int = 5,
    max_words: int = 64,
    limit: int = 0,
) -> Induced:
    """Find out which words translate each other.

    IBM model 1 is trained in both directions. An entry is a pair of words that are each other's
    most probable translation, so that a word has one entry at the most. Word order and repeats
    within a sentence are ignored.

    pairs (Iterable[SentencePair]): Parallel text of one language.
    threshold (float): Skip entries with a lower score, see `Induced`.
    min_count (int): Skip words that stand in fewer sentences together.
    iterations (int): Steps of expectation maximization.
    max_words (int): Skip longer sentences.
    limit (int): Pairs to read; 0 for all.
    RETURNS (Induced): The entries.
    RAISES (ValueError): A number is out of range. (ImportError): scipy is not installed.

    Source: Brown et al. 1993, model 1; intersection of both directions as in Cao, Kitaev & Klein
    2020, section 3.
    """
    _check(threshold, min_count, iterations)
    texts = [
        (
            sorted({fold(word) for word in pair.source_words}),
            sorted({fold(word) for word in pair.target_words}),
        )
        for pair in islice(pairs, limit or None)
        if 0 < len(pair.source_words) <= max_words and 0 < len(pair.target_words) <= max_words
    ]
    source = _Side([words for words, _ in texts])
    target = _Side([words for _, words in texts])
    together = _together(source, target, min_count)
    if not together.nnz:
        return Induced([], [])
    rows = numpy.repeat(numpy.arange(len(source.words)), numpy.diff(together.indptr))
    columns = together.indices.astype("int64")
    cells = _cells(source, target, together)
    # t(target | source) explains the target words of a sentence, and the other way round.
    forward = _model_1([(pair, t) for pair, _, t in cells], columns, rows, iterations)
    backward = _model_1([(pair, s) for pair, s, _ in cells], rows, columns, iterations)
    score = numpy.sqrt(forward * backward)
    chosen = _mutual_best(score, rows, columns) & (score >= threshold)
    order = numpy.flatnonzero(chosen)[numpy.argsort(-score[chosen], kind="stable")]
    entries = [(source.words[rows[i]], target.words[columns[i]]) for i in order]
    return Induced(entries, score[order].tolist())


class _Side:
    """The sentences of one language as numbers.

    words (List[str]): The vocabulary, sorted.
    ids (IntArray): The words of all sentences, each once per sentence.
    lengths (IntArray): `(n,)` how many of each sentence.
    """

    def __init__(self, sentences: Sequence[Sequence[str]]) -> None:
        self.words = sorted({word for words in sentences for word in words})
        places = {word: i for i, word in enumerate(self.words)}
        self.lengths = numpy.fromiter((len(words) for words in sentences), dtype="int64")
        self.ids = numpy.fromiter((places[w] for words in sentences for w in words), dtype="int64")

    def matrix(self) -> csr_array:
        """RETURNS (csr_array): `(n, n_words)`, 1 where a sentence has a word."""
        from scipy.sparse import csr_array

        ends = numpy.concatenate([[0], numpy.cumsum(self.lengths)])
        ones = numpy.ones(len(self.ids), dtype="int32")
        return csr_array((ones, self.ids, ends), shape=(len(self.lengths), len(self.words)))


def _check(threshold: float, min_count: int, iterations: int) -> None:
    if not 0 <= threshold <= 1 or min_count < 1 or iterations < 1:
        raise ValueError(
            f"threshold = {threshold}, min_count = {min_count}, iterations = {iterations}: "
            "expected a threshold from 0 to 1, and 1 or more of the others. Fix: threshold = 0.3, "
            "min_count = 2, iterations = 5."
        )
    check_installed("scipy", "report", "Inducing a dictionary", "give one (MUSE format)")


def _together(source: _Side, target: _Side, min_count: int) -> csr_array:
    """RETURNS (csr_array): `(n_source_words, n_target_words)`, in how many sentences two words
    stand together, at least `min_count`."""
    if not len(source.ids):
        from scipy.sparse import csr_array

        return csr_array((0, 0), dtype="int32")
    found: Any = (source.matrix().T @ target.matrix()).tocsr()
    found.data[found.data < min_count] = 0
    found.eliminate_zeros()
    found.sort_indices()
    return found


def _cells(
    source: _Side, target: _Side, together: csr_array
) -> list[tuple[IntArray, IntArray, IntArray]]:
    """RETURNS (List[Tuple[IntArray, IntArray, IntArray]]): In chunks, every two words that stand in
    one sentence pair: the number of their word pair, and the occurrence of each."""
    # Stored values are 1 more than the number: 0 is for what is not there.
    numbers = together.copy()
    numbers.data = numpy.arange(1, together.nnz + 1)
    sizes = source.lengths * target.lengths
    begins = [numpy.cumsum(side.lengths) - side.lengths for side in (source, target)]
    chunks = numpy.cumsum(sizes) // CHUNK
    cells = []
    for chunk in numpy.unique(chunks):
        which = numpy.flatnonzero(chunks == chunk)
        n = sizes[which]
        sentence = numpy.repeat(which, n)
        within = numpy.arange(int(n.sum())) - numpy.repeat(numpy.cumsum(n) - n, n)
        width = target.lengths[sentence]
        s = begins[0][sentence] + within // width
        t = begins[1][sentence] + within % width
        pair = numpy.asarray(numbers[source.ids[s], target.ids[t]]).ravel().astype("int64")
        kept = pair > 0
        cells.append(tuple(x.astype("int32") for x in (pair[kept] - 1, s[kept], t[kept])))
    return cells  # type: ignore[return-value]


def _model_1(
    cells: list[tuple[IntArray, IntArray]], explained: IntArray, by: IntArray, iterations: int
) -> Floats:
    """Train IBM model 1.

    cells (List[Tuple[IntArray, IntArray]]): In chunks, the word pair and the occurrence of the
        word that is explained; all cells of an occurrence are in one chunk.
    explained, by (IntArray): `(n_pairs,)` the two words of each word pair.
    iterations (int): Steps.
    RETURNS (NDArray): `(n_pairs,)` t(explained | by).
    """
    n_explained, n_by = int(explained.max()) + 1, int(by.max()) + 1
    probability = 1 / numpy.bincount(by, minlength=n_by)[by]
    # The empty word explains what has no counterpart, anything equally well in the beginning.
    empty = numpy.full(n_explained, 1 / n_explained)
    for _ in range(iterations):
        counts, empty_counts = numpy.zeros(len(explained)), numpy.zeros(n_explained)
        for pair, occurrence in cells:
            if not len(pair):
                continue
            first = int(occurrence.min())
            # E-step, eq. 1: an occurrence is shared among the words of the other side.
            total = numpy.bincount(occurrence - first, weights=probability[pair])
            word = numpy.zeros(len(total), dtype="int64")
            word[occurrence - first] = explained[pair]
            there = total > 0
            total += numpy.where(there, empty[word], 1)
            counts += numpy.bincount(
                pair, weights=probability[pair] / total[occurrence - first], minlength=len(counts)
            )
            empty_counts += numpy.bincount(
                word[there], weights=(empty[word] / total)[there], minlength=n_explained
            )
        # M-step: of every word, what it explains sums to 1.
        sums = numpy.bincount(by, weights=counts, minlength=n_by)
        probability = counts / numpy.maximum(sums, 1e-300)[by]
        empty = empty_counts / max(float(empty_counts.sum()), 1e-300)
    return probability


def _mutual_best(score: Floats, rows: IntArray, columns: IntArray) -> NDArray[numpy.bool_]:
    """RETURNS (NDArray): `(n_pairs,)` (bool) the best of its row and of its column; of equals none:
    which of them is right is not known."""
    best = numpy.ones(len(score), dtype=bool)
    for of in (rows, columns):
        highest = numpy.zeros(int(of.max()) + 1)
        numpy.maximum.at(highest, of, score)
        is_highest = score == highest[of]
        alone = numpy.bincount(of[is_highest], minlength=len(highest)) == 1
        best &= is_highest & alone[of]
    return best
