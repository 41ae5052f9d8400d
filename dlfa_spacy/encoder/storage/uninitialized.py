"""An encoder whose weights are about to be loaded needs no random ones before."""

import contextlib
import importlib
from contextlib import AbstractContextManager
from typing import Any

from transformers import MODEL_MAPPING, AutoModel, PretrainedConfig

from .huggingface import BUILDING, check_settings, from_config

# Where versions of transformers keep it.
_PLACES = ("transformers.modeling_utils", "transformers.initialization")


def without_random_weights() -> AbstractContextManager[None]:
    """Leave the weights of encoders that are built inside as they come, which saves most of the
    time of building one. Every one of them has to be loaded afterwards.

    RETURNS (AbstractContextManager): Does nothing where transformers has no such thing.
    """
    for place in _PLACES:
        try:
            found = getattr(importlib.import_module(place), "no_init_weights", None)
        except ImportError:
            continue
        if found is not None:
            made: AbstractContextManager[None] = found()
            return made
    return contextlib.nullcontext()


def empty_encoder(config: PretrainedConfig, **settings: Any) -> Any:
    """Build an encoder whose weights are about to be loaded.

    config (PretrainedConfig): Its configuration.
    settings (Any): For `AutoModel.from_config`.
    RETURNS (PreTrainedModel): With weights as they come.
    """
    try:
        found = MODEL_MAPPING[type(config)]
    except KeyError:
        found = None
    check_settings({"attn_implementation": config._attn_implementation, **settings})
    with BUILDING, without_random_weights():
        # AutoModel looks at every architecture that there is, and imports them for it: half a
        # second, the first time. It knows what to do with code from elsewhere, and with
        # architectures of several classes. It calls this method: there is no public one that takes
        # settings.
        if isinstance(found, type) and hasattr(found, "_from_config"):
            return found._from_config(config, **settings)
        return from_config(AutoModel, config, **settings)
