"""Run the tests with each Python at hand, and with the oldest, the pinned and the newest libraries.

    python scripts/test_matrix.py --quick
    python scripts/test_matrix.py --pythons 3.10 --libraries oldest

Environments are made in `.matrix` and stay there, with the logs of their tests. The oldest
libraries are the lower bounds of setup.py, the pinned ones are those of requirements-test.txt. What
was found before, for other Pythons and libraries, stays in the table.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlfa_spacy.files.csv_table import write_csv
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers

ROOT = Path(__file__).resolve().parents[1]
MARKER = "<!-- dlfa:versions -->"
PYTHONS = "3.10,3.11,3.12,3.13,3.14"
KINDS = ("oldest", "pinned", "newest")
# The releases that are pinned need Python 3.11.
PINNED_FROM = 11
SHOWN = ("spacy", "spacy-transformers", "thinc", "torch", "transformers", "numpy")
COUNTS = ("passed", "failed", "skipped")
Row = dict[str, str]

# An old release without a wheel for a Python is older than that Python.
COMPILED = (
    "matplotlib numpy onnx pandas pyarrow pydantic-core safetensors scikit-learn scipy spacy "
)
COMPILED += "spacy-alignments srsly thinc tokenizers"
WHEELS = [f"--only-binary={name}" for name in COMPILED.split()]
EXTRA = "test"


def main(
    pythons: Annotated[str, typer.Option(help="Versions, with commas.")] = PYTHONS,
    libraries: Annotated[str, typer.Option(help="Of oldest, pinned, newest.")] = ",".join(KINDS),
    quick: Annotated[bool, typer.Option("--quick", help="As `make quick` tests.")] = False,
    folder: Annotated[Path, typer.Option(help="Folder of the environments.")] = Path(".matrix"),
    results: Annotated[Path, typer.Option(help="CSV with a row for each environment.")] = Path(
        ".matrix/versions.csv"
    ),
    page: Annotated[Path | None, typer.Option(help="Markdown with a place for the table.")] = None,
) -> None:
    """Make the environments, run the tests in each, and print a table."""
    known = read(results)
    failed = False
    for version in pythons.split(","):
        python = find_python(version)
        for kind in libraries.split(","):
            if kind not in KINDS:
                raise typer.BadParameter(f'--libraries "{kind}": expected {", ".join(KINDS)}.')
            why = f"there is no python{version} here" if python is None else ""
            if kind == "pinned" and minor(version) < PINNED_FROM:
                why = f"the pinned releases need Python 3.{PINNED_FROM}"
            if python is None or why:
                print(f"{version} {kind}: skipped, {why}", flush=True)
                continue
            row = tested(python, version, kind, folder.resolve(), quick)
            print(f"{version} {kind}: {outcome(row)}", flush=True)
            failed = failed or row["failed"] != "0"
            known[version, kind] = row
            write_csv(results, [known[key] for key in sorted(known, key=order)])
    table = table_of([known[key] for key in sorted(known, key=order)])
    print(table)
    if page is not None:
        insert_between_markers(page, table, MARKER)
    raise typer.Exit(int(failed))


def find_python(version: str) -> str | None:
    """RETURNS (Optional[str]): The interpreter of a version, such as "3.12", if there is one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    launcher = shutil.which("py")
    names = [[sys.executable], [shutil.which(f"python{version}") or ""]]
    names += [[str(path / "bin" / "python")] for path in pyenv.glob(f"{version}.*")]
    names += [[launcher, f"-{version}"]] if launcher else []
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    for name in names:
        if not name[0]:
            continue
        # A shim of pyenv is there for versions that are not.
        found = subprocess.run([*name, "-c", code], capture_output=True, encoding="utf-8")
        said, _, path = found.stdout.strip().partition(" ")
        if found.returncode == 0 and said == version:
            return path
    return None


def tested(python: str, version: str, kind: str, folder: Path, quick: bool) -> Row:
    """RETURNS (Row): What the tests said in an environment, which is made."""
    place = folder / f"{version}-{kind}"
    row = {"python": version, "libraries": kind, "tests": "quick" if quick else "all"}
    row |= {**dict.fromkeys(COUNTS, "0"), **dict.fromkeys(SHOWN, ""), "note": ""}
    error = make(python, place, kind)
    if error:
        print(error, file=sys.stderr)
        return {**row, "failed": "1", "note": "cannot be installed"}
    inside = interpreter(place)
    code = f"from importlib.metadata import version; print(*map(version, {SHOWN}))"
    versions = output([inside, "-c", code]).split()
    log = place / "tests.log"
    arguments = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile"]
    arguments += ["--quick"] if quick else []
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [inside, "-m", "pytest", *arguments],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
    counts = count(log.read_text(encoding="utf-8"))
    if done.returncode and counts["failed"] == "0":
        counts["failed"] = "1"
    return {**row, **counts, **dict(zip(SHOWN, versions, strict=True))}


def make(python: str, place: Path, kind: str) -> str:
    """Make an environment, with uv or else with pip.

    RETURNS (str): Why there is none, or nothing.
    """
    uv = shutil.which("uv")
    if uv is None and kind == "oldest":
        return "the oldest libraries need uv: pip install uv"
    if uv is None:
        install = [str(interpreter(place)), "-m", "pip", "install", "--quiet"]
        made = [python, "-m", "venv", "--clear", str(place)]
        asked = [f".[{EXTRA}]"]
    else:
        install = [uv, "pip", "install", "--quiet", "--python", str(interpreter(place))]
        made = [uv, "venv", "--quiet", "--clear", "--python", python, str(place)]
        resolution = "lowest-direct" if kind == "oldest" else "highest"
        asked = ["-r", "setup.py", "--extra", EXTRA, "--resolution", resolution, *WHEELS]
    if kind == "pinned":
        asked = ["-r", "requirements-test.txt"]
    for command in (
        made,
        # What the package is built by, without a network.
        [*install, "setuptools>=68", "wheel"],
        [*install, *asked],
        [*install, "--no-deps", "--no-build-isolation", "--editable", "."],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
        if done.returncode:
            return f"{' '.join(command)}\n{done.stderr.strip()}"
    return ""


def interpreter(place: Path) -> Path:
    """RETURNS (Path): The Python of an environment."""
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def output(command: Sequence[str | Path]) -> str:
    """RETURNS (str): What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def count(log: str) -> Row:
    """RETURNS (Row): How many tests passed, failed and were skipped, by the last line of pytest."""
    said = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    last = log.strip().rpartition("\n")[2]
    for number, what in re.findall(r"(\d+) (passed|failed|skipped|error)", last):
        said[what] += int(number)
    said["failed"] += said.pop("error")
    return {what: str(number) for what, number in said.items()}


def read(results: Path) -> dict[tuple[str, str], Row]:
    """RETURNS (Dict[Tuple[str, str], Row]): The rows that are there, by Python and libraries."""
    if not results.is_file():
        return {}
    with results.open(encoding="utf-8", newline="") as file:
        return {(row["python"], row["libraries"]): row for row in csv.DictReader(file)}


def order(key: tuple[str, str]) -> tuple[int, int]:
    """RETURNS (Tuple[int, int]): Where a row stands."""
    return minor(key[0]), KINDS.index(key[1])


def minor(version: str) -> int:
    """RETURNS (int): 12, of "3.12"."""
    return int(version.partition(".")[2])


def outcome(row: Row) -> str:
    """RETURNS (str): What the tests said, in words."""
    if row["note"]:
        return row["note"]
    said = [f"{row[what]} {what}" for what in COUNTS if row[what] != "0"]
    return ", ".join(said)


def table_of(rows: Sequence[Row]) -> str:
    """RETURNS (str): The table, in Markdown."""
    header = ["Python", "libraries", *SHOWN, "tests", "outcome"]
    names = ("python", "libraries", *SHOWN, "tests")
    return markdown_table(
        header, [[*(row.get(n, "") for n in names), outcome(row)] for row in rows]
    )


if __name__ == "__main__":
    typer.run(main)
