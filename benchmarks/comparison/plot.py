"""Words per second beside the limit, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlfa_spacy.optimization.speed.limit import BARE
from dlfa_spacy.report.plots import bars, save

from .figures import Figure, find
from .goals import NAMES
from .ratios import limit, speed


def draw(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Draw prediction on each encoder, the fastest bare forward pass as 1.

    figures (Sequence[Figure]): What was measured.
    folder (Path): Where the pictures go.
    RETURNS (List[Path]): `speed-<encoder>.svg` of each encoder that was measured.
    RAISES (ImportError): There is no matplotlib.
    """
    made = []
    for encoder, name in NAMES.items():
        rows = find(figures, measure="predict", encoder=encoder)
        best = limit(rows)
        if best is None:
            continue
        values = {
            f.system: ratio
            for f in rows
            if (ratio := speed(f, best)) is not None
            and (f is best or not f.system.startswith(BARE))
        }
        figure = bars(
            values,
            title=f"Speed of prediction, {name}",
            label="the fastest bare forward pass in fp32 is 1",
            mark=1.0,
            accent=[name for name in values if name.startswith("ours")],
        )
        made.append(save(figure, folder / f"speed-{encoder}.svg"))
    return made
