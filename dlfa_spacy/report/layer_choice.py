"""A layer out of many: chosen on source dev, averaged over, and chosen on the test sets.

The best of n runs is better than their mean by chance alone (the best of 11 by about 1.6 standard
deviations). So a method with a layer to choose has three rows, not one: `chosen` is the
layer best on the source language's dev set, which is what a user gets, `mean` is the mean over the
layers, without a choice, and `oracle` is the best on the targets' test sets: an upper bound, never
a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

CHOSEN, MEAN, ORACLE = "chosen on dev", "mean over layers", "oracle"


@dataclass
class LayerChoice:
    """What comes out of a method that was run at several layers with the same seeds.

    n_layers (int): How many layers there were to choose from.
    chosen (Dict[int, Dict[str, float]]): Scores of the layer best on source dev, by seed; empty
        without dev scores.
    mean (Dict[int, Dict[str, float]]): Means over the layers.
    oracle (Dict[int, Dict[str, float]]): Scores of the layer best on the targets, by seed.
    chosen_layers (Dict[int, str]): Which layer that was, by seed.
    oracle_layers (Dict[int, str]): The same of the oracle.
    regrets (List[float]): What the choice on dev lost against the oracle on the targets' mean, seed
        by seed.
    """

    n_layers: int
    chosen: dict[int, dict[str, float]] = field(default_factory=dict)
    mean: dict[int, dict[str, float]] = field(default_factory=dict)
    oracle: dict[int, dict[str, float]] = field(default_factory=dict)
    chosen_layers: dict[int, str] = field(default_factory=dict)
    oracle_layers: dict[int, str] = field(default_factory=dict)

    regrets: list[float] = field(default_factory=list)


def choose_layer(
    scores: Mapping[str, Mapping[int, Mapping[str, float]]],
    dev: Mapping[str, Mapping[int, float]],
    targets: Sequence[str],
) -> LayerChoice | None:
    """Choose a layer three ways, for each seed by itself.

    scores (Mapping[str, Mapping[int, Mapping[str, float]]]): Score by layer, seed and language.
    dev (Mapping[str, Mapping[int, float]]): Score on the source language's dev set by layer and
        seed.
    targets (Sequence[str]): The target languages.
    RETURNS (Optional[LayerChoice]): `None` if there is nothing to choose: fewer than two layers.
        Only seeds that every layer has take part.
    """
    layers = list(scores)
    if len(layers) < 2:
        return None
    choice = LayerChoice(len(layers))
    for seed in sorted(set.intersection(*(set(scores[layer]) for layer in layers))):
        by_layer = {layer: scores[layer][seed] for layer in layers}
        languages = set.intersection(*(set(row) for row in by_layer.values()))
        target_mean = {x: fmean(row[code] for code in targets) for x, row in by_layer.items()}
        best = max(layers, key=lambda x: target_mean[x])
        choice.oracle[seed], choice.oracle_layers[seed] = dict(by_layer[best]), best
        choice.mean[seed] = {
            code: fmean(row[code] for row in by_layer.values()) for code in sorted(languages)
        }
        if all(seed in dev.get(layer, {}) for layer in layers):
            ours = max(layers, key=lambda x: dev[x][seed])
            choice.chosen[seed], choice.chosen_layers[seed] = dict(by_layer[ours]), ours
            choice.regrets.append(target_mean[best] - target_mean[ours])
    return choice if choice.mean else None
