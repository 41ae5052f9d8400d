"""The scores.json files of several runs, read back and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evaluation.results import FORMAT


@dataclass(frozen=True)
class Setting:
    """What two runs must share for their scores to be compared.

    eval_data (str): Name of the evaluation corpus.
    tokens (str): `gold` or `raw`.
    source (str): The source language.
    limit (int): Texts per language; 0 for all.
    encoder (Optional[str]): Name of the encoder.
    train_data (Optional[str]): What was trained on, in words.
    regime (str): What of the encoder trained, if that is known.
    texts (int): Texts trained on; 0 if that is not known.
    """

    eval_data: str
    tokens: str
    source: str
    limit: int
    encoder: str | None
    train_data: str | None
    regime: str = ""
    texts: int = 0


@dataclass(frozen=True)
class Run:
    """One scores.json.

    path (Path): The file.
    name (str): Name of the run.
    variant (str): The method.
    seed (Optional[int]): Seed of training, if it was stated.
    setting (Setting): What it may be compared within.
    scores (Dict[str, Dict[str, float]]): Score from 0 to 1 by metric and language.
    splits (Dict[str, str]): Split by language.
    dev (Dict[str, float]): Score by metric on the dev set of the source language, which may choose.
    n_docs (Dict[str, int]): Texts by language; empty if that is not known.
    counts (Dict[str, Dict[str, int]]): Counts by language and the names in `names.COUNTS`.
    confusions (Dict[str, Dict[str, Any]]): By language and task, see `LanguageScorer.confusions`.
    calibration (Dict[str, Dict[str, Any]]): By language and task, see `Calibration.to_dict`; empty
        where nobody asked.
    layer_weights (Dict[str, List[float]]): The weight of each layer by component, where the
        aggregation has one.
    """

    path: Path
    name: str
    variant: str
    seed: int | None
    setting: Setting
    scores: dict[str, dict[str, float]]
    splits: dict[str, str]
    dev: dict[str, float] = field(default_factory=dict)
    n_docs: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    confusions: dict[str, dict[str, Any]] = field(default_factory=dict)
    calibration: dict[str, dict[str, Any]] = field(default_factory=dict)
    layer_weights: dict[str, list[float]] = field(default_factory=dict)


def read_run(path: Path) -> Run:
    """Read a scores.json.

    path (Path): The file.
    RETURNS (Run): Its content.
    RAISES (ValueError): If it is damaged or was not written by `dlfa evaluate`.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise KeyError(f"format = {content.get('format')!r}")
        scores: dict[str, dict[str, float]] = {}
        for language, result in content["languages"].items():
            for metric, value in result["scores"].items():
                scores.setdefault(metric, {})[language] = float(value)
        run, settings = content["run"], content["settings"]
        results = content["languages"]
        return Run(
            path=path,
            name=run["name"],
            variant=run["variant"],
            seed=run["seed"],
            setting=Setting(
                eval_data=run["eval_data"],
                tokens=settings["tokens"],
                source=settings["source"],
                limit=settings["limit"],
                encoder=content["model"]["encoder"],
                train_data=run["train_data"],
            ),
            scores=scores,
            splits={code: result["split"] for code, result in results.items()},
            n_docs={code: int(result["n_docs"]) for code, result in results.items()},
            counts={code: dict(result.get("counts", {})) for code, result in results.items()},
            confusions={code: result.get("confusions", {}) for code, result in results.items()},
            calibration={
                code: result["calibration"]
                for code, result in results.items()
                if result.get("calibration")
            },
            layer_weights=content["model"].get("layer_weights") or {},
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: found {error}, expected the scores.json of `dlfa evaluate --out` (format "
            f"{FORMAT}). Evaluate that run again, or move the file away."
        ) from error


def read_runs(folder: Path) -> list[Run]:
    """Read all scores.json files below a folder.

    folder (Path): The folder.
    RETURNS (List[Run]): The runs, by path.
    RAISES (ValueError): If there are none, or two have the same method, seed and setting.
    """
    paths = sorted(folder.rglob("scores.json"))
    # What a process that was killed has left has a name that begins with a dot.
    shown = [p for p in paths if not any(x.startswith(".") for x in p.relative_to(folder).parts)]
    runs = [read_run(path) for path in shown]
    if not runs:
        raise ValueError(
            f"{folder}: found no scores.json below it, expected at least one. Write them with "
            "`dlfa evaluate MODEL FOLDER --out RUN`, or name the folder of a `dlfa sweep`."
        )
    seen: dict[tuple[Any, ...], Path] = {}
    for run in runs:
        for metric in run.scores:
            key = (run.setting, run.variant, run.seed, metric)
            if run.seed is not None and key in seen:
                raise ValueError(
                    f"{run.path}: found the method {run.variant!r} with seed {run.seed} on "
                    f"{run.setting.eval_data!r} again, expected it once; {seen[key]} has it too. "
                    "Move one of them away, or evaluate with another --variant or --seed."
                )
            seen[key] = run.path
    return runs
