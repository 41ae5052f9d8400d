"""The encoders that are measured: one from a folder, and two shapes with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

# "own" is the encoder of --encoder. The others have its tokenizer and random weights: time and
# memory do not depend on what the weights are.
SHAPES = ("own", "base", "tiny")
TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


def encoder_folder(shape: str, encoder: str, folder: Path) -> str:
    """Find or make an encoder.

    shape (str): One of `SHAPES`.
    encoder (str): Folder of the encoder whose tokenizer is used.
    folder (Path): Where to make one.
    RETURNS (str): The folder it is in.
    """
    if shape == "own":
        return encoder
    target = folder / f"encoder-{shape}"
    if not target.is_dir():
        tokenizer = AutoTokenizer.from_pretrained(encoder)
        torch.manual_seed(0)
        settings = TINY if shape == "tiny" else {}
        BertModel(BertConfig(vocab_size=len(tokenizer), **settings)).save_pretrained(target)
        tokenizer.save_pretrained(target)
    return str(target)
