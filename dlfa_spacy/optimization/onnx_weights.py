"""Weights of an ONNX graph as half floats on disk."""

from typing import Any

# Smaller ones are biases, norms and constants, and not worth a node.
LEAST = 1024


def store_as_half(model: Any, kind: str) -> None:
    """Keep the large fp32 weights of a graph as half floats, each followed by a cast to fp32, which
    ONNX Runtime does once, when it opens the graph.

    model (ModelProto): Changed in place.
    kind (str): "float16" or "bfloat16".
    RAISES (ValueError): A weight that is too large for float16.
    """
    import numpy
    import torch
    from onnx import TensorProto, helper, numpy_helper

    code = TensorProto.FLOAT16 if kind == "float16" else TensorProto.BFLOAT16
    casts = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.size < LEAST:
            continue
        half = torch.from_numpy(array.copy()).to(getattr(torch, kind))
        if not bool(torch.isfinite(half).all()):
            raise ValueError(
                f'--half: weight "{tensor.name}" of the ONNX graph reaches '
                f"{float(numpy.abs(array).max()):.3g}, which {kind} cannot hold. Fix: --half-type "
                "bfloat16, or leave out --half."
            )
        name = f"{tensor.name}_{kind}"
        raw = half.contiguous().view(torch.int16).numpy().tobytes()
        made = helper.make_tensor(name, code, list(array.shape), raw, raw=True)
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(made)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
