"""A method by its name, with an encoder."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from .cao import Cao, CaoSettings
from .clbt import Clbt, ClbtSettings
from .labse import Labse, LabseSettings
from .masking import vocabulary
from .method import Method
from .ml_ctl import MlCtl, MlCtlSettings
from .mlm import MaskedLanguageModel, TiedHead, find_head
from .ppa import Ppa, PpaSettings
from .realign import Realign, RealignSettings

METHODS: dict[str, Any] = {
    "ml-ctl": MlCtlSettings,
    "ppa": PpaSettings,
    "cao": CaoSettings,
    "realign": RealignSettings,
    "clbt": ClbtSettings,
    "labse": LabseSettings,
}


def make_settings(method: str, changes: dict[str, Any]) -> Any:
    """
    method (str): One of `METHODS`.
    changes (Dict[str, Any]): Setting -> value, instead of the paper's.
    RETURNS (Any): The method's settings.
    RAISES (ValueError): No such method or setting, or a value of another type.
    """
    if method not in METHODS:
        raise ValueError(
            f'method = "{method}": expected one of {", ".join(METHODS)}. Fix: method = "realign".'
        )
    known = {field.name: field for field in fields(METHODS[method])}
    for name, value in changes.items():
        if name not in known:
            raise ValueError(
                f"{method} has no setting {name!r}. Expected one of {', '.join(known)}. Fix: "
                "correct the name."
            )
        wanted = type(known[name].default)
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(
                f"{method}: found {name} = {value!r}, expected a {wanted.__name__} such as "
                f"{known[name].default!r}. Fix: correct the value."
            )
    return METHODS[method](**changes)


def create_method(
    method: str,
    encoder: Any,
    tokenizer: Any,
    changes: dict[str, Any] | None = None,
    languages: Sequence[str] = (),
    name: str | None = None,
) -> Method:
    """Put a method around an encoder.

    method (str): One of `METHODS`.
    encoder (Module): A Hugging Face encoder; it is trained in place.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    changes (Optional[Dict[str, Any]]): Settings other than the paper's.
    languages (Sequence[str]): Of the parallel text, for `clbt`.
    name (Optional[str]): Where the encoder came from, to look for a head for masked wordpieces.
    RETURNS (Method): Ready to train.
    """
    settings = make_settings(method, changes or {})
    if method == "clbt":
        return Clbt(encoder, tokenizer, settings, languages)
    if method in ("ml-ctl", "ppa"):
        weight = settings.mlm_weight if method == "ml-ctl" else settings.tlm_weight
        mlm = _mlm(encoder, tokenizer, settings.mlm_rate, name) if weight else None
        return (MlCtl if method == "ml-ctl" else Ppa)(encoder, tokenizer, settings, mlm)
    classes: dict[str, Any] = {"cao": Cao, "realign": Realign, "labse": Labse}
    created: Method = classes[method](encoder, tokenizer, settings)
    return created


def _mlm(encoder: Any, tokenizer: Any, rate: float, name: str | None) -> MaskedLanguageModel:
    rows = encoder.get_input_embeddings().num_embeddings
    known = vocabulary(tokenizer, rows)
    head = find_head(name, encoder) if name else None
    head = head or TiedHead(encoder, int(encoder.config.hidden_size))
    return MaskedLanguageModel(head, known, rate)
