"""Write and read the encoder as a Hugging Face folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import BertModel, PretrainedConfig

from dlfa_spacy.corpora.files import write_text

from .vocabulary import save_tokenizer

SHIPPED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
           "special_tokens_map.json")  # fmt: skip


def save_encoder(model: BertModel, tokenizer: Tokenizer, folder: Path) -> int:
    """Write config, weights (fp16) and tokenizer; each file is replaced in one step.

    model (BertModel): The encoder.
    tokenizer (Tokenizer): Its tokenizer.
    folder (Path): Made if missing.
    RETURNS (int): Bytes of the files that a user needs.
    RAISES (ValueError): A weight that fp16 cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights: dict[str, torch.Tensor] = {}
    for name, value in model.state_dict().items():
        half = value.detach().half().contiguous().clone()
        if not torch.isfinite(half).all():
            raise ValueError(
                f"Weight {name!r}: found values beyond the range of float16, expected all within "
                "65504. Lower the learning rate, or go back to an earlier checkpoint."
            )
        weights[name] = half
    temporary = folder / "model.safetensors.tmp"
    save_file(weights, str(temporary), metadata={"format": "pt"})
    os.replace(temporary, folder / "model.safetensors")
    config: dict[str, Any] = model.config.to_diff_dict()
    for key in ("_name_or_path", "transformers_version", "gradient_checkpointing"):
        config.pop(key, None)
    # Newer versions of transformers load in the dtype that the config names, and fp16 does not
    # train on a CPU: the file is small, the model in memory is float32.
    config.update(architectures=["BertModel"], model_type="bert", torch_dtype="float32")
    write_text(folder / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_tokenizer(tokenizer, folder, max_length=int(model.config.max_position_embeddings))
    return sum((folder / name).stat().st_size for name in SHIPPED)


def load_encoder(folder: Path) -> tuple[BertModel, Tokenizer]:
    """Read an encoder written by `save_encoder`, in float32.

    folder (Path): The folder.
    RETURNS (tuple[BertModel, Tokenizer]): The model, in evaluation mode, and its tokenizer.
    RAISES (ValueError): A file is missing.
    """
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise ValueError(
                f"Encoder folder {folder}: found no {name!r}, expected all of {list(SHIPPED)}. "
                "Run the `graft` stage, or name the folder that it wrote."
            )
    model = BertModel.from_pretrained(folder, torch_dtype=torch.float32)
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


def with_embeddings(parent: BertModel, embeddings: torch.Tensor, *, pad_id: int = 0) -> BertModel:
    """Put a new embedding matrix under a parent's body.

    parent (BertModel): Changed in place.
    embeddings (torch.Tensor): (V, E).
    pad_id (int): Id of the padding piece.
    RETURNS (BertModel): The parent, with the new vocabulary.
    """
    layer = nn.Embedding(embeddings.shape[0], embeddings.shape[1], padding_idx=pad_id)
    layer.weight.data = embeddings.float().clone()
    parent.embeddings.word_embeddings = layer
    parent.config.vocab_size = embeddings.shape[0]
    return parent


def random_twin(config: PretrainedConfig, *, seed: int = 0) -> BertModel:
    """Make an encoder of the same architecture with random weights throughout."""
    torch.manual_seed(seed)
    return BertModel(config).eval()
