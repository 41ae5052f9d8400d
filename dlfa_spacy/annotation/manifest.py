"""`manifest.json`: what a result was made with, so that nothing else is added to it."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spacy.util import is_package

from ..files.leftovers import recover
from ..files.writing import write_text
from ..pipeline.sources import open_pipeline
from .folder import MANIFEST
from .settings import PARQUET, AnnotationSettings
from .shards import Scanned

KIND = "dlfa annotate"
_FORMAT = 1
_PACKAGES = ("dlfa_spacy", "spacy", "spacy-transformers", "thinc", "torch", "transformers")


def make_manifest(
    settings: AnnotationSettings, scanned: list[Scanned], *, on_gpu: bool
) -> dict[str, Any]:
    """
    settings (AnnotationSettings): The pipeline and the options.
    scanned (List[Scanned]): The input.
    on_gpu (bool): Where it is annotated: the last bits of a score depend on it.
    RETURNS (Dict[str, Any]): All that decides the bytes of the result.
    """
    return {
        "kind": KIND,
        "format": _FORMAT,
        **_describe_machine(settings),
        "options": settings.content(),
        "device": "gpu" if on_gpu else "cpu",
        "inputs": [asdict(file_) for file_ in scanned],
    }


def _describe_machine(settings: AnnotationSettings) -> dict[str, Any]:
    packages = [*_PACKAGES, *(["pyarrow"] if settings.format == PARQUET else [])]
    return {
        "pipeline": describe_pipeline(settings),
        "versions": {name: found for name in packages if (found := _version(name))},
    }


def check_machine(settings: AnnotationSettings, manifest: dict[str, Any]) -> None:
    """See that this machine gives the same bytes as all others that annotate for a result.

    settings (AnnotationSettings): The pipeline.
    manifest (Dict[str, Any]): What the result is made with.
    RAISES (ValueError): It has another pipeline, or other versions.
    """
    now = _describe_machine(settings)
    differing = list(_differences({name: manifest[name] for name in now}, now))
    if differing:
        raise ValueError(
            f"--model {settings.model}: {'; '.join(differing)}. Expected what the machine of the "
            "command has. Fix: install the same pipeline and versions on all machines."
        )


def describe_pipeline(settings: AnnotationSettings) -> dict[str, str]:
    """
    settings (AnnotationSettings): The pipeline and its code.
    RETURNS (Dict[str, str]): Its name, version, and a hash of the files.
    RAISES (ValueError): There is none.
    """
    folder = _folder(settings.model)
    meta_path = folder / "meta.json"
    if not meta_path.is_file():
        # Says what is there instead.
        open_pipeline(settings.model)
    meta = json.loads(meta_path.read_text(encoding="utf-8"))
    seen = hashlib.sha256()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        name = path.relative_to(folder)
        if "__pycache__" not in name.parts:
            _add(seen, name.as_posix(), path)
    if settings.code:
        _add(seen, "code", Path(settings.code))
    return {
        "name": f"{meta['lang']}_{meta['name']}",
        "version": meta["version"],
        "sha256": seen.hexdigest(),
    }


def _add(seen: Any, name: str, path: Path) -> None:
    seen.update(f"{name}\0{path.stat().st_size}\0".encode())
    with path.open("rb") as file_:
        while block := file_.read(1 << 20):
            seen.update(block)


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.exists() or not is_package(model):
        recover(folder)
        return folder
    # As spacy.load finds the data of a package.
    root = Path(str(importlib.import_module(model).__file__)).parent
    meta = json.loads((root / "meta.json").read_text(encoding="utf-8"))
    return root / f"{meta['lang']}_{meta['name']}-{meta['version']}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def read_manifest(out: Path) -> dict[str, Any] | None:
    """
    out (Path): The folder of a result.
    RETURNS (Optional[Dict[str, Any]]): Its manifest; None if it has none of ours.
    """
    path = out / MANIFEST
    recover(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == KIND else None


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """
    out (Path): The folder of a result.
    manifest (Dict[str, Any]): Its manifest.
    """
    write_text(out / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def check_same(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """
    out (Path): The folder of a result.
    before (Dict[str, Any]): The manifest that lies there.
    now (Dict[str, Any]): That of this command.
    RAISES (ValueError): They differ in what decides the bytes.
    """
    # A command that was stopped while it read its input has left no more than the kind.
    was = {name: value for name, value in before.items() if name in now}
    differing = list(_differences(was, now)) if len(was) > 1 else []
    if differing:
        raise ValueError(
            f"OUT {out} was begun with something else: {'; '.join(differing)}. Expected the same "
            "pipeline, options and input. Fix: choose another folder, or remove this one."
        )


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif name == "inputs" and isinstance(before, list):
        yield from _differences(_by_name(before), _by_name(now), name)
    elif before != now:
        yield f"{name} was {_short(before)}, is {_short(now)}"


def _by_name(files: list[dict[str, Any]]) -> dict[str, Any]:
    return {file_["name"]: file_ for file_ in files}


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "a file"
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return "absent" if value is None else json.dumps(value)
