"""Run every command of a page, in its order, and write what they print beneath them.

    python scripts/run_page.py docs/tutorial.md           # run them: what fails is an error
    python scripts/run_page.py docs/tutorial.md --write   # and print it on the page

Commands are the blocks ```bash, in the top folder of a checkout; what a block printed is the block
```text that follows it. Programs are those of the Python that runs this.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlfa_spacy.files.writing import write_text

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"```(bash|python)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def main(
    page: Annotated[Path, typer.Argument(help="The page, in Markdown.")],
    write: Annotated[bool, typer.Option("--write", help="Write the output on the page.")] = False,
) -> None:
    """Run the commands of a page."""
    text = page.read_text(encoding="utf-8")

    def replaced(found: re.Match[str]) -> str:
        kind, code, printed = found.groups()
        said = "".join(map(run, commands(code))) if kind == "bash" else run(["python", "-c", code])
        block = f"```{kind}\n{code}```"
        return block if printed is None else f"{block}\n\n```text\n{said.strip()}\n```"

    made = BLOCK.sub(replaced, text)
    if write:
        write_text(page, made)


def commands(code: str) -> list[list[str]]:
    """RETURNS (List[List[str]]): The commands of a block, without comments."""
    lines = code.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(words: list[str]) -> str:
    """RETURNS (str): What a command prints, without colors."""
    print("$", shlex.join(words)[:200], flush=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {"PATH": path, "NO_COLOR": "1", "COLUMNS": "88", "HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **plain}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nended with {done.returncode}")
    printed = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return "\n".join(line.rstrip() for line in printed.splitlines()) + "\n"


if __name__ == "__main__":
    typer.run(main)
