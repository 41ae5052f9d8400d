"""The gradient nearest to a task's own that harms no reference (gradient episodic memory)."""

from __future__ import annotations

from itertools import product

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]

# A gradient as small as this says nothing.
TINY = 1e-12


def gem_weights(gram: Floats, dots: Floats, margin: float = 0.0) -> Floats:
    """How much of each reference's gradient is added to the task's: x = g + sum_k v_k g_k.

        min_x  1/2 ||x - g||^2   s.t.  <x, g_k> >= 0 for all k                         (primal)
        min_v  1/2 v' G G' v + (G g)' v   s.t.  v >= margin                            (dual)

    Solved exactly, by trying which constraints hold with equality: references are few.

    gram (NDArray): `(K, K)` float64, G G', products of the references' gradients.
    dots (NDArray): `(K,)` float64, G g, their products with the task's gradient.
    margin (float): Lower bound of v. 0 is the problem above. With the 0.5 of the authors' public
        code a violated reference also pushes along the others, even if they are satisfied.
    RETURNS (NDArray): `(K,)` v; all 0 if no product is negative, whatever the margin.

    Source: Lopez-Paz & Ranzato 2017 (GEM), eq. 11 and 12; A-GEM (Chaudhry et al. 2019) is one
    reference, the mean of all.
    """
    weights = numpy.zeros(len(dots))
    used = numpy.flatnonzero(numpy.sqrt(numpy.maximum(gram.diagonal(), 0)) > TINY)
    if not len(used) or not (dots[used] < 0).any():
        return weights
    gram, dots = gram[numpy.ix_(used, used)], dots[used]
    best: tuple[float, Floats] | None = None
    for bound in product((False, True), repeat=len(used)):
        fixed = numpy.array(bound)
        found = numpy.full(len(used), margin)
        free = ~fixed
        if free.any():
            wanted = -dots[free] - gram[numpy.ix_(free, fixed)] @ found[fixed]
            # Parallel gradients: of all solutions the smallest.
            found[free] = numpy.linalg.lstsq(gram[numpy.ix_(free, free)], wanted, rcond=None)[0]
        if (found < margin - 1e-9 * max(1.0, abs(margin))).any():
            continue
        value = float(0.5 * found @ gram @ found + dots @ found)
        if best is None or value < best[0]:
            best = value, numpy.maximum(found, margin)
    if best is not None:
        weights[used] = best[1]
    return weights
