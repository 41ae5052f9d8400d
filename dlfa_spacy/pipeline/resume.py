"""What a long training needs to go on after its process was killed.

It is written at an evaluation, when all of it lies in few places: weights, moments of the
optimizer, the generators of chance, and how far the corpus has been read.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy
import srsly
import torch
from spacy.language import Language
from spacy.training import Example
from thinc.api import Model, Ops, Optimizer, get_current_ops
from thinc.backends import get_array_ops
from torch import nn

from ..encoder.shim import EncoderShim
from ..files.writing import replacing

FORMAT = 1
# Seconds of training between two states: a short training never writes one.
EVERY = 60.0

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]


class Batches:
    """The batches of all epochs, as spaCy draws them, from any place on.

    read (Callable): Makes a pass over the training set.
    batcher (Callable): Makes batches of an epoch.
    anew (bool): Make a pass for every epoch, as spaCy does for `max_epochs = -1`: what an augmenter
        draws is then another thing in each. Their order is the reader's.
    """

    def __init__(self, read: Callable[[], Iterable[Example]], batcher: Batcher, anew: bool):
        self.read = read
        self.batcher = batcher
        self.anew = anew
        self.examples = list(read())
        self.order = list(range(len(self.examples)))
        self.epoch = 0
        # Batches of this epoch that have been handed out; None before it is shuffled.
        self.done: int | None = None

    def __iter__(self) -> Iterator[tuple[int, list[Example]]]:
        while True:
            if self.done is None:
                self._begin()
                self.done = 0
            batches = self.batcher([self.examples[i] for i in self.order])
            for number, batch in enumerate(batches):
                if number < self.done:
                    continue
                self.done += 1
                yield self.epoch, batch
            self.epoch += 1
            self.done = None

    def _begin(self) -> None:
        if not self.anew:
            random.shuffle(self.order)
        elif self.epoch:
            self._pass()

    def _pass(self) -> None:
        self.examples = list(self.read())
        self.order = list(range(len(self.examples)))

    def state(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): The place, for `set_state`."""
        return {"order": self.order, "epoch": self.epoch, "done": self.done}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a place."""
        self.epoch, self.done = state["epoch"], state["done"]
        # A reader, and an augmenter, count their passes. One is made already; the next one is made
        # where its epoch begins.
        for _ in range(self.epoch - (self.done is None) if self.anew else 0):
            self._pass()
        self.order = list(state["order"])


class TrainingState:
    """A file with the state of a training.

    path (Optional[Path]): The file; None for a training that is not resumed.
    key (str): Hash of the run's settings: a state of any other is not used.
    every (float): Seconds between two states.
    """

    def __init__(self, path: Path | None, key: str = "", every: float = EVERY):
        self.path = path
        self.key = key
        self.every = every
        self._written = time.monotonic()
        self._exists = False

    def read(self) -> dict[str, Any] | None:
        """RETURNS (Optional[Dict[str, Any]]): What `write` was given; None if there is nothing of
        these settings."""
        if self.path is None or not self.path.is_file():
            return None
        found = srsly.msgpack_loads(self.path.read_bytes())
        if found.get("format") != FORMAT or found.get("key") != self.key:
            return None
        self._exists = True
        return dict(found)

    def is_due(self, is_best: bool) -> bool:
        """RETURNS (bool): Whether a state is to be written: after a while, and once there is one
        whenever another checkpoint was kept, so that both are of the same step."""
        if self.path is None:
            return False
        return (is_best and self._exists) or time.monotonic() - self._written >= self.every

    def write(self, state: dict[str, Any]) -> None:
        """Write it, all or nothing."""
        assert self.path is not None
        packed = srsly.msgpack_dumps({**state, "format": FORMAT, "key": self.key})
        with replacing(self.path) as temporary:
            temporary.write_bytes(packed)
        self._written, self._exists = time.monotonic(), True

    def remove(self) -> None:
        """The training is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def weights(nlp: Language, frozen: Sequence[str]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Parameters and buffers of the components that train, by place."""
    found: dict[str, Any] = {}
    for place, node in _nodes(nlp, frozen):
        for name in node.param_names:
            if node.has_param(name):
                found[f"{place}/{name}"] = node.ops.to_numpy(node.get_param(name))
        for number, module in _modules(node):
            for name, tensor in module.state_dict().items():
                if isinstance(tensor, torch.Tensor):
                    found[f"{place}/{number}/{name}"] = tensor.detach().cpu().numpy()
    return found


def set_weights(nlp: Language, frozen: Sequence[str], values: dict[str, Any]) -> None:
    """Put weights back into a pipeline of the same config. What of it does not train stays so.

    RAISES (ValueError): They are not those of this pipeline.
    """
    expected = weights(nlp, frozen)
    if {k: v.shape for k, v in expected.items()} != {k: v.shape for k, v in values.items()}:
        raise ValueError(
            f"The state of a training has {len(values)} weights that are not the {len(expected)} "
            "of its pipeline. Expected those of the same versions. Fix: delete the run's folder."
        )
    for place, node in _nodes(nlp, frozen):
        for name in node.param_names:
            if f"{place}/{name}" in values:
                node.set_param(name, _array(node.ops, values[f"{place}/{name}"]))
        for number, module in _modules(node):
            own = module.state_dict()
            for name, tensor in own.items():
                if isinstance(tensor, torch.Tensor):
                    array = numpy.array(values[f"{place}/{number}/{name}"])
                    own[name] = torch.from_numpy(array).to(tensor)
            module.load_state_dict(own)
        for shim in node.shims:
            if isinstance(shim, EncoderShim):
                shim.weights_changed()


def moments(nlp: Language, frozen: Sequence[str], optimizer: Optimizer) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): What an optimizer knows of each weight, by place: the ids that it
    has them under are those of this process."""
    places = {number: place for place, number in _ids(nlp, frozen).items()}
    found: dict[str, Any] = {}
    for kind in ("mom1", "mom2", "nr_update", "last_seen"):
        for (number, name), value in getattr(optimizer, kind).items():
            plain = value if isinstance(value, int) else get_array_ops(value).to_numpy(value)
            found[f"{kind}:{places[number]}:{name}"] = plain
    return found


def set_moments(
    nlp: Language, frozen: Sequence[str], optimizer: Optimizer, values: dict[str, Any]
) -> None:
    """Give an optimizer back what it knew."""
    ids = _ids(nlp, frozen)
    ops = get_current_ops()
    for key, value in values.items():
        kind, place, name = key.split(":", 2)
        own = value if isinstance(value, int) else _array(ops, value)
        getattr(optimizer, kind)[ids[place], name] = own


def _array(ops: Ops, values: Any) -> Any:
    """RETURNS (Any): On the device; a copy, because thinc updates in place what was unpacked."""
    return ops.asarray(cast(Any, numpy.array(values)))


def chance() -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Where the generators of Python, numpy and torch are."""
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = numpy.random.get_state()
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, numpy.asarray(keys), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state().numpy(),
    }


def set_chance(state: dict[str, Any]) -> None:
    """Put the generators there again."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state["numpy"]
    numpy.random.set_state((kind, numpy.array(keys), *rest))
    torch.set_rng_state(torch.from_numpy(numpy.array(state["torch"])))


def _nodes(nlp: Language, frozen: Sequence[str]) -> Iterator[tuple[str, Model]]:
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        if name not in frozen and isinstance(model, Model):
            for number, node in enumerate(model.walk()):
                yield f"{name}/{number}", node


def _modules(node: Model) -> Iterator[tuple[int, nn.Module]]:
    for number, shim in enumerate(node.shims):
        if isinstance(shim._model, nn.Module):
            yield number, shim._model


def _ids(nlp: Language, frozen: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, node in _nodes(nlp, frozen):
        found[place] = node.id
        found.update({f"{place}/{number}": shim.id for number, shim in enumerate(node.shims)})
    return found
