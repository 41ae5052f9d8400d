"""A method by its name, with an encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ...checks import check_choice, nearest
from ...parallel import WordDictionary
from ..training.method import Method
from .adversarial import Adversarial
from .cao import Cao
from .clbt import Clbt
from .labse import Labse
from .masked import Masked
from .ml_ctl import MlCtl
from .multi_way import MultiWay
from .ppa import Ppa
from .realign import Realign
from .sense import Sense
from .teacher import Teacher

METHODS: dict[str, type[Method]] = {
    "ml-ctl": MlCtl,
    "ppa": Ppa,
    "cao": Cao,
    "realign": Realign,
    "clbt": Clbt,
    "labse": Labse,
    "mlm": Masked,
    "multi-way": MultiWay,
    "teacher": Teacher,
    "adversarial": Adversarial,
    "sense": Sense,
}


def make_settings(method: str, changes: dict[str, Any]) -> Any:
    """
    method (str): One of `METHODS`.
    changes (Dict[str, Any]): Setting -> value, instead of the paper's.
    RETURNS (Any): The method's settings.
    RAISES (ValueError): No such method or setting, or a value of another type.
    """
    check_choice("method", method, tuple(METHODS))
    known = {field.name: field for field in fields(METHODS[method].settings_class)}
    for name, value in changes.items():
        if name not in known:
            raise ValueError(
                f"{method} has no setting {name!r}. Expected one of {', '.join(known)}. Fix: "
                f"{nearest(name, known) or 'correct the name'}."
            )
        wanted = type(known[name].default)
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(
                f"{method}: found {name} = {value!r}, expected a {wanted.__name__} such as "
                f"{known[name].default!r}. Fix: correct the value."
            )
    return METHODS[method].settings_class(**changes)


def create_method(
    method: str,
    encoder: Any,
    tokenizer: Any,
    changes: dict[str, Any] | None = None,
    languages: Sequence[str] = (),
    name: str | None = None,
    dictionaries: Mapping[str, WordDictionary] | None = None,
) -> Method:
    """Put a method around an encoder.

    method (str): One of `METHODS`.
    encoder (Module): A Hugging Face encoder; it is trained in place.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    changes (Optional[Dict[str, Any]]): Settings other than the paper's.
    languages (Sequence[str]): Of the parallel text.
    name (Optional[str]): Where the encoder came from, to look for a head for masked wordpieces.
    dictionaries (Optional[Mapping[str, WordDictionary]]): Language -> the dictionary that its words
        were linked with.
    RETURNS (Method): Ready to train.
    """
    settings = make_settings(method, changes or {})
    made = METHODS[method].create(encoder, tokenizer, settings, languages, name)
    made.dictionaries = dict(dictionaries or {})
    return made
