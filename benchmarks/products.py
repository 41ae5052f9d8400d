"""What 8-bit weights can win on a processor: one Linear layer of an encoder, alone.

    python -m benchmarks.products --threads 2 --page docs/benchmarks_avx2.md

In fp32 and bfloat16; with the weights of `dlfa optimize --int8`, by each engine that torch has; by
ONNX Runtime. In one process and interleaved rounds; medians and ratios.
"""

import copy
import functools
import statistics
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy
import torch
import typer
from torch import Tensor, nn

from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.storage.int8 import quantize
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe
from dlfa_spacy.optimization.speed.rounds import Run, measure

# In and out: attention and both halves of a feed-forward layer of the bundled encoder; BERT-base's.
SHAPES = ((384, 384), (384, 1536), (1536, 384), (768, 3072))
# Written for ARM: nobody would take it here.
_LEFT_OUT = ("none", "qnnpack")
# A product is short beside the clock.
_TIMES = 20
FP32 = "fp32"


def main(
    wordpieces: Annotated[int, typer.Option(help="Rows of a product.")] = 1_024,
    rounds: Annotated[int, typer.Option(help="Timed rounds; one more to warm up.")] = 15,
    threads: Annotated[int, typer.Option(help="Threads.")] = 1,
    page: Annotated[
        Path | None,
        typer.Option(help="Put the table between the markers <!-- dlfa:products --> there."),
    ] = None,
) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    taken: dict[str, list[float]] = {}
    for inner, outer in SHAPES:
        layer, x = nn.Linear(inner, outer).eval(), torch.randn(wordpieces, inner)
        for name, times in measure(systems(layer, x, threads), rounds).items():
            taken.setdefault(name, []).append(statistics.median(times))
    rows = [
        [name, *(f"{base / one:.2f}" for one, base in zip(seconds, taken[FP32], strict=True))]
        for name, seconds in taken.items()
    ]
    table = markdown_table(["times fp32", *(f"{i} → {o}" for i, o in SHAPES)], rows)
    note = f"{wordpieces:,} rows, medians of {rounds} interleaved rounds. ({describe(threads)}.)"
    print(f"{table}\n{note}")
    if page is not None:
        insert_between_markers(page, f"{table}\n{note}", "<!-- dlfa:products -->")


def systems(layer: nn.Linear, x: Tensor, threads: int) -> dict[str, Run]:
    """
    layer (Linear): Its weights are what all of them multiply by.
    x (Tensor): `(n, in)`.
    threads (int): For ONNX Runtime, which does not ask torch.
    RETURNS (Dict[str, Run]): Name -> some products.
    """
    found: dict[str, Run] = {FP32: functools.partial(repeat, layer, x)}
    if has_bfloat16():
        low = copy.deepcopy(layer).bfloat16()
        found["bfloat16"] = functools.partial(repeat, low, x.bfloat16())
    for name in torch.backends.quantized.supported_engines:
        if name in _LEFT_OUT:
            continue
        with engine(name):
            made = nn.Sequential(layer)
            quantize(made)
        usual = ", as shipped" if name == torch.backends.quantized.engine else ""
        found[f"int8, torch, {name}{usual}"] = functools.partial(repeat, made, x)
    found["int8, ONNX Runtime"] = onnx_product(layer, x, threads)
    return found


def repeat(layer: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        for _ in range(_TIMES):
            layer(x)


@contextmanager
def engine(name: str) -> Iterator[None]:
    """The one that packs weights is the one that multiplies by them."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def onnx_product(layer: nn.Linear, x: Tensor, threads: int) -> Run:
    """RETURNS (Run): The products, as `quantize_dynamic` of ONNX Runtime writes them."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weight = layer.weight.detach().numpy().T
    scale = numpy.abs(weight).max(axis=0) / 127
    constants = {
        "weight": numpy.round(weight / scale).astype(numpy.int8),
        "steps": scale.astype(numpy.float32),
        "bias": layer.bias.detach().numpy(),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("DynamicQuantizeLinear", ["x"], ["q", "step", "zero"]),
            node("MatMulInteger", ["q", "weight", "zero"], ["sums"]),
            node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
            node("Mul", ["step", "steps"], ["both"]),
            node("Mul", ["floats", "both"], ["scaled"]),
            node("Add", ["scaled", "bias"], ["y"]),
        ],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [len(x), layer.out_features])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    given = {"x": x.numpy()}

    def run() -> None:
        for _ in range(_TIMES):
            session.run(None, given)

    return run


if __name__ == "__main__":
    with warnings.catch_warnings():
        # Of torch: its quantized tensors move to another package.
        warnings.simplefilter("ignore")
        typer.run(main)
