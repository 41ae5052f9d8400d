"""What some texts of a language bring there, and cost in the source language: `few_shot.csv`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ..metrics.names import MAIN, SHORT
from ..runs.few_shot import COLUMNS, TABLE
from .comparison import Statistic, statistic
from .curves import Column, Curves

if TYPE_CHECKING:
    import pandas

TARGETS = "targets"


@dataclass
class FewShotCurves(Curves):
    """One metric of one table. The first row is the mean over the target languages, each scored
    after training on its own texts; the second the source language, scored by the same pipelines;
    then each target language."""

    axis = "texts of the target language"
    scale = "score"
    source: str = "en"

    @property
    def heading(self) -> str:
        return self.title

    @property
    def best(self) -> dict[Column, str]:
        # Rows are languages: nobody competes.
        return {}

    @property
    def note(self) -> str:
        return (
            f"{self.title}, ± standard deviation over {self.n_seeds}. Columns: what the pipeline "
            f"was trained further on, and texts of the target language; 0 is the pipeline as it "
            f"was. {TARGETS}: mean over {', '.join(self.targets)}, each scored after training on "
            f"its own texts; {self.source}: the mean of the same pipelines there."
        )


def few_shot_curves(source: Path) -> list[FewShotCurves]:
    """Read the tables of `dlfa train-on --curve`.

    source (Path): Such a table, or a folder with some.
    RETURNS (List[FewShotCurves]): One for each table and metric that stands for a task; none if
        there is no such table.
    RAISES (ValueError): A table has other columns.
    """
    paths = [source] if source.name == TABLE else sorted(source.rglob(TABLE))
    made = []
    for path in paths:
        import pandas

        table = pandas.read_csv(path, keep_default_na=False)
        if list(table.columns) != list(COLUMNS):
            raise ValueError(
                f"{path}: found the columns {', '.join(table.columns)}, expected "
                f"{', '.join(COLUMNS)}. Fix: read a file that dlfa train-on --curve wrote."
            )
        place = f" ({path.parent.name})" if len(paths) > 1 else ""
        for metric in MAIN.values():
            rows = table[table.metric == metric]
            if len(rows):
                name = SHORT[metric]
                title = f"{name[0].upper()}{name[1:]} by texts trained further on{place}"
                made.append(_curves(rows, title))
    return made


def _curves(table: pandas.DataFrame, title: str) -> FewShotCurves:
    targets = sorted(table.language.unique())
    (source,) = {*table.scored} - {*targets}
    rows: dict[str, dict[Column, Statistic]] = {}
    regimes = list(table.regime.unique())
    columns = []
    for (regime, texts), part in table.groupby(["regime", "texts"]):
        column = Column(str(regime), int(texts))
        columns.append(column)
        own = part.scored == part.language
        for name, chosen in [
            (TARGETS, part[own]),
            (source, part[~own]),
            *((code, part[own & (part.language == code)]) for code in targets),
        ]:
            by_seed = chosen.groupby("seed").value.apply(lambda values: fmean(values))
            rows.setdefault(name, {})[column] = statistic([float(x) for x in by_seed])
    columns.sort(key=lambda c: (regimes.index(c.regime), c.texts))
    return FewShotCurves(title, "", columns, rows, targets, [], source)
