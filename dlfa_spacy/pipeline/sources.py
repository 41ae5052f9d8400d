"""What is analysed: a trained pipeline, or an encoder that no pipeline has been built around."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import spacy
from spacy.language import Language
from spacy.util import is_package

from ..encoder.storage.loading import encoder_location
from ..files.leftovers import recover
from .encoders import encoder_of

if TYPE_CHECKING:
    pass


def open_source(name: str) -> Language:
    """Load a pipeline, or put a blank one around an encoder.

    name (str): Folder or package of a trained pipeline; or an encoder's folder, as
        `save_pretrained` writes it, or its name on the Hugging Face Hub.
    RETURNS (Language): A pipeline that has an encoder of ours, loaded.
    RAISES (ValueError): There is nothing of that name, or the pipeline has no encoder of ours.
    """
    recover(Path(name).expanduser())
    nlp = load_pipeline(name)
    if nlp is None:
        nlp = encoder_pipeline(encoder_location(name))
    encoder_of(nlp, where=name)
    return nlp


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
    return folder.parent.name if folder.name in ("model-best", "model-last") else folder.name
