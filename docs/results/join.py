"""Join the tables of several sweeps into one CSV file: the main metrics, six digits.

python docs/results/join.py sweeps/frozen_main docs/results/frozen_main.csv
python docs/results/join.py --common sweeps/frozen_100 sweeps/frozen_500 docs/results/curves.csv
python docs/results/join.py --languages sweeps/frozen_500 sweeps/tuned_500 docs/results/tuned.csv

With --common, of each task only the methods and seeds that all of them have which have the task;
with --languages, only the languages.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas

from dlfa_spacy.files.writing import write_text
from dlfa_spacy.metrics.names import MAIN
from dlfa_spacy.runs.table import read_table

KEPT = {*MAIN.values(), "pos_chunk_f1_seqeval1"}
SHARED = {
    "--common": ["task", "aggregator", "layer", "gate", "norm", "encoder", "seed"],
    "--languages": ["task", "language"],
}


def shared(tables: Sequence[pandas.DataFrame], columns: Sequence[str]) -> list[pandas.DataFrame]:
    """RETURNS (List[DataFrame]): The rows whose values of some columns are in all tables."""
    keys = [t[columns].apply(lambda row: "/".join(map(str, row)), axis=1) for t in tables]
    common = set()
    for task in {task for t in tables for task in t.task}:
        of_task = [set(key[t.task == task]) for t, key in zip(tables, keys, strict=True)]
        common |= set.intersection(*filter(None, of_task))
    return [t[key.isin(common)] for t, key in zip(tables, keys, strict=True)]


*sources, target = (Path(name) for name in sys.argv[1:] if name not in SHARED)
tables = [read_table(source) for source in sources]
for option, columns in SHARED.items():
    if option in sys.argv:
        tables = shared(tables, columns)
table = pandas.concat(tables, ignore_index=True)
table = table[table["metric"].isin(KEPT)]
# Six digits: a committed table changes when a result does.
write_text(target, table.to_csv(index=False, float_format="%.6g"))
print(f"{len(table)} rows: {target}")
