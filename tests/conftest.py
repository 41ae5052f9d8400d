"""Tiny random encoders, made in the session: no test needs the network or a file of weights."""

import gc
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Of the processes that tests start, too: threads that wait for a core of another worker spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import catalogue
import pytest
import torch
from devices import CPU, DEVICES, check_thinc
from tiny import (
    tiny_bert,
    tiny_deberta,
    tiny_distilbert,
    tiny_electra,
    tiny_modernbert,
    tiny_xlm_roberta,
)

torch.set_num_threads(1)

# spaCy looks through every entry point of the environment for each name in a config:
# a sixth of the time of tests that make pipelines.
_found = catalogue.AVAILABLE_ENTRY_POINTS
catalogue.AVAILABLE_ENTRY_POINTS = {
    group: tuple(_found.select(group=group)) for group in _found.groups
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="each test once, with its first parameters, and none that is marked as slow",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    kept: dict[str, pytest.Item] = {}
    for item in items:
        if item.get_closest_marker("slow") is None:
            kept.setdefault(item.nodeid.partition("[")[0], item)
    chosen = set(kept.values())
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept.values()


def pytest_collection_finish(session: pytest.Session) -> None:
    # What the libraries have made is never garbage, and looking through it takes half a second each
    # time, in every process that a test forks, too.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _seeded_for_a_module() -> None:
    # What a module shares is made before the fixtures of its first test.
    _seed()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    _seed()


def _seed() -> None:
    import spacy.util

    spacy.util.fix_random_seed(0)
    torch.manual_seed(0)
    # A process that is forked off one whose torch has used several threads waits for them forever.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a BERT of 4 layers, width 32."""
    return tiny_bert(tmp_path_factory.mktemp("bert"))


ENCODERS = {
    "bert": tiny_bert,
    "distilbert": tiny_distilbert,
    "xlm_roberta": tiny_xlm_roberta,
    "electra": tiny_electra,
    "deberta": tiny_deberta,
    "modernbert": tiny_modernbert,
}


@pytest.fixture(scope="session", params=sorted(ENCODERS))
def any_encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of each kind of encoder in turn."""
    return ENCODERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> int:
    """The CPU (-1), and a GPU where there is one: whoever wants it is tested on both."""
    if request.param != CPU:
        check_thinc()
    return int(request.param)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real corpora; the tests that want them skip visibly without."""
    folder = os.environ.get("DLFA_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set DLFA_DATA to a folder of real corpora to run this test")
    return Path(folder)
