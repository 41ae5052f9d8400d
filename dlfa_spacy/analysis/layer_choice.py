"""Which lower layer DLFA should read, chosen without labels in the target languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Suggestion:
    """A layer and why.

    criterion (str): By what it was chosen.
    layer (int): The layer, counted as H^l.
    scores (Dict[int, float]): The mean over languages, layer -> value.
    """

    criterion: str
    layer: int
    scores: dict[int, float]


def suggest_layer(criterion: str, scores: Mapping[int, float], num_layers: int) -> Suggestion:
    """Choose the best layer between the embeddings and the last layer; of equal ones the highest,
    which is nearest to what the baseline reads.

    criterion (str): Its name.
    scores (Mapping[int, float]): Layer -> value, higher is better.
    num_layers (int): L.
    RETURNS (Suggestion): The layer.
    RAISES (ValueError): The encoder has no lower layer.
    """
    lower = {layer: scores[layer] for layer in range(1, num_layers) if layer in scores}
    if not lower:
        raise ValueError(
            f"An encoder of {num_layers} layers has none between the embeddings and the last "
            "one, which DLFA could read. Expected 2 layers or more. Fix: use a deeper encoder."
        )
    best = max(lower, key=lambda layer: (lower[layer], layer))
    return Suggestion(criterion, best, dict(sorted(scores.items())))


def retrieval_scores(rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """rows: As `retrieval_rows` gives them. RETURNS (Dict[int, float]): Layer -> accuracy by CSLS
    of sentences as they are, the mean over languages and both directions."""
    return _means(
        (row["layer"], (row["csls_to_en"] + row["csls_from_en"]) / 2)
        for row in rows
        if not row["centred"]
    )


def cosine_scores(rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """rows: As `retrieval_rows` gives them. RETURNS (Dict[int, float]): Layer -> mean cosine of
    translations above that of shuffled pairs. Without the difference the most crowded layer, where
    anything is near anything, would win."""
    return _means(
        (row["layer"], row["mean_cosine"] - row["shuffled_cosine"])
        for row in rows
        if not row["centred"]
    )


def cka_scores(rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """rows: As `cka_rows` gives them. RETURNS (Dict[int, float]): Layer -> debiased linear CKA, the
    mean over languages."""
    return _means(
        (row["layer"], row["cka"]) for row in rows if row["kernel"] == "linear" and row["debiased"]
    )


def language_share(vectors: NDArray, languages: NDArray) -> float:
    """How much of the variance of sentence vectors is which language they are in: (SS_between -
    (k - 1) MS_within) / SS_total, which is about 0 if the languages do not differ. It needs text,
    but no translations.

    vectors (NDArray): `(n, E)`.
    languages (NDArray): `(n,)`, k names, two or more.
    RETURNS (float): At most 1; about 0, of either sign, for no difference.
    RAISES (ValueError): Fewer than 2 languages, or no sentence more than languages.

    Source: epsilon squared of an analysis of variance, Kelley 1935.
    """
    x = numpy.asarray(vectors, dtype="float64")
    x = x - x.mean(axis=0)
    names = numpy.unique(languages)
    if len(names) < 2 or len(x) <= len(names):
        raise ValueError(
            f"{len(x)} sentences in {len(names)} languages: expected two languages or more and "
            "several sentences each. Fix: a folder with a <language>.txt each, en.txt among them."
        )
    total = float((x * x).sum())
    if total == 0.0:
        return 0.0
    between = 0.0
    for name in names:
        own = x[languages == name]
        mean = own.mean(axis=0)
        between += len(own) * float(mean @ mean)
    within = (total - between) / (len(x) - len(names))
    return (between - (len(names) - 1) * within) / total


def layer_regret(
    table: pandas.DataFrame,
    choices: Mapping[str, int],
    source: str = "en",
    aggregator: str = "dlfa",
) -> pandas.DataFrame:
    """What choosing a layer without target labels costs, against the layer that is best on the
    targets (the oracle, unknown in practice).

    table (pandas.DataFrame): Of a sweep over the layers of DLFA: task, aggregator, layer, encoder,
        seed, language, split, metric, value; regime, texts, gate and norm if there are several.
    choices (Mapping[str, int]): Name of a criterion -> its layer. Added to them are "source dev",
        the layer best on the source language's dev split (if it is in the table), and "random",
        the mean over all layers.
    source (str): The language trained on.
    aggregator (str): Whose layers: "dlfa", or "layer" of each layer alone.
    RETURNS (pandas.DataFrame): task, encoder, regime, texts, aggregator, gate, norm, metric,
        criterion, layer, score, oracle_layer, oracle, regret (oracle - score, of the mean over
        targets and seeds), seeds.
    RAISES (ValueError): The table has no such runs, or not at the layer chosen.
    """
    import pandas

    table = table[table["aggregator"] == aggregator].dropna(subset=["layer"])
    if table.empty:
        raise ValueError(
            f"The table has no runs with aggregator = {aggregator!r} and a layer. Expected a sweep "
            "over the layers. Fix: dlfa sweep with dlfa:all."
        )
    rows = []
    keys = ["task", "encoder", "regime", "texts", "aggregator", "gate", "norm", "metric"]
    table = table.assign(**{name: "" for name in keys if name not in table})
    for key, part in table.groupby(keys, sort=True):
        targets = part[part["language"] != source]
        if targets.empty:
            continue
        # First over languages, then over seeds: each seed counts the same.
        scores = targets.groupby(["layer", "seed"])["value"].mean().groupby("layer").mean()
        scores.index = scores.index.astype(int)
        oracle = int(scores.idxmax())
        chosen: dict[str, int | None] = dict(choices)
        dev = part[(part["language"] == source) & (part["split"] == "dev")]
        if not dev.empty:
            chosen["source dev"] = int(dev.groupby("layer")["value"].mean().idxmax())
        chosen["random"] = None
        for name, layer in chosen.items():
            if layer is not None and layer not in scores.index:
                raise ValueError(
                    f"{name} chose layer {layer}, and the sweep has only {sorted(scores.index)}. "
                    "Expected a run at that layer. Fix: sweep all layers (dlfa:all)."
                )
            score = float(scores.mean() if layer is None else scores[layer])
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "criterion": name,
                    "layer": layer,
                    "score": score,
                    "oracle_layer": oracle,
                    "oracle": float(scores[oracle]),
                    "regret": float(scores[oracle]) - score,
                    "seeds": int(part["seed"].nunique()),
                }
            )
    return pandas.DataFrame(rows).astype({"layer": "Int64"})


def _means(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for layer, value in values:
        found.setdefault(layer, []).append(value)
    return {layer: float(numpy.mean(found[layer])) for layer in sorted(found)}
