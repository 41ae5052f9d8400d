"""The aggregators of a pipeline, by component, and in the state of prediction."""

from collections.abc import Iterator
from contextlib import contextmanager

from spacy.language import Language
from thinc.api import Model
from torch import nn

from ..aggregators.contract import Aggregator
from ..inspection import aggregators_of


def named_aggregators(nlp: Language) -> list[tuple[str, Aggregator]]:
    """RETURNS (List[Tuple[str, Any]]): Component and module of every aggregator of a pipeline."""
    return [
        (name, module)
        for name, component in nlp.pipeline
        if isinstance(getattr(component, "model", None), Model)
        for module in aggregators_of(component.model)  # type: ignore[attr-defined]
    ]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into the state of prediction, without dropout and with running statistics.

    YIELDS (None): Nothing.
    """
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
