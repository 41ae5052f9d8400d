"""The names that methods have in tables and reports, put together and read in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass

BASELINE, CONTROL, OTHER = "last", "control", "other"
FUSION, SINGLE = "dlfa", "layer"
# Columns of a sweep's table -> the short name of an aggregation.
_NAMES = {"mean_upper": "mean-upper", "scalar": "scalar-mix", "reinit_top": "reinit-top"}
_NORMS = {"layer": "-layer_norm", "none": "-no_norm"}


@dataclass(frozen=True)
class Variant:
    """A method as tables name it: "dlfa-sigmoid-layer_norm@4".

    family (str): What its layers have in common: "dlfa-sigmoid-layer_norm".
    layer (str): The layer, or layers; "" where there is none.
    """

    family: str
    layer: str = ""

    @classmethod
    def parse(cls, name: str) -> Variant:
        """RETURNS (Variant): Of a name."""
        family, _, layer = name.partition("@")
        return cls(family, layer)

    @property
    def name(self) -> str:
        """RETURNS (str): The name."""
        return f"{self.family}@{self.layer}" if self.layer else self.family

    @property
    def base(self) -> str:
        """RETURNS (str): "dlfa" of "dlfa-sigmoid@4"."""
        return re.split("[-:]", self.family)[0]

    @property
    def is_fusion(self) -> bool:
        """RETURNS (bool): Whether it fuses a lower layer, so that it has a control."""
        return self.base == FUSION

    @property
    def has_family(self) -> bool:
        """RETURNS (bool): Whether it may run at several layers, one of which is to be chosen."""
        return self.is_fusion or (self.family == SINGLE and bool(self.layer))

    @property
    def control(self) -> str:
        """RETURNS (str): The name of the control with the same gate."""
        # "dlfa-sigmoid: oracle" is a row for several layers.
        gate = self.family.partition(":")[0].partition("-")[2]
        return CONTROL if gate in ("", "product") else f"{CONTROL}-{gate}"

    @property
    def rank(self) -> tuple[int, list[int | str]]:
        """RETURNS (Tuple[int, List[Union[int, str]]]): Its place in a table: what methods are
        compared with comes first, their controls last, layers by number."""
        first = {OTHER: 0, BASELINE: 1}.get(self.name, 2)
        place = 3 if self.base == CONTROL else first
        parts = re.split(r"(\d+)", self.name)
        return place, [int(part) if part.isdigit() else part for part in parts]


def variant_name(aggregator: str, layer: int | None, gate: str, norm: str) -> str:
    """Name a method of a sweep as an aggregation names itself, with its layer and a norm that is
    not the default.

    aggregator (str): As in the table.
    layer (Optional[int]): As in the table.
    gate (str): As in the table.
    norm (str): As in the table.
    RETURNS (str): `last`, `dlfa-product@4`, `dlfa-sigmoid-layer_norm@4`, `control-sigmoid`, ...
    """
    name = _NAMES.get(aggregator, aggregator)
    suffix = _NORMS.get(norm, "")
    if gate and not (aggregator == CONTROL and gate == "product" and not suffix):
        name += f"-{gate}"
    return Variant(name + suffix, "" if layer is None else str(layer)).name
