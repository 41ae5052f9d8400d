"""A Hugging Face encoder that reads packed windows and returns packed layers."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from ...types import LayerStates
from ..reader import Reader
from ..segment.windows import Windows
from ..storage.int8 import Int8Linear
from .bfloat16 import Bfloat16Blocks, has_bfloat16
from .buckets import CPU_BUDGET, CPU_ROOM, GPU_BUDGET, GPU_ROOM, buckets
from .early_exit import find_blocks, run_up_to
from .gather import Gathered, Outputs
from .packed_rows import packed_layers, rows_of, runs_packed
from .shapes import check_count, check_shapes
from .upload import upload

# (states, lengths) -> (N, E), for the windows of one bucket
Consumer = Callable[[LayerStates, Tensor], Tensor]


class PackedEncoder(nn.Module):
    """Runs an encoder over windows in buckets of similar length, and packs what comes out.

    transformer (Module): Any encoder of `transformers.AutoModel` that takes `input_ids` and
        `attention_mask` and can return its hidden states.
    mixed_precision (bool): On a device that computes in bfloat16, let the encoder do so. (A GPU
        that does not has half floats, and thinc sees to them.) What comes out is fp32 all the same.
    """

    def __init__(self, transformer: nn.Module, mixed_precision: bool = False):
        super().__init__()
        self.transformer = transformer
        self.mixed_precision = mixed_precision
        self.bfloat16_blocks = Bfloat16Blocks()

    @property
    def num_layers(self) -> int:
        return int(self.transformer.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]

    @property
    def width(self) -> int:
        return int(self.transformer.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def device(self) -> torch.device:
        return next(self.transformer.parameters()).device

    def forward(
        self,
        windows: Windows,
        layers: list[int],
        consumers: Mapping[str, Consumer] | None = None,
        budget: int | None = None,
    ) -> Outputs:
        """
        windows (Windows): N wordpieces in W windows.
        layers (List[int]): The layers wanted.
        consumers (Mapping[str, Consumer]): Called bucket by bucket instead of keeping the layers.
        budget (int): Wordpieces in one forward pass, padding included; by default what suits the
            device.
        RETURNS (Outputs): Without consumers the layers by their numbers, `(N, E)` each, with their
            graph if gradients are on. With consumers one `(N, E)` for each, by its name.
        """
        on_cpu = self.device.type == "cpu"
        if budget is None:
            budget = CPU_BUDGET if on_cpu else GPU_BUDGET
        room = CPU_ROOM if on_cpu else GPU_ROOM
        groups = list(buckets(windows.lengths, budget, pads=not self._runs_packed(), room=room))
        starts = numpy.concatenate([[0], numpy.cumsum(windows.lengths)])
        gathered = Gathered(int(starts[-1]))
        if torch.is_grad_enabled():
            self.bfloat16_blocks.forget()
        # Around all buckets, so that the weights are cast once.
        with self._autocast():
            for group in groups:
                lengths = windows.lengths[group]
                rows = _row_numbers(starts[group], lengths)
                types = None if windows.types is None else windows.types[rows]
                ids = windows.ids[rows]
                gathered.add(rows, self._outputs(ids, types, lengths, layers, consumers))
        return gathered.in_order()

    def consumers(self, readers: Mapping[str, Reader]) -> dict[str, Consumer]:
        """RETURNS (Dict[str, Consumer]): What `forward` calls for some readers."""
        return {key: reader.consume for key, reader in readers.items()}

    @cached_property
    def takes_types(self) -> bool:
        """Whether the encoder has an embedding for more than one token type."""
        return (
            "token_type_ids" in inspect.signature(self.transformer.forward).parameters
            and int(getattr(self.transformer.config, "type_vocab_size", 0) or 0) > 1
        )

    def _outputs(
        self,
        ids: numpy.ndarray,
        types: numpy.ndarray | None,
        lengths: numpy.ndarray,
        layers: list[int],
        consumers: Mapping[str, Consumer] | None,
    ) -> Outputs:
        """Run one bucket. ids `(n,)`, types `(n,)`, lengths `(b,)`; RETURNS the layers, or what
        consumers make of them, `(n, E)` each."""
        hidden = self._encode(ids, types, lengths, layers or [self.num_layers])
        if consumers is None:
            return {layer: h for layer, h in hidden.items()}
        states = LayerStates(hidden, self.num_layers)
        counts = upload(lengths, self.device)
        # Aggregators compute in fp32.
        with _no_autocast(self.device):
            return {name: consume(states, counts) for name, consume in consumers.items()}

    def _pad(
        self, ids: numpy.ndarray, types: numpy.ndarray | None, lengths: numpy.ndarray
    ) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray | None]:
        """RETURNS: Ids, which of them are real, and token types if there are any and the encoder
        takes them, `(b, T)` each."""
        longest = int(lengths.max())
        real = numpy.arange(longest) < lengths[:, None]  # (b, T)
        pad_id = getattr(self.transformer.config, "pad_token_id", None) or 0
        padded = numpy.full(real.shape, pad_id, dtype="int64")
        padded[real] = ids
        if types is None or not self.takes_types:
            return padded, real, None
        padded_types = numpy.zeros(real.shape, dtype="int64")
        padded_types[real] = types
        return padded, real, padded_types

    def _autocast(self) -> AbstractContextManager[Any]:
        # One that is not enabled would end that of thinc, which is for half floats.
        if not self.uses_bfloat16:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _runs_packed(self) -> bool:
        """Whether the encoder reads packed rows, without padding."""
        return runs_packed(self.transformer)

    def _encode(
        self,
        ids: numpy.ndarray,
        types: numpy.ndarray | None,
        lengths: numpy.ndarray,
        layers: list[int],
    ) -> dict[int, Tensor]:
        """RETURNS (Dict[int, Tensor]): The layers of one bucket, `(n, E)` each."""
        if self._runs_packed():
            known = types if self.takes_types else None
            blocks = self._blocks_to_run()
            # Blocks in bfloat16 need no casts: a GPU's autocast would have norms in fp32.
            with nullcontext() if blocks is None else _no_autocast(self.device):
                hidden = packed_layers(self.transformer, ids, known, lengths, layers, blocks)
        else:
            hidden = self._encode_padded(ids, types, lengths, layers)
        return {layer: h.float() for layer, h in hidden.items()}

    def _blocks_to_run(self) -> Sequence[nn.Module] | None:
        """RETURNS (Optional[Sequence[Module]]): Blocks in bfloat16, if nothing trains through
        them."""
        if not self.uses_bfloat16 or torch.is_grad_enabled():
            return None
        rows = rows_of(self.transformer)
        if rows is None or not rows.keeps_bfloat16:
            return None
        blocks = rows.blocks(self.transformer)
        if any(isinstance(module, Int8Linear) for block in blocks for module in block.modules()):
            return None
        return self.bfloat16_blocks.of(blocks)

    def _encode_padded(
        self,
        ids: numpy.ndarray,
        types: numpy.ndarray | None,
        lengths: numpy.ndarray,
        layers: list[int],
    ) -> dict[int, Tensor]:
        padded, real, padded_types = self._pad(ids, types, lengths)
        kwargs = {
            "input_ids": upload(padded, self.device),
            "attention_mask": upload(real.astype("int64"), self.device),
            "return_dict": True,
        }
        if padded_types is not None:
            kwargs["token_type_ids"] = upload(padded_types, self.device)
        hidden = self._hidden_states(kwargs, layers)
        check_shapes(self.transformer, hidden, real.shape)
        rows = {layer: h.reshape(-1, h.shape[-1]) for layer, h in hidden.items()}
        if real.all():
            return rows
        # Not by the mask: a GPU would have to tell how many rows are left.
        places = upload(numpy.flatnonzero(real), self.device)
        return {layer: h.index_select(0, places) for layer, h in rows.items()}

    @property
    def uses_bfloat16(self) -> bool:
        return self.mixed_precision and has_bfloat16(self.device.type)

    def _hidden_states(self, kwargs: dict[str, object], layers: list[int]) -> dict[int, Tensor]:
        num_layers = self.num_layers
        if max(layers) < num_layers:
            blocks = find_blocks(self.transformer, num_layers)
            if blocks is not None:
                return run_up_to(self.transformer, blocks, layers, kwargs)
        only_last = layers == [num_layers]
        output = self.transformer(**kwargs, output_hidden_states=not only_last)
        if only_last:
            return {num_layers: output.last_hidden_state}
        check_count(self.transformer, output.hidden_states, num_layers)
        # H^L is last_hidden_state by definition: some models normalize it after the last block.
        return {
            layer: output.last_hidden_state if layer == num_layers else output.hidden_states[layer]
            for layer in layers
        }


def _no_autocast(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, enabled=False)


def _row_numbers(starts: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (Ints1d): The packed rows of some windows, window after window."""
    ends = numpy.cumsum(lengths)
    within = numpy.arange(int(ends[-1])) - numpy.repeat(ends - lengths, lengths)
    return numpy.repeat(starts, lengths) + within
