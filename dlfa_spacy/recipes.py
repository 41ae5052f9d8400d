"""Training configs from a base and an aggregation: two of them differ in the aggregation alone."""

from pathlib import Path
from typing import Any

from thinc.api import Config

# Gates and layers that can be chosen without writing a config by hand.
DLFA = "dlfa"


def config_folder() -> Path:
    """RETURNS (Path): The shipped configs: package data, or the repository's top-level folder."""
    package = Path(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ValueError(
        "The shipped configs are missing from this installation of dlfa_spacy. Expected a folder "
        f"configs beside {package.name}. Fix: install the package again."
    )


def available(kind: str) -> list[str]:
    """RETURNS (List[str]): Names of the shipped "tasks" or "aggregations"."""
    folder = config_folder() if kind == "tasks" else config_folder() / "aggregations"
    return sorted(path.stem for path in folder.glob("*.cfg"))


def read_aggregation(name: str) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The [aggregation] block of a shipped aggregation."""
    _check("aggregation", name, available("aggregations"))
    path = config_folder() / "aggregations" / f"{name}.cfg"
    return dict(Config().from_disk(path, interpolate=False)["aggregation"])


def make_config(
    task: str,
    aggregation: str,
    *,
    encoder: str | None = None,
    layer: int | str | None = None,
    gate: str | None = None,
    steps: int | None = None,
    learn_rate: float | None = None,
    gpu: bool = False,
) -> Config:
    """Put an aggregation into every listener of a base config.

    task (str): A base config: "ner", "pos", "ner_pos" or "textcat".
    aggregation (str): A shipped aggregation, such as "last", "attention" or "dlfa".
    encoder (Optional[str]): Folder or Hub name of the encoder.
    layer (Optional[int]): The lower layer of DLFA.
    gate (Optional[str]): The gate of DLFA.
    steps (Optional[int]): Training steps. The learning rate falls to 0 over them.
    learn_rate (Optional[float]): The highest learning rate.
    gpu (bool): Train on a GPU, in mixed precision.
    RETURNS (Config): A training config, not filled.
    RAISES (ValueError): No such task or aggregation, or an option that it does not have.
    """
    _check("task", task, available("tasks"))
    block = read_aggregation(aggregation)
    for key, value in (("layer", layer), ("gate", gate)):
        if value is None:
            continue
        if key not in block:
            raise ValueError(
                f'--{key} {value} goes with DLFA, not with the aggregation "{aggregation}". '
                f"Fix: leave it out, or choose --aggregation {DLFA}."
            )
        block[key] = value
    config = Config().from_disk(config_folder() / f"{task}.cfg", interpolate=False)
    for listener in listeners(config["components"]):
        listener["aggregation"] = dict(block)
    transformer = config["components"]["transformer"]["model"]
    if encoder is not None:
        transformer["name"] = encoder
    schedule = config["training"]["optimizer"]["learn_rate"]
    if steps is not None:
        # Not an interpolated value: spaCy reads the block on its own to resume a training.
        config["training"]["max_steps"] = schedule["total_steps"] = steps
        config["training"]["eval_frequency"] = max(1, steps // 8)
        schedule["warmup_steps"] = steps // 10
    if learn_rate is not None:
        schedule["initial_rate"] = learn_rate
    if gpu:
        transformer["mixed_precision"] = True
        config["system"]["gpu_allocator"] = "pytorch"
    return config


def listeners(block: Any) -> list[dict[str, Any]]:
    """RETURNS (List[Dict]): Every listener block of ours below a block of a config."""
    if not isinstance(block, dict):
        return []
    if block.get("@architectures") == "dlfa_spacy.TransformerListener.v1":
        return [block]
    return [found for value in block.values() for found in listeners(value)]


def _check(option: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise ValueError(
            f"--{option} {value}: there is no such {option}. Expected one of {', '.join(known)}. "
            f"Fix: --{option} {known[0]}."
        )
