"""Layer numbers: what a person writes (negative ones count from the end) and what they mean."""


def resolve_layer(layer: int, num_layers: int, key: str = "aggregation.layer") -> int:
    """Turn a layer number of a config into the l of H^l.

    layer (int): 0 is the embedding output, `num_layers` and -1 the last layer.
    num_layers (int): Transformer layers of the encoder (12 for BERT-base).
    key (str): The config key, for the error message.
    RETURNS (int): l, from 0 to num_layers.
    RAISES (ValueError): The encoder has no such layer.
    """
    index = layer + num_layers + 1 if layer < 0 else layer
    if not 0 <= index <= num_layers:
        raise ValueError(
            f"[{key}] = {layer}, but this encoder has {num_layers} layers: expected "
            f"0 (embeddings) to {num_layers} (last), or -1 (last) to {-num_layers - 1} "
            "(embeddings). Fix: choose a layer in that range, or a deeper encoder "
            "([components.transformer.model] name)."
        )
    return index


def check_layer_count(layers: int, num_layers: int, key: str = "aggregation") -> None:
    """RAISES (ValueError): Weights made for another number of layers than the encoder has."""
    if layers != num_layers:
        raise ValueError(
            f"[{key}] holds weights for an encoder of {layers} layers, but the encoder has "
            f"{num_layers}. Fix: use the encoder it was trained with, or train again."
        )
