"""What was measured, as the Hub reads it: one result for each language of a corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from huggingface_hub import EvalResult

from ..evaluation.languages import NAME, base
from ..metrics.names import METRICS, SHORT, task_of
from ..report.scored_runs import Run

# One number a task; scores.json and the table have the others.
SHOWN = (
    "ner_span_f1",
    "pos_token_accuracy",
    "pos_word_f1",
    "morphologizer_accuracy",
    "parser_las",
    "sentences_f1",
    "spancat_f1",
    "textcat_accuracy",
    "textcat_multilabel_micro_f1",
)
# A key of "performance" in meta.json: the corpus, whose tokens, the metric.
_MEASURED = re.compile(r"(.+)_(gold|raw)_(\w+)")


def results_of_run(run: Run) -> list[EvalResult]:
    """
    run (Run): A scores.json.
    RETURNS (List[EvalResult]): Its scores.
    """
    return [
        _result(run.setting.eval_data, run.setting.tokens, metric, code, value, run.splits[code])
        for metric in SHOWN
        for code, value in run.scores.get(metric, {}).items()
    ]


def results_of_meta(performance: Mapping[str, Any]) -> list[EvalResult]:
    """
    performance (Mapping[str, Any]): Of meta.json. What `spacy train` puts there are scores on the
        data that chose the weights, and no results.
    RETURNS (List[EvalResult]): The scores by language that are there.
    """
    return list(_of_meta(performance))


def _of_meta(performance: Mapping[str, Any]) -> Iterator[EvalResult]:
    for key, values in performance.items():
        match = _MEASURED.fullmatch(key)
        if match is None or match[3] not in METRICS or not isinstance(values, Mapping):
            continue
        for code, value in values.items():
            yield _result(match[1], match[2], match[3], code, float(value), None)


def _result(
    data: str, tokens: str, metric: str, code: str, value: float, split: str | None
) -> EvalResult:
    return EvalResult(
        task_type="text-classification" if task_of(metric) == "textcat" else "token-classification",
        dataset_type=re.sub(r"[^A-Za-z0-9._-]+", "-", data),
        dataset_name=f"{data}, {NAME.get(base(code), code)}, {tokens} tokens",
        dataset_config=f"{code}-{tokens}",
        dataset_split=split,
        metric_type="f1" if "f1" in metric else "accuracy",
        metric_name=SHORT[metric],
        metric_value=round(value, 4),
    )


def languages(results: list[EvalResult]) -> list[str]:
    """RETURNS (List[str]): The languages that were scored, by code: `zh` for `zh-hans`."""
    return sorted({base(str(result.dataset_config)) for result in results})
