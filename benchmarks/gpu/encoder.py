"""An encoder of random weights, with a tokenizer that is trained in a second: no file is needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

# Of BERT-base, and of one that a test makes.
SHAPES: dict[str, dict[str, int]] = {
    "base": {"vocab_size": 8_000},
    "tiny": {
        "vocab_size": 300,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    },
}


def make_encoder(folder: Path, texts: Iterable[str], shape: str) -> str:
    """Make a BERT. Time and memory do not depend on what its weights are.

    folder (Path): Where it is saved.
    texts (Iterable[str]): What the wordpieces are learned from.
    shape (str): One of `SHAPES`.
    RETURNS (str): The folder.
    """
    trained = BertWordPieceTokenizer(lowercase=False)
    trained.train_from_iterator(texts, SHAPES[shape]["vocab_size"], show_progress=False)
    trained.save_model(str(folder))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(**{**SHAPES[shape], "vocab_size": len(tokenizer)})).save_pretrained(folder)
    return str(folder)
