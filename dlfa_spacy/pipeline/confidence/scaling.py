"""What makes scores probabilities: a temperature (Guo et al. 2017, section 4.2), or a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
FloatT = TypeVar("FloatT", bound=numpy.floating)
# For a label without a scale of its own.
ANY = ""
LEAST, MOST = 0.05, 100.0
# A label gets a scale of its own from so many predictions on.
LEAST_EVENTS = 100


class Scale(NamedTuple):
    """Scores `z` become `z / temperature + shift`."""

    temperature: float = 1.0
    shift: float = 0.0

    def apply(self, logits: Floats) -> Floats:
        """RETURNS (FloatsXd): The scores of a probability."""
        return logits / self.temperature + self.shift


def sigmoid(logits: Floats) -> Floats:
    """RETURNS (FloatsXd): 1 / (1 + exp(-logits))."""
    return numpy.exp(-numpy.logaddexp(0.0, -logits))


def softmax(logits: NDArray[FloatT]) -> NDArray[FloatT]:
    """
    logits: `(n, L)`.
    RETURNS (Floats2d): `(n, L)`, rows that sum to 1, in the type of the logits.
    """
    powers = numpy.exp(logits - logits.max(-1, keepdims=True, initial=-numpy.inf))
    return powers / powers.sum(-1, keepdims=True)


def shares_of_groups(
    logits: Floats, same: NDArray[numpy.int64]
) -> tuple[NDArray[numpy.int64], Floats]:
    """Tell how probable what is chosen is, over all labels that mean the same.

    logits: `(n, L)`.
    same: `(L,)` a number for each label, equal for those that mean the same.
    RETURNS (Tuple[Ints1d, Floats1d]): `(n,)` the number that is chosen, and its probability.
    """
    chosen = same[logits.argmax(-1)]
    shares = numpy.where(same == chosen[:, None], softmax(logits), 0.0).sum(-1)
    return chosen, numpy.minimum(shares, 1.0)


def class_slope(logits: Floats, right: NDArray[numpy.bool_]) -> Callable[[float], float]:
    """Derivative of the negative log-likelihood of `softmax(a * logits)`, summed over the right
    labels, by a = 1 / T.

    logits: `(n, L)`.
    right: `(n, L)` the labels that are right: one, or several that mean the same.
    """

    def slope(a: float) -> float:
        every = softmax(a * logits)
        among = softmax(numpy.where(right, a * logits, -numpy.inf))
        return float(((every - among) * logits).sum())

    return slope


def fit_temperature(slope: Callable[[float], float]) -> float:
    """Find the temperature at which a slope is 0, by halving: with one right label a row, the loss
    is convex in 1 / T.

    RETURNS (float): T, from LEAST to MOST.
    """
    low, high = numpy.log(1 / MOST), numpy.log(1 / LEAST)
    for _ in range(60):
        middle = (low + high) / 2
        if slope(float(numpy.exp(middle))) > 0:
            high = middle
        else:
            low = middle
    return float(numpy.exp(-(low + high) / 2))


def fit_line(logits: Floats, correct: NDArray[numpy.bool_]) -> Scale:
    """Fit `sigmoid(logits / T + b)` by Newton's method (Platt 1999). A beam that agrees with itself
    has a score near 1 whatever the label: a temperature alone could only say 1 or one half.

    logits: `(n,)`.
    correct: `(n,)` whether each prediction is right.
    RETURNS (Scale): T, at most MOST, so that the order of the scores stays; and b.
    """
    right = int(correct.sum())
    # Platt's targets: no finite sample is proof of certainty.
    targets = numpy.where(correct, (right + 1) / (right + 2), 1 / (len(correct) - right + 2))
    inputs = numpy.stack([logits, numpy.ones_like(logits)], 1)
    line = numpy.zeros(2)
    loss = _loss(inputs @ line, targets)
    for _ in range(100):
        shares = sigmoid(inputs @ line)
        slope = inputs.T @ (shares - targets)
        curve = (inputs * (shares * (1 - shares))[:, None]).T @ inputs
        step = numpy.linalg.solve(curve + 1e-9 * numpy.eye(2), slope)
        while _loss(inputs @ (line - step), targets) > loss and numpy.abs(step).max() > 1e-12:
            step /= 2
        line = line - step
        loss = _loss(inputs @ line, targets)
        if numpy.abs(step).max() < 1e-9:
            break
    if line[0] < 1 / MOST:
        share = targets.mean()
        return Scale(MOST, float(numpy.log(share / (1 - share)) - logits.mean() / MOST))
    return Scale(float(1 / line[0]), float(line[1]))


def fit_labels(
    logits: Floats, correct: NDArray[numpy.bool_], labels: NDArray[numpy.str_]
) -> dict[str, Scale]:
    """Fit one line for all labels, and others for those that gain by it.

    logits: `(n,)`.
    correct: `(n,)` whether each prediction is right.
    labels: `(n,)` the label of each.
    RETURNS (Dict[str, Scale]): By label; `ANY` for the others. A label has its own if there are
        `LEAST_EVENTS` predictions of it, and it explains each half of them better when it is fitted
        on the other half.
    """
    found = {ANY: fit_line(logits, correct)}
    halves = numpy.arange(len(logits)) % 2 == 0
    for label in numpy.unique(labels):
        own = labels == label
        if own.sum() < LEAST_EVENTS:
            continue
        gains = []
        for half in (halves, ~halves):
            shared = fit_line(logits[~half], correct[~half])
            alone = fit_line(logits[own & ~half], correct[own & ~half])
            seen, right = logits[own & half], correct[own & half].astype("float64")
            gains.append(_loss(shared.apply(seen), right) - _loss(alone.apply(seen), right))
        if min(gains) > 0:
            found[str(label)] = fit_line(logits[own], correct[own])
    return found


def scale_of(scales: Mapping[str, Scale], label: str = ANY) -> Scale:
    """RETURNS (Scale): That of a label; one that changes nothing before anything was fitted."""
    return scales.get(label, scales.get(ANY, Scale()))


def _loss(logits: Floats, targets: Floats) -> float:
    return float((numpy.logaddexp(0.0, logits) - targets * logits).sum())
