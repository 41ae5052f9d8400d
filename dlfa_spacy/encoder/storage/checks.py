"""What no encoder has: sizes that only fill the memory, weights that are no numbers."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from .errors import EncoderError

# Each several times what the largest encoders have.
_MOST = {
    "num_hidden_layers": 1_000,
    "num_attention_heads": 1_000,
    "hidden_size": 100_000,
    "intermediate_size": 1_000_000,
    "vocab_size": 10_000_000,
    "max_position_embeddings": 10_000_000,
    "type_vocab_size": 100_000,
}
_MOST_WEIGHTS = 10**11
_MAX_BATCH_ITEMS = "max_batch_items"
OTHERS = "Fix: choose an encoder that reads wordpieces, such as XLM-R, mDeBERTa-v3 or mmBERT."


def check_config(config: PretrainedConfig, most_weights: int = _MOST_WEIGHTS) -> None:
    """Look at the sizes of an encoder before anything is made in them.

    config (PretrainedConfig): Its configuration.
    most_weights (int): Of all sizes together.
    RAISES (ValueError): A size is not a number or far beyond any encoder's, naming the key.
    """
    sizes = {}
    for key, most in _MOST.items():
        value = getattr(config, key, None)
        # What does not count layers has none to check. Some encoders have no token types.
        lowest = 0 if key in ("type_vocab_size", "max_position_embeddings") else 1
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= most:
            raise ValueError(
                f"config.json: {key} = {str(value)[:50]}, expected a whole number from {lowest} to "
                f"{most:,}. Fix: copy the encoder again, or correct its configuration."
            )
        sizes[key] = value
    width = sizes.get("hidden_size", 0)
    rows = sum(sizes.get(key, 0) for key in list(_MOST)[4:])
    block = 4 * width + 2 * sizes.get("intermediate_size", 0)
    n_weights = width * (rows + sizes.get("num_hidden_layers", 0) * block)
    if n_weights > most_weights:
        raise ValueError(
            f"config.json: {', '.join(f'{key} = {value}' for key, value in sizes.items())}: "
            f"{n_weights:,} weights, expected at most {most_weights:,}. Fix: copy the encoder "
            "again, or correct its configuration."
        )


def check_architecture(transformer: Any) -> None:
    """Look for what is no encoder of wordpieces.

    transformer (PreTrainedModel): As `AutoModel` made it.
    RAISES (EncoderError): It has a decoder as well, or no row for each wordpiece.
    """
    what = f"[components.transformer.model] name: the encoder ({type(transformer).__name__})"
    if transformer.config.is_encoder_decoder:
        raise EncoderError(
            f"{what} comes with a decoder (is_encoder_decoder = true). Expected an encoder alone. "
            f"{OTHERS}"
        )
    try:
        transformer.get_input_embeddings()
    except NotImplementedError as error:
        raise EncoderError(
            f"{what} has no table with a row for each wordpiece. Expected one, and a vector for "
            "each wordpiece in every layer. (In most layers of CANINE, four characters share a "
            f"vector.) {OTHERS}"
        ) from error


def check_weights(transformer: nn.Module) -> None:
    """Look for weights that would make every vector of an encoder worthless without a word.

    transformer (Module): The encoder.
    RAISES (ValueError): A weight is not a number or infinite, naming the first.
    """
    for name, weight in transformer.state_dict().items():
        if weight.is_floating_point() and weight.numel():
            # Of all numbers, the two ends alone: no memory is taken, and NaN is both of them.
            if not all(torch.isfinite(end) for end in torch.aminmax(weight)):
                raise ValueError(
                    f'the weight "{name}" has values that are no finite numbers, expected numbers '
                    "alone. Fix: copy the encoder again, or train it with a lower learning rate."
                )


def check_component_config(path: Path) -> dict[str, Any]:
    """Read the settings that a saved component keeps beside its model.

    path (Path): The file, `transformer/cfg`.
    RETURNS (Dict[str, Any]): The settings.
    RAISES (ValueError): The file is damaged, or a setting is wrong, naming file and key.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        reason = f"found a {type(settings).__name__}"
    except (ValueError, RecursionError) as error:
        settings, reason = None, str(error)
    if not isinstance(settings, dict):
        raise ValueError(
            f"{path}: cannot be read ({reason}), expected the JSON object that nlp.to_disk wrote. "
            "Fix: copy the pipeline again."
        )
    value = settings.get(_MAX_BATCH_ITEMS)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(
            f"{path}: {_MAX_BATCH_ITEMS} = {str(value)[:50]}, expected a whole number from 1, or "
            "null. Fix: copy the pipeline again, or correct the number."
        )
    return settings
