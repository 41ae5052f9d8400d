"""Install the packaged pipeline into the environment that runs this script.

    python scripts/install_package.py packages metrics/installed.json

Without a network: what the package needs is what built it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlfa_spacy.corpora import write_text


def main(
    packages: Annotated[Path, typer.Argument(help="Folder written by package_model.py.")],
    out: Annotated[Path, typer.Argument(help="JSON with what was installed.")],
) -> None:
    """Install the newest wheel, and load it by its name in a new process."""
    name = (packages / "latest.txt").read_text(encoding="utf-8").strip()
    (wheel,) = packages.glob(f"*/dist/{name}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--force-reinstall", str(wheel)], check=True)
    package = name.split("-")[0]
    check = f"import spacy; print(spacy.load({package!r}).pipe_names)"
    subprocess.run([sys.executable, "-c", check], check=True)
    write_text(out, json.dumps({"package": package, "wheel": name}) + "\n")


if __name__ == "__main__":
    typer.run(main)
