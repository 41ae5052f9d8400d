"""The encoders that are measured: one from a folder, and two shapes with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from dlfa_spacy.encoder.storage.huggingface import from_pretrained
from dlfa_spacy.encoder.storage.int4_folder import is_int4, save_floats
from dlfa_spacy.encoder.storage.loading import load_encoder, read_config

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
    config = read_config(encoder) if shape == "own" else None
    if shape == "own" and (config is None or not is_int4(config)):
        return encoder
    target = folder / f"encoder-{shape}"
    if shape == "own" and not target.is_dir():
        # Other libraries do not read four bits.
        loaded = load_encoder(encoder, {"use_fast": True}, {})
        save_floats(loaded.transformer, loaded.tokenizer, target)
    elif not target.is_dir():
        tokenizer = from_pretrained(AutoTokenizer, encoder)
        torch.manual_seed(0)
        settings = TINY if shape == "tiny" else {}
        BertModel(BertConfig(vocab_size=len(tokenizer), **settings)).save_pretrained(target)
        tokenizer.save_pretrained(target)
    return str(target)
