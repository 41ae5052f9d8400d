"""What is analyzed: a trained pipeline, or an encoder that no pipeline has been built around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.util import get_installed_models, is_package

from ..checks import nearest
from ..encoder.cache import LayerCache
from ..encoder.storage.loading import encoder_location
from ..files.leftovers import recover
from ..files.near import nearest_path
from .encoders import encoder_of

# What `spacy train` writes into its folder.
BEST, LAST = "model-best", "model-last"


def open_source(name: str, store: Path | None = None) -> Language:
    """Load a pipeline, or put a blank one around an encoder.

    name (str): Folder or package of a trained pipeline; or an encoder's folder, as
        `save_pretrained` writes it, or its name on the Hugging Face Hub.
    store (Optional[Path]): See `keep_layers`.
    RETURNS (Language): A pipeline that has a dlfa_spacy encoder, loaded.
    RAISES (ValueError): There is nothing of that name, or the pipeline has no dlfa_spacy encoder.
    """
    recover(Path(name).expanduser())
    nlp = load_pipeline(name)
    if nlp is None:
        refuse_training(name)
        nlp = encoder_pipeline(encoder_location(name))
    encoder_of(nlp, where=name)
    keep_layers(nlp, store, name)
    return nlp


def keep_layers(nlp: Language, store: Path | None, name: str = "") -> None:
    """Have the layers of each text kept, and taken where they are kept already.

    nlp (Language): A pipeline.
    store (Optional[Path]): A folder, which sweeps and analyses of the same encoder may share; None
        changes nothing.
    name (str): What the pipeline was loaded from, for the error.
    RAISES (ValueError): The pipeline has no dlfa_spacy encoder.
    """
    if store is not None:
        encoder_of(nlp, where=name).cache = LayerCache(str(store))


def open_pipeline(name: str, store: Path | None = None) -> Language:
    """Load a pipeline.

    name (str): Its folder or package.
    store (Optional[Path]): See `keep_layers`.
    RETURNS (Language): It.
    RAISES (ValueError): There is none of that name.
    """
    recover(Path(name).expanduser())
    nlp = load_pipeline(name)
    if nlp is None:
        refuse_training(name)
        what = "a folder without meta.json" if Path(name).expanduser().is_dir() else "nothing"
        raise ValueError(
            f"{name}: found {what} of that name, expected the folder that nlp.to_disk or spacy "
            f"train writes, or the name of an installed package.{_meant(name)} Fix: correct the "
            "name."
        )
    keep_layers(nlp, store, name)
    return nlp


def refuse_training(name: str) -> None:
    """RAISES (ValueError): `name` is the folder of a training, and not of one of its pipelines."""
    found = [part for part in (BEST, LAST) if (Path(name).expanduser() / part).is_dir()]
    if found:
        raise ValueError(
            f"{name}: did you mean {Path(name) / found[0]}? Found the folder of a training, with "
            f"{' and '.join(found)} in it, expected one of its pipelines. Fix: "
            f"{Path(name) / found[0]}."
        )


def _meant(name: str) -> str:
    """RETURNS (str): The question for an error, with a space before it; or nothing."""
    folder = Path(name).expanduser()
    if folder.exists():
        return ""
    near = nearest(name, get_installed_models())
    path = nearest_path(folder)
    if path is not None and path.is_dir():
        # That of a training stands for its better pipeline.
        near = str(path / BEST if (path / BEST).is_dir() else path)
    return f" Did you mean {near}?" if near else ""


def load_pipeline(name: str) -> Language | None:
    """RETURNS (Optional[Language]): The pipeline of that folder or package; None if the name is
    that of something else."""
    folder = Path(name).expanduser()
    if (folder / "meta.json").is_file() or (not folder.exists() and is_package(name)):
        return spacy.load(folder if folder.exists() else name)
    return None


def encoder_pipeline(name: str, **settings: Any) -> Language:
    """
    name (str): Folder or Hub name of an encoder.
    settings (Any): More settings of its component.
    RETURNS (Language): A blank pipeline with the encoder and our tokenizer for every script.
    """
    config = {"nlp": {"tokenizer": {"@tokenizers": "dlfa_spacy.MultilingualTokenizer.v1"}}}
    nlp = spacy.blank("xx", config=config)
    block = {"model": {"name": name}, **settings}
    nlp.add_pipe("dlfa_transformer", name="transformer", config=block)
    return nlp


def source_name(name: str) -> str:
    """RETURNS (str): The last part of a path, or the name of a package: never where it lies."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name
    folder = folder.resolve()
    return folder.parent.name if folder.name in (BEST, LAST) else folder.name
