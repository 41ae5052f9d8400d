"""The shipped configs: a base for each task, or for several tasks on one encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thinc.api import Config

from .checks import check_choice

# What every task has.
SHARED = ("transformer", "doc_cleaner")
# Other names for the same.
ALIASES = {"tagger": "pos", "senter": "sentences", "ner_pos": "pos,ner"}
# A task of configs/components has the rest of this one.
_FRAME = "ner"


def config_folder() -> Path:
    """RETURNS (Path): The shipped configs: package data, or the repository's top-level folder."""
    package = Path(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ValueError(
        "The shipped configs are missing from this installation of dlfa_spacy. Expected a folder "
        f"configs beside {package.name}. Fix: install the package again."
    )


def available(kind: str) -> list[str]:
    """RETURNS (List[str]): Names of the shipped "tasks" or "aggregations"."""
    parts = [".", "components"] if kind == "tasks" else [kind]
    found = {path.stem for part in parts for path in (config_folder() / part).glob("*.cfg")}
    return sorted(found | set(ALIASES) if kind == "tasks" else found)


def read_base(task: str) -> Config:
    """Read the base config of a task, or put several tasks on one encoder.

    task (str): A name, or several, separated by commas.
    RETURNS (Config): The config. The components are in the order of the tasks.
    RAISES (ValueError): There is no such task.
    """
    first, *others = dict.fromkeys(_resolved(task))
    folder = config_folder()
    if (folder / f"{first}.cfg").is_file():
        config = Config().from_disk(folder / f"{first}.cfg", interpolate=False)
    else:
        config = Config().from_disk(folder / f"{_FRAME}.cfg", interpolate=False)
        del config["components"][_FRAME]
        config["nlp"]["pipeline"] = list(SHARED)
        config["training"]["score_weights"] = {}
        others = [first, *others]
    for other in others:
        _add(config, _read_part(other))
    weights = config["training"]["score_weights"]
    total = sum(weights.values())
    config["training"]["score_weights"] = {key: w / total for key, w in weights.items()}
    return config


def _resolved(task: str) -> list[str]:
    names = [name.strip() for name in task.split(",")]
    for name in names:
        check_choice("--task", name, available("tasks"))
    return [part for name in names for part in ALIASES.get(name, name).split(",")]


def _read_part(task: str) -> Config:
    folder = config_folder()
    paths = (folder / f"{task}.cfg", folder / "components" / f"{task}.cfg")
    return Config().from_disk(next(p for p in paths if p.is_file()), interpolate=False)


def _add(config: Config, part: Config) -> None:
    """Add the components of another task before the cleaner, and how they are trained."""
    pipeline: list[str] = config["nlp"]["pipeline"]
    components = {k: v for k, v in part["components"].items() if k not in SHARED}
    pipeline[-1:-1] = list(components)
    cleaner = config["components"].pop(SHARED[-1])
    config["components"] |= {**components, SHARED[-1]: cleaner}
    config["training"]["score_weights"] |= part["training"]["score_weights"]
    for name in ("train", "dev"):
        reader: dict[str, Any] = config["corpora"][name]
        # Texts that one of them needs whole are whole for all.
        own = part["corpora"][name] if "corpora" in part else {"gold_preproc": True}
        in_sentences = (one.get("gold_preproc", False) for one in (reader, own))
        reader["gold_preproc"] = all(in_sentences)
    wanted = part.get("initialize", {}).get("components", {})
    if wanted:
        config["initialize"].setdefault("components", {}).update(wanted)
