"""What a sweep runs: tasks x encoders x methods x seeds, from a config file or from options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from thinc.api import Config

SECTION = "sweep"
PLAN = "plan.cfg"

# A number for all tasks, or one by task.
PerTask = float | dict[str, float]


@dataclass
class Plan:
    """The plan of a sweep.

    corpus (str): Holds `<task>/<lang>/<split>.spacy`, as `dlfa convert` writes it.
    tasks (List[str]): Folders of it. `pos` and `ner`, also `ner-` and a name, are tagged;
        all others are classes of texts.
    methods (List[str]): Names of methods, see `methods.py`.
    encoders (Dict[str, str]): Folder or Hub name of each encoder, by the name in the table.
    seeds (List[int]): Seeds of training.
    languages (List[str]): Only these; empty for all.
    source (str): The language to train on. It must have the splits train and dev.
    epochs (PerTask): Passes over the training set.
    learn_rate (PerTask): The highest learning rate.
    warmup (PerTask): Part of the steps.
    batch_size (int): Texts a batch.
    train_limit (PerTask): Texts to train on, drawn once with `limit_seed`; 0 for all.
    dev_limit (PerTask): Texts of dev that choose the checkpoint, likewise.
    test_limit (PerTask): Texts of each test set, likewise.
    limit_seed (int): Seed of those draws: all runs share them.
    frozen (bool): No weight of the encoder trains, and each text is encoded once for all runs.
    overrides (Dict[str, Any]): More settings of the training config, by their dotted keys; of one
        task alone with its name before them: `xnli:components.textcat.model.sequence`.
    """

    corpus: str
    tasks: list[str]
    methods: list[str]
    encoders: dict[str, str]
    seeds: list[int] = field(default_factory=lambda: [0])
    languages: list[str] = field(default_factory=list)
    source: str = "en"
    epochs: PerTask = 10
    learn_rate: PerTask = 2e-5
    warmup: PerTask = 0.0
    batch_size: int = 32
    train_limit: PerTask = 0
    dev_limit: PerTask = 0
    test_limit: PerTask = 0
    limit_seed: int = 0
    frozen: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("tasks", "methods", "encoders", "seeds"):
            if not getattr(self, key):
                raise ValueError(
                    f"[{SECTION}] {key}: found nothing, expected at least one. "
                    f"Fix: {_EXAMPLES[key]}."
                )
        for key, lowest in (("epochs", 1), ("learn_rate", 0), ("warmup", 0), ("train_limit", 0)):
            self._check_numbers(key, lowest)
        for key in ("dev_limit", "test_limit"):
            self._check_numbers(key, 0)

    def of(self, key: str, task: str) -> float:
        """Look up a setting that may differ by task.

        key (str): Such as "epochs".
        task (str): The task.
        RETURNS (float): Its value.
        """
        value = getattr(self, key)
        return value[task] if isinstance(value, dict) else value

    def _check_numbers(self, key: str, lowest: float) -> None:
        value = getattr(self, key)
        by_task = value if isinstance(value, dict) else dict.fromkeys(self.tasks, value)
        missing = [task for task in self.tasks if task not in by_task]
        if missing:
            raise ValueError(
                f"[{SECTION}] {key}: found no number for the task {missing[0]}, expected one. "
                f"Fix: {key} = one number for all tasks, or one for each."
            )
        for task, number in by_task.items():
            if not isinstance(number, int | float) or number < lowest:
                raise ValueError(
                    f"[{SECTION}] {key}: found {number!r} for {task}, expected a number from "
                    f"{lowest}."
                )


_EXAMPLES = {
    "tasks": "--tasks pos,ner",
    "methods": "--aggregations last,attention,dlfa",
    "encoders": "--encoder assets/encoder",
    "seeds": "--seeds 0,1,2,3,4",
}


def read_plan(path: Path, changes: Mapping[str, Any] | None = None) -> Plan:
    """Read a plan from a config file with a block [sweep].

    path (Path): The file.
    changes (Optional[Mapping[str, Any]]): Settings that take the place of those in the file.
    RETURNS (Plan): The plan.
    RAISES (ValueError): If the file is missing or malformed, or a setting is unknown or wrong.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: there is no such file. Expected a plan with a block [{SECTION}]. "
            "Fix: give --corpus, --tasks and --aggregations, or the path of a plan."
        )
    config = Config().from_disk(path)
    if set(config) != {SECTION}:
        raise ValueError(
            f"{path}: found the blocks {', '.join(config) or 'none'}, expected [{SECTION}] alone. "
            f"Fix: put all settings below [{SECTION}]."
        )
    return make_plan({**config[SECTION], **(changes or {})}, where=str(path))


def make_plan(settings: Mapping[str, Any], where: str = "sweep") -> Plan:
    """Make a plan from settings.

    settings (Mapping[str, Any]): Arguments of `Plan`.
    where (str): Where they come from, for errors.
    RETURNS (Plan): The plan.
    RAISES (ValueError): If a setting is unknown, missing or wrong.
    """
    known = {item.name for item in fields(Plan)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ValueError(
            f"{where}: [{SECTION}] has no setting {unknown[0]}. Expected some of "
            f"{', '.join(sorted(known))}. Fix: take it out."
        )
    for key in ("corpus", "tasks", "methods", "encoders"):
        if key not in settings:
            raise ValueError(
                f"{where}: found no {key}, expected it. Fix: "
                f"{_EXAMPLES.get(key, '--corpus FOLDER, as dlfa convert writes it')}."
            )
    return Plan(**settings)


def plan_text(plan: Plan) -> str:
    """RETURNS (str): The plan as the text of a config file, all settings filled in."""
    return Config({SECTION: asdict(plan)}).to_str()
