"""Methods side by side: means and deviations over seeds, differences paired by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from .names import MAIN, METRICS, SHORT, task_of
from .runs import Run, Setting
from .tables import TABLE_METRICS

BASELINE = "last"
_ORDER = ("other", "last", "mean", "scalar-mix", "attention", "dlfa", "control")


@dataclass(frozen=True)
class Statistic:
    """A value over seeds.

    mean (float): Mean over seeds.
    sd (Optional[float]): Sample standard deviation over seeds; `None` with fewer than two.
    n (int): Number of seeds.
    """

    mean: float
    sd: float | None
    n: int

    @property
    def within_noise(self) -> bool:
        """Of a difference: whether it is too small for its seeds, |mean| < 2 sd / sqrt(n).

        With one seed nothing can be told from noise.
        """
        return self.sd is None or abs(self.mean) < 2 * self.sd / sqrt(self.n)


def statistic(values: Sequence[float]) -> Statistic:
    """Summarise values over seeds.

    values (Sequence[float]): One value a seed; at least one.
    RETURNS (Statistic): Mean, deviation and number.
    """
    return Statistic(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass
class Row:
    """One method.

    variant (str): The method.
    seeds (List[Optional[int]]): Seeds of its runs.
    languages (Dict[str, Statistic]): Score by language.
    targets (Statistic): Unweighted mean over the target languages.
    target_values (List[float]): That mean, run by run.
    gap (Optional[Statistic]): Source score minus mean of the targets.
    to_baseline (Optional[Statistic]): Difference of the targets' mean to the last layer.
    to_control (Optional[Statistic]): Of a DLFA method, that to its control.
    baseline_by_language (Dict[str, float]): Difference to the last layer by language.
    """

    variant: str
    seeds: list[int | None]
    languages: dict[str, Statistic]
    targets: Statistic
    target_values: list[float]
    gap: Statistic | None = None
    to_baseline: Statistic | None = None
    to_control: Statistic | None = None
    baseline_by_language: dict[str, float] | None = None


@dataclass
class Comparison:
    """All methods under one metric and setting.

    metric (str): Its name.
    setting (Setting): What the runs share.
    languages (List[str]): Those that every run has, the source first.
    left_out (List[str]): Languages that only some runs have.
    fallback_splits (Dict[str, str]): Languages scored on a split other than that of most.
    rows (List[Row]): The methods.
    """

    metric: str
    setting: Setting
    languages: list[str]
    left_out: list[str]
    fallback_splits: dict[str, str]
    rows: list[Row]

    @property
    def title(self) -> str:
        """What is compared, in few words."""
        raw = "" if self.setting.tokens == "gold" else ", raw text"
        return f"{SHORT[self.metric]}, {self.setting.eval_data}{raw}"

    @property
    def is_main(self) -> bool:
        """Whether this is the metric that stands for its task."""
        return MAIN.get(task_of(self.metric)) == self.metric

    def statements(self) -> list[str]:
        """Say in sentences what a reader of the table must know.

        RETURNS (List[str]): The sentences.
        """
        setting = self.setting
        lines = [
            METRICS[self.metric] + ".",
            f"Evaluated on {setting.eval_data}, "
            + ("gold tokens as in XTREME" if setting.tokens == "gold" else "raw text")
            + (f", at most {setting.limit} texts a language." if setting.limit else "."),
            f"Training data: {setting.train_data or 'not stated'}. "
            f"Encoder: {setting.encoder or 'not stated'}.",
        ]
        if self.fallback_splits:
            shown = ", ".join(f"{code} ({split})" for code, split in self.fallback_splits.items())
            lines.append(f"Scored on another split: {shown}.")
        if self.left_out:
            lines.append(f"Left out, because some runs lack them: {', '.join(self.left_out)}.")
        numbers = {row.targets.n for row in self.rows}
        if numbers == {1}:
            lines.append("One seed a method: no difference here can be told from chance.")
        else:
            low, high = min(numbers), max(numbers)
            lines.append(
                f"{low if low == high else f'{low} to {high}'} seeds a method; ± is the sample "
                "standard deviation over seeds. Differences are paired by seed where seeds are "
                "shared; ≈ marks those within noise, |mean| < 2 sd/√n."
            )
        return lines


def _rank(variant: str) -> tuple[int, str]:
    base = next((i for i, name in enumerate(_ORDER) if variant.startswith(name)), len(_ORDER))
    return base, variant


def _difference(
    ours: Sequence[Run], theirs: Sequence[Run], value: dict[int, float]
) -> Statistic | None:
    """Mean difference, paired by seed; by means if no seed is shared."""
    if not theirs:
        return None
    by_seed = {run.seed: run for run in theirs if run.seed is not None}
    pairs = [(run, by_seed[run.seed]) for run in ours if run.seed in by_seed]
    if pairs:
        return statistic([value[id(a)] - value[id(b)] for a, b in pairs])
    mean = fmean(value[id(run)] for run in ours) - fmean(value[id(run)] for run in theirs)
    return Statistic(mean, None, 1)


def _control_of(variant: str, runs: dict[str, list[Run]]) -> list[Run]:
    if not variant.startswith("dlfa"):
        return []
    gate = variant.partition("@")[0].partition("-")[2]
    return runs.get(f"control-{gate}", runs.get("control", []))


def _splits(runs: Sequence[Run], languages: Sequence[str]) -> dict[str, str]:
    splits = {code: runs[0].splits[code] for code in languages}
    names = list(splits.values())
    usual = max(dict.fromkeys(names), key=names.count)
    return {code: split for code, split in splits.items() if split != usual}


def _compare(metric: str, setting: Setting, runs: list[Run]) -> Comparison | None:
    available = [set(run.scores[metric]) for run in runs]
    common = set.intersection(*available)
    targets = sorted(common - {setting.source})
    if not targets:
        return None
    languages = ([setting.source] if setting.source in common else []) + targets
    by_variant: dict[str, list[Run]] = {}
    for run in runs:
        by_variant.setdefault(run.variant, []).append(run)
    mean = {id(run): fmean(run.scores[metric][code] for code in targets) for run in runs}
    rows = []
    for variant in sorted(by_variant, key=_rank):
        ours = by_variant[variant]
        baseline = by_variant.get(BASELINE, []) if variant != BASELINE else []
        row = Row(
            variant=variant,
            seeds=[run.seed for run in ours],
            languages={
                code: statistic([run.scores[metric][code] for run in ours]) for code in languages
            },
            targets=statistic([mean[id(run)] for run in ours]),
            target_values=[mean[id(run)] for run in ours],
            to_baseline=_difference(ours, baseline, mean),
            to_control=_difference(ours, _control_of(variant, by_variant), mean),
        )
        if setting.source in common:
            row.gap = statistic(
                [run.scores[metric][setting.source] - mean[id(run)] for run in ours]
            )
        if baseline:
            row.baseline_by_language = {}
            for code in languages:
                value = {id(run): run.scores[metric][code] for run in runs}
                difference = _difference(ours, baseline, value)
                if difference is not None:
                    row.baseline_by_language[code] = difference.mean
        rows.append(row)
    return Comparison(
        metric=metric,
        setting=setting,
        languages=languages,
        left_out=sorted(set.union(*available) - common),
        fallback_splits=_splits(runs, languages),
        rows=rows,
    )


def compare(runs: Sequence[Run]) -> list[Comparison]:
    """Put runs side by side, only those that share a setting.

    runs (Sequence[Run]): The runs.
    RETURNS (List[Comparison]): One for each metric and setting that has target languages; those
        with the metric that stands for its task first.
    RAISES (ValueError): If no run has a target language.
    """
    groups: dict[tuple[str, Setting], list[Run]] = {}
    for run in runs:
        for metric in set(run.scores) & set(TABLE_METRICS):
            groups.setdefault((metric, run.setting), []).append(run)
    made = (_compare(metric, setting, group) for (metric, setting), group in groups.items())
    comparisons = [comparison for comparison in made if comparison is not None]
    if not comparisons:
        raise ValueError(
            f"runs: found {len(runs)} without a target language, expected scores in languages "
            "other than the source. Evaluate on a folder with several languages."
        )
    order = list(METRICS)
    return sorted(
        comparisons,
        key=lambda c: (
            not c.is_main,
            order.index(c.metric),
            c.setting.eval_data,
            c.setting.tokens,
        ),
    )
