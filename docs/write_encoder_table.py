"""Try everything on a tiny random encoder of each kind, and write the table of encoders.md.

python docs/write_encoder_table.py
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers

PAGE = Path(__file__).parent / "encoders.md"
UTIL = Path(__file__).parents[1] / "tests" / "util"
MARKER = "<!-- dlfa:encoders -->"


def main() -> None:
    torch.set_num_threads(1)
    # What is tried is what the tests try.
    sys.path.insert(0, str(UTIL))
    from abilities import ABILITIES, KINDS, REFUSED

    rows, reasons = [], []
    for name, kind in track(KINDS.items(), description="Encoders", transient=True):
        answers = []
        with tempfile.TemporaryDirectory() as parent:
            folder = kind.make(_new(parent, "encoder"))
            for number, (ability, run) in enumerate(ABILITIES.items()):
                refusal = refused(run, folder, _new(parent, str(number)))
                answers.append("yes" if refusal is None else "no")
                if refusal is not None:
                    reasons.append(f"- {name}, {ability}: {refusal}")
        rows.append([name, kind.examples, kind.pieces, *answers])
    for name, make in REFUSED.items():
        with tempfile.TemporaryDirectory() as parent:
            refusal = refused(lambda folder, _: load_encoder(folder, {}, {}), make(Path(parent)))
        reasons.append(f"- {name}: {refusal}")
    table = markdown_table(["kind", "encoders", "tokenizer", *ABILITIES], rows)
    content = "\n".join([table, "What is refused, and what the error says:\n", *reasons])
    insert_between_markers(PAGE, content, MARKER)


def refused(run: Callable[..., Any], folder: str, path: Path | None = None) -> str | None:
    """RETURNS (Optional[str]): What an encoder is refused with; None if all is well."""
    try:
        run(folder, path)
    except ValueError as error:
        return str(error)
    return None


def _new(parent: str, name: str) -> Path:
    folder = Path(parent) / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
