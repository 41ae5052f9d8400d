"""Where a pipeline is to run, and the options that suit the place."""

from collections.abc import Mapping
from dataclasses import replace

from .optimize import Options

# As measured in docs/results/deployment.md: int8 brings speed, the other two bring size, and none
# costs more than noise. Trimming needs texts, and ONNX Runtime an extra: they have to be asked for.
TARGETS = {"cpu": Options(int8=True, int8_embeddings=True, half="float16")}


def options_for(target: str | None, asked: Mapping[str, bool | str | float | None]) -> Options:
    """Join what a target suggests with what was asked for, which wins.

    target (Optional[str]): "cpu", or None for what was asked for alone.
    asked (Mapping[str, ...]): By field of `Options`; None for what was not mentioned.
    RETURNS (Options): The options.
    RAISES (ValueError): An unknown target.
    """
    if target is not None and target not in TARGETS:
        raise ValueError(f"--target {target}: expected {' or '.join(TARGETS)}. Fix: --target cpu.")
    suggested = TARGETS[target] if target is not None else Options()
    for ours, other in (("int4", "int8"), ("int4_embeddings", "int8_embeddings")):
        if asked.get(ours):
            suggested = replace(suggested, **{other: False})  # type: ignore[arg-type]
    given = {key: value for key, value in asked.items() if value is not None}
    return replace(suggested, **given)  # type: ignore[arg-type]
