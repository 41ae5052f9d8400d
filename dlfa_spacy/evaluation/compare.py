"""Methods side by side: means and deviations over seeds, differences paired by seed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import fmean, stdev

from .groups import group_languages, group_mean
from .layer_choice import CHOSEN, MEAN, ORACLE, choose_layer
from .names import COUNTS, MAIN, METRICS, SHORT, task_of
from .runs import Run, Setting
from .significance import Significance, corrected, significance
from .tables import TABLE_METRICS

BASELINE = "last"
_ORDER = ("other", "last", "mean", "scalar-mix", "attention", "dlfa", "control", "reinit")
_LOST = "ner_gold_spans_off_token_boundaries"


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
    groups (Dict[str, Dict[str, Statistic]]): Mean over the languages of a group, by way of grouping
        and group.
    against_baseline (Optional[Significance]): Tests against the last layer.
    against_control (Optional[Significance]): Tests against its control.
    note (str): What a reader must know about this row; empty for an ordinary method.
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
    groups: dict[str, dict[str, Statistic]] = field(default_factory=dict)
    against_baseline: Significance | None = None
    against_control: Significance | None = None
    note: str = ""

    @property
    def is_bound(self) -> bool:
        """Whether it was chosen with the answers at hand: an upper bound, no result."""
        return self.variant.endswith(ORACLE)


@dataclass
class Comparison:
    """All methods under one metric and setting.

    metric (str): Its name.
    setting (Setting): What the runs share.
    languages (List[str]): Those that every run has, the source first.
    left_out (List[str]): Languages that only some runs have.
    fallback_splits (Dict[str, str]): Languages scored on a split other than that of most.
    rows (List[Row]): The methods.
    groups (Dict[str, Dict[str, List[str]]]): Languages by way of grouping and group.
    n_docs (Dict[str, Tuple[int, int]]): Least and most texts by language over the runs.
    lost_spans (Dict[str, int]): Gold entities off token boundaries, by language.
    layer_choices (List[str]): Sentences about methods with several layers.
    borrowed_controls (List[str]): DLFA methods held against a control with another gate or norm.
    """

    metric: str
    setting: Setting
    languages: list[str]
    left_out: list[str]
    fallback_splits: dict[str, str]
    rows: list[Row]
    groups: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    n_docs: dict[str, tuple[int, int]] = field(default_factory=dict)
    lost_spans: dict[str, int] = field(default_factory=dict)
    layer_choices: list[str] = field(default_factory=list)
    borrowed_controls: list[str] = field(default_factory=list)

    @property
    def tested(self) -> bool:
        """Whether any difference rests on more than one seed."""
        return any(row.against_baseline and row.against_baseline.p_runs for row in self.rows)

    @property
    def title(self) -> str:
        """What is compared, in few words."""
        raw = "" if self.setting.tokens == "gold" else ", raw text"
        name = SHORT[self.metric]
        return f"{name[0].upper()}{name[1:]}, {self.setting.eval_data}{raw}"

    @property
    def is_main(self) -> bool:
        """Whether this is the metric that stands for its task."""
        return self.metric in (MAIN.get(task_of(self.metric)), "textcat_multilabel_macro_f1")

    def in_short(self) -> str:
        """Say in one sentence what the tests against the last layer come to.

        RETURNS (str): The sentence; empty if there is nothing to test.
        """
        tested = {row.variant: row.against_baseline for row in self.rows if row.against_baseline}
        if not tested:
            return ""
        by_verdict: dict[str, list[str]] = {}
        for name, result in tested.items():
            shown = f"{name} ({100 * result.difference:+.1f})"
            by_verdict.setdefault(result.verdict, []).append(shown)
        parts = [
            f"{verdict} than the last layer: {', '.join(by_verdict[verdict])}"
            for verdict in ("better", "worse")
            if verdict in by_verdict
        ]
        if not parts:
            parts.append("no method is told apart from the last layer")
        if "these runs only" in by_verdict:
            parts.append(
                "in these runs only, which differ too much to say so of the method: "
                + ", ".join(by_verdict["these runs only"])
            )
        sentence = "; ".join(parts)
        n = len(tested)
        return f"{sentence[0].upper()}{sentence[1:]} ({n} method{'s' * (n > 1)} tested)."

    def statements(self) -> list[str]:
        """Say in sentences what a reader of the table must know.

        RETURNS (List[str]): The sentences.
        """
        setting = self.setting
        lines = [
            METRICS[self.metric] + ".",
            f"Evaluated on {setting.eval_data}, "
            + ("gold tokens as in XTREME" if setting.tokens == "gold" else "raw text")
            + (f", at most {setting.limit} texts a language." if setting.limit else ".")
            + self._texts(),
            f"Training data: {setting.train_data or 'not stated'}. "
            f"Encoder: {setting.encoder or 'not stated'}.",
        ]
        if self.fallback_splits:
            shown = ", ".join(f"{code} ({split})" for code, split in self.fallback_splits.items())
            lines.append(f"Scored on another split: {shown}.")
        if self.left_out:
            lines.append(f"Left out, because some runs lack them: {', '.join(self.left_out)}.")
        if self.lost_spans:
            shown = ", ".join(f"{code} {n}" for code, n in self.lost_spans.items())
            lines.append(f"{COUNTS[_LOST].capitalize()}: {shown}.")
        lines += self.layer_choices
        if self.borrowed_controls:
            lines.append(
                "Held against a control with another gate or norm, because its own was not run: "
                f"{', '.join(self.borrowed_controls)}."
            )
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

    def _texts(self) -> str:
        if not self.n_docs:
            return ""
        low = min(least for least, _ in self.n_docs.values())
        high = max(most for _, most in self.n_docs.values())
        return f" {low:,} texts a language." if low == high else f" {low:,} to {high:,} texts."


def _rank(variant: str) -> tuple[int, list[int | str]]:
    base = next((i for i, name in enumerate(_ORDER) if variant.startswith(name)), len(_ORDER))
    return base, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", variant)]


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
    return runs.get(_control_name(variant), runs.get("control", []))


def _control_name(variant: str) -> str:
    gate = re.split("[@:]", variant)[0].partition("-")[2]
    return "control" if gate in ("", "product") else f"control-{gate}"


def _family(variant: str) -> str | None:
    """RETURNS (Optional[str]): What the layers of a DLFA method have in common."""
    return variant.partition("@")[0] if variant.startswith("dlfa") else None


def _by_seed(runs: Sequence[Run], metric: str) -> dict[int, dict[str, float]]:
    return {run.seed: run.scores[metric] for run in runs if run.seed is not None}


def _with_layer_choices(
    metric: str, by_variant: Mapping[str, list[Run]], targets: Sequence[str]
) -> tuple[dict[str, list[Run]], dict[str, str], list[str]]:
    """Add a row for the layer chosen on dev, one for the mean over layers, and the oracle.

    RETURNS (Tuple): Runs by variant, a note by variant of what stands for no single method, and
        sentences.
    """
    families: dict[str, dict[str, list[Run]]] = {}
    for variant, runs in by_variant.items():
        name = _family(variant)
        if name is not None:
            families.setdefault(name, {})[variant.partition("@")[2] or "default"] = runs
    made = dict(by_variant)
    notes: dict[str, str] = {}
    sentences: list[str] = []
    for name, layers in families.items():
        choice = choose_layer(
            {layer: _by_seed(runs, metric) for layer, runs in layers.items()},
            {
                layer: {
                    run.seed: run.dev[metric]
                    for run in runs
                    if run.seed is not None and metric in run.dev
                }
                for layer, runs in layers.items()
            },
            targets,
        )
        if choice is None:
            continue
        n = choice.n_layers
        if choice.chosen:
            notes |= {
                f"{name}@{layer}" if layer != "default" else name: f"one of {n} layers"
                for layer in layers
            }
        notes[f"{name}: {MEAN}"] = f"mean of {n} layers, no choice"
        notes[f"{name}: {ORACLE}"] = f"best of {n} layers on the targets' test sets"
        for label, scores in (
            (CHOSEN, choice.chosen),
            (MEAN, choice.mean),
            (ORACLE, choice.oracle),
        ):
            if scores:
                template = next(iter(layers.values()))[0]
                made[f"{name}: {label}"] = [
                    replace(
                        template,
                        variant=f"{name}: {label}",
                        seed=seed,
                        scores={metric: row},
                        dev={},
                    )
                    for seed, row in scores.items()
                ]
        sentences.append(_about_choice(name, choice.n_layers, choice.chosen_layers, choice.regrets))
    return made, notes, sentences


def _about_choice(name: str, n: int, chosen: Mapping[int, str], regrets: Sequence[float]) -> str:
    if not chosen:
        return (
            f"{name} ran at {n} layers without dev scores: none was chosen. The oracle is the best "
            "on the targets' test sets, an upper bound and no result."
        )
    shown = ", ".join(f"{layer} (seed {seed})" for seed, layer in chosen.items())
    return (
        f"{name} ran at {n} layers. Chosen on dev of the source language: layer {shown}; "
        f"{100 * fmean(regrets):.1f} points below the oracle, which is the best on the targets' "
        "test sets, an upper bound and no result. Single layers are not tested."
    )


def _test(
    metric: str, made: Mapping[str, list[Run]], skip: Mapping[str, str], targets: Sequence[str]
) -> tuple[dict[str, Significance], dict[str, Significance]]:
    """RETURNS (Tuple[Dict[str, Significance], Dict[str, Significance]]): Against the last layer and
    against the controls, each a family of its own."""
    baseline, control = {}, {}
    for variant, runs in made.items():
        if variant == BASELINE or variant in skip:
            continue
        ours = _by_seed(runs, metric)
        to_baseline = significance(ours, _by_seed(made.get(BASELINE, []), metric), targets)
        to_control = significance(ours, _by_seed(_control_of(variant, dict(made)), metric), targets)
        if to_baseline is not None:
            baseline[variant] = to_baseline
        if to_control is not None:
            control[variant] = to_control
    return corrected(baseline), corrected(control)


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
    by_variant, notes, choices = _with_layer_choices(metric, by_variant, targets)
    runs = [run for group in by_variant.values() for run in group]
    mean = {id(run): fmean(run.scores[metric][code] for code in targets) for run in runs}
    groups = group_languages(languages, setting.source)
    to_baseline, to_control = _test(metric, by_variant, notes, targets)
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
        left_out=sorted(set.union(*available) - common),
        fallback_splits=_splits(runs, languages),
        rows=rows,
        groups=groups,
        n_docs=_range(
            {code: [run.n_docs[code] for run in runs if code in run.n_docs] for code in languages}
        ),
        lost_spans=_lost_spans(runs, languages) if task_of(metric) == "ner" else {},
        layer_choices=choices,
        borrowed_controls=[
            variant
            for variant in sorted(by_variant, key=_rank)
            if _control_of(variant, by_variant) and _control_name(variant) not in by_variant
        ],
    )


def _range(values: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, int]]:
    return {code: (min(found), max(found)) for code, found in values.items() if found}


def _lost_spans(runs: Sequence[Run], languages: Sequence[str]) -> dict[str, int]:
    most = {
        code: max((run.counts.get(code, {}).get(_LOST, 0) for run in runs), default=0)
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
