"""Collects the gradients of all layers from all listeners, and runs one backward pass."""

from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor

# {l: gradient of H^l} -> None
Backward = Callable[[dict[int, Tensor]], None]


class GradientLedger:
    """Who listens to the current batch, what gradients came, and when to run backward.

    Stock spaCy runs the encoder's backward pass when the listener that was added last comes back.
    That fails when the pipeline's order differs from the order of adding, and when the last one is
    frozen. Here every listener registers for a batch and reports when its gradient is in. Who will
    report is not known beforehand (spaCy tells the encoder nothing about frozen components), so:

    - the listeners that did not report on the last batch are not waited for;
    - on a first batch no listener is waited for: each gradient is passed on at once;
    - what is still there when the optimizer steps or the next batch begins is passed on then.

    So the encoder gets the gradient of every loss whose head got its own, also when an update
    is interrupted. One case is not exact: `nlp.update(sgd=...)` steps when those that
    came back last time are back, so that a listener which did not report then and does now adds a
    gradient to the next step. Training with `sgd=False` and `finish_update`, as spaCy's own loop
    does, is exact there too.
    """

    # What reports for all stock listeners together, in the stock `transformer` factory.
    COMPONENT = "component"

    def __init__(self) -> None:
        # Who did not report last time; None before the first batch.
        self._absent: set[Hashable] | None = None
        # Whether the graph must outlive the backward pass that is running.
        self.keep_graph = False
        self.discard()

    def discard(self) -> None:
        """Forget the batch."""
        self._backward: Backward | None = None
        self._release: Callable[[], None] | None = None
        self._gradients: dict[int, Tensor] = {}
        self._expected: set[Hashable] = set()
        self._arrived: set[Hashable] = set()
        # How each listener of the stock factory brings out what its component has collected.
        self._collectors: dict[Hashable, Callable[[], Any]] = {}
        # Whether any gradient came in.
        self._has_heard = False
        self._when_settled: Callable[[], None] | None = None
        # Told of every gradient that comes in.
        self.on_gradients: Backward | None = None

    def open(self, backward: Backward, release: Callable[[], None] | None = None) -> None:
        """Begin a batch; whatever the one before still holds is passed on first.

        backward (Callable): Takes the gradients of some layers through the encoder.
        release (Callable): Called when the batch is over.
        """
        self.close()
        self._backward = backward
        self._release = release

    def expect(self, listener: Hashable, collect: Callable[[], Any] | None = None) -> None:
        """A listener received the batch and may send gradients.

        collect (Optional[Callable]): What it calls in the end, beside sending its own. The stock
            component keeps the gradients of stock listeners until the last listener calls it.
        """
        self._expected.add(listener)
        if collect is not None:
            self._collectors[listener] = collect

    def add(self, gradients: dict[int, Tensor]) -> None:
        """Add gradients of some layers: {l: `(N, E)`}."""
        self._has_heard = True
        if self.on_gradients is not None:
            self.on_gradients(gradients)
        for layer, gradient in gradients.items():
            known = self._gradients.get(layer)
            self._gradients[layer] = gradient if known is None else known + gradient

    def arrive(self, listener: Hashable) -> None:
        """All gradients of a listener are in."""
        self._arrived.add(listener)
        outstanding = self._expected - self._arrived
        if self._absent is None or outstanding <= self._absent:
            self._flush(keep_graph=bool(outstanding))
        if self._is_anybody_here and outstanding <= (self._absent or set()):
            self._settle()

    @property
    def is_open(self) -> bool:
        """Whether there is a batch."""
        return self._backward is not None

    @property
    def is_waiting(self) -> bool:
        """Whether a batch is open and no listener has come back yet."""
        return self._backward is not None and not self._is_anybody_here

    def when_settled(self, callback: Callable[[], None]) -> None:
        """Call back once this batch's gradients are in; when the next batch begins at the latest.

        `nlp.update` asks each component to step right after its own update, when the encoder's
        gradients are still to come.
        """
        self._when_settled = callback

    def collect(self) -> None:
        """Call the stock component for the listeners that have not come back: one of them may be
        the last, and frozen."""
        early = self.COMPONENT not in self._arrived
        for listener, collect in list(self._collectors.items()):
            if listener not in self._arrived:
                collect()
        if early and not self._has_heard:
            # Nobody has come back to the component yet.
            self._arrived.discard(self.COMPONENT)

    def catch_up(self) -> None:
        """Make the step that waits for a listener which may not come. Somebody is about to read the
        weights, and means those that are updated; but in the middle of an update the other
        listeners still come, so the batch ends only if they did not report last time as well."""
        if self._when_settled is not None:
            self.collect()
        if not self._is_anybody_here:
            return
        if self._expected - self._arrived <= (self._absent or set()):
            self.close()
        elif self._when_settled is not None:
            self._flush(keep_graph=True)
            self._settle()

    def close(self) -> None:
        """Pass on what is left and let go of the batch. Does nothing without one."""
        if self._backward is None:
            return
        try:
            self.collect()
            self._flush(keep_graph=False)
            # Without a gradient from anybody a step would still move weights, by momentum.
            if self._is_anybody_here:
                self._settle()
                self._absent = self._expected - self._arrived
        finally:
            release = self._release
            self.discard()
            if release is not None:
                release()

    @property
    def _is_anybody_here(self) -> bool:
        # A component that only has dlfa_spacy listeners reports first, for no listener.
        return (
            self._has_heard
            or self._expected == {self.COMPONENT} == self._arrived
            or bool(self._arrived - {self.COMPONENT})
        )

    def _settle(self) -> None:
        callback, self._when_settled = self._when_settled, None
        if callback is not None:
            callback()

    def _flush(self, keep_graph: bool) -> None:
        self.keep_graph = keep_graph
        gradients, self._gradients = self._gradients, {}
        if gradients and self._backward is not None:
            self._backward(gradients)
