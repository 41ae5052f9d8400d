"""What a cluster of Ray is told, tested without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from annotating import job, settings, write_jsonl

from dlfa_spacy.annotation.cluster.actor import check_shared
from dlfa_spacy.annotation.cluster.ledger import Ledger
from dlfa_spacy.annotation.folder import STATE
from dlfa_spacy.annotation.manifest import check_machine, read_manifest
from dlfa_spacy.annotation.pieces import Piece
from dlfa_spacy.annotation.shards import Shard
from dlfa_spacy.annotation.sources import LINES, Source
from dlfa_spacy.annotation.worker import DONE, ROW, TEXTS

SHARD = Shard("part-0", Source("a.jsonl", Path("a.jsonl"), LINES), Piece(1, 3, 0, 30, 30))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger("pipeline", tmp_path, [SHARD])


def finish(ledger: Ledger) -> None:
    """As a worker that has written its shard."""
    (ledger.out / STATE).mkdir()
    (ledger.out / STATE / "part-0.json").write_text(json.dumps({"rows": 3}))
    ledger.say(0, DONE)


def test_a_text_that_kills_is_found_by_what_is_asked_again(ledger: Ledger) -> None:
    tasks: list[Any] = [ledger.task(0) for _ in range(4)]
    assert [(task.alone, task.write) for task in tasks] == [(False, True)] * 3 + [(True, False)]
    for _ in range(3):
        ledger.say(0, ROW, 2)
        task = ledger.task(0)
        assert task is not None and task.alone
    assert task.skip == {2: "The process that annotates it died, 3 times."}
    ledger.say(0, DONE)
    task = ledger.task(0)
    assert task is not None and (task.alone, task.write, list(task.skip)) == (False, True, [2])
    finish(ledger)
    assert ledger.task(0) is None


def test_texts_that_are_done_again_are_not_counted_twice(ledger: Ledger) -> None:
    ledger.task(0)
    ledger.say(0, TEXTS, 2, 7, 1)
    ledger.task(0)
    ledger.say(0, TEXTS, 3, 9, 1)
    finish(ledger)
    moves = [news[1:] for news in ledger.news() if news[0] == "moved"]
    assert [sum(column) for column in zip(*moves, strict=True)] == [3, 9, 1]
    assert ledger.news() == []


def test_an_actor_that_starts_again_has_died(ledger: Ledger) -> None:
    ledger.start("one")
    ledger.ready("one")
    ledger.start("two")
    assert ledger.news() == []
    ledger.start("one")
    assert ledger.news() == [("died", "died")]


def test_actors_that_die_while_they_load_are_an_error(ledger: Ledger) -> None:
    for _ in range(2):
        for _ in range(3):
            ledger.start("one")
        ledger.ready("one")
    for _ in range(3):
        ledger.start("one")
    with pytest.raises(OSError, match="pipeline: the process that loads it died, 3 times"):
        ledger.start("one")


def test_a_shard_that_kills_without_a_text_at_fault_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="no text is at fault. Fix: "):
        for _ in range(20):
            ledger.task(0)


def test_a_machine_with_another_disk_or_another_pipeline_is_refused(
    model: str, tmp_path: Path
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada"])
    job(given, tmp_path / "out", model)
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    check_shared(tmp_path / "out", manifest)
    check_machine(settings(model), manifest)
    with pytest.raises(ValueError, match="found another folder, or none.*Fix: .*share"):
        check_shared(tmp_path / "elsewhere", manifest)
    (tmp_path / "out/rows").rename(tmp_path / "out/gone")
    with pytest.raises(ValueError, match="found one that cannot be written to.*Fix: .*share"):
        check_shared(tmp_path / "out", manifest)
    manifest["versions"]["spacy"] = "2.0"
    with pytest.raises(ValueError, match='versions.spacy was "2.0", is .*Fix: install the same'):
        check_machine(settings(model), manifest)
