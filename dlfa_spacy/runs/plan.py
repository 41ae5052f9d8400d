"""What a sweep runs: tasks x encoders x methods x seeds, from a config file or from options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from thinc.api import Config

from .checks import Problem, find_problem
from .plan_file import read_plan_file

SECTION = "sweep"
PLAN = "plan.cfg"
# Of a key in an error.
_MAX_KEY = 80

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
    learn_rate (PerTask): The peak learning rate.
    warmup (PerTask): Fraction of the steps.
    batch_size (int): Texts per batch.
    train_limit (PerTask): Texts to train on, drawn once with `limit_seed`; 0 for all.
    dev_limit (PerTask): Texts of dev that choose the checkpoint, likewise.
    test_limit (PerTask): Texts of each test set, likewise.
    limit_seed (int): Seed of those draws: all runs share them.
    frozen (bool): No weight of the encoder trains, and each text is encoded once for all runs.
    head (Optional[bool]): Whether taggers and ner have layers of their own behind the listener; by
        default on a frozen encoder only.
    regime (str): What the table calls this: by default "frozen" or "fine-tuned". A plan whose
        overrides freeze a part of the encoder has a better name.
    overrides (Dict[str, Any]): More settings of the training config, by their dotted keys; those of
        one task only in a block of its name, `[sweep.overrides.xnli]`.
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
    head: bool | None = None
    regime: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = find_problem(vars(self))
        if problem is not None:
            raise ValueError(_message(SECTION, problem))

    def of(self, key: str, task: str) -> float:
        """Look up a setting that may differ by task.

        key (str): Such as "epochs".
        task (str): The task.
        RETURNS (float): Its value.
        """
        value = getattr(self, key)
        return value[task] if isinstance(value, dict) else value

    def overrides_of(self, task: str) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): The overrides for all tasks, and over them those of one."""
        shared = {key: value for key, value in self.overrides.items() if "." in key}
        return {**shared, **self.overrides.get(task, {})}


def read_plan(path: Path, changes: Mapping[str, Any] | None = None) -> Plan:
    """Read a plan from a config file with a block [sweep].

    path (Path): The file.
    changes (Optional[Mapping[str, Any]]): Settings that override those in the file.
    RETURNS (Plan): The plan.
    RAISES (ValueError): If the file is missing or malformed, or a setting is unknown or wrong,
        naming file, line, section and key.
    """
    settings, lines = read_plan_file(path, SECTION)
    changes = changes or {}
    own = {key: line for key, line in lines.items() if key.partition(".")[0] not in changes}
    return make_plan({**settings, **changes}, where=str(path), lines=own)


def make_plan(
    settings: Mapping[str, Any], where: str = "sweep", lines: Mapping[str, int] | None = None
) -> Plan:
    """Make a plan from settings.

    settings (Mapping[str, Any]): Arguments of `Plan`.
    where (str): Where they come from, for errors.
    lines (Optional[Mapping[str, int]]): The lines that they stand on there, by their keys.
    RETURNS (Plan): The plan.
    RAISES (ValueError): If a setting is unknown, missing or wrong.
    """
    problem = find_problem(settings)
    if problem is not None:
        lines = lines or {}
        line = lines.get(f"{problem.key}.{problem.part}", lines.get(problem.key))
        raise ValueError(_message(where if line is None else f"{where}:{line}", problem))
    return Plan(**settings)


def _message(where: str, problem: Problem) -> str:
    key = f"{problem.key}.{problem.part}" if problem.part else problem.key
    key = key if len(key) <= _MAX_KEY else f"{key[:_MAX_KEY]}..."
    return f"{where}: [{SECTION}] {key}: {problem.text}"


def plan_text(plan: Plan) -> str:
    """RETURNS (str): The plan as the text of a config file, all settings filled in."""
    return Config({SECTION: asdict(plan)}).to_str()
