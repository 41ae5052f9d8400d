"""Which of the encoder's weights train, and from when."""

import functools
from collections.abc import Callable
from typing import Any, cast

from spacy.language import Language
from torch import nn

from .aggregators.layer_index import resolve_layer
from .encoder.early_exit import find_blocks
from .encoder.model import TransformerModel


def build_freeze_layers_v1(
    layers: list[int], embeddings: bool = True, component: str = "transformer"
) -> Callable[[Language], Language]:
    """Freeze some of the encoder's layers for the whole training.

    layers (List[int]): Layer numbers as everywhere (1 is the first block, which makes H^1; negative
        ones count from the end).
    embeddings (bool): Whether the embeddings are frozen too.
    component (str): Name of the encoder's component.
    CREATES: A callback for [initialize.after_init].

    ```ini
    [initialize.after_init]
    @callbacks = "dlfa_spacy.freeze_layers.v1"
    layers = [1, 2, 3, 4, 5, 6]
    embeddings = true
    ```
    """
    return functools.partial(
        _freeze_layers, layers=layers, embeddings=embeddings, component=component
    )


def _freeze_layers(nlp: Language, layers: list[int], embeddings: bool, component: str) -> Language:
    transformer, blocks = _encoder_blocks(nlp, component)
    for layer in layers:
        index = resolve_layer(layer, len(blocks), "initialize.after_init.layers")
        if index == 0:
            embeddings = True
        else:
            blocks[index - 1].requires_grad_(False)
    if embeddings:
        _set_embeddings(transformer, blocks, trains=False)
    return nlp


def build_gradual_unfreezing_v1(
    start: int = 0, every: int = 100, component: str = "transformer"
) -> Callable[[Language, dict[str, Any]], None]:
    """Freeze the encoder and set it free from the top, one block after the other.

    start (int): The step at which the last block begins to train.
    every (int): Steps between two blocks; the embeddings come after the first block.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].

    Source: Howard & Ruder 2018 (ULMFiT), section 3.3.

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.gradual_unfreezing.v1"
    start = 0
    every = 100
    ```
    """
    if every < 1:
        raise ValueError(
            f"[training.before_update] every = {every}: expected 1 step or more. Fix: every = 100."
        )
    return functools.partial(_unfreeze, start=start, every=every, component=component)


def _unfreeze(
    nlp: Language, progress: dict[str, Any], *, start: int, every: int, component: str
) -> None:
    transformer, blocks = _encoder_blocks(nlp, component)
    step = progress["step"]
    free = 0 if step < start else 1 + (step - start) // every
    for i, block in enumerate(blocks):
        block.requires_grad_(i >= len(blocks) - free)
    _set_embeddings(transformer, blocks, trains=free > len(blocks))


def _encoder_blocks(nlp: Language, component: str) -> tuple[nn.Module, nn.ModuleList]:
    model = cast(Any, nlp.get_pipe(component)).model
    if not isinstance(model, TransformerModel):
        raise ValueError(
            f'The component "{component}" holds no dlfa_spacy.TransformerModel.v1, so it has no '
            "layers to freeze. Fix: name the encoder's component (component = ...)."
        )
    model.load()
    blocks = find_blocks(model.transformer, model.num_layers)
    if blocks is None:
        raise ValueError(
            f'The encoder of "{component}" ({type(model.transformer).__name__}) does not keep its '
            "layers in one list, so they cannot be frozen one by one. Fix: freeze the component "
            "([training] frozen_components)."
        )
    return model.transformer, blocks


def _set_embeddings(transformer: nn.Module, blocks: nn.ModuleList, trains: bool) -> None:
    """Everything below the first block: word, position and type embeddings, and their norm."""
    in_blocks = {id(p) for p in blocks.parameters()}
    for name, parameter in transformer.named_parameters():
        if id(parameter) not in in_blocks and "pooler" not in name:
            parameter.requires_grad_(trains)
