"""The means of languages drawn together."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def centroid_distance(vectors: Tensor, languages: Sequence[str], source: str = "en") -> Tensor:
    """How far the mean vectors of languages are from that of one of them.

        mean over languages l of 1 - cos(mean_l, mean_source)

    vectors (Tensor): `(n, E)`.
    languages (Sequence[str]): `(n,)`.
    source (str): The language that the others are compared with.
    RETURNS (Tensor): `()`; 0 if there are no others, or none of the source.

    Source: Libovický, Rosa & Fraser 2020, the authors' code: the halves of a batch are of two
    languages there.
    """
    means = {}
    for name in dict.fromkeys(languages):
        rows = [i for i, other in enumerate(languages) if other == name]
        means[name] = vectors[rows].float().mean(dim=0)
    goal = means.pop(source, None)
    if goal is None or not means:
        return vectors.sum() * 0
    others = torch.stack(list(means.values()))
    return (1 - F.cosine_similarity(others, goal[None])).mean()
