"""What the aggregations of a sweep read: the weight of each layer, the mean over languages, and the
lowest and the highest of a language.

    python docs/results/weights.py sweeps/frozen_main docs/results/analysis/layer_weights.csv
"""

import sys
from pathlib import Path
from statistics import fmean

from dlfa_spacy.files.csv_table import write_csv
from dlfa_spacy.runs.table import SQLITE, ResultsTable

sweep, target = map(Path, sys.argv[1:])
rows = []
for record in ResultsTable(sweep / SQLITE).records().values():
    key = record["key"]
    # A single layer, or a fixed mean, has nothing that was learned.
    if key["aggregator"] not in ("scalar", "attention"):
        continue
    by_language = record["layer_weights"]["by_language"].values()
    for component in next(iter(by_language)):
        for layer, values in enumerate(zip(*(x[component] for x in by_language), strict=True)):
            row = {name: key[name] for name in ("task", "aggregator", "seed")}
            row |= {"component": component, "layer": layer, "weight": fmean(values)}
            rows.append(row | {"lowest": min(values), "highest": max(values)})
rows.sort(key=lambda row: tuple(row.values()))
write_csv(target, rows)
print(f"{len(rows)} rows: {target}")
