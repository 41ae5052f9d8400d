"""Linear layers of 8-bit integers, for a CPU: smaller and faster, and never trained again."""

import copy
import warnings
from typing import Any, cast

import torch
from torch import Tensor, nn

from .int4_linear import plain_linear


class Int8Linear(nn.Module):
    """y = x W' + b with W in int8, one scale per output; x is quantized as it comes, by its range.

    What `torch.ao.quantization.quantize_dynamic` makes of a Linear layer, to the last bit. Unlike
    it the state is plain tensors (`weight` int8 `(out, in)`, `scale` `(out,)`, `zero_point`
    `(out,)`, `bias`), so that it can be checked and kept as safetensors; and it pickles.

    in_features, out_features (int): As in `nn.Linear`.
    bias (bool): Whether there is one.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self._pack(
            torch.zeros(out_features, in_features, dtype=torch.int8),
            torch.ones(out_features, dtype=torch.float64),
            torch.zeros(out_features, dtype=torch.int64),
            torch.zeros(out_features) if bias else None,
        )

    def forward(self, x: Tensor) -> Tensor:
        # Under bfloat16 autocast some of its neighbors compute in another type.
        return cast(
            Tensor,
            torch.ops.quantized.linear_dynamic(x.float(), self._packed, reduce_range=True),
        )

    def _pack(self, weight: Tensor, scale: Tensor, zero_point: Tensor, bias: Tensor | None) -> None:
        with warnings.catch_warnings():
            # torch moves its quantized tensors to another package; these operators stay. The public
            # one takes floats, and would quantize once more.
            warnings.simplefilter("ignore")
            quantized = torch._make_per_channel_quantized_tensor(weight, scale, zero_point, 0)
            self._packed = torch.ops.quantized.linear_prepack(quantized, bias)

    def _unpack(self) -> dict[str, Tensor]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weight, bias = torch.ops.quantized.linear_unpack(self._packed)
            state = {
                "weight": weight.int_repr(),
                "scale": weight.q_per_channel_scales(),
                "zero_point": weight.q_per_channel_zero_points(),
            }
        return state if bias is None else {**state, "bias": bias}

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, tensor in self._unpack().items():
            destination[prefix + name] = tensor.detach()

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        found = {name: state_dict.get(prefix + name, t) for name, t in self._unpack().items()}
        bias = found.get("bias")
        self._pack(
            found["weight"].contiguous(),
            found["scale"].to(torch.float64),
            found["zero_point"].to(torch.int64),
            None if bias is None else bias.float(),
        )

    def __getstate__(self) -> dict[str, Any]:
        # Arrays travel as bytes. These tensors would be gone before a spawned process has opened
        # the shared memory that torch sends in their place.
        arrays = {name: tensor.detach().numpy() for name, tensor in self._unpack().items()}
        return {**{k: v for k, v in self.__dict__.items() if k != "_packed"}, "q": arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        found = {name: torch.as_tensor(array) for name, array in state.pop("q").items()}
        super().__setstate__(state)
        self._pack(found["weight"], found["scale"], found["zero_point"], found.get("bias"))

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, int8"


def quantize(transformer: nn.Module) -> list[str]:
    """Turn an encoder's Linear layers into `Int8Linear`, in place. A pooler is left as it is.

    transformer (Module): On the CPU.
    RETURNS (List[str]): The names of the layers.
    """
    from torch.ao.nn.quantized.dynamic import Linear as DynamicLinear
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    names = [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith("pooler")
    ]
    for name in names:
        # One at a time: the whole encoder need not be in memory twice.
        module = cast(nn.Linear, transformer.get_submodule(name))
        linear = copy.deepcopy(plain_linear(module)).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: Any = quantize_dynamic(
                nn.Sequential(linear), {nn.Linear: per_channel_dynamic_qconfig}, torch.qint8
            )[0]
            assert isinstance(made, DynamicLinear)
            weight, bias = made.weight(), made.bias()
            layer = Int8Linear(made.in_features, made.out_features, bias is not None)
            layer._pack(
                weight.int_repr(),
                weight.q_per_channel_scales(),
                weight.q_per_channel_zero_points(),
                None if bias is None else bias.detach(),
            )
        transformer.set_submodule(name, layer)
    return names
