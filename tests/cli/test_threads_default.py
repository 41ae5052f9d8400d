"""How many threads a command uses when nobody says."""

import pytest
import torch

from dlfa_spacy.cli.sweep import _threads


def test_a_single_run_has_the_threads_that_torch_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert (_threads(1), _threads(2)) == (3, 1)
