"""`dlfa annotate --ray` on a cluster of two nodes of one worker each, of which one is killed.

Needs Ray: pip install "dlfa_spacy[ray]". One kill of a worker; with DLFA_KILLS=10, ten.
"""

import os
import random
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from annotating import Counts, content, failures, job, settings, write_jsonl
from typer.testing import CliRunner

from dlfa_spacy.annotation import annotate
from dlfa_spacy.annotation.cluster import require_ray, team
from dlfa_spacy.cli import app

try:
    require_ray()
except ImportError as error:
    pytest.skip(str(error), allow_module_level=True)

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("DLFA_KILLS", "1"))
TEXTS = 800


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    found = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
    try:
        found.second = found.add_node(**options)
        yield found
    finally:
        found.shutdown()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    texts = [f"Ada WAIT {n}" + " FAIL" * (n % 300 == 9) for n in range(TEXTS)]
    write_jsonl(folder / "a.jsonl", texts[:300])
    write_jsonl(folder / "b.jsonl", texts[300:])
    return folder


@pytest.fixture(scope="module")
def expected(given: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the processes of this machine make of it."""
    out = tmp_path_factory.mktemp("expected") / "out"
    job(given, out, model, shard_size=40, batch_size=8)
    return content(out)


class At(Counts):
    """A watcher that does something, once, when so many texts are done."""

    def __init__(self, texts: int, act: Any) -> None:
        super().__init__()
        self.when, self.act = texts, act

    def moved(self, texts: int, words: int, failed: int) -> None:
        super().moved(texts, words, failed)
        if self.act is not None and self.done >= self.when:
            act, self.act = self.act, None
            act()


def by_ray(given: Path, out: Path, model: str, cluster: Any, watcher: Counts) -> None:
    options = settings(model, shard_size=40, batch_size=8)
    address = cluster.address
    annotate(str(given), out, options, devices=[-1, -1], watcher=watcher, ray=address)


def actors(*, loaded: bool = False) -> list[psutil.Process]:
    """Ray names processes after what they do: ray::MapWorker(MapBatches(ShardActor)).__init__."""
    found = [(one, "".join(one.info["cmdline"])) for one in psutil.process_iter(["cmdline"], "")]
    return [
        one for one, name in found if "ShardActor" in name and not (loaded and "__init__" in name)
    ]


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_worker_that_is_killed_is_replaced_and_the_bytes_are_the_same(
    seed: int, cluster: Any, given: Path, model: str, expected: dict[str, str], tmp_path: Path
) -> None:
    moments = random.Random(seed)
    watcher = At(
        moments.randrange(1, TEXTS // 2), lambda: moments.choice(actors(loaded=True)).kill()
    )
    by_ray(given, tmp_path / "out", model, cluster, watcher)
    assert content(tmp_path / "out") == expected
    assert len(failures(tmp_path / "out")) == 3
    # One that had no shard just then may not be needed again.
    assert watcher.act is None and watcher.deaths in ([], ["died"])
    assert (watcher.texts, watcher.done, watcher.failed) == (TEXTS, TEXTS, 3)
    assert psutil.wait_procs(actors(), timeout=10)[1] == []


def test_a_worker_that_cannot_load_the_pipeline_is_one_message(
    cluster: Any, given: Path, model: str, tmp_path: Path
) -> None:
    # Its components are in a file that --code would name.
    options = ["--model", model, "--ray", cluster.address, "--workers", "2"]
    result = CliRunner().invoke(app, ["annotate", str(given), str(tmp_path / "out"), *options])
    assert result.exit_code == 1
    assert re.match(r"Error: On \S+: .*obedient", result.stderr.replace("\n", " "))


def test_where_no_cluster_is_it_is_one_message(given: Path, model: str, tmp_path: Path) -> None:
    for address in ("127.0.0.1:1", "nonsense"):
        with pytest.raises(ValueError, match=f"--ray = {address}: found no Ray cluster.*Fix: "):
            annotate(str(given), tmp_path / "out", settings(model), ray=address)


def test_a_job_that_is_stopped_goes_on_and_survives_a_machine(
    cluster: Any,
    given: Path,
    model: str,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop() -> None:
        signal.raise_signal(signal.SIGINT)

    # A block of several shards.
    monkeypatch.setattr(team, "_MOST_BLOCKS", 7)
    first = At(TEXTS // 4, stop)
    with pytest.raises(KeyboardInterrupt):
        by_ray(given, tmp_path / "out", model, cluster, first)
    assert 0 < len(list(tmp_path.glob("out/state/part*"))) < TEXTS // 40

    def lose_machine() -> None:
        cluster.remove_node(cluster.second, allow_graceful=False)

    second = At(TEXTS // 2, lose_machine)
    by_ray(given, tmp_path / "out", model, cluster, second)
    assert second.act is None
    assert content(tmp_path / "out") == expected
