"""A pipeline as a package: `pip install` it, and `spacy.load` it by its name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import get_minor_version_range

from ..about import __version__
from ..files.writing import replacing, write_text

# `spacy package` would pin spacy-transformers to the minor version it finds, and packages made so
# do not load with the next one.
REQUIREMENTS = [
    f"dlfa-spacy{get_minor_version_range(__version__)}",
    "spacy-transformers>=1.4,<2.1",
    "torch>=2.2",
]
# The page of `dlfa evaluate`.
SCORES = "scores.md"
SETUP = "[metadata]\nlong_description_content_type = text/markdown\n"
LIMITS = """## Intended use and limits

It was trained on annotations in few languages, and reads others through its encoder. How well it
does so in a language is known where it was scored, and for texts like those alone: `dlfa evaluate`
says it for yours. It errs, and must not decide about people on its own.
"""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"\d+(\.\d+){1,2}((a|b|rc)\d+)?(\+[a-z0-9.]+)?")


def build_package(
    nlp: Language,
    out: Path,
    *,
    name: str,
    version: str = "0.1.0",
    meta: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Build an installable package by `spacy package`, and a wheel of it, without a network.

    nlp (Language): The pipeline. Its meta is changed.
    out (Path): The folder that gets `<lang>_<name>-<version>`; one that is there is replaced.
    name (str): Without the language.
    version (str): Of the package.
    meta (Optional[Mapping[str, Any]]): More of what stands in its meta.json: license, description.
    files (Optional[Mapping[str, str]]): Texts to lay into it, by name: "README.md", "LICENSE".
    RETURNS (Path): The wheel.
    RAISES (ValueError): The name or the version is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"--name {name!r}: expected lower-case letters, digits and _, without the language. "
            "Fix: --name my_ner, which is loaded as xx_my_ner."
        )
    if not _VERSION.fullmatch(version):
        raise ValueError(f"--version {version!r}: expected such as 0.1.0. Fix: --version 0.1.0.")
    nlp.meta.update({"name": name, "version": version, "requirements": REQUIREMENTS})
    nlp.meta.update(meta or {})
    # Typer and what else is in a command line are not for those who load a pipeline.
    from spacy.cli.package import package

    folder = f"{nlp.meta['lang']}_{name}-{version}"
    with tempfile.TemporaryDirectory() as temporary:
        pipeline, built = Path(temporary) / "pipeline", Path(temporary) / "built"
        nlp.to_disk(pipeline)
        built.mkdir()
        for file_name, text in (files or {}).items():
            write_text(pipeline / file_name, text)
        # Without spaCy itself, which dlfa-spacy requires: the command would add the version
        # that is installed here.
        package(pipeline, built, create_sdist=False)
        # An index would take the card for reStructuredText.
        write_text(built / folder / "setup.cfg", SETUP)
        # By hand: a build environment of its own would want a network.
        _run("setup.py", "-q", "bdist_wheel", cwd=built / folder)
        with replacing(out / folder) as target:
            shutil.move(built / folder, target)
    return next((out / folder / "dist").glob("*.whl"))


def make_card(
    nlp: Language, name: str, scores: str | None = None, encoder: str | None = None
) -> str:
    """
    nlp (Language): The pipeline.
    name (str): Of the package, without the language.
    scores (Optional[str]): What it scores, in Markdown.
    encoder (Optional[str]): A sentence about its encoder.
    RETURNS (str): README.md of the package.
    """
    whole = f"{nlp.meta['lang']}_{name}"
    license = nlp.meta.get("license") or "not stated"
    parts = [
        f"# {whole}",
        str(nlp.meta.get("description") or "A spaCy pipeline made with dlfa_spacy."),
        f"Components: {', '.join(nlp.pipe_names)}. License: {license}."
        + ("" if encoder is None else f" {encoder}"),
        f'```python\nimport spacy\n\nnlp = spacy.load("{whole}")\n```',
        *([] if scores is None else [scores]),
        LIMITS,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def read_scores(folder: Path) -> str:
    """
    folder (Path): What `dlfa evaluate --out` has written.
    RETURNS (str): Its table, as a section.
    RAISES (ValueError): There is none.
    """
    path = folder / SCORES
    if not path.is_file():
        raise ValueError(
            f"--scores {folder}: there is no {SCORES} in it, expected a folder of dlfa evaluate. "
            f"Fix: dlfa evaluate MODEL CORPUS --out {folder}."
        )
    _, _, text = path.read_text(encoding="utf-8").partition("\n")
    return f"## Scores\n\n{text.strip()}"


def _run(*arguments: str, cwd: Path | None = None) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        lines = f"{done.stdout}{done.stderr}".strip().splitlines()
        raise ValueError(
            f"{' '.join(arguments[:3])} ended with {done.returncode}: {' '.join(lines[-3:])} Fix: "
            "pip install setuptools wheel, which build the package."
        )
