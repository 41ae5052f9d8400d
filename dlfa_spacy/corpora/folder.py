"""Which files of an evaluation folder are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files.near import did_you_mean
from ..files.plain_names import is_language, is_plain_name
from .formats import list_parts


@dataclass(frozen=True)
class LanguageFiles:
    """What is read for one language.

    language (str): Language code, the name of its folder.
    split (str): The split, e.g. `test`.
    paths (List[Path]): One `.spacy` file, or the files in public formats, pooled.
    """

    language: str
    split: str
    paths: list[Path]


def _available(folder: Path) -> dict[str, dict[str, list[Path]]]:
    found: dict[str, dict[str, list[Path]]] = {}
    for part, paths in list_parts(folder).items():
        found.setdefault(part.language, {})[part.split] = paths
    for path in sorted(folder.glob("*/*.spacy")):
        if is_language(path.parent.name) and not path.name.startswith("."):
            # What has been converted wins over its source beside it.
            found.setdefault(path.parent.name, {})[path.stem] = [path]
    return found


def find_languages(
    folder: Path, splits: Sequence[str], languages: Sequence[str] = ()
) -> list[LanguageFiles]:
    """Find the files to score in `<folder>/<lang>/<split>.spacy`, `.conllu`, `.iob2` or `.tsv`.

    folder (Path): The folder.
    splits (Sequence[str]): Splits in order of preference; of each language the first that it has
        is taken, so `("test", "dev")` falls back to dev where there is no test.
    languages (Sequence[str]): Only these; empty for all.
    RETURNS (List[LanguageFiles]): One item per language; in the order of `languages`, if given.
    RAISES (ValueError): If a language asked for, or everything, is missing.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: found no folder there, expected one with <lang>/<split>.spacy. "
            f"Make it with `dlfa convert`.{did_you_mean(folder)}"
        )
    available = _available(folder)
    chosen: list[LanguageFiles] = []
    for language in languages or sorted(available):
        by_split = available.get(language, {})
        split = next((name for name in splits if name in by_split), None)
        if split is not None:
            chosen.append(LanguageFiles(language, split, by_split[split]))
        elif languages:
            raise ValueError(
                f"{folder}: found {', '.join(sorted(by_split)) or 'nothing'} for the language "
                f"{language!r}, expected the split {' or '.join(splits)}. The folder has the "
                f"languages {', '.join(sorted(available)) or 'none'}; check --langs and --split."
            )
    if not chosen:
        raise ValueError(
            f"{folder}: found no <lang>/<split> with the split {' or '.join(splits)}, expected at "
            "least one (.spacy, .conllu, .iob2 or .tsv). Check the folder and --split."
        )
    return chosen


def task_folders(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Find the corpora of several tasks.

    folder (Path): Holds one folder for each task.
    names (Sequence[str]): "pos" for a task whose folder has its name, "ner=panx" for another.
    RETURNS (Dict[str, Path]): Task -> the folder of its corpus.
    RAISES (ValueError): A task has no folder, or a name that no folder could have.
    """
    found = {}
    for name in names:
        task, equals, own = name.partition("=")
        path = folder / (own if equals else task)
        if not is_plain_name(task) or not path.is_dir():
            raise ValueError(
                f"--tasks {name}: found no folder {path}, expected the corpus of a task there, "
                "<lang>/<split>.conllu or another format. Fix: correct the name, or say what its "
                "folder is called: ner=ner-wikiann."
            )
        found[task] = path
    return found
