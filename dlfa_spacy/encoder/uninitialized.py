"""An encoder whose weights are about to be loaded needs no random ones before."""

import contextlib
import importlib
from contextlib import AbstractContextManager

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
