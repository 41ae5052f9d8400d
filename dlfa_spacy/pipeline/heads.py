"""A pipeline without its encoder: a megabyte or two instead of eighty."""

from pathlib import Path

from spacy.language import Language
from spacy.util import load_config, load_meta, load_model_from_config

from ..encoder.model import TransformerModel
from ..files.writing import replacing


def save_heads(nlp: Language, folder: Path) -> None:
    """Save everything but the encoder. It must not have been trained: `load_heads` gives the
    components the encoder as it lies in its folder.

    nlp (Language): A pipeline with a `dlfa_transformer`.
    folder (Path): Is made, or replaced.
    """
    name = _encoder_name(nlp)
    with replacing(folder) as made:
        nlp.to_disk(made, exclude=[name])


def load_heads(folder: Path, encoder: str | Path) -> Language:
    """Put a pipeline together from what `save_heads` wrote and the encoder.

    folder (Path): Written by `save_heads`.
    encoder (Union[str, Path]): Folder or Hub name of the encoder that the components were trained
        on.
    RETURNS (Language): The whole pipeline.
    RAISES (ValueError): The folder holds no pipeline, or the encoder has another shape.
    """
    for file in ("config.cfg", "meta.json"):
        if not (folder / file).is_file():
            raise ValueError(
                f"{folder}: there is no {file}. Expected the folder of a pipeline without its "
                "encoder. Fix: write one with save_heads, or by scripts/train_product.py."
            )
    config = load_config(folder / "config.cfg")
    transformers = [
        block
        for block in config["components"].values()
        if block.get("factory") in ("dlfa_transformer", "transformer")
    ]
    for block in transformers:
        block["model"]["name"] = str(encoder)
    nlp = load_model_from_config(config, meta=load_meta(folder / "meta.json"))
    name = _encoder_name(nlp)
    nlp.get_pipe(name).model.load()  # type: ignore[attr-defined]
    nlp.from_disk(folder, exclude=[name])
    return nlp


def _encoder_name(nlp: Language) -> str:
    for name, pipe in nlp.pipeline:
        if isinstance(getattr(pipe, "model", None), TransformerModel):
            return name
    raise ValueError(
        f"The pipeline has no encoder of its own (found {nlp.pipe_names}). Expected a "
        "dlfa_transformer. Fix: save it as any pipeline, with nlp.to_disk."
    )
