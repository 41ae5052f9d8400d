"""A folder with an encoder in four bits: an ordinary one but for its weights.

`model.safetensors` holds, instead of `LAYER.weight`, `LAYER.nibbles` and `LAYER.scales` (see
`int4.unpack`), and `config.json` says so under `quantization_config`, so that other libraries
refuse the folder instead of reading part of it.
"""

import copy
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import PretrainedConfig

from .int4 import BLOCK
from .int4_embedding import Int4Embedding, unpack_embeddings
from .int4_linear import Int4Linear, plain_linear
from .tokenizer_files import save_tokenizer
from .uninitialized import empty_encoder
from .weights import int4_layers, load_weights, save_weights

QUANTIZATION = "quantization_config"
# Not `quant_method`: an unknown one makes transformers warn and go on with random weights, none at
# all makes it stop.
FORMAT = "format"
METHOD = "dlfa_int4"
WEIGHTS = "model.safetensors"


def is_int4(config: PretrainedConfig) -> bool:
    """RETURNS (bool): Whether a folder's weights are in four bits, by its configuration."""
    found = getattr(config, QUANTIZATION, None)
    return isinstance(found, dict) and found.get(FORMAT) == METHOD


def load_int4(folder: str, config: PretrainedConfig, **settings: Any) -> nn.Module:
    """
    folder (str): Where the encoder is.
    config (PretrainedConfig): Its configuration; it loses the mark of four bits.
    settings (Any): For `AutoModel`.
    RETURNS (Module): The encoder: rows packed, Linear layers in fp32.
    RAISES (ValueError): The file is missing or damaged, or does not fit the configuration.
    """
    block = getattr(config, QUANTIZATION).get("block_size")
    if block != BLOCK:
        raise ValueError(f"its blocks have {block} weights, expected {BLOCK}.")
    delattr(config, QUANTIZATION)
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise ValueError(f"the folder has no {WEIGHTS}.")
    try:
        with safe_open(path, framework="pt") as file_:
            names = [
                key.removesuffix(".nibbles") for key in file_.keys() if key.endswith("nibbles")
            ]
    except SafetensorError as error:
        raise ValueError(f"{WEIGHTS} is damaged: {error}.") from error
    transformer: nn.Module = empty_encoder(config, **settings)
    load_weights(transformer, path.read_bytes(), int4=sorted(names))
    return transformer


def save_int4(transformer: Any, tokenizer: Any, folder: Path) -> None:
    """Write a folder that `dlfa_spacy.TransformerModel.v1` takes as `name`.

    transformer (PreTrainedModel): Some of whose layers are in four bits.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    folder (Path): Is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder)
    weights = save_weights(transformer, "float32", int4_layers(transformer))
    (folder / WEIGHTS).write_bytes(weights)
    config = type(transformer.config).from_dict(transformer.config.to_dict())
    setattr(config, QUANTIZATION, {FORMAT: METHOD, "block_size": BLOCK})
    config.architectures = [type(transformer).__name__]
    config.torch_dtype = "float32"
    config.save_pretrained(folder)


def save_floats(transformer: Any, tokenizer: Any, folder: Path) -> None:
    """Write an ordinary Hugging Face folder, which other libraries read too.

    transformer (PreTrainedModel): Of floats, or with layers in four bits; it stays what it is.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    folder (Path): Is made.
    """
    if any(isinstance(module, Int4Embedding | Int4Linear) for module in transformer.modules()):
        transformer = floats(copy.deepcopy(transformer))
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder)
    transformer.save_pretrained(folder)


def save_encoder(transformer: Any, tokenizer: Any, folder: Path) -> None:
    """Write an encoder as it is: layers in four bits stay so, unless they were trained.

    transformer (PreTrainedModel), tokenizer (PreTrainedTokenizerBase), folder (Path): As for
        `save_int4`.
    """
    save = save_int4 if int4_layers(transformer) else save_floats
    save(transformer, tokenizer, folder)


def floats(transformer: nn.Module) -> nn.Module:
    """Turn every layer in four bits into an ordinary one, for libraries that know none.

    transformer (Module): Changed in place.
    RETURNS (Module): The same encoder.
    """
    unpack_embeddings(transformer)
    for name, module in list(transformer.named_modules()):
        if isinstance(module, Int4Linear):
            transformer.set_submodule(name, plain_linear(module))
    return transformer
