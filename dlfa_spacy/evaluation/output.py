"""The three files of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from ..files.writing import updating, write_text
from .examples import EXAMPLES
from .results import Evaluation
from .tables import to_csv, to_markdown


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write scores.json, scores.csv and scores.md, and examples.json if the evaluation kept texts:
    all of them or none. Whatever else is in the folder stays.

    evaluation (Evaluation): The scores.
    folder (Path): Where; made if it is missing.
    RETURNS (List[Path]): The files.
    """
    content = {}
    examples = {r.language: r.examples for r in evaluation.languages if r.examples}
    if examples:
        content[EXAMPLES] = json.dumps(examples, indent=1, ensure_ascii=False) + "\n"
    content |= {
        "scores.csv": to_csv(evaluation),
        "scores.md": to_markdown(evaluation),
        "scores.json": json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False) + "\n",
    }
    with updating(folder) as temporary:
        # Of an evaluation before, which may have kept texts.
        (temporary / EXAMPLES).unlink(missing_ok=True)
        for name, text in content.items():
            write_text(temporary / name, text)
    return [folder / name for name in content]
