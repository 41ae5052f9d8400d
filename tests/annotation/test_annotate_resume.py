"""Whatever is killed, and whenever: the same command goes on, and ends with the same bytes.

Four kills; with DLFA_KILLS=10 in the environment, ten.
"""

import errno
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import psutil
import pytest
from annotating import (
    CODE,
    Counts,
    content,
    failures,
    job,
    rows,
    rules,
    settings,
    write_jsonl,
)
from killing import start

from dlfa_spacy.annotation import annotate, folder, team
from dlfa_spacy.annotation.annotator import Annotator
from dlfa_spacy.annotation.manifest import read_manifest

KILLS = int(os.environ.get("DLFA_KILLS", "4"))

needs_kill = pytest.mark.skipif(sys.platform != "linux", reason="forks, and kills with a signal")


def corpus(folder: Path, n: int = 200) -> Path:
    texts = [f"{'x ' * (n % 7)}Ada WAIT {n}" + " FAIL" * (n % 50 == 9) for n in range(n)]
    write_jsonl(folder / "a.jsonl", texts[: n // 2])
    write_jsonl(folder / "b.jsonl", texts[n // 2 :])
    return folder


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"))


def test_any_number_of_processes_gives_the_same_bytes(
    given: Path, model: str, tmp_path: Path
) -> None:
    for workers in (1, 2, 3):
        job(given, tmp_path / str(workers), model, workers, shard_size=15, tokens=True)
    assert content(tmp_path / "1") == content(tmp_path / "2") == content(tmp_path / "3")
    assert len(content(tmp_path / "1")) == 2 * 7 + 2
    assert len(failures(tmp_path / "1")) == 4


def by_two(given: Path, out: Path, model: str) -> None:
    job(given, out, model, 2, shard_size=15)


@needs_kill
@pytest.mark.parametrize("victim", ["worker", "command"])
def test_a_job_that_is_killed_ends_with_the_same_bytes(
    victim: str, given: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine, ten kills may well meet three processes in a row that still load.
    monkeypatch.setattr(team, "DEATHS", 100)

    def work(out: Path) -> Callable[[], None]:
        return partial(by_two, given, out, model)

    begin = time.monotonic()
    os.waitpid(start(work(tmp_path / "alone"), tmp_path / "log"), 0)
    seconds = time.monotonic() - begin
    moments = random.Random(3)
    out = tmp_path / "out"
    process = start(work(out), tmp_path / "log")
    n_deaths = 0
    for _ in range(KILLS):
        time.sleep(moments.uniform(0, seconds / 2))
        if victim == "command":
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            n_deaths += 1
            process = start(work(out), tmp_path / "log")
        elif os.waitpid(process, os.WNOHANG)[0] == 0:
            children = psutil.Process(process).children()
            if children:
                moments.choice(children).kill()
                n_deaths += 1
        else:
            process = start(work(out), tmp_path / "log")
    assert os.waitpid(process, 0)[1] == 0, (tmp_path / "log").read_text()
    assert n_deaths and content(out) == content(tmp_path / "alone")


def ended(process: psutil.Process) -> bool:
    """Where the first process of a container collects no orphans, they stay as zombies."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


@needs_kill
def test_nothing_of_a_killed_command_goes_on(given: Path, model: str, tmp_path: Path) -> None:
    process = start(partial(by_two, given, tmp_path / "out", model), tmp_path / "log")
    children: list[psutil.Process] = []
    while len(children) < 2:
        children = psutil.Process(process).children()
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    until = time.monotonic() + 5
    while alive := [child for child in children if not ended(child)]:
        assert time.monotonic() < until, alive
        time.sleep(0.05)


@needs_kill
def test_a_process_that_dies_is_replaced_and_its_texts_are_annotated(
    model: str, tmp_path: Path
) -> None:
    texts = ["Ada", f"KILL:2:{tmp_path / 'times'}", "Rome"]
    given = write_jsonl(tmp_path / "a.jsonl", texts)
    watcher = Counts()
    # The other texts are done, and counted, before the long one kills.
    options = settings(model, batch_size=1)
    done = annotate(str(given), tmp_path / "out", options, watcher=watcher)
    assert (done.annotated, done.failed) == (3, 0)
    assert watcher.deaths == ["was killed by SIGKILL"] * 2
    assert (watcher.texts, watcher.done, watcher.failed) == (3, 3, 0)


@needs_kill
def test_a_text_that_kills_is_found_and_the_others_are_as_without_it(
    model: str, tmp_path: Path
) -> None:
    texts = [f"Ada {n}" for n in range(12)]
    write_jsonl(tmp_path / "good.jsonl", texts)
    texts[3], texts[8] = "Rome KILL", "KILL"
    given = write_jsonl(tmp_path / "bad.jsonl", texts)
    watcher = Counts()
    done = annotate(
        str(given),
        tmp_path / "out",
        settings(model, batch_size=4, shard_size=6),
        devices=[-1, -1],
        watcher=watcher,
    )
    assert (done.annotated, done.failed) == (10, 2)
    found = failures(tmp_path / "out")
    assert [failure["row"] for failure in found] == [4, 9]
    assert {failure["message"] for failure in found} == {
        "The process that annotates it was killed by SIGKILL, 3 times."
    }
    assert [row["id"] for row in rows(tmp_path / "out")] == [
        f"bad.jsonl:{n}" for n in range(1, 13) if n not in (4, 9)
    ]
    # Two shards, each killed as a whole and then by its one text.
    assert len(watcher.deaths) == 2 * (3 + 3)
    assert (watcher.done, watcher.failed) == (12, 2)


@needs_kill
def test_batches_that_kill_are_annotated_text_by_text(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Annotator._pipe

    def short_of_memory(self: Annotator, records: Any, places: list[int], encode: Any) -> Any:
        if len(places) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return pipe(self, records, places, encode)

    monkeypatch.setattr(Annotator, "_pipe", short_of_memory)
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "Rome"])
    assert job(given, tmp_path / "out", model).annotated == 2


@needs_kill
def test_a_device_that_answers_no_more_costs_one_text(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, broken = Annotator._pipe, []

    def breaks(self: Annotator, records: Any, places: list[int], encode: Any) -> Any:
        if broken or any("Rome" in records[place].values["text"] for place in places):
            broken.append(True)
            raise RuntimeError("CUDA error: device-side assert triggered")
        return pipe(self, records, places, encode)

    monkeypatch.setattr(Annotator, "_pipe", breaks)
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "Rome", "Ada"])
    done = job(given, tmp_path / "out", model)
    assert (done.annotated, done.failed) == (2, 1)
    assert failures(tmp_path / "out")[0]["row"] == 2


@needs_kill
def test_a_pipeline_that_kills_while_it_loads_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = rules(tmp_path / "model")
    killed = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    monkeypatch.setattr(Annotator, "of", killed)
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada"])
    with pytest.raises(OSError, match="the process that loads it was killed by SIGKILL, 3 times"):
        job(given, tmp_path / "out", model)


def test_a_full_disk_is_an_error_and_the_job_goes_on_when_there_is_room(
    model: str, tmp_path: Path
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "x Rome", "Rome x x", "Ada Ada"])
    write = folder.ShardWriter.write

    class Full:
        def __init__(self, file_: Any) -> None:
            self.file = file_

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def writelines(self, lines: list[bytes]) -> None:
            self.file.write(lines[0][:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:

        def full(self: Any, shard: Any, annotated: Any) -> None:
            if shard.name.endswith("1"):
                patch.setattr(Path, "open", lambda path, mode: Full(open(path, mode)))
            write(self, shard, annotated)

        patch.setattr(folder.ShardWriter, "write", full)
        with pytest.raises(OSError, match="No space left on device.*Fix: .* it goes on"):
            job(given, tmp_path / "out", model, shard_size=1)
    written = [path.name for path in (tmp_path / "out/rows").iterdir()]
    assert "part-00000-000001.jsonl" not in written
    assert all(not name.startswith(".") for name in written)
    job(given, tmp_path / "out", model, shard_size=1)
    job(given, tmp_path / "alone", model, shard_size=1)
    assert content(tmp_path / "out") == content(tmp_path / "alone")


def test_what_is_done_is_not_done_again(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "FAIL"])
    first = job(given, tmp_path / "out", model)
    before = content(tmp_path / "out")
    monkeypatch.setattr("dlfa_spacy.annotation.job.Team", None)
    assert job(given, tmp_path / "out", model, 2) == first
    assert content(tmp_path / "out") == before


def test_another_command_into_the_same_folder_is_refused(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "in/a.jsonl", ["Ada", "Rome"])
    out = tmp_path / "out"
    job(tmp_path / "in", out, model)
    before = content(out)

    def refused(*differences: str, **values: Any) -> None:
        with pytest.raises(ValueError, match="was begun with something else.*Fix: ") as error:
            job(tmp_path / "in", out, values.pop("model", model), **values)
        for difference in differences:
            assert difference in str(error.value)
        assert content(out) == before

    refused("options.tokens was false, is true", tokens=True)
    refused(
        "options.shard_size was 1000, is 3", "batch_size was 0, is 9", shard_size=3, batch_size=9
    )
    other = rules(tmp_path / "model", "obedient", "talker")
    refused("pipeline.sha256 was ", model=other)
    write_jsonl(tmp_path / "in/b.jsonl", ["Ada"])
    refused("inputs.b.jsonl was absent, is a file")
    (tmp_path / "in/b.jsonl").unlink()
    write_jsonl(given, ["Ada", "Roma"])
    refused("inputs.a.jsonl.sha256 was ")
    write_jsonl(given, ["Ada"])
    refused("inputs.a.jsonl.rows was 2, is 1", "inputs.a.jsonl.size was ")


def test_the_code_of_a_pipeline_is_part_of_it(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada"])
    job(given, tmp_path / "out", model)
    code = tmp_path / "code.py"
    code.write_bytes(CODE.read_bytes() + b"# changed\n")
    changed = type(settings(model))(model, code=str(code))
    with pytest.raises(ValueError, match="pipeline.sha256 was "):
        annotate(str(given), tmp_path / "out", changed, watcher=Counts())


def test_a_folder_with_something_else_is_not_touched(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    for _ in range(2):
        with pytest.raises(ValueError, match="exists and is no result of dlfa annotate"):
            job(given, tmp_path / "out", model)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    with pytest.raises(ValueError, match="lies inside IN"):
        job(tmp_path, tmp_path / "inside", model)


def test_two_commands_do_not_write_to_one_folder(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlfa_spacy.annotation.job._SECONDS_TO_WAIT", 0.1)
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada"])
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="another dlfa annotate writes to it"):
        (tmp_path / "out/manifest.json").write_text('{"kind": "dlfa annotate"}')
        (tmp_path / "out/state").mkdir()
        with filelock.FileLock(tmp_path / "out/state/.lock"):
            job(given, tmp_path / "out", model)
    assert (tmp_path / "out").exists()


def test_the_manifest_says_what_a_result_was_made_with(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "FAIL"])
    job(given, tmp_path / "out", model, 2)
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert manifest["pipeline"]["name"] == "xx_pipeline" and manifest["versions"]["spacy"]
    assert manifest["counts"] == {"annotated": 1, "failed": 1, "words": 1}
    (file_,) = manifest["inputs"]
    assert (file_["name"], file_["rows"], file_["size"]) == ("a.jsonl", 2, given.stat().st_size)
    assert "workers" not in manifest["options"]
