"""Encoders as ONNX graphs."""

import copy
import inspect
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.pipeline_component import Transformer
from torch import Tensor, nn
from transformers import AutoModel

from ..aggregators import Aggregator, LastLayer
from ..encoder.reader import LastLayerReader
from ..encoder.run.onnx_runtime import INPUTS, TYPES, OnnxEncoder, output_names
from ..encoder.run.packed import PackedEncoder
from ..encoder.storage.huggingface import from_config
from ..encoder.storage.int4_embedding import Int4Embedding
from ..pipeline.component import DLFATransformer
from ..pipeline.readers import EncoderInUse
from .int8 import is_linear
from .onnx_graph import EncoderGraph, exportable_rows
from .onnx_weights import store_as_half

OPSET = 17
# Of fp32 vectors, to those of torch.
TOLERANCE = 1e-4
MISSING = (
    '--onnx needs onnx and onnxruntime ({}). Fix: pip install "dlfa-spacy[onnx]", or leave it out.'
)
# A protobuf message holds no more.
LARGEST = 2**31 - 1
# Wordpieces of each window: ragged, and another shape than the one that was traced.
TRACED, TRIED = (7, 12, 3), (2, 9, 1, 9, 5)


def make_onnx(encoders: Sequence[EncoderInUse], int8: bool, half: str | None) -> list[str]:
    """Put ONNX graphs in the place of encoders. A graph holds the encoder up to the highest layer
    that is read, and all aggregations that read it.

    encoders (Sequence[EncoderInUse]): Changed in place.
    int8 (bool): Matrix products of the encoder with 8-bit integers, by ONNX Runtime's dynamic
        quantization: weights with one scale per output, activations with one for all texts that are
        encoded together.
    half (Optional[str]): Store fp32 weights as "float16" or "bfloat16".
    RETURNS (List[str]): What was exported, a line for each encoder.
    RAISES (ValueError): The extra is missing; an encoder that is not on a CPU, that torch cannot
        export, or whose graph gives other vectors.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ValueError(MISSING.format(error)) from error
    return [_replace(encoder, int8, half) for encoder in encoders]


def _replace(encoder: EncoderInUse, int8: bool, half: str | None) -> str:
    name, shim, packed = encoder.component, encoder.model.shim, encoder.model.packed
    if packed.device.type != "cpu":
        raise ValueError(
            f"--onnx needs a CPU, but the encoder is on {packed.device}. Fix: load it there."
        )
    if any(is_linear(encoder, layer) for layer in shim.int8_layers):
        raise ValueError(
            f'--onnx: the encoder of "{name}" has int8 layers of torch, which cannot be exported. '
            "Fix: optimize the pipeline it was made from, with --onnx --int8."
        )
    modules, outputs = _aggregations(encoder)
    graph = EncoderGraph(_plain_attention(packed.transformer), modules, packed.num_layers).eval()
    exported = _export(graph, _inputs(packed, TRACED), name)
    made = _encoder(exported, encoder, outputs)
    for lengths in (TRACED, TRIED):
        _compare(made, graph, _inputs(packed, lengths), name)
    words = [f"{len(outputs)} aggregations in the graph"]
    if int8:
        exported = _quantized(exported)
        words.append("int8")
    if half is not None:
        import onnx

        model = onnx.load_from_string(exported)
        store_as_half(model, half)
        exported = model.SerializeToString()
        words.append(half)
    if int8 or half is not None:
        made = _encoder(exported, encoder, outputs)
        made.check()
    hf = shim._hfmodel
    settings = (hf._init_tokenizer_config, hf._init_transformer_config)
    shim.set_encoder(HFObjects(hf.tokenizer, made, None, *settings))
    shim.storage, shim.int8_layers = "float32", []
    return f"{name}: {', '.join(words)}"


def check_factories(nlp: Any) -> None:
    """RAISES (ValueError): A stock `transformer` component, which wants layers on the Doc."""
    for name, component in nlp.pipeline:
        if isinstance(component, Transformer) and not isinstance(component, DLFATransformer):
            raise ValueError(
                f'--onnx: [components.{name}] factory = "transformer" keeps all layers on a Doc, '
                'which an ONNX graph does not give. Expected "dlfa_transformer". Fix: train with '
                "that factory, or leave out --onnx."
            )


def _aggregations(encoder: EncoderInUse) -> tuple[list[Aggregator], dict[str, str]]:
    """RETURNS: The modules, and the fingerprint of each by the name of its vectors. Readers of the
    same vectors share a module."""
    modules: list[Aggregator] = []
    outputs: dict[str, str] = {}
    for reading in encoder.readings:
        if reading.shim.key not in outputs:
            modules.append(reading.module)
            outputs[reading.shim.key] = reading.shim.fingerprint()
    last = LastLayerReader.vectors_key
    if (encoder.read_last or not encoder.readings) and last not in outputs:
        modules.append(LastLayer())
        outputs[last] = ""
    return modules, outputs


def _plain_attention(transformer: Any) -> nn.Module:
    """RETURNS (Module): The same encoder with attention in plain operators: ONNX Runtime knows that
    pattern, and not what torch's fused attention is exported to."""
    config = copy.deepcopy(transformer.config)
    try:
        plain = from_config(AutoModel, config, attn_implementation="eager")
    except ValueError:
        return _exportable_rows(copy.deepcopy(transformer))
    for name, child in transformer.named_children():
        # Layers that are not part of the configuration: int8 embeddings, a removed pooler.
        if name == "pooler":
            setattr(plain, name, child)
    plain.set_input_embeddings(transformer.get_input_embeddings())
    plain.load_state_dict(transformer.state_dict())
    return _exportable_rows(plain.eval())


def _exportable_rows(transformer: Any) -> nn.Module:
    rows = transformer.get_input_embeddings()
    if isinstance(rows, Int4Embedding):
        transformer.set_input_embeddings(exportable_rows(rows))
    made: nn.Module = transformer
    return made


def _inputs(packed: PackedEncoder, wordpieces: Sequence[int]) -> tuple[Tensor, ...]:
    config: Any = packed.transformer.config
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor(wordpieces)[:, None]
    shape = (len(wordpieces), max(wordpieces))
    mask = (torch.arange(shape[1])[None] < lengths).long()
    pad = getattr(config, "pad_token_id", None) or 0
    ids = torch.randint(config.vocab_size, shape, generator=generator)
    # A padding token inside a text would not be counted by encoders that count from it.
    ids = torch.where(ids == pad, (pad + 1) % config.vocab_size, ids)
    ids = torch.where(mask.bool(), ids, pad)
    if not packed.takes_types:
        return ids, mask
    return ids, mask, torch.randint(2, shape, generator=generator) * mask


def _export(graph: nn.Module, inputs: tuple[Tensor, ...], component: str) -> bytes:
    names = [*INPUTS, TYPES][: len(inputs)]
    outputs = output_names(len(graph.aggregations))  # type: ignore[arg-type]
    axes = {name: {0: "windows", 1: "wordpieces"} for name in names}
    axes |= {name: {0: "rows"} for name in outputs}
    settings: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        # The newer exporter needs another package, and fixes sizes that are not fixed.
        settings["dynamo"] = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        try:
            with warnings.catch_warnings(), torch.no_grad():
                # The tracer warns of every Python number.
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    graph,
                    inputs,
                    str(path),
                    input_names=names,
                    output_names=outputs,
                    dynamic_axes=axes,
                    opset_version=OPSET,
                    do_constant_folding=True,
                    **settings,
                )
        except Exception as error:
            # Whatever an operator without a counterpart raises.
            raise ValueError(
                f'--onnx: torch {torch.__version__} cannot export the encoder of "{component}" '
                f"({type(error).__name__}: {str(error).splitlines()[0]}). Fix: leave it out."
            ) from error
        size = path.stat().st_size
        if size > LARGEST:
            raise ValueError(
                f'--onnx: the graph of "{component}" takes {size / 1e9:.1f} GB. Expected less than '
                "2.1 GB, the most an ONNX file holds. Fix: --trim-vocab, or leave it out."
            )
        return path.read_bytes()


def _encoder(exported: bytes, encoder: EncoderInUse, outputs: dict[str, str]) -> OnnxEncoder:
    config = copy.deepcopy(encoder.model.transformer.config)
    return OnnxEncoder(exported, config, outputs, encoder.model.shim.max_length)


def _compare(
    made: OnnxEncoder, graph: nn.Module, inputs: tuple[Tensor, ...], component: str
) -> None:
    with torch.no_grad():
        expected = [vectors.numpy() for vectors in graph(*inputs)]
    ids, mask, *types = (tensor.numpy() for tensor in inputs)
    found = made.run(ids, mask, types[0] if types else None)
    worst = max(float(numpy.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    if not worst <= TOLERANCE:
        raise ValueError(
            f'--onnx: the graph of "{component}" gives vectors that differ from those of torch by '
            f"up to {worst:.3g}. Expected {TOLERANCE} at most. Fix: leave it out, and report it, "
            "with the versions of torch, transformers and onnxruntime."
        )


def _quantized(exported: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(exported)
    # The aggregations stay in fp32, as with torch.
    nodes = [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and node.name.startswith("/transformer/")
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "encoder.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(exported)
        # It advises a step for convolutions, which there are none of.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(
                source,
                target,
                per_channel=True,
                # Seven bits for weights: eight overflow on a CPU without VNNI.
                reduce_range=True,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=nodes,
                extra_options={"MatMulConstBOnly": True},
            )
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()
