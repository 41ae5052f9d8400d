"""Training configs from a base and an aggregation: two of them differ only in the aggregation."""

from pathlib import Path
from typing import Any

from thinc.api import Config

from .base_configs import SHARED, available, config_folder, read_base
from .checks import check_choice

# Gates and layers that can be chosen without writing a config by hand.
DLFA = "dlfa"
# The encoder of the shipped configs.
BUNDLED = "assets/encoder"
TEXTCAT = "textcat"
LISTENER = "dlfa_spacy.TransformerListener.v1"
# Peak learning rates of what trains on a frozen encoder.
FROZEN_RATE, FROZEN_TEXTCAT_RATE = 1e-3, 1e-2
POOLERS = ("pretrained", "new", "none")
SEQUENCES = ("cls", "mean", "pair")


def read_aggregation(name: str) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The [aggregation] block of a shipped aggregation."""
    check_choice("--aggregation", name, available("aggregations"))
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
    encoder_rate: float | None = None,
    pooler: str | None = None,
    sequence: str | None = None,
    multilabel: bool = False,
    gpu: bool = False,
    frozen: bool | None = None,
    head: bool | None = None,
    train_embeddings: bool = False,
) -> Config:
    """Put an aggregation into every listener of a base config.

    task (str): A base config: "ner", "pos", "textcat", "morphologizer", "parser", "sentences" or
        "spancat"; or several on one encoder, separated by commas.
    aggregation (str): A shipped aggregation, such as "last", "attention" or "dlfa".
    encoder (Optional[str]): Folder or Hub name of the encoder.
    layer (Optional[int]): The lower layer of DLFA.
    gate (Optional[str]): The gate of DLFA.
    steps (Optional[int]): Training steps. The learning rate falls to 0 over them.
    learn_rate (Optional[float]): The peak learning rate; by default the base config's, or one for
        a frozen encoder.
    encoder_rate (Optional[float]): The peak learning rate of an encoder that is fine-tuned; by
        default that of the components.
    pooler (Optional[str]): The pooler of a text classifier: one of POOLERS.
    sequence (Optional[str]): What a text classifier reads: one of SEQUENCES.
    multilabel (bool): A text may have several classes, or none.
    gpu (bool): Train on a GPU, in mixed precision.
    frozen (Optional[bool]): Whether the encoder is frozen, and only the aggregation and the
        components train; each text is then encoded once. The default is true for the bundled
        encoder, and false for any other.
    head (Optional[bool]): Whether there are layers of their own between listeners and components,
        except text classifiers. The default is true for a frozen encoder: they are what trains.
    train_embeddings (bool): Of an encoder that is fine-tuned: its embeddings too. By default they
        stay: only the rows of the language trained on would move.
    RETURNS (Config): A training config, not filled.
    RAISES (ValueError): No such task or aggregation, or an option that it does not have.
    """
    config = read_base(task)
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
    for listener in listeners(config["components"]):
        listener["aggregation"] = dict(block)
    transformer = config["components"]["transformer"]["model"]
    if encoder is not None:
        transformer["name"] = encoder
    schedule = config["training"]["optimizer"]["learn_rate"]
    if steps is not None:
        # Not an interpolated value: spaCy reads the block on its own to resume a training.
        config["training"]["max_steps"] = schedule["total_steps"] = steps
        config["training"]["eval_frequency"] = max(1, steps // 4)
        schedule["warmup_steps"] = steps // 10
    frozen = is_bundled(transformer["name"]) if frozen is None else frozen
    if learn_rate is None and frozen:
        is_textcat = set(config["components"]) == {*SHARED, TEXTCAT}
        learn_rate = FROZEN_TEXTCAT_RATE if is_textcat else FROZEN_RATE
    if learn_rate is not None:
        schedule["initial_rate"] = learn_rate
    if gpu:
        transformer["mixed_precision"] = True
        config["system"]["gpu_allocator"] = "pytorch"
    _set_frozen(config, frozen)
    if frozen if head is None else head:
        add_heads(config)
    if frozen and TEXTCAT in config["components"]:
        # [CLS] of an encoder that is not fine-tuned says little, and a pooler on it less.
        pooler, sequence = pooler or "none", sequence or "mean"
    elif TEXTCAT in config["components"] and is_bundled(transformer["name"]):
        # It comes without a trained one.
        pooler = pooler or "new"
    _set_classifier(config, pooler, sequence, multilabel)
    if train_embeddings and config["training"].get("frozen_components"):
        raise ValueError(
            "--train-embeddings goes with an encoder that is fine-tuned, but this one is frozen, "
            "as the bundled encoder is unless told otherwise. Fix: --no-frozen, or leave it out."
        )
    if train_embeddings:
        config["initialize"]["after_init"]["embeddings"] = False
    if encoder_rate is not None:
        if frozen:
            raise ValueError(
                f"--encoder-rate {encoder_rate} goes with an encoder that is fine-tuned, but this "
                "one is frozen, as the bundled encoder is unless told otherwise. Fix: --no-frozen, "
                "or leave it out."
            )
        scale = encoder_rate / float(schedule["initial_rate"])
        config["initialize"]["after_init"]["lr_scale"] = scale
    return config


def is_bundled(name: str) -> bool:
    """RETURNS (bool): Whether an encoder is the one that comes with the repository."""
    return name == BUNDLED or Path(name).resolve() == Path(BUNDLED).resolve()


def _set_frozen(config: Config, frozen: bool) -> None:
    if frozen:
        # It must still run.
        config["training"]["frozen_components"] = ["transformer"]
        config["training"]["annotating_components"] = ["transformer"]
    else:
        callback = {"@callbacks": "dlfa_spacy.freeze_layers.v1", "layers": [], "embeddings": True}
        config["initialize"]["after_init"] = callback


def listeners(block: Any) -> list[dict[str, Any]]:
    """RETURNS (List[Dict]): Every listener block of ours below a block of a config."""
    if not isinstance(block, dict):
        return []
    if block.get("@architectures") == LISTENER:
        return [block]
    return [found for value in block.values() for found in listeners(value)]


def add_heads(config: Config) -> None:
    """Put layers between every listener and its component, in place. A text classifier reads
    wordpieces, and keeps its bare listener.

    config (Config): A training config.
    """
    path = config_folder() / "heads" / "window.cfg"
    for component in config["components"].values():
        model = component.get("model", {})
        block = model.get("tok2vec", {})
        if block.get("@architectures") == LISTENER and TEXTCAT not in component["factory"]:
            head = Config().from_disk(path, interpolate=False)["head"]
            layers = head["embed"]["*"]
            head["embed"]["*"] = {"listener": block, **layers}
            model["tok2vec"] = dict(head)


def _set_classifier(
    config: Config, pooler: str | None, sequence: str | None, multilabel: bool
) -> None:
    given = {"pooler": pooler, "sequence": sequence, "multilabel": multilabel or None}
    named = [f"--{key}" for key, value in given.items() if value is not None]
    if not named:
        return
    component = config["components"].get(TEXTCAT)
    if component is None:
        raise ValueError(
            f"{named[0]} goes with a text classifier, which this task does not have. "
            f"Fix: leave it out, or choose --task {TEXTCAT}."
        )
    if pooler is not None:
        check_choice("--pooler", pooler, POOLERS)
        component["model"]["pooler"] = None if pooler == "none" else pooler
    if sequence is not None:
        check_choice("--sequence", sequence, SEQUENCES)
        component["model"]["sequence"] = sequence
    if multilabel:
        component["factory"] = "textcat_multilabel"
        component["model"]["exclusive_classes"] = False
