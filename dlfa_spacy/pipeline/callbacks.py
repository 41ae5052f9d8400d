"""Which of the encoder's weights start at random, which train, and from when."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from spacy.language import Language
from torch import Tensor, nn

from ..aggregators.layer_index import resolve_layer
from ..encoder.run.early_exit import find_blocks
from ..encoder.storage.int4_embedding import unpack_embeddings
from .encoders import encoder_of


def build_freeze_layers_v1(
    layers: list[int] = [],  # noqa: B006  (spaCy reads defaults from the signature)
    embeddings: bool = True,
    lr_scale: float = 1.0,
    lr_decay: float = 1.0,
    component: str = "transformer",
) -> Callable[[Language], Language]:
    """Freeze the encoder's embeddings, some of its layers, or both for the whole training; and say
    how fast the rest trains.

    By default only the embeddings: training on one language moves the rows of its own wordpieces
    and never sees those of others, which stay where they were.

    layers (List[int]): Layer numbers as everywhere (1 is the first block, which makes H^1; negative
        ones count from the end). By default none. With all of them the encoder is frozen, and
        encodes each text once.
    embeddings (bool): Whether the embeddings are frozen. If not, rows in four bits, which cannot
        train, become floats.
    lr_scale (float): Learning rate of the encoder's weights relative to that of the training. A
        component that starts at random needs a rate at which a pretrained encoder forgets: let
        `learn_rate` be that of the component, and `lr_scale` 0.05 or 0.1.
    lr_decay (float): Rate of a layer relative to the one above it. Howard & Ruder 2018 (ULMFiT),
        section 3.2, have 1 / 2.6.
    component (str): Name of the encoder's component.
    CREATES: A callback for [initialize.after_init].
    RAISES (ValueError): A rate is not above 0.

    ```ini
    [initialize.after_init]
    @callbacks = "dlfa_spacy.freeze_layers.v1"
    layers = [1, 2, 3, 4, 5, 6]
    embeddings = true
    lr_scale = 0.1
    ```
    """
    for name, value in (("lr_scale", lr_scale), ("lr_decay", lr_decay)):
        if not value > 0:
            raise ValueError(
                f"[initialize.after_init] {name} = {value}: expected a number above 0. Fix: {name} "
                "= 1.0, or name the layers that shall not train."
            )
    return functools.partial(
        _freeze_layers,
        layers=layers,
        embeddings=embeddings,
        rates=(lr_scale, lr_decay),
        component=component,
    )


def _freeze_layers(
    nlp: Language, layers: list[int], embeddings: bool, rates: tuple[float, float], component: str
) -> Language:
    _set_rates(nlp, component, *rates)
    if not layers:
        model = encoder_of(nlp, component)
        if embeddings and find_blocks(model.transformer, model.num_layers) is None:
            # Blocks that cannot be told apart need not be: these are the wordpieces' rows.
            model.transformer.get_input_embeddings().requires_grad_(False)
            return nlp
    transformer, blocks = _encoder_blocks(nlp, component)
    for layer in layers:
        index = resolve_layer(layer, len(blocks), "initialize.after_init.layers")
        if index == 0:
            embeddings = True
        else:
            blocks[index - 1].requires_grad_(False)
    if embeddings:
        _set_embeddings(transformer, blocks, trains=False)
    else:
        unpack_embeddings(transformer)
    return nlp


def _set_rates(nlp: Language, component: str, scale: float, decay: float) -> None:
    """Give each weight its rate: those of the last block, and of a pooler, `scale`; those of each
    block below `decay` times as much; the embeddings come below the first block."""
    model = encoder_of(nlp, component)
    # What the blocks are matters only if they differ.
    blocks = [] if decay == 1 else list(_encoder_blocks(nlp, component)[1])
    numbers = {id(p): i for i, block in enumerate(blocks, start=1) for p in block.parameters()}
    model.shim.lr_scales = {}
    for name, parameter in model.packed.named_parameters():
        number = len(blocks) if "pooler" in name else numbers.get(id(parameter), 0)
        model.shim.lr_scales[name] = scale * decay ** (len(blocks) - number)


def build_gradual_unfreezing_v1(
    start: int = 0, every: int = 100, component: str = "transformer"
) -> Callable[[Language, dict[str, Any]], None]:
    """Freeze the encoder and unfreeze it from the top, one block after the other.

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


def build_reinit_layers_v1(
    layers: list[int], seed: int = 0, component: str = "transformer"
) -> Callable[[Language], Language]:
    """Forget what some of the encoder's blocks learned in pretraining: all their weights are
    re-initialized, as BERT's were (Normal(0, `initializer_range` of the encoder's config), norms 1
    and 0, biases 0). Everything else stays pretrained. Then train as usual.

    layers (List[int]): Layer numbers as everywhere (1 is the first block, which makes H^1; negative
        ones count from the end).
    seed (int): Of the random numbers. A block gets the same weights, whatever others are named.
    component (str): Name of the encoder's component, or of one with an encoder of its own.
    CREATES: A callback for [initialize.before_init] or [initialize.after_init].

    Source: Muller et al. 2021 (First Align, then Predict), section 3, RANDOM-INIT. The paper's
    block k (`encoder.layer.k`) is our layer k + 1.

    ```ini
    [initialize.before_init]
    @callbacks = "dlfa_spacy.reinit_layers.v1"
    layers = [-2, -1]
    seed = 0
    ```
    """
    return functools.partial(_reinit_layers, layers=layers, seed=seed, component=component)


def _reinit_layers(nlp: Language, layers: list[int], seed: int, component: str) -> Language:
    transformer, blocks = _encoder_blocks(nlp, component)
    std = float(getattr(transformer.config, "initializer_range", 0.02))
    for layer in layers:
        index = resolve_layer(layer, len(blocks), "initialize.before_init.layers")
        if index == 0:
            raise ValueError(
                "[initialize.before_init] layers = 0: layer 0 is the embeddings, not a block. "
                f"Expected numbers from 1 to {len(blocks)}, or negative ones. Fix: leave out 0."
            )
        generator = torch.Generator().manual_seed(seed * len(blocks) + index)
        with torch.no_grad():
            for name, parameter in blocks[index - 1].named_parameters():
                parameter.copy_(_bert_init(name, parameter, std, generator))
    return nlp


def _bert_init(name: str, parameter: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """RETURNS (Tensor): Fresh values for one parameter of a block, by what it is: of one dimension
    are only biases, and the weights of norms."""
    if parameter.ndim > 1:
        # On the CPU, so that a GPU gets the same numbers.
        return torch.randn(parameter.shape, generator=generator) * std
    if name.endswith("bias"):
        return torch.zeros(parameter.shape)
    return torch.ones(parameter.shape)


def _encoder_blocks(nlp: Language, component: str) -> tuple[nn.Module, nn.ModuleList]:
    model = encoder_of(nlp, component)
    blocks = find_blocks(model.transformer, model.num_layers)
    if blocks is None:
        raise ValueError(
            f'The encoder of "{component}" ({type(model.transformer).__name__}) does not keep its '
            "layers in one list, so they cannot be told apart. Fix: freeze the whole component "
            "([training] frozen_components), or use another encoder."
        )
    return model.transformer, blocks


def _set_embeddings(transformer: nn.Module, blocks: nn.ModuleList, trains: bool) -> None:
    """Everything below the first block: word, position and type embeddings, and their norm."""
    if trains:
        unpack_embeddings(transformer)
    in_blocks = {id(p) for p in blocks.parameters()}
    for name, parameter in transformer.named_parameters():
        if id(parameter) not in in_blocks and "pooler" not in name:
            parameter.requires_grad_(trains)
