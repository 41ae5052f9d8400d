"""An encoder as a folder of its own, for other libraries or for other pipelines."""

from pathlib import Path
from typing import Any

from spacy.language import Language

from ..encoder.storage.int4_embedding import has_packed_embeddings, pack_vocabulary
from ..encoder.storage.int4_folder import WEIGHTS, save_floats, save_int4
from ..encoder.storage.int4_linear import pack_linears
from ..encoder.storage.loading import encoder_location, load_encoder
from ..files.leftovers import recover
from ..files.target_folder import check_apart, refuse_to_overwrite
from ..files.writing import replacing
from ..pipeline.readers import EncoderInUse, encoders_in_use
from ..pipeline.sources import load_pipeline, refuse_training

OTHER_WEIGHTS = "pytorch_model.bin"


def export_encoder(
    source: str, out: str | Path, int4: bool = False, component: str | None = None
) -> None:
    """Write an encoder as a folder. It is an ordinary Hugging Face one, which `AutoModel` and
    `AutoTokenizer` read, or one in four bits, which only `dlfa_spacy.TransformerModel.v1` reads.

    source (str): An encoder's folder or Hub name; or the folder or package of a trained pipeline.
    out (Union[str, Path]): The folder to write, all or nothing. An encoder that is there is
        replaced.
    int4 (bool): In four bits. Layers that are so already are written as they are.
    component (Optional[str]): Of a pipeline with several encoders, whose.
    RAISES (ValueError): No such encoder, one of integers or an ONNX graph, or `out` is something
        that must not be overwritten.
    """
    folder = Path(source).expanduser()
    recover(folder)
    recover(Path(out))
    check_apart(folder if folder.exists() else None, Path(out), "SOURCE")
    refuse_to_overwrite(Path(out), _is_encoder(Path(out)), "encoder")
    nlp = load_pipeline(source)
    if nlp is not None:
        check_apart(nlp.path, Path(out), "SOURCE")
        transformer, tokenizer = _of_pipeline(nlp, component)
    else:
        if component is not None:
            raise ValueError(
                f"--component {component}: SOURCE {source} is an encoder, which has no components. "
                "Fix: leave it out."
            )
        refuse_training(source)
        loaded = load_encoder(encoder_location(source), {"use_fast": True}, {})
        transformer, tokenizer = loaded.transformer, loaded.tokenizer
    if int4:
        try:
            pack_linears(transformer)
            if not has_packed_embeddings(transformer):
                pack_vocabulary(transformer)
        except ValueError as error:
            raise ValueError(f"--int4: {error} Fix: leave out --int4.") from error
    with replacing(out) as temporary:
        (save_int4 if int4 else save_floats)(transformer, tokenizer, temporary)


def _is_encoder(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(
        (folder / name).is_file() for name in (WEIGHTS, OTHER_WEIGHTS)
    )


def _of_pipeline(nlp: Language, component: str | None) -> tuple[Any, Any]:
    """RETURNS: An encoder and its tokenizer."""
    found = encoders_in_use(nlp)
    chosen = [x for x in found if component in (None, x.component)]
    if len(chosen) != 1:
        names = ", ".join(x.component for x in found)
        raise ValueError(
            f"--component: found {component}, but the pipeline has encoders in {names}. Expected "
            f"one of them. Fix: --component {found[0].component}."
        )
    (encoder,) = chosen
    _refuse_integers(encoder)
    return encoder.model.transformer, encoder.model.tokenizer


def _refuse_integers(encoder: EncoderInUse) -> None:
    shim = encoder.model.shim
    if shim.is_onnx or shim.int8_layers:
        what = "an ONNX graph" if shim.is_onnx else "int8"
        raise ValueError(
            f'The encoder of "{encoder.component}" is {what}, and has no weights that other '
            "libraries read. Expected one of floats, or in four bits. Fix: export the encoder of "
            "the pipeline that was optimized."
        )
