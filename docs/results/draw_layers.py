"""Scores by layer, a picture per task: each layer alone, DLFA at each lower layer, and what needs
no choice of a layer.

    python docs/results/draw_layers.py docs/results/frozen_layers.csv docs/results
"""

import sys
from pathlib import Path

from dlfa_spacy.metrics.names import MAIN, SHORT
from dlfa_spacy.report import plots
from dlfa_spacy.runs.table import read_table

source, folder = map(Path, sys.argv[1:])
table = read_table(source)
table = table[(table["language"] != "en") & table["metric"].isin(MAIN.values())]
names = {
    ("layer", ""): "the layer alone",
    ("dlfa", "sigmoid"): "DLFA, sigmoid gate",
    ("dlfa", "product"): "DLFA, product gate",
}
flat = {
    ("scalar", ""): "scalar mix",
    ("attention", ""): "attention",
    ("control", "sigmoid"): "control, sigmoid gate",
}
for task, rows in table.groupby("task"):
    depth = int(rows["layer"].max())
    # Each seed counts the same: first over languages, then over seeds.
    means = rows.groupby(["aggregator", "gate", "layer", "seed"], dropna=False)["value"].mean()
    means = 100 * means.groupby(["aggregator", "gate", "layer"], dropna=False).mean()
    series = {
        label: {int(layer): float(value) for layer, value in means[key].items()}
        for key, label in names.items()
    }
    # The last layer is the baseline, under its own name.
    series["the layer alone"][depth] = float(means["last"].iloc[0])
    controls = {
        label: dict.fromkeys(range(1, depth + 1), float(means[key].iloc[0]))
        for key, label in flat.items()
    }
    label = f"{SHORT[rows['metric'].iloc[0]]}, mean over target languages"
    title = f"{task}, frozen encoder: what reads which layer"
    figure = plots.curves(series, title=title, label=label, controls=controls, mean=False)
    print(plots.save(figure, folder / f"layers_{task}.svg"))
