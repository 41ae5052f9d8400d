"""Rows for a method that ran at several layers: chosen on dev, mean over layers, oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from .layer_choice import CHOSEN, MEAN, ORACLE, choose_layer
from .scored_runs import Run
from .variant import Variant


def by_seed(runs: Sequence[Run], metric: str) -> dict[int, dict[str, float]]:
    """RETURNS (Dict[int, Dict[str, float]]): Score by seed and language; runs without seed are left
    out."""
    return {run.seed: run.scores[metric] for run in runs if run.seed is not None}


def with_layer_choices(
    metric: str, by_variant: Mapping[str, list[Run]], targets: Sequence[str]
) -> tuple[dict[str, list[Run]], dict[str, str], list[str]]:
    """Add a row for the layer chosen on dev, one for the mean over layers, and the oracle.

    metric (str): The metric, which also chooses.
    by_variant (Mapping[str, List[Run]]): Runs by method; `dlfa-...@x` is a layer of `dlfa-...`,
        `layer@x` a single one.
    targets (Sequence[str]): The target languages.
    RETURNS (Tuple[Dict[str, List[Run]], Dict[str, str], List[str]]): Runs by method with the new
        ones; by method, a note on what stands for no method of its own; and sentences.
    """
    families: dict[str, dict[str, list[Run]]] = {}
    for variant, runs in by_variant.items():
        method = Variant.parse(variant)
        if method.has_family:
            families.setdefault(method.family, {})[method.layer or "default"] = runs
    made = dict(by_variant)
    notes: dict[str, str] = {}
    sentences: list[str] = []
    for name, layers in families.items():
        choice = choose_layer(
            {layer: by_seed(runs, metric) for layer, runs in layers.items()},
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
        for label, chosen in ((CHOSEN, choice.chosen_layers), (ORACLE, choice.oracle_layers)):
            if chosen:
                variant = f"{name}: {label}"
                made[variant] = [
                    replace(run, variant=variant, dev={})
                    for seed, layer in chosen.items()
                    for run in layers[layer]
                    if run.seed == seed
                ]
        made[f"{name}: {MEAN}"] = [
            replace(
                next(iter(layers.values()))[0],
                variant=f"{name}: {MEAN}",
                seed=seed,
                scores={metric: row},
                dev={},
                confusions={},
                layer_weights={},
            )
            for seed, row in choice.mean.items()
        ]
        sentences.append(_about_choice(name, choice.n_layers, choice.chosen_layers, choice.regrets))
    return made, notes, sentences


def _about_choice(name: str, n: int, chosen: Mapping[int, str], regrets: Sequence[float]) -> str:
    if not chosen:
        return (
            f"{name} ran at {n} layers without dev scores: none was chosen. The oracle is the best "
            "on the targets' test sets, an upper bound and not a result."
        )
    shown = ", ".join(f"{layer} (seed {seed})" for seed, layer in chosen.items())
    return (
        f"{name} ran at {n} layers. Chosen on dev of the source language: layer {shown}; "
        f"{100 * fmean(regrets):.1f} points below the oracle, which is the best on the targets' "
        "test sets, an upper bound and not a result. Single layers are not tested."
    )
