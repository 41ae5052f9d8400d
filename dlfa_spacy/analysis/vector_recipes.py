"""Which sentence vectors find translations best: what to put into `dlfa_sentence_vectors`."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language

from ..metrics.retrieval import retrieval
from ..parallel.text import ParallelText
from ..pipeline.encoders import encoder_of
from ..pipeline.sentence_vectors import SentenceVectors
from ..pipeline.states import encoded_batches

# English sentence -> vector, for each recipe: it is the same text in every language.
Known = dict[str, dict[str, NDArray[numpy.float32]]]


def vector_recipes(num_layers: int) -> dict[str, tuple[str, list[int]]]:
    """RETURNS (Dict[str, Tuple[str, List[int]]]): Name -> pooling and layers of the component: each
    single layer from the middle up, means of several, and SBERT-WK."""
    upper = list(range(num_layers // 3, num_layers + 1))
    recipes = {
        f"mean of layer {x}": ("mean", [x])
        for x in sorted({num_layers // 2, num_layers - 1, num_layers})
    }
    recipes["mean of all layers"] = ("mean", list(range(num_layers + 1)))
    recipes["mean of the upper two thirds"] = ("mean", upper)
    recipes["first and last layer"] = ("mean", [1, num_layers])
    recipes["SBERT-WK"] = ("sbert_wk", upper)
    return recipes


def recipe_rows(
    nlp: Language, text: ParallelText, known: Known, k: int = 10, batch_size: int = 64
) -> Iterator[dict[str, Any]]:
    """Retrieval by every recipe, as it is and with the mean of each language subtracted. Means are
    learned from the first half of the pairs, and all is scored on the second.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    text (ParallelText): The pairs.
    known (Dict): Is filled with the English side, and read.
    k (int): Neighbors of CSLS.
    batch_size (int): Texts encoded at once.
    YIELDS (Dict[str, Any]): language, recipe, centred, n, cosine_to_en, cosine_from_en, csls_to_en,
        csls_from_en.
    RAISES (ValueError): Fewer than 2 pairs.
    """
    half = len(text.pairs) // 2
    if not half:
        raise ValueError(
            f"{text.language}: 1 pair of sentences. Expected 2 or more, one half to learn the "
            "means from. Fix: more parallel text."
        )
    components = {
        name: SentenceVectors(nlp, pooling=pooling, layers=layers)
        for name, (pooling, layers) in vector_recipes(encoder_of(nlp).num_layers).items()
    }
    seen = next(iter(known.values()), {})
    new = [sentence for sentence in text.english if sentence not in seen]
    for name, vectors in _vectors(nlp, components, new, batch_size).items():
        known.setdefault(name, {}).update(zip(new, vectors, strict=True))
    for name, foreign in _vectors(nlp, components, text.foreign, batch_size).items():
        english = numpy.stack([known[name][sentence] for sentence in text.english])
        for is_centred in (False, True):
            x, y = foreign[half:], english[half:]
            if is_centred:
                x, y = x - foreign[:half].mean(axis=0), y - english[:half].mean(axis=0)
            found = retrieval(x, y, k)
            yield {
                "language": text.language,
                "recipe": name,
                "centred": is_centred,
                **found.row(),
            }


def _vectors(
    nlp: Language, components: dict[str, SentenceVectors], texts: Sequence[str], batch_size: int
) -> dict[str, NDArray[numpy.float32]]:
    """RETURNS (Dict[str, NDArray]): `(n, E)` by every recipe; each text is encoded once."""
    docs = (nlp.make_doc(text) for text in texts)
    parts: dict[str, list[NDArray[numpy.float32]]] = {}
    for batch in encoded_batches(encoder_of(nlp), docs, batch_size=batch_size):
        for name, component in components.items():
            parts.setdefault(name, []).append(component.pooled(batch))
    return {name: numpy.concatenate(found) for name, found in parts.items()}
