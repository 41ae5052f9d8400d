"""Install the packaged pipeline into a fresh environment and let it read raw text.

    python scripts/smoke.py packages assets/smoke.jsonl metrics/embedded/smoke.json

The environment sees the packages of the one that runs this script (system site packages or a
path file), has no network, and gets nothing but the wheel. With `--find-links dist` it sees none,
and pip installs what the wheel requires: from that folder, or else from the package index. Fails
unless most sentences have most of their entities.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dlfa_spacy.files.writing import write_text

# Runs in the fresh environment, which has this text on standard input and no other code of ours.
ANNOTATE = """
import json, sys
import spacy
nlp = spacy.load(sys.argv[1])
rows = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
docs = nlp.pipe([row["text"] for row in rows])
found = [
    {
        "entities": [[e.text, e.label_, e.start_char, e.end_char] for e in doc.ents],
        "pos": [token.pos_ for token in doc],
    }
    for doc in docs
]
with open(sys.argv[3], "w", encoding="utf-8") as file_:
    json.dump(found, file_)
"""


def main(
    packages: Annotated[Path, typer.Argument(help="Folder written by package_model.py.")],
    sentences: Annotated[Path, typer.Argument(help="JSONL: lang, text, entities.")],
    out: Annotated[Path, typer.Argument(help="JSON with what was found.")],
    majority: Annotated[float, typer.Option(help="Share of sentences that must be right.")] = 0.6,
    find_links: Annotated[
        Path | None, typer.Option(help="Install into an empty environment, with these wheels.")
    ] = None,
) -> None:
    """Load the wheel by its name and compare."""
    lines = sentences.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    wheel_name = (packages / "latest.txt").read_text(encoding="utf-8").strip()
    (wheel,) = packages.glob(f"*/dist/{wheel_name}")
    found = annotate(wheel.resolve(), sentences.resolve(), find_links)
    results = [judge(row, doc) for row, doc in zip(rows, found, strict=True)]
    show(results)
    right = sum(result["right"] for result in results)
    tagged = sum(result["tagged"] for result in results)
    write_text(
        out,
        json.dumps(
            {"sentences": len(results), "right": right, "tagged": tagged, "results": results},
            indent=2,
            ensure_ascii=False,
        ),
    )
    typer.echo(f"{right} of {len(results)} sentences have most of their entities.")
    if right < majority * len(results) or tagged < len(results):
        typer.echo(
            f"Expected at least {majority:.0%} of the sentences, and a part of speech for every "
            "token. The packaged pipeline does not work as it should."
        )
        raise typer.Exit(1)


def annotate(wheel: Path, sentences: Path, find_links: Path | None) -> list[dict[str, Any]]:
    """RETURNS (List[Dict]): Entities and tags of each sentence, from a fresh environment."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        is_empty = find_links is not None
        venv.EnvBuilder(with_pip=is_empty, symlinks=os.name != "nt").create(home / "venv")
        scripts = "Scripts" if os.name == "nt" else "bin"
        python = home / "venv" / scripts / ("python.exe" if os.name == "nt" else "python")
        if is_empty:
            options = ["--find-links", str(find_links)]
            run([str(python), "-m", "pip", "install", "-q", *options, str(wheel)])
        else:
            inherit(wheel, Path(sysconfig.get_path("purelib", vars={"base": str(home / "venv")})))
        name = wheel.name.split("-")[0]
        script = home / "annotate.py"
        script.write_text(ANNOTATE, encoding="utf-8")
        run([str(python), str(script), name, str(sentences), str(home / "found.json")], cwd=home)
        return json.loads((home / "found.json").read_text(encoding="utf-8"))


def inherit(wheel: Path, site: Path) -> None:
    """Give an environment the wheel, and the packages of this one."""
    # A virtual environment cannot inherit from another one; a path file can, and it also reads
    # the path files of editable installations there.
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"
    (site / "inherited.pth").write_text(line, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    run([*pip, "--target", str(site), str(wheel)])


def run(command: list[str], cwd: Path | None = None) -> None:
    # PYTHONPATH out: the test is whether the installed package stands on its own.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, cwd=cwd, env=environment)


def judge(row: dict[str, Any], doc: dict[str, Any]) -> dict[str, Any]:
    """A sentence is right if more than half of its entities were found: the type right, and more
    than half of its characters (an inflected or a long name may lose an end)."""
    hits = 0
    for text, label in row["entities"]:
        start = row["text"].index(text)
        overlap = [
            min(end, start + len(text)) - max(begin, start)
            for _, found_label, begin, end in doc["entities"]
            if found_label == label
        ]
        hits += max(overlap, default=0) * 2 > len(text)
    return {
        "lang": row["lang"],
        "text": row["text"],
        "expected": row["entities"],
        "found": [entity[:2] for entity in doc["entities"]],
        "right": hits * 2 > len(row["entities"]),
        "tagged": all(doc["pos"]),
    }


def show(results: list[dict[str, Any]]) -> None:
    table = Table("", "language", "text", "found")
    for result in results:
        found = ", ".join(f"{text} ({label})" for text, label in result["found"])
        mark = "[green]✓[/]" if result["right"] else "[red]✗[/]"
        table.add_row(mark, result["lang"], result["text"], found)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
