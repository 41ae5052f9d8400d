"""Workers are forked here where that is safe: libraries need not load for each job."""

import sys

import pytest
from annotating import rules

from dlfa_spacy.annotation import member


@pytest.fixture(autouse=True)
def _fork(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        monkeypatch.setattr(member, "_START", "fork")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline that fails, kills or waits as a text asks."""
    return rules(tmp_path_factory.mktemp("model") / "rules")
