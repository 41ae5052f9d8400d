"""Methods side by side: means and deviations over seeds, differences paired by seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from ..evaluation.tables import TABLE_METRICS
from ..metrics.names import METRICS, task_of
from ..statistics.significance import Significance, corrected, significance
from .comparison import LOST, Comparison, Row, Statistic, statistic
from .groups import group_languages, group_mean
from .layer_rows import by_seed, with_layer_choices
from .scored_runs import Run, Setting
from .variant import BASELINE, CONTROL, Variant

__all__ = ["BASELINE", "Comparison", "Row", "Statistic", "compare", "statistic"]


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
    method = Variant.parse(variant)
    return runs.get(method.control, runs.get(CONTROL, [])) if method.is_fusion else []


def _test(
    metric: str, made: Mapping[str, list[Run]], skip: Mapping[str, str], targets: Sequence[str]
) -> tuple[dict[str, Significance], dict[str, Significance]]:
    """RETURNS (Tuple[Dict[str, Significance], Dict[str, Significance]]): Against the last layer and
    against the controls, each a family of its own."""
    baseline, control = {}, {}
    for variant, runs in made.items():
        if variant == BASELINE or variant in skip:
            continue
        ours = by_seed(runs, metric)
        to_baseline = significance(ours, by_seed(made.get(BASELINE, []), metric), targets)
        to_control = significance(ours, by_seed(_control_of(variant, dict(made)), metric), targets)
        if to_baseline is not None:
            baseline[variant] = to_baseline
        if to_control is not None:
            control[variant] = to_control
    return corrected(baseline), corrected(control)


def _splits(runs: Sequence[Run], languages: Sequence[str]) -> tuple[str, dict[str, str]]:
    """RETURNS (Tuple[str, Dict[str, str]]): The split of most languages, and that of the others."""
    splits = {code: runs[0].splits[code] for code in languages}
    names = list(splits.values())
    usual = max(dict.fromkeys(names), key=names.count)
    return usual, {code: split for code, split in splits.items() if split != usual}


def _mixed_splits(metric: str, runs: Sequence[Run]) -> dict[str, list[str]]:
    """RETURNS (Dict[str, List[str]]): The splits of each language that not all runs were scored on
    the same split of, among those that all have."""
    common = set.intersection(*(set(run.scores[metric]) for run in runs))
    found = {code: sorted({run.splits[code] for run in runs}) for code in sorted(common)}
    return {code: splits for code, splits in found.items() if len(splits) > 1}


def _by_splits(metric: str, source: str, runs: list[Run]) -> list[list[Run]]:
    """RETURNS (List[List[Run]]): The runs together, if there is a target language that all were
    scored on the same split of; else those of the same splits."""
    common = set.intersection(*(set(run.scores[metric]) for run in runs))
    mixed = _mixed_splits(metric, runs)
    if not mixed or common - set(mixed) - {source}:
        return [runs]
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run.splits[code] for code in mixed), []).append(run)
    return list(groups.values())


def _compare(metric: str, setting: Setting, runs: list[Run]) -> Comparison | None:
    available = [set(run.scores[metric]) for run in runs]
    mixed = _mixed_splits(metric, runs)
    common = set.intersection(*available) - set(mixed)
    targets = sorted(common - {setting.source})
    if not targets:
        return None
    languages = ([setting.source] if setting.source in common else []) + targets
    by_variant: dict[str, list[Run]] = {}
    for run in runs:
        by_variant.setdefault(run.variant, []).append(run)
    by_variant, notes, choices = with_layer_choices(metric, by_variant, targets)
    runs = [run for group in by_variant.values() for run in group]
    mean = {id(run): fmean(run.scores[metric][code] for code in targets) for run in runs}
    groups = group_languages(languages, setting.source)
    usual, fallback = _splits(runs, languages)
    to_baseline, to_control = _test(metric, by_variant, notes, targets)
    rows = []
    for variant in sorted(by_variant, key=lambda name: Variant.parse(name).rank):
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
            groups={
                way: {
                    name: statistic([group_mean(run.scores[metric], codes) for run in ours])
                    for name, codes in members.items()
                }
                for way, members in groups.items()
            },
            against_baseline=to_baseline.get(variant),
            against_control=to_control.get(variant),
            note=notes.get(variant, ""),
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
        left_out=sorted(set.union(*available) - common - set(mixed)),
        mixed_splits=mixed,
        fallback_splits=fallback,
        split=usual,
        rows=rows,
        groups=groups,
        n_docs=_range(
            {code: [run.n_docs[code] for run in runs if code in run.n_docs] for code in languages}
        ),
        lost_spans=_lost_spans(runs, languages) if task_of(metric) == "ner" else {},
        layer_choices=choices,
        borrowed_controls=[
            variant
            for variant in sorted(by_variant, key=lambda name: Variant.parse(name).rank)
            if _control_of(variant, by_variant) and Variant.parse(variant).control not in by_variant
        ],
        runs=by_variant,
    )


def _range(values: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, int]]:
    return {code: (min(found), max(found)) for code, found in values.items() if found}


def _lost_spans(runs: Sequence[Run], languages: Sequence[str]) -> dict[str, int]:
    most = {
        code: max((run.counts.get(code, {}).get(LOST, 0) for run in runs), default=0)
        for code in languages
    }
    return {code: n for code, n in most.items() if n}


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
    made = (
        _compare(metric, setting, group)
        for (metric, setting), found in groups.items()
        for group in _by_splits(metric, setting.source, found)
    )
    comparisons = [comparison for comparison in made if comparison is not None]
    if not comparisons:
        raise ValueError(
            f"runs: found {len(runs)} without a target language, expected scores in languages "
            "other than the source. Evaluate on a folder with several languages."
        )
    titles = Counter(comparison.title for comparison in comparisons)
    for comparison in comparisons:
        if titles[comparison.title] > 1:
            comparison.trained_on = comparison.setting.train_data or ""
            comparison.regime = comparison.setting.regime
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
