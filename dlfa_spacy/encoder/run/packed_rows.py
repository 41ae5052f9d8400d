"""Encoders without padding: Linear layers read packed rows, attention stays within windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from ...types import IntArray
from .attention import attends
from .rows.bert import BertRows, ElectraRows, RobertaRows
from .rows.bucket import Bucket
from .rows.contract import Rows
from .rows.deberta import DebertaRows
from .rows.distilbert import DistilBertRows
from .rows.modernbert import ModernBertRows

# By name: transformers loads the code of a model when it is asked for, and that of ModernBERT takes
# as long as all of spaCy.
KINDS: dict[str, type[Rows]] = {
    "BertModel": BertRows,
    "CamembertModel": RobertaRows,
    "DebertaV2Model": DebertaRows,
    "DistilBertModel": DistilBertRows,
    "ElectraModel": ElectraRows,
    "ModernBertModel": ModernBertRows,
    "RobertaModel": RobertaRows,
    "XLMRobertaModel": RobertaRows,
}


def rows_of(transformer: nn.Module) -> type[Rows] | None:
    """RETURNS (Optional[Type[Rows]]): How an encoder of this class computes on packed rows."""
    kind = type(transformer)
    # Not a subclass, or another class of that name, which may compute something else.
    is_known = kind.__name__ in KINDS and getattr(transformers, kind.__name__) is kind
    return KINDS[kind.__name__] if is_known else None


def runs_packed(transformer: nn.Module) -> bool:
    """Whether `packed_layers` computes just what an encoder's own forward pass would.

    transformer (Module): Any encoder.
    RETURNS (bool): True for an encoder of a class in KINDS on a CPU; on a GPU for prediction, if
        its attention is the plain one. (A batch to train on is small: padding costs a GPU nothing
        there.) False if something hooks into the modules that would be left out.
    """
    rows = rows_of(transformer)
    model: Any = transformer
    if rows is None or not rows.computes(model):
        return False
    # transformers' own property for it has another name in each of its versions 4 and 5.
    if any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        return False
    # Nested tensors, which a GPU may need, have no inference mode.
    trains = torch.is_grad_enabled() or torch.is_inference_mode_enabled()
    if model.device.type != "cpu" and (trains or not rows.attends_plainly):
        return False
    # torch does not say in public whether a module has hooks.
    if any(module._forward_hooks or module._forward_pre_hooks for module in rows.skipped(model)):
        return False
    return attends(model.device)


def packed_layers(
    transformer: Any,
    ids: IntArray,
    types: IntArray | None,
    lengths: IntArray,
    layers: Iterable[int],
    blocks: Sequence[nn.Module] | None = None,
) -> dict[int, Tensor]:
    """Run an encoder over packed windows, up to the highest layer wanted.

    transformer (Module): See `runs_packed`.
    ids (Ints1d): `(n,)` wordpieces, window after window.
    types (Optional[Ints1d]): `(n,)` their token types.
    lengths (Ints1d): `(w,)` of the windows, shortest first.
    layers (Iterable[int]): The layers wanted; 0 are the embeddings.
    blocks (Optional[Sequence[Module]]): Run these instead of its own, in the type of their weights.
    RETURNS (Dict[int, Tensor]): `(n, E)` each, with its graph if gradients are on.
    """
    wanted = set(layers)
    bucket = Bucket(ids, types, lengths, transformer.device)
    rows = KINDS[type(transformer).__name__](transformer, bucket)
    hidden = rows.embed()
    found = {0: hidden}
    own = rows.blocks(transformer)
    if blocks is not None:
        hidden = hidden.to(next(blocks[0].parameters()).dtype)
    for number, block in enumerate((blocks or own)[: max(wanted)], start=1):
        hidden = rows.run(block, hidden)
        if number in wanted:
            found[number] = rows.last(hidden) if number == len(own) else hidden
    return {layer: found[layer] for layer in wanted}
