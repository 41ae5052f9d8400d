"""Join the tables of several sweeps into one CSV file.

python docs/results/join.py sweeps/topics sweeps/xnli sweeps/pawsx docs/results/classification.csv
"""

import sys
from pathlib import Path

import pandas

from dlfa_spacy.files.writing import write_text
from dlfa_spacy.runs.table import read_table

*sources, target = map(Path, sys.argv[1:])
table = pandas.concat([read_table(source) for source in sources], ignore_index=True)
write_text(target, table.to_csv(index=False))
print(f"{len(table)} rows: {target}")
