"""The same methods after training on more texts, or with another part of the encoder trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..files.markdown import markdown_table, percent
from ..metrics.names import SHORT
from ..runs.table import FROZEN
from .comparison import Comparison, Statistic, statistic
from .variant import BASELINE, Variant

# What a curve is drawn for if there are more methods than a figure can show.
MAX_LINES = 10


@dataclass(frozen=True)
class Column:
    """What one comparison was trained on: of the encoder, and how many texts."""

    regime: str
    texts: int


@dataclass
class Curves:
    """One metric on one corpus, under several regimes or after several numbers of texts.

    title (str): Metric and corpus.
    encoder (str): Name of the encoder.
    columns (List[Column]): By regime, then by texts.
    rows (Dict[str, Dict[Column, Statistic]]): Method -> column -> over seeds, the mean over the
        target languages that all columns have.
    targets (List[str]): Those languages.
    left_out (List[str]): Target languages that only some columns have.
    """

    title: str
    encoder: str
    columns: list[Column]
    rows: dict[str, dict[Column, Statistic]]
    targets: list[str]
    left_out: list[str]

    # What the numbers of texts are.
    axis = "English texts trained on"
    # What a line is drawn of.
    scale = "targets' mean"

    @property
    def heading(self) -> str:
        """What stands above the table."""
        return f"{self.title}, by texts and regime"

    @property
    def regimes(self) -> list[str]:
        """The regimes, in order."""
        return list(dict.fromkeys(column.regime for column in self.columns))

    def lines(self, regime: str) -> dict[str, dict[int, Statistic]]:
        """RETURNS (Dict[str, Dict[int, Statistic]]): Method -> texts -> value, of the methods that
        ran at more than one number of texts; those at most numbers first where they are many."""
        found: dict[str, dict[int, Statistic]] = {}
        for name, values in self.rows.items():
            line = {c.texts: v for c, v in values.items() if c.regime == regime}
            if len(line) > 1:
                found[name] = line
        kept = sorted(found, key=lambda name: (name != BASELINE, -len(found[name])))[:MAX_LINES]
        return {name: found[name] for name in found if name in kept}

    @property
    def drawn(self) -> list[str]:
        """The methods that have a line under some regime, in order: each looks the same in all."""
        found = {name for regime in self.regimes for name in self.lines(regime)}
        return [name for name in self.rows if name in found]

    @property
    def best(self) -> dict[Column, str]:
        """The method with the best mean in each column; one that is alone is no best."""
        return {
            column: max(
                (name for name in self.rows if column in self.rows[name]),
                key=lambda name: self.rows[name][column].mean,
            )
            for column in self.columns
            if sum(column in values for values in self.rows.values()) > 1
        }

    @property
    def regimes_are_rows(self) -> bool:
        """Whether a table has a row for each column: of a single method they may be many."""
        return len(self.rows) == 1

    @property
    def n_seeds(self) -> str:
        """Over how many seeds a value is."""
        seeds = [value.n for values in self.rows.values() for value in values.values()]
        least, most = min(seeds), max(seeds)
        return f"{least if least == most else f'{least} to {most}'} seed{'s' * (most > 1)}"

    @property
    def note(self) -> str:
        """What a reader of the table must know."""
        left_out = f" (without {', '.join(self.left_out)}: only some columns have them)"
        bold = " The best of a column is bold."
        return (
            f"{self.title}: mean over {len(self.targets)} target languages"
            f"{left_out if self.left_out else ''}, ± standard deviation over "
            f"{self.n_seeds}. Encoder: {self.encoder}. By what of it trains, and by English texts "
            f"trained on.{bold if self.best else ''}"
        )


def curves(comparisons: Sequence[Comparison]) -> list[Curves]:
    """Put side by side what differs only in the regime and in the number of texts.

    comparisons (Sequence[Comparison]): The tables; those of the main metrics are used.
    RETURNS (List[Curves]): One for each metric, corpus and encoder that has several of them.
    """
    groups: dict[tuple[Any, ...], list[Comparison]] = {}
    for comparison in comparisons:
        setting = comparison.setting
        if comparison.is_main and setting.texts:
            key = comparison.metric, setting.eval_data, setting.tokens, setting.source
            groups.setdefault((*key, setting.encoder), []).append(comparison)
    made = []
    for (metric, data, *_, encoder), found in groups.items():
        columns = {Column(c.setting.regime, c.setting.texts): c for c in found}
        # The same texts and regime, scored on other splits: nothing that a curve could show.
        if len(columns) < 2 or len(columns) < len(found):
            continue
        ordered = sorted(columns, key=lambda c: (c.regime != FROZEN, c.regime, c.texts))
        languages = [{*c.languages} - {c.setting.source} for c in found]
        targets = sorted(set.intersection(*languages))
        if not targets:
            continue
        # A layer chosen out of many, or an oracle, is of other layers in each sweep.
        names = {row.variant for c in found for row in c.rows if ": " not in row.variant}
        several = [x for x in names if sum(x in {r.variant for r in c.rows} for c in found) > 1]
        rows: dict[str, dict[Column, Statistic]] = {}
        for name in sorted(several, key=lambda x: Variant.parse(x).rank):
            rows[name] = {
                column: statistic(
                    [fmean(run.scores[metric][code] for code in targets) for run in runs]
                )
                for column in ordered
                if (runs := columns[column].runs.get(name))
            }
        title = f"{SHORT[metric][0].upper()}{SHORT[metric][1:]}, {data}"
        left_out = sorted(set.union(*languages) - {*targets})
        made.append(Curves(title, encoder or "not stated", ordered, rows, targets, left_out))
    return made


def curves_markdown(made: Curves) -> str:
    """RETURNS (str): A heading, the table of methods by regime and texts, and a note."""
    names = [f"{c.regime}, {c.texts:,}" for c in made.columns]
    header = ["method", *names]
    best = made.best
    rows = []
    for name, values in made.rows.items():
        cells = [name]
        for column in made.columns:
            value = values.get(column)
            shown = percent(value.mean if value else None)
            shown += f" ± {percent(value.sd)}" if value and value.sd is not None else ""
            cells.append(f"**{shown}**" if name == best.get(column) else shown)
        rows.append(cells)
    if made.regimes_are_rows:
        header, rows = (
            ["regime", rows[0][0]],
            [list(x) for x in zip(names, rows[0][1:], strict=True)],
        )
    return f"**{made.heading}**\n\n{markdown_table(header, rows)}\n{made.note}\n"
