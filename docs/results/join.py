"""Join the tables of several sweeps into one CSV file: the main metrics, six digits.

python docs/results/join.py sweeps/frozen_100 sweeps/frozen_500 docs/results/frozen_curves.csv
"""

import sys
from pathlib import Path

import pandas

from dlfa_spacy.files.writing import write_text
from dlfa_spacy.metrics.names import MAIN
from dlfa_spacy.runs.table import read_table

KEPT = {*MAIN.values(), "pos_chunk_f1_seqeval1"}

*sources, target = map(Path, sys.argv[1:])
table = pandas.concat([read_table(source) for source in sources], ignore_index=True)
table = table[table["metric"].isin(KEPT)]
# Six digits: a committed table changes when a result does.
write_text(target, table.to_csv(index=False, float_format="%.6g"))
print(f"{len(table)} rows: {target}")
