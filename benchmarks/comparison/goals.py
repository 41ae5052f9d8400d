"""What the package set itself to reach, what was measured, and whether it is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dlfa_spacy.optimization.speed.limit import BARE

from .doc import CLEANED
from .figures import Figure, find
from .load import FIRST
from .pipelines import STOCK, System
from .ratios import limit, one, share, speed, stock
from .train import EQUAL, MIXED

NOT_MEASURED = "not measured"
# A constant, or a line, is measured with some noise: so much of it still is one.
TOLERANCE = 0.15


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    what (str): What is compared.
    goal (str): What was to be reached.
    measured (str): What was; `NOT_MEASURED` where nothing was.
    reached (Optional[bool]): None if it was not measured.
    """

    what: str
    goal: str
    measured: str
    reached: bool | None


def goals(figures: Sequence[Figure]) -> list[Goal]:
    """RETURNS (List[Goal]): Every goal, whatever was measured."""
    base = find(figures, measure="predict", encoder="base")
    own = find(figures, measure="predict", encoder="own")
    train = find(figures, measure="train", encoder="base")
    found = [
        _at_least("BERT-base, CPU, fp32, every aggregation: of the limit", 0.95, _slowest(base)),
        _at_least("the same, times stock", 2.0, _slowest(base, STOCK)),
        _at_least("bf16: times the fp32 limit", 1.8, _precise(base, mixed_precision=True)),
        _at_least("bf16: times stock", 4.5, _precise(base, STOCK, mixed_precision=True)),
        _at_least("int8: times the fp32 limit", 2.6, _precise(base, int8=True)),
        _at_least("int8: times stock", 6.5, _precise(base, STOCK, int8=True)),
        _at_least("bundled encoder, fp32, every aggregation: of its limit", 0.85, _slowest(own)),
    ]
    for kind, most in ((MIXED, 0.75), (EQUAL, 1.02)):
        rows = find(train, texts=kind)
        for name in ("attention", "dlfa"):
            ratio = share(one(rows, system=System(name).name), stock(rows))
            found.append(_at_most(f"training step, {name}, {kind}: of stock's", most, ratio))
    found += [
        _at_most("bytes of vectors on a Doc, shipped configs", 0, _cleaned(figures), "{:,.0f}"),
        *_memory(figures),
        *_load(figures),
        _linear(figures, "seconds", "one long Doc: seconds per wordpiece, of those of the shorter"),
        _linear(figures, "bytes", "one long Doc: bytes per wordpiece, of those of the shorter"),
        _constant(figures),
        Goal("GPU, bf16: of the bare limit", "≥ 0.85", NOT_MEASURED, None),
    ]
    return found


def _at_least(what: str, least: float, value: float | None) -> Goal:
    return _goal(what, f"≥ {least:.2f}", value, lambda x: round(x, 2) >= least)


def _at_most(what: str, most: float, value: float | None, shape: str = "{:.2f}") -> Goal:
    return _goal(what, f"≤ {shape.format(most)}", value, lambda x: round(x, 2) <= most, shape)


def _goal(
    what: str,
    goal: str,
    value: float | None,
    is_reached: Callable[[float], bool],
    shape: str = "{:.2f}",
) -> Goal:
    if value is None:
        return Goal(what, goal, NOT_MEASURED, None)
    return Goal(what, goal, shape.format(value), is_reached(value))


def is_plain(figure: Figure) -> bool:
    """RETURNS (bool): Whether it is ours in fp32."""
    return figure.system.startswith("ours") and not figure.system.endswith(("bf16", "int8"))


def _slowest(figures: Sequence[Figure], reference: str = BARE) -> float | None:
    ours = [f for f in figures if is_plain(f)]
    ratios = [speed(f, _reference(figures, reference)) for f in ours]
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def _reference(figures: Sequence[Figure], name: str) -> Figure | None:
    return limit(figures) if name == BARE else one(figures, system=name)


def _precise(figures: Sequence[Figure], reference: str = BARE, **kind: bool) -> float | None:
    name = System("attention", **kind).name
    found = one(figures, system=name)
    return None if found is None else speed(found, _reference(figures, reference))


def _cleaned(figures: Sequence[Figure]) -> float | None:
    rows = [f for f in find(figures, measure="doc", quantity=CLEANED) if is_plain(f)]
    return max((f.value for f in rows), default=None)


def _memory(figures: Sequence[Figure]) -> list[Goal]:
    found = []
    for quantity, name in (("predict", "prediction"), ("train", "training")):
        rows = find(figures, measure="memory", encoder="base", quantity=quantity)
        ratios = [share(f, stock(rows)) for f in rows if is_plain(f)]
        worst = max((ratio for ratio in ratios if ratio is not None), default=None)
        found.append(_at_most(f"peak memory of {name}, worst: of stock's", 1.0, worst))
    return found


def _load(figures: Sequence[Figure]) -> list[Goal]:
    found = []
    for encoder in ("base", "own"):
        rows = find(figures, measure="load", encoder=encoder, quantity=FIRST)
        ratio = share(one(rows, system=System("attention").name), stock(rows))
        found.append(_at_most(f"import and load, {NAMES[encoder]}: of stock's", 1.0, ratio))
    return found


NAMES = {"own": "bundled encoder", "base": "BERT-base"}


def _linear(figures: Sequence[Figure], quantity: str, what: str) -> Goal:
    """What a wordpiece of the longest Doc costs, beside one of the longest but one."""
    rows = sorted(find(figures, measure="long", quantity=quantity), key=lambda f: int(f.texts))
    if len(rows) < 2:
        return _at_most(what, 1 + TOLERANCE, None)
    before, last = (f.value / int(f.texts) for f in rows[-2:])
    count = f" ({int(rows[-2].texts):,} → {int(rows[-1].texts):,} wordpieces)"
    return _at_most(what + count, 1 + TOLERANCE, last / before if before else None)


def _constant(figures: Sequence[Figure]) -> Goal:
    """Memory at the end of a stream beside that after its first part."""
    rows = sorted(find(figures, measure="many", quantity="bytes"), key=lambda f: int(f.texts))
    what = "memory over many Docs in `nlp.memory_zone()`"
    if len(rows) < 5:
        return _at_most(what, 1.02, None)
    early, last = rows[1], rows[-1]
    where = f": after {int(last.texts):,} Docs, of that after {int(early.texts):,}"
    return _at_most(what + where, 1.02, last.value / early.value)
