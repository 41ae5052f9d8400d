"""Encoders in four bits, and a second way to read them."""

from pathlib import Path
from typing import Any

import numpy
from spacy.language import Language
from tiny import tiny_bert, tiny_xlm_roberta
from transformers import AutoModel, AutoTokenizer

from dlfa_spacy.encoder.storage.int4_embedding import pack_vocabulary
from dlfa_spacy.encoder.storage.int4_folder import save_int4
from dlfa_spacy.encoder.storage.int4_linear import pack_linears
from dlfa_spacy.encoder.storage.weights import int4_layers

MAKERS = {"bert": tiny_bert, "xlm_roberta": tiny_xlm_roberta}


def packed_folder(folder: Path, kind: str = "bert") -> str:
    """RETURNS (str): A tiny encoder, all of whose Linear layers and rows are in four bits."""
    (folder / "floats").mkdir(parents=True)
    source = MAKERS[kind](folder / "floats")
    transformer = AutoModel.from_pretrained(source)
    pack_vocabulary(transformer)
    pack_linears(transformer)
    save_int4(transformer, AutoTokenizer.from_pretrained(source), folder / "int4")
    return str(folder / "int4")


def unpacked(nibbles: numpy.ndarray, scales: numpy.ndarray) -> numpy.ndarray:
    """RETURNS: `(rows, E)` float32, weight by weight."""
    rows, width = nibbles.shape[0], nibbles.shape[1] * 2
    weight = numpy.zeros((rows, width), dtype="float32")
    for row in range(rows):
        for column in range(width):
            block, place = divmod(column, 32)
            byte = int(nibbles[row, block * 16 + place % 16])
            q = byte % 16 if place < 16 else byte // 16
            weight[row, column] = numpy.float32(q - 8) * numpy.float32(scales[row, block])
    return weight


def packed_state(nlp: Language) -> dict[str, Any]:
    """RETURNS: Nibbles and scales of the encoder's layers that are saved in four bits."""
    transformer = nlp.get_pipe("transformer").model.transformer  # type: ignore[attr-defined]
    return {
        f"{name}.{part}": getattr(transformer.get_submodule(name), part).clone()
        for name in int4_layers(transformer)
        for part in ("nibbles", "scales")
    }
