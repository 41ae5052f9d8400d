"""Parallel words on a plane: t-SNE of one layer."""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from ..checks import check_installed


def tsne_rows(
    foreign: NDArray,
    english: NDArray,
    language: str,
    names: Sequence[tuple[str, str]] | None = None,
    perplexity: float = 30.0,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Lay out pairs so that near vectors lie near each other. Distances between far points, and the
    axes, mean nothing.

    foreign, english (NDArray): `(n, E)`; row i of both is a pair.
    language (str): Of the foreign side.
    names (Sequence[Tuple[str, str]]): The words; left out without.
    perplexity (float): Of t-SNE; less if there are few points.
    seed (int): Of its start.
    RETURNS (List[Dict[str, Any]]): pair, language, x, y (and text), the foreign side first.
    RAISES (ValueError): Fewer than 3 pairs.
    RAISES (ImportError): There is no scikit-learn.
    """
    check_installed("sklearn", "analysis", "t-SNE")
    from sklearn.manifold import TSNE

    if len(foreign) < 3:
        raise ValueError(
            f"t-SNE of {len(foreign)} pairs: expected 3 or more. Fix: more parallel text."
        )
    points = numpy.concatenate([foreign, english]).astype("float64")
    model = TSNE(
        n_components=2,
        perplexity=min(perplexity, (len(points) - 1) / 3),
        metric="cosine",
        init="random",
        random_state=seed,
    )
    places = model.fit_transform(points)
    rows = []
    for i, (x, y) in enumerate(places.tolist()):
        side, pair = divmod(i, len(foreign))
        row = {"pair": pair, "language": "en" if side else language, "x": x, "y": y}
        if names is not None:
            row["text"] = names[pair][side]
        rows.append(row)
    return rows
