"""Folders that must not be written over."""

from pathlib import Path


def check_apart(source: Path | None, out: Path, name: str) -> None:
    """
    source (Optional[Path]): What is read, if it is a folder.
    out (Path): What will be written.
    name (str): What the command line calls the source.
    RAISES (ValueError): `out` is the source, holds it, or lies inside.
    """
    if source is None:
        return
    target, origin = out.resolve(), source.resolve()
    if origin == target or target in origin.parents:
        raise ValueError(
            f"OUT {out} is {name}, or holds it. Expected another folder: {name} is not "
            "overwritten. Fix: choose another name."
        )
    if origin in target.parents:
        raise ValueError(f"OUT {out} lies inside {name}. Fix: choose another folder.")


def refuse_to_overwrite(out: Path, is_kind: bool, kind: str) -> None:
    """
    out (Path): What will be written.
    is_kind (bool): Whether what is there is of the kind that will be written.
    kind (str): What that is called.
    RAISES (ValueError): There is something else.
    """
    is_empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not is_kind and not is_empty:
        raise ValueError(
            f"OUT {out} exists and is no {kind}, so it is not overwritten. Fix: choose another "
            "folder, or remove it."
        )
