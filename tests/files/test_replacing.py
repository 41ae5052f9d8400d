"""A file or folder that is replaced is the old one or the new one, whenever it is looked at."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from killing import start

from dlfa_spacy.files import writing as files
from dlfa_spacy.files.exchange import exchange
from dlfa_spacy.files.leftovers import NEW, OLD, beside, recover
from dlfa_spacy.files.writing import replacing, updating, write_text

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="names change places on Linux only")
KILLS = int(os.environ.get("DLFA_KILLS", "3"))


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def put(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "a").write_text(text)


@on_linux
def test_names_change_places(tmp_path: Path) -> None:
    put(tmp_path / "one", "1")
    (tmp_path / "other").write_text("2")
    assert exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one").read_text() == "2" and content(tmp_path / "other") == {"a": "1"}
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "none")


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_another_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    for text in "12":
        with replacing(tmp_path / "out") as temporary:
            put(temporary, text)
        assert content(tmp_path / "out") == {"a": text}
        with pytest.raises(KeyError), replacing(tmp_path / "out") as temporary:
            put(temporary, "3")
            raise KeyError
        assert os.listdir(tmp_path) == ["out"] and content(tmp_path / "out") == {"a": text}


@on_linux
def test_a_folder_is_never_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is renamed or removed, OUT is there before and after."""
    put(tmp_path / "out", "1")
    seen = []
    for name in ("replace", "rename", "unlink", "rmdir"):
        real = getattr(os, name)

        def look(*args: Any, real: Any = real, **settings: Any) -> Any:
            seen.append((tmp_path / "out" / "a").exists())
            return real(*args, **settings)

        monkeypatch.setattr(os, name, look)
    with replacing(tmp_path / "out") as temporary:
        put(temporary, "2")
    assert seen and all(seen)


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def leftover(target: Path, kind: str, process: int, text: str) -> Path:
    path = beside(target, kind)
    path = path.with_name(path.name.replace(f".{os.getpid()}-", f".{process}-"))
    put(path, text)
    return path


def test_what_a_dead_process_had_put_aside_comes_back(tmp_path: Path) -> None:
    out, process = tmp_path / "out", dead_process()
    leftover(out, NEW, process, "new")
    leftover(out, OLD, process, "old")
    recover(out)
    assert os.listdir(tmp_path) == ["out"] and content(out) == {"a": "old"}


def test_names_of_before_come_back_as_well(tmp_path: Path) -> None:
    process = dead_process()
    put(tmp_path / f".out.{process}.old", "old")
    put(tmp_path / f".out.{process}.tmp", "new")
    recover(tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"] and content(tmp_path / "out") == {"a": "old"}


def test_what_is_there_stays_and_leftovers_go(tmp_path: Path) -> None:
    out, process = tmp_path / "out", dead_process()
    put(out, "new")
    leftover(out, OLD, process, "old")
    leftover(out, NEW, process, "newer")
    with replacing(out) as temporary:
        assert os.listdir(tmp_path) == ["out"]
        put(temporary, "newest")
    assert content(out) == {"a": "newest"}


def test_what_a_living_process_or_another_machine_writes_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    mine = beside(out, NEW)
    put(mine, "mine")
    put(tmp_path / f".out.elsewhere.{dead_process()}-0.tmp", "theirs")
    put(tmp_path / ".out2.1.tmp", "of another name")
    before = sorted(os.listdir(tmp_path))
    recover(out)
    assert sorted(os.listdir(tmp_path)) == before


def test_files_of_a_folder_are_replaced_together_and_the_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "below").mkdir(parents=True)
    (out / "below" / "c").write_text("c")
    for name in "ab":
        write_text(out / name, "old")
    with pytest.raises(KeyError), updating(out) as temporary:
        write_text(temporary / "a", "new")
        raise KeyError
    assert (out / "a").read_text() == (out / "b").read_text() == "old"
    with updating(out) as temporary:
        write_text(temporary / "a", "new")
        (temporary / "b").unlink()
    assert sorted(os.listdir(out)) == ["a", "below"] and (out / "a").read_text() == "new"
    assert (out / "below" / "c").read_text() == "c"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with updating(tmp_path / "out") as temporary:
        write_text(temporary / "a", "new")
    assert (tmp_path / "out").is_symlink() and content(tmp_path / "real") == {"a": "new"}


@pytest.mark.skipif(os.name != "posix", reason="forks, and kills with a signal")
@pytest.mark.parametrize("way", [replacing, updating])
@pytest.mark.parametrize("exchanges", [True, False])
def test_killed_at_any_moment_the_old_or_the_new_folder_is_there(
    tmp_path: Path, way: Any, exchanges: bool
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"

    def write_for_ever() -> None:
        if not exchanges:
            files.exchange = lambda one, other: False  # type: ignore[assignment]
        for i in itertools.count():
            with way(out) as folder:
                folder.mkdir(exist_ok=True)
                for name in ("a", "b"):
                    write_text(folder / name, str(i))

    moments = random.Random(3)
    for _ in range(KILLS):
        process = start(write_for_ever, log)
        while not out.exists():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.1))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        if not exchanges or sys.platform != "linux":
            recover(out)
        found = content(out)
        assert found.keys() == {"a", "b"} and found["a"] == found["b"]
    recover(out)
    assert sorted(os.listdir(tmp_path)) == ["log", "out"]
