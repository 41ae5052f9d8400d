"""The scores of one pipeline in all languages, and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from ..corpora.sentence import NOTES
from ..metrics.names import METRICS

FORMAT = "dlfa_spacy.scores.v1"


@dataclass
class LanguageResult:
    """The scores of one language.

    language (str): Language code.
    split (str): The split that was scored.
    n_docs (int): Texts.
    n_tokens (int): Gold tokens.
    seconds (float): Wall-clock time of reading and predicting, without scoring.
    scores (Dict[str, float]): From 0 to 1, by the names in `names.METRICS`.
    counts (Dict[str, int]): By the names in `names.COUNTS`.
    ner_f1_per_type (Dict[str, float]): Span F1 by entity type.
    confusions (Dict[str, Dict[str, Dict[str, int]]]): By task, count by predicted label by gold
        label, see `LanguageScorer.confusions`.
    calibration (Dict[str, Dict[str, Any]]): By task, how far confidences are from what is right,
        see `metrics.calibration`; empty if that was not asked.
    multilabel_per_threshold (Dict[str, Dict[str, float]]): F1 of several labels at once by
        threshold; empty for exclusive classes.
    examples (List[Dict[str, Any]]): Texts with errors, see `wrong_text`; not in scores.json,
        because a corpus may not be redistributed.
    reading_notes (Dict[str, int]): What was changed or left out while reading a public format, by
        the keys of `corpora.sentence.NOTES`; empty for .spacy files.
    """

    language: str
    split: str
    n_docs: int
    n_tokens: int
    seconds: float
    scores: dict[str, float]
    counts: dict[str, int]
    ner_f1_per_type: dict[str, float] = field(default_factory=dict)
    reading_notes: dict[str, int] = field(default_factory=dict)
    confusions: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    multilabel_per_threshold: dict[str, dict[str, float]] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    calibration: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def words_per_second(self) -> float:
        """Gold tokens per second."""
        return self.n_tokens / self.seconds if self.seconds > 0 else 0.0


@dataclass
class Summary:
    """One metric over all languages.

    source (Optional[float]): Score of the source language; `None` if it was not scored.
    targets_mean (Optional[float]): Unweighted mean over the other languages; `None` if there are
        none.
    n_targets (int): How many target languages.
    """

    source: float | None
    targets_mean: float | None
    n_targets: int

    @property
    def gap(self) -> float | None:
        """Source score minus mean of the targets: what is lost in transfer (XTREME's gap)."""
        if self.source is None or self.targets_mean is None:
            return None
        return self.source - self.targets_mean


@dataclass
class Evaluation:
    """The scores of one pipeline on one folder.

    run (Dict[str, Any]): `name`, `variant` (the method), `seed` of training, and `train_data`, a
        description of what it was trained on.
    model (Dict[str, Any]): What the pipeline says about itself, see `model_info`.
    settings (Dict[str, Any]): How it was evaluated: `tokens` (`gold` or `raw`), `source`,
        `splits`, `limit`, `limit_seed`, `multiword`, `data`.
    languages (List[LanguageResult]): The scores.
    """

    run: dict[str, Any]
    model: dict[str, Any]
    settings: dict[str, Any]
    languages: list[LanguageResult] = field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """The metrics that any language has, in a fixed order."""
        return [m for m in METRICS if any(m in result.scores for result in self.languages)]

    def summary(self, metric: str) -> Summary:
        """Summarize one metric.

        metric (str): Its name.
        RETURNS (Summary): Source score, mean over targets, gap.
        """
        source = None
        targets = []
        for result in self.languages:
            if metric not in result.scores:
                continue
            if result.language == self.settings["source"]:
                source = result.scores[metric]
            else:
                targets.append(result.scores[metric])
        return Summary(source, fmean(targets) if targets else None, len(targets))

    def statements(self) -> list[str]:
        """Say in sentences what a reader of the table must know.

        RETURNS (List[str]): Sentences, for terminal, Markdown and JSON alike.
        """
        tokens = (
            "Gold tokens were given, as in XTREME."
            if self.settings["tokens"] == "gold"
            else "Raw text: the pipeline made its own tokens; gold tokens and spans that these do "
            "not match exactly count as errors."
        )
        lines = [tokens]
        wanted = self.settings["splits"][0]
        other = [f"{r.language} ({r.split})" for r in self.languages if r.split != wanted]
        if other:
            lines.append(f"No {wanted} split in: {', '.join(other)}.")
        if self.settings["limit"]:
            lines.append(
                f"At most {self.settings['limit']} texts per language, drawn with seed "
                f"{self.settings['limit_seed']}."
            )
        for key, text in NOTES.items():
            noted = {
                r.language: r.reading_notes[key] for r in self.languages if key in r.reading_notes
            }
            if noted:
                shown = ", ".join(f"{language} {n}" for language, n in noted.items())
                lines.append(f"While reading, {text}: {shown}.")
        off = {
            r.language: r.counts["ner_gold_spans_off_token_boundaries"]
            for r in self.languages
            if r.counts.get("ner_gold_spans_off_token_boundaries")
        }
        if off:
            shown = ", ".join(f"{language} {n}" for language, n in off.items())
            lines.append(f"Gold entities off token boundaries, lost in any case: {shown}.")
        if "textcat_macro_f1" in self.metrics:
            lines.append(
                "Macro F1 is over the labels that are gold or predicted in a language, as in "
                "scikit-learn."
            )
        if "textcat_multilabel_micro_f1" in self.metrics:
            lines.append(
                "Several labels at once: a label counts from the pipeline's own threshold on; "
                "scores.json has the scores at thresholds in steps of 0.1. A threshold chosen "
                "on them is chosen on the test set."
            )
        if "pos_chunk_f1_seqeval1" in self.metrics:
            lines.append(
                "POS chunk F1 is XTREME's score: seqeval over bare UPOS tags, where a run of equal "
                "tags counts once; seqeval 1.x takes CCONJ and SCONJ for the same, 0.0.12 does not."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Make the content of scores.json.

        RETURNS (Dict[str, Any]): Plain data.
        """
        summaries = {}
        for metric in self.metrics:
            summary = self.summary(metric)
            summaries[metric] = {
                "source": summary.source,
                "targets_mean": summary.targets_mean,
                "gap": summary.gap,
                "n_targets": summary.n_targets,
            }
        return {
            "format": FORMAT,
            "run": self.run,
            "model": self.model,
            "settings": self.settings,
            "unit": "fraction of 1",
            "metrics": {metric: METRICS[metric] for metric in self.metrics},
            "statements": self.statements(),
            "languages": {
                r.language: {
                    "split": r.split,
                    "n_docs": r.n_docs,
                    "n_tokens": r.n_tokens,
                    "seconds": round(r.seconds, 3),
                    "words_per_second": round(r.words_per_second, 1),
                    "scores": r.scores,
                    "counts": r.counts,
                    "ner_f1_per_type": r.ner_f1_per_type,
                    "confusions": r.confusions,
                    "multilabel_per_threshold": r.multilabel_per_threshold,
                    "reading_notes": r.reading_notes,
                    **({"calibration": r.calibration} if r.calibration else {}),
                }
                for r in self.languages
            },
            "summary": summaries,
        }
