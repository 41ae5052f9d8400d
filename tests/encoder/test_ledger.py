"""Who is waited for, when gradients are passed on, and when the optimizer steps."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dlfa_spacy.encoder.ledger import GradientLedger

ONE = {1: torch.ones(2, 3)}


class Log:
    """A ledger, and everything it calls."""

    def __init__(self) -> None:
        self.ledger = GradientLedger()
        self.calls: list[Any] = []

    def open(self, *listeners: str) -> None:
        self.ledger.open(self.backward, lambda: self.calls.append("released"))
        for listener in listeners:
            self.ledger.expect(listener)

    def backward(self, gradients: dict[int, Tensor]) -> None:
        kept = self.ledger.keep_graph
        self.calls.append(({k: float(v.sum()) for k, v in gradients.items()}, kept))

    def send(self, listener: str, gradients: dict[int, Tensor] = ONE) -> None:
        self.ledger.add(gradients)
        self.ledger.arrive(listener)

    def step(self) -> None:
        self.ledger.when_settled(lambda: self.calls.append("step"))

    def taken(self) -> list[Any]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def log() -> Log:
    return Log()


def test_first_batch_passes_every_gradient_on_at_once(log: Log) -> None:
    log.open("a", "b")
    log.send("a")
    assert log.taken() == [({1: 6.0}, True)]
    log.send("b", {2: torch.ones(2, 3)})
    assert log.taken() == [({2: 6.0}, False)]


def test_later_batches_make_one_backward_pass(log: Log) -> None:
    for order in ("ab", "ba"):
        log.open("a", "b")
        for name in order:
            log.send(name)
        log.ledger.close()
        log.taken()
    log.open("a", "b")
    log.send("b")
    assert log.taken() == []
    log.send("a", {1: torch.ones(2, 3), 4: torch.ones(2, 3)})
    assert log.taken() == [({1: 12.0, 4: 6.0}, False)]


def test_listener_that_stayed_away_is_not_waited_for(log: Log) -> None:
    log.open("a", "b")
    log.send("a")
    log.open("a", "b")
    log.taken()
    log.step()
    log.send("a")
    assert log.taken() == [({1: 6.0}, True), "step"]


def test_listener_that_comes_back_is_heard_and_waited_for_again(log: Log) -> None:
    log.open("a", "b")
    log.send("a")
    log.open("a", "b")
    log.send("a")
    log.taken()
    log.send("b")
    assert log.taken() == [({1: 6.0}, False)]
    log.open("a", "b")
    log.taken()
    log.send("a")
    assert log.taken() == []


def test_closing_passes_on_what_waits_for_somebody_newly_frozen(log: Log) -> None:
    log.open("a", "b")
    log.send("a")
    log.send("b")
    log.open("a", "b")
    log.step()
    log.send("a")
    log.taken()
    log.ledger.close()
    assert log.taken() == [({1: 6.0}, False), "step", "released"]


def test_who_reads_the_weights_in_the_middle_cuts_nobody_off(log: Log) -> None:
    log.open("a", "b")
    log.send("a")
    log.ledger.catch_up()
    assert log.taken() == [({1: 6.0}, True)]
    log.send("b")
    log.ledger.catch_up()
    assert log.taken() == [({1: 6.0}, False), "released"]


def test_who_reads_the_weights_has_the_step_that_waits(log: Log) -> None:
    for _ in range(2):
        log.open("a", "b")
        log.send("a")
        log.send("b")
    log.open("a", "b")
    log.step()
    log.ledger.catch_up()
    log.taken()
    log.send("a")
    log.ledger.catch_up()
    assert log.taken() == [({1: 6.0}, True), "step"]
    log.send("b")
    assert log.taken() == [({1: 6.0}, False)]


def test_who_reads_the_weights_ends_a_batch_that_waits_for_nobody(log: Log) -> None:
    log.open("a", "b")
    log.send("a")
    log.open("a", "b")
    log.send("a")
    log.taken()
    log.ledger.catch_up()
    assert log.taken() == ["released"]


def test_what_a_stock_component_holds_back_is_collected_once_it_is_there(log: Log) -> None:
    held: list[dict[int, Tensor]] = []

    def collect() -> None:
        log.calls.append("collected")
        for gradients in held:
            log.ledger.add(gradients)
        held.clear()
        log.ledger.arrive(log.ledger.COMPONENT)

    log.open(log.ledger.COMPONENT)
    log.ledger.expect("frozen", collect)
    log.ledger.collect()
    assert log.ledger.is_waiting
    log.step()
    held.append(ONE)
    log.taken()
    log.ledger.close()
    assert log.taken() == ["collected", ({1: 6.0}, True), "step", "released"]
    log.open(log.ledger.COMPONENT)
    log.ledger.expect("trains", collect)
    log.send("trains")
    log.taken()
    log.ledger.close()
    assert "collected" not in log.taken()


def test_step_waits_for_the_gradient_of_its_batch(log: Log) -> None:
    log.open("a")
    assert log.ledger.is_waiting
    log.step()
    assert log.taken() == []
    log.send("a")
    assert log.taken() == [({1: 6.0}, False), "step"]
    assert not log.ledger.is_waiting


def test_batch_that_nobody_came_back_from_makes_no_step(log: Log) -> None:
    log.open("a")
    log.step()
    log.open("a")
    assert log.taken() == ["released"]
    assert log.ledger.is_waiting


def test_no_gradient_no_backward_pass(log: Log) -> None:
    log.open("a")
    log.ledger.arrive("a")
    log.ledger.close()
    assert log.taken() == ["released"]


def test_a_backward_pass_that_fails_leaves_nothing_behind(log: Log) -> None:
    def fail(gradients: dict[int, Tensor]) -> None:
        raise RuntimeError("out of memory")

    for _ in range(2):
        log.open("a", "b")
        log.send("a")
        log.send("b")
    log.ledger.open(fail)
    log.ledger.expect("a")
    log.ledger.add(ONE)
    with pytest.raises(RuntimeError, match="out of memory"):
        log.ledger.arrive("a")
    log.open("a")
    log.taken()
    log.send("a")
    assert log.taken() == [({1: 6.0}, False)]


def test_every_gradient_is_reported_once(log: Log) -> None:
    log.open("a", "b")
    heard: list[float] = []
    log.ledger.on_gradients = lambda g: heard.append(sum(float(x.sum()) for x in g.values()))
    log.send("a")
    log.send("b")
    assert heard == [6.0, 6.0]
