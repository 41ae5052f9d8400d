"""Join the tables of several sweeps into one CSV file: the main metrics, six digits.

python docs/results/join.py sweeps/frozen_main docs/results/frozen_main.csv
python docs/results/join.py --common sweeps/frozen_100 sweeps/frozen_500 docs/results/curves.csv

With --common, only methods and seeds that all of them have.
"""

import sys
from pathlib import Path

import pandas

from dlfa_spacy.files.writing import write_text
from dlfa_spacy.metrics.names import MAIN
from dlfa_spacy.runs.table import read_table

KEPT = {*MAIN.values(), "pos_chunk_f1_seqeval1"}
RUN = ["task", "aggregator", "layer", "gate", "norm", "encoder", "seed"]

common = "--common" in sys.argv
*sources, target = (Path(name) for name in sys.argv[1:] if name != "--common")
tables = [read_table(source) for source in sources]
if common:
    keys = [table[RUN].apply(lambda row: "/".join(map(str, row)), axis=1) for table in tables]
    shared = set.intersection(*map(set, keys))
    tables = [table[key.isin(shared)] for table, key in zip(tables, keys, strict=True)]
table = pandas.concat(tables, ignore_index=True)
table = table[table["metric"].isin(KEPT)]
# Six digits: a committed table changes when a result does.
write_text(target, table.to_csv(index=False, float_format="%.6g"))
print(f"{len(table)} rows: {target}")
