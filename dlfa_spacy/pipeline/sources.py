"""What is analysed: a trained pipeline, or an encoder that no pipeline has been built around."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import spacy
from spacy.language import Language
from spacy.util import is_package

from ..encoder.storage.loading import find_encoder as find_encoder_folder
from ..files.leftovers import recover
from .inspection import find_encoder

if TYPE_CHECKING:
    from ..encoder.model import TransformerModel


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
        nlp = encoder_pipeline(find_encoder_folder(name))
    encoder_of(nlp, name).load()
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


def encoder_of(nlp: Language, name: str = "") -> TransformerModel:
    """RETURNS (TransformerModel): The encoder of a pipeline.
    RAISES (ValueError): It has none of ours."""
    encoder = find_encoder(nlp)
    if encoder is None:
        raise ValueError(
            f"The pipeline {name or nlp.meta.get('name', '')!r} ({nlp.pipe_names}) has no encoder "
            "of dlfa_spacy. Expected a dlfa_spacy.TransformerModel.v1. Fix: name a pipeline that "
            "was trained with one, or the encoder's own folder."
        )
    return encoder


def source_name(name: str) -> str:
    """RETURNS (str): The last part of a path, or the name of a package: never where it lies."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name
    folder = folder.resolve()
    return folder.parent.name if folder.name in ("model-best", "model-last") else folder.name
