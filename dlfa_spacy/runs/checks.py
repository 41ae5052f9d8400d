"""What each setting of a plan may be, and the error for one that is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)

from ..files.plain_names import A_LANGUAGE, A_NAME, is_language, is_plain_name

_MAX_TEXT = 1000
# numpy, which spaCy seeds too, takes no larger one.
_MAX_SEED = 2**32 - 1
_MAX_COUNT = 10**9


def _text(value: str) -> str:
    if not value.strip() or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError
    return value


def _language(value: str) -> str:
    if not is_language(value):
        raise ValueError
    return value


def _name(value: str) -> str:
    if not is_plain_name(value):
        raise ValueError
    return value


def _storable(value: Any) -> Any:
    """RAISES (ValueError): The value holds what no plan can hold and come back the same."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _text(key)
            _storable(item)
    elif isinstance(value, list):
        for item in value:
            _storable(item)
    elif isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError
    return value


def _overriding(value: dict[str, Any]) -> dict[str, Any]:
    """RAISES (ValueError): Not dotted keys, or blocks of them by task."""
    for key, item in value.items():
        if "." not in key and not (isinstance(item, dict) and all("." in name for name in item)):
            raise ValueError
    return value


T = TypeVar("T")

_Text = Annotated[str, AfterValidator(_text)]
_Language = Annotated[str, AfterValidator(_language)]
_Name = Annotated[str, AfterValidator(_name)]
_Seed = Annotated[int, Field(ge=0, le=_MAX_SEED)]
_Draw = Annotated[int, Field(ge=-_MAX_SEED, le=_MAX_SEED)]
_Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
_FromOne = Annotated[int, Field(ge=1, le=_MAX_COUNT)]
_Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_ALL, _EACH = "all", "each"
_PerTask = Annotated[
    Annotated[T, Tag(_ALL)] | Annotated[dict[str, T], Tag(_EACH)],
    Discriminator(lambda value: _EACH if isinstance(value, dict) else _ALL),
]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    corpus: _Text
    tasks: Annotated[list[_Name], Field(min_length=1)]
    methods: Annotated[list[_Text], Field(min_length=1)]
    encoders: Annotated[dict[_Name, _Text], Field(min_length=1)]
    seeds: Annotated[list[_Seed], Field(min_length=1)] = [0]
    languages: list[_Language] = []
    source: _Language = "en"
    epochs: _PerTask[_FromOne] = 1
    learn_rate: _PerTask[_Rate] = 0.0
    warmup: _PerTask[_Share] = 0.0
    batch_size: _FromOne = 1
    train_limit: _PerTask[_Count] = 0
    dev_limit: _PerTask[_Count] = 0
    test_limit: _PerTask[_Count] = 0
    limit_seed: _Draw = 0
    frozen: bool = False
    head: bool | None = None
    regime: _Text | Literal[""] = ""
    overrides: Annotated[
        dict[str, Any], AfterValidator(_storable), AfterValidator(_overriding)
    ] = {}


_FOR_TASKS = ", for all tasks or one by task in a block of that name"
# Expected, and the fix.
_HELP: dict[str, tuple[str, str]] = {
    "corpus": (
        "a folder, as dlfa convert writes it",
        "--corpus FOLDER, as dlfa convert writes it",
    ),
    "tasks": (f"a list of folders of the corpus, each {A_NAME}", "--tasks pos,ner"),
    "methods": ("a list of names of methods", "--aggregations last,attention,dlfa"),
    "encoders": (
        f"a folder or Hub name for each name in the table, which is {A_NAME}",
        "--encoder assets/encoder",
    ),
    "seeds": (f"a list of whole numbers from 0 to {_MAX_SEED}", "--seeds 0,1,2,3,4"),
    "languages": (f"a list, each {A_LANGUAGE}", "--languages de,fr"),
    "source": (A_LANGUAGE, "--source en"),
    "epochs": (f"a whole number from 1{_FOR_TASKS}", "epochs = 10"),
    "learn_rate": (f"a number from 0{_FOR_TASKS}", "learn_rate = 2e-5"),
    "warmup": (f"a fraction of the steps, a number from 0 to 1{_FOR_TASKS}", "warmup = 0.1"),
    "batch_size": ("a whole number from 1", "batch_size = 32"),
    **{
        f"{split}_limit": (f"a whole number, 0 for all texts{_FOR_TASKS}", f"{split}_limit = 0")
        for split in ("train", "dev", "test")
    },
    "limit_seed": (f"a whole number up to {_MAX_SEED}", "limit_seed = 0"),
    "frozen": ("true or false", "frozen = false"),
    "head": ("true or false", "head = true"),
    "regime": (f"a name of at most {_MAX_TEXT} characters", 'regime = "frozen"'),
    "overrides": (
        "settings of a training config by their dotted keys, or blocks of them by task, with "
        "finite numbers and UTF-8 text",
        "training.dropout = 0.2",
    ),
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a plan.

    key (str): The setting.
    part (str): Which part of its value, if it is a list or a block.
    text (str): What was found, what was expected, and the fix.
    """

    key: str
    part: str
    text: str


def find_problem(settings: Mapping[str, Any]) -> Problem | None:
    """Look for the first thing that is wrong with the settings of a plan.

    settings (Mapping[str, Any]): Arguments of `Plan`.
    RETURNS (Optional[Problem]): It; None if all is well.
    """
    try:
        checked = _Settings(**settings)
    except ValidationError as error:
        return _problem(error)
    for key in _HELP:
        value = getattr(checked, key)
        if isinstance(value, dict) and key not in ("encoders", "overrides"):
            for task in checked.tasks:
                if task not in value:
                    return Problem(
                        key,
                        "",
                        f"found no number for the task {task}, expected one. Fix: {key} = one "
                        "number for all tasks, or one for each.",
                    )
    return None


def _problem(error: ValidationError) -> Problem:
    errors = error.errors(include_url=False)
    # A misspelled setting is also missing: say what stands there.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    key, *rest = (str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_HELP)
        text = f"there is no setting {key[:80]}. Expected some of {known}. Fix: remove it."
        return Problem(key, "", text)
    expected, fix = _HELP[key]
    if first["type"] == "missing":
        return Problem(key, "", f"found no {key}, expected it: {expected}. Fix: {fix}.")
    part = ".".join(name for name in rest if name not in (_ALL, _EACH, "[key]"))
    # `ascii` shows what a terminal could not.
    found = ascii(first["input"])
    found = found if len(found) <= 100 else f"{found[:97]}..."
    return Problem(key, part, f"found {found}, expected {expected}. Fix: {fix}.")
