"""The methods that a sweep compares, by name: an aggregation, and what else a config needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..checks import nearest
from ..recipes import available, read_aggregation

DLFA = "dlfa"
CONTROL = "control"
MEAN_UPPER = "mean_upper"
SINGLE = "layer"
REINIT_TOP = "reinit_top"
REINIT = "reinit"
ALL = "all"
_BLOCKS = re.compile(r"(?P<first>\d+)(-(?P<last>\d+))?")
_FUSION = re.compile(
    r"(?P<base>dlfa|control)(?P<gate>_product|_sigmoid)?"
    r"(?P<norm>_batch_norm|_layer_norm|_no_norm)?(:(?P<layer>[\w-]+))?"
)
_NORMS = {None: "batch", "_batch_norm": "batch", "_layer_norm": "layer", "_no_norm": "none"}
_HELP = (
    "last, layer:8, layer:all, mean_upper, scalar, attention, dlfa, dlfa:4, dlfa:all, "
    "dlfa_sigmoid:4, dlfa_layer_norm:4, dlfa_no_norm:4, control, control_sigmoid, reinit_top, "
    "reinit_top:2, reinit:1-2, reinit:all"
)


@dataclass(frozen=True)
class Method:
    """One method on an encoder of known depth.

    name (str): As a plan calls it, the layer resolved: "dlfa_sigmoid:4".
    aggregator (str): Its column in the table, as are `layer`, `gate` and `norm`. Of `reinit:1-2`
        it is the whole name, because two numbers do not fit into `layer`.
    layer (Optional[int]): The lower layer of DLFA, from 0; the only one of `layer`; of `reinit_top`
        the lowest that starts from random weights.
    gate (str): The gate of DLFA; empty for other aggregators.
    norm (str): The norm of DLFA; empty for other aggregators.
    block (Dict[str, Any]): The [aggregation] block.
    reinit (List[int]): Layers of the encoder that start from random weights.
    """

    name: str
    aggregator: str
    block: dict[str, Any]
    layer: int | None = None
    gate: str = ""
    norm: str = ""
    reinit: list[int] = field(default_factory=list)


def upper_third(depth: int) -> list[int]:
    """RETURNS (List[int]): The layers of the upper third, rounded up: 9 to 12 of 12."""
    return list(range(depth - -(-depth // 3) + 1, depth + 1))


def expand_methods(names: Sequence[str], depth: int) -> list[Method]:
    """Read the names of methods for an encoder.

    names (Sequence[str]): Names of a plan. `dlfa:all` stands for every lower layer, 1 to L - 1;
        `layer:all` for each single layer, 1 to L; `reinit:all` for consecutive pairs of blocks,
        1-2, 3-4, ..., an odd last one alone.
    depth (int): Layers of the encoder, L.
    RETURNS (List[Method]): The methods, each once, in order.
    RAISES (ValueError): If there is no such method or layer.
    """
    methods: dict[str, Method] = {}
    for name in names:
        base, _, layer = name.partition(":")
        if layer != ALL:
            many = [name]
        elif base == REINIT:
            many = [f"{base}:{x}-{min(x + 1, depth)}" for x in range(1, depth + 1, 2)]
        else:
            many = [f"{base}:{x}" for x in range(1, depth + (base == SINGLE))]
        for one in many:
            method = make_method(one, depth)
            methods.setdefault(method.name, method)
    return list(methods.values())


def make_method(name: str, depth: int) -> Method:
    """Read the name of a method.

    name (str): As a plan calls it.
    depth (int): Layers of the encoder, L.
    RETURNS (Method): It.
    RAISES (ValueError): If there is no such method or layer.
    """
    match = _FUSION.fullmatch(name)
    if match is not None:
        return _fusion(name, depth, match)
    base, _, argument = name.partition(":")
    if base == MEAN_UPPER and not argument:
        return Method(name, name, {**read_aggregation("mean"), "layers": upper_third(depth)})
    if base == SINGLE:
        layer = _layer(name, argument, 0, depth, depth)
        block = {**read_aggregation("mean"), "layers": [layer]}
        return Method(f"{SINGLE}:{layer}", SINGLE, block, layer)
    if base == REINIT_TOP:
        upper = upper_third(depth)
        n_layers = _layer(name, argument, 1, depth, depth) if argument else len(upper)
        layers = list(range(depth - n_layers + 1, depth + 1))
        full_name = f"{REINIT_TOP}:{n_layers}"
        return Method(full_name, REINIT_TOP, read_aggregation("last"), layers[0], reinit=layers)
    if base == REINIT:
        layers = _blocks(name, argument, depth)
        shown = "-".join(map(str, dict.fromkeys((layers[0], layers[-1]))))
        full_name = f"{REINIT}:{shown}"
        return Method(full_name, full_name, read_aggregation("last"), reinit=layers)
    if not argument and base in available("aggregations"):
        return Method(name, base, read_aggregation(base))
    known = (*available("aggregations"), MEAN_UPPER, SINGLE, REINIT, REINIT_TOP)
    raise ValueError(
        f'methods = "{name}": there is no such method. Expected one of {_HELP}, or a file in '
        f"configs/aggregations. Fix: methods = {nearest(base, known) or 'last'}."
    )


def _fusion(name: str, depth: int, match: re.Match[str]) -> Method:
    base = match["base"]
    block = read_aggregation(base)
    gate = (match["gate"] or "_product").removeprefix("_")
    norm = _NORMS[match["norm"]]
    block.update(gate=gate, norm=norm)
    layer = None
    if base == DLFA:
        layer = _layer(name, match["layer"] or str(block["layer"]), 0, depth - 1, depth)
        block["layer"] = layer
    elif match["layer"]:
        raise ValueError(
            f'methods = "{name}": the control has no layer, found {match["layer"]}. '
            f"Fix: methods = {name.partition(':')[0]}."
        )
    full_name = base + ("" if gate == "product" else f"_{gate}")
    full_name += {"batch": "", "layer": "_layer_norm", "none": "_no_norm"}[norm]
    full_name += "" if layer is None else f":{layer}"
    return Method(full_name, base, block, layer, gate, norm)


def _blocks(name: str, text: str, depth: int) -> list[int]:
    match = _BLOCKS.fullmatch(text)
    if match is not None:
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if 1 <= first <= last <= depth:
            return list(range(first, last + 1))
    raise ValueError(
        f'methods = "{name}": found {text or "no blocks"}, expected the first and the last layer '
        f"re-initialized, from 1 to {depth} for this encoder, or all. Fix: methods = "
        f"{REINIT}:1-{min(2, depth)}."
    )


def _layer(name: str, text: str, lowest: int, highest: int, depth: int) -> int:
    try:
        layer = int(text)
    except ValueError:
        layer = None
    if layer is not None and layer < 0 and lowest == 0:
        # As everywhere in this package: -1 is the last layer, L.
        layer += depth + 1
    if layer is None or not lowest <= layer <= highest:
        raise ValueError(
            f'methods = "{name}": found {text}, expected a number from {lowest} to {highest} '
            f"for this encoder. Fix: methods = {name.partition(':')[0]}:{highest}."
        )
    return layer
