"""A table of methods by language, and what a reader must know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, stdev

from ..metrics.names import COUNTS, MAIN, METRICS, SHORT, task_of
from ..statistics.significance import Significance
from .layer_choice import ORACLE
from .scored_runs import Run, Setting

# Gold entities that no prediction can match.
LOST = "ner_gold_spans_off_token_boundaries"
# The split that goes without saying.
TEST = "test"


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

        With one seed nothing can be distinguished from noise.
        """
        return self.sd is None or abs(self.mean) < 2 * self.sd / sqrt(self.n)


def statistic(values: Sequence[float]) -> Statistic:
    """Summarize values over seeds.

    values (Sequence[float]): One value per seed; at least one.
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
        """Whether it was chosen on the test sets: an upper bound, not a result."""
        return self.variant.endswith(ORACLE)


@dataclass
class Comparison:
    """All methods under one metric and setting.

    metric (str): Its name.
    setting (Setting): What the runs share.
    languages (List[str]): Those that every run has, the source first.
    left_out (List[str]): Languages that only some runs have.
    fallback_splits (Dict[str, str]): Languages scored on a split other than that of most.
    split (str): The split of most.
    mixed_splits (Dict[str, List[str]]): Languages left out because the runs were scored on these
        different splits of them.
    rows (List[Row]): The methods.
    groups (Dict[str, Dict[str, List[str]]]): Languages by way of grouping and group.
    n_docs (Dict[str, Tuple[int, int]]): Least and most texts by language over the runs.
    lost_spans (Dict[str, int]): Gold entities off token boundaries, by language.
    layer_choices (List[str]): Sentences about methods with several layers.
    borrowed_controls (List[str]): DLFA methods compared with a control with another gate or norm.
    runs (Dict[str, List[Run]]): The runs by method.
    trained_on (str): The training data, where others share the rest of the title.
    regime (str): What of the encoder trained, likewise.
    """

    metric: str
    setting: Setting
    languages: list[str]
    left_out: list[str]
    fallback_splits: dict[str, str]
    rows: list[Row]
    split: str = TEST
    mixed_splits: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    n_docs: dict[str, tuple[int, int]] = field(default_factory=dict)
    lost_spans: dict[str, int] = field(default_factory=dict)
    layer_choices: list[str] = field(default_factory=list)
    borrowed_controls: list[str] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    trained_on: str = ""
    regime: str = ""

    @property
    def tested(self) -> bool:
        """Whether any difference rests on more than one seed."""
        return any(row.against_baseline and row.against_baseline.p_runs for row in self.rows)

    @property
    def title(self) -> str:
        """What is compared, in few words."""
        return f"{self.metric_name}, {self.scored}"

    @property
    def metric_name(self) -> str:
        """The metric, as a heading has it."""
        name = SHORT[self.metric]
        return f"{name[0].upper()}{name[1:]}"

    @property
    def scored(self) -> str:
        """What was scored by the metric: on which texts, and trained how."""
        raw = "" if self.setting.tokens == "gold" else ", raw text"
        regime = f", {self.regime}" if self.regime else ""
        trained = f", trained on {self.trained_on}" if self.trained_on else ""
        return f"{self.setting.eval_data}{raw}{regime}{trained}"

    @property
    def is_main(self) -> bool:
        """Whether this is the metric that stands for its task."""
        return self.metric in (MAIN.get(task_of(self.metric)), "textcat_multilabel_macro_f1")

    def in_short(self) -> str:
        """Summarize in one sentence the tests against the last layer.

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
            parts.append("no method differs significantly from the last layer")
        if "these runs only" in by_verdict:
            parts.append(
                "in these runs only, which differ too much for a claim about the method: "
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
            + (f"split {self.split}, " if self.split != TEST else "")
            + ("gold tokens as in XTREME" if setting.tokens == "gold" else "raw text")
            + (f", at most {setting.limit} texts per language." if setting.limit else ".")
            + self._texts(),
            f"Training data: {setting.train_data or 'not stated'}. "
            f"Encoder: {setting.encoder or 'not stated'}"
            + (f", {setting.regime}." if setting.regime else "."),
        ]
        if self.fallback_splits:
            shown = ", ".join(f"{code} ({split})" for code, split in self.fallback_splits.items())
            lines.append(f"Scored on another split: {shown}.")
        if self.left_out:
            lines.append(f"Omitted, because some runs lack them: {', '.join(self.left_out)}.")
        if self.mixed_splits:
            shown = ", ".join(
                f"{code} ({' and '.join(splits)})" for code, splits in self.mixed_splits.items()
            )
            lines.append(f"Omitted, because runs were scored on different splits: {shown}.")
        if self.lost_spans:
            shown = ", ".join(f"{code} {n}" for code, n in self.lost_spans.items())
            lines.append(f"{COUNTS[LOST].capitalize()}: {shown}.")
        lines += self.layer_choices
        if self.borrowed_controls:
            lines.append(
                "Compared with a control of another gate or norm, because its own was not run: "
                f"{', '.join(self.borrowed_controls)}."
            )
        numbers = {row.targets.n for row in self.rows}
        if numbers == {1}:
            lines.append("One seed per method: no difference here can be tested for significance.")
        else:
            low, high = min(numbers), max(numbers)
            lines.append(
                f"{low if low == high else f'{low} to {high}'} seeds per method; ± is the sample "
                "standard deviation over seeds. Differences are paired by seed where seeds are "
                "shared; ≈ marks those within noise, |mean| < 2 sd/√n."
            )
        return lines

    def _texts(self) -> str:
        if not self.n_docs:
            return ""
        low = min(least for least, _ in self.n_docs.values())
        high = max(most for _, most in self.n_docs.values())
        return f" {low:,} texts per language." if low == high else f" {low:,} to {high:,} texts."
