"""Commands that a signal ends."""

import signal
import threading

import pytest
import typer

from dlfa_spacy.cli.stopping import stopping


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_a_word_on_what_is_left(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(typer.Exit) as found, stopping("Fix: the same again [a]."):
            signal.raise_signal(number)
    finally:
        signal.signal(signal.SIGINT, before)
    assert found.value.exit_code == code
    assert capsys.readouterr().err == "Stopped. Fix: the same again [a].\n"


def test_signals_are_afterwards_what_they_were_before() -> None:
    # What a command leaves behind meets the next one of the same process.
    before = signal.getsignal(signal.SIGTERM)
    with stopping():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(OSError, match="full"), stopping():
        raise OSError("full")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_command_in_a_thread_leaves_signals_alone() -> None:
    found = []

    def work() -> None:
        with stopping():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
