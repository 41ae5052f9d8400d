"""What the commands of reproduce.md did on this machine: runs and times, by task.

python docs/results/reproduced.py sweeps/xtreme docs/reproduce.md
"""

import sys
from pathlib import Path
from statistics import median

import torch

from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe
from dlfa_spacy.runs.table import SQLITE, ResultsTable

sweep, page = map(Path, sys.argv[1:])
records = list(ResultsTable(sweep / SQLITE).records().values())
rows = []
for task in dict.fromkeys(record["key"]["task"] for record in records):
    own = [record for record in records if record["key"]["task"] == task]
    methods = sorted({record["settings"]["method"] for record in own})
    languages = {score["language"] for record in own for score in record["scores"]}
    rows.append(
        [
            task,
            ", ".join(methods),
            str(own[0]["key"]["texts"]),
            " ".join(sorted(languages)),
            f"{median(record['seconds']['all'] for record in own):.0f}",
        ]
    )
header = ["task", "methods", "English texts", "languages scored", "seconds per run"]
text = f"{markdown_table(header, rows)}\n{describe(torch.get_num_threads())}."
insert_between_markers(page, text, "<!-- dlfa:reproduce -->")
