"""Stores of layers: what is put is what comes back, or nothing, whatever happens to the files."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from places import UTIL

from dlfa_spacy.encoder.cache.folder import HEADER, MAX_OPEN, RECORD_BYTES, FolderStore
from dlfa_spacy.encoder.cache.setting import parse_cache
from dlfa_spacy.encoder.cache.store import MemoryStore

WIDTH = 8


def key(i: int) -> bytes:
    return i.to_bytes(16, "little")


def rows(i: int, layer: int = 0) -> numpy.ndarray:
    """Of text i in a layer: 1 to 5 rows that are no other text's."""
    size = i % 5 + 1
    values = numpy.arange(size * WIDTH).reshape(size, WIDTH) + 100 * i + 3 * layer
    return (values % 2000).astype("float16")


def fill(store: Any, texts: range, layers: tuple[int, ...] = (0, 7)) -> None:
    for layer in layers:
        store.put(layer, {key(i): rows(i, layer) for i in texts})


def assert_holds(store: Any, texts: range, layers: tuple[int, ...] = (0, 7)) -> None:
    for layer in layers:
        for i in texts:
            numpy.testing.assert_array_equal(store.get(key(i), layer), rows(i, layer))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, 0),
        ("0", 0),
        (12345, 12345),
        ("12345", 12345),
        ("2GB", 2 * 10**9),
        ("1.5 gb", 15 * 10**8),
        ("500MB", 5 * 10**8),
        ("20 KB", 20000),
        ("layers/of mine", Path("layers/of mine")),
        ("./2TB", Path("./2TB")),
    ],
)
def test_the_setting_is_a_size_or_a_folder(value: Any, found: Any) -> None:
    assert parse_cache(value) == found


@pytest.mark.parametrize("value", [-1, "-1", "-2GB", "2TB", "1,5GB", "1.2.3GB", "", " ", True, 1.5])
def test_wrong_setting_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(ValueError, match=r"(?s)components\.trf\] cache = .*Fix:"):
        parse_cache(value, "trf")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="cache = "):
        parse_cache(str(tmp_path / "file"))


def test_memory_gives_back_what_was_put() -> None:
    store = MemoryStore(WIDTH, 10**6)
    fill(store, range(20))
    assert_holds(store, range(20))
    assert store.get(key(20), 0) is None
    assert store.get(key(0), 1) is None


def test_memory_beyond_the_budget_is_a_temporary_file_that_goes_with_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = MemoryStore(WIDTH, 200)
    fill(store, range(20))
    assert store.used <= 200
    (folder,) = tmp_path.iterdir()
    assert (folder / "rows.f16").stat().st_size > 1500
    # Read, then put more, then read again: the mapping grows with the file.
    assert_holds(store, range(20))
    fill(store, range(20, 40))
    assert_holds(store, range(40))
    assert isinstance(store.get(key(39), 7).base, numpy.memmap)
    del store
    assert not list(tmp_path.iterdir())


def test_an_array_that_is_changed_later_changes_nothing() -> None:
    store = MemoryStore(WIDTH, 10**6)
    array = rows(1)
    store.put(0, {key(1): array})
    array[:] = 0
    numpy.testing.assert_array_equal(store.get(key(1), 0), rows(1))


def test_folder_is_read_by_another_store_now_and_later(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    first, second = FolderStore(folder, WIDTH), FolderStore(folder, WIDTH)
    assert not folder.exists()
    assert second.get(key(3), 0) is second.get(key(3), 7) is None
    fill(first, range(10))
    assert second.get(key(3), 0) is None
    second.refresh()
    assert_holds(second, range(10))
    fill(second, range(10, 20), layers=(0, 3))
    first.refresh()
    assert_holds(first, range(10, 20), layers=(0, 3))
    fill(first, range(20, 25))
    second.refresh()
    assert_holds(second, range(20, 25))
    assert_holds(FolderStore(folder, WIDTH), range(20), layers=(0,))


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    fill(FolderStore(tmp_path, WIDTH), range(10))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    fill(FolderStore(tmp_path, WIDTH), range(10))
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == sizes


def test_a_part_has_files_of_its_own_and_only_layers_that_are_asked_for_are_opened(
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path, WIDTH)
    for part, texts in (("ner.de.test", range(10)), ("ner.fr.test", range(10, 20))):
        for layer in (0, 7):
            store.put(layer, {key(i): rows(i, layer) for i in texts}, part)
    names = sorted(path.name.replace(store.writer, "W") for path in tmp_path.glob("*.idx"))
    parts = [f"layer_{n}.ner.{lang}.test.W.idx" for n in ("00", "07") for lang in ("de", "fr")]
    assert names == parts
    # Who deletes a language's files has it encoded again, and the other one not.
    for path in tmp_path.glob("*.ner.de.test.*"):
        path.unlink()
    for path in tmp_path.glob("layer_07.*.idx"):
        path.write_bytes(b"not read")
    again = FolderStore(tmp_path, WIDTH)
    assert_holds(again, range(10, 20), layers=(0,))
    assert again.get(key(3), 0) is None


def test_more_files_than_a_process_may_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    store = FolderStore(tmp_path, WIDTH)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 2 * MAX_OPEN + 20, hard)
    )
    try:
        # Twice, so that files which were closed are written to again.
        for texts in (range(300), range(300, 600)):
            for i in texts:
                store.put(7, {key(i): rows(i, 7)}, f"part{i % 300}")
        for opened in (store, FolderStore(tmp_path, WIDTH)):
            assert_holds(opened, range(600), layers=(7,))
            assert_holds(opened, range(600), layers=(7,))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def only(folder: Path, suffix: str) -> Path:
    (path,) = folder.glob(f"layer_00.*{suffix}")
    return path


def test_every_cut_of_the_index_leaves_the_records_before_it(tmp_path: Path) -> None:
    fill(FolderStore(tmp_path, WIDTH), range(5), layers=(0,))
    index = only(tmp_path, ".idx")
    content = index.read_bytes()
    assert len(content) == HEADER.size + 5 * RECORD_BYTES
    for size in range(len(content)):
        index.write_bytes(content[:size])
        store = FolderStore(tmp_path, WIDTH)
        whole = max(0, (size - HEADER.size) // RECORD_BYTES)
        assert_holds(store, range(whole), layers=(0,))
        assert all(store.get(key(i), 0) is None for i in range(whole, 5))


def test_every_cut_of_the_rows_leaves_the_texts_before_it(tmp_path: Path) -> None:
    fill(FolderStore(tmp_path, WIDTH), range(5), layers=(0,))
    path = only(tmp_path, ".f16")
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        store = FolderStore(tmp_path, WIDTH)
        end = 0
        for i in range(5):
            end += rows(i).nbytes
            if end <= size:
                numpy.testing.assert_array_equal(store.get(key(i), 0), rows(i))
            else:
                assert store.get(key(i), 0) is None


@pytest.mark.parametrize("suffix", [".idx", ".f16"])
def test_no_changed_byte_gives_wrong_rows(tmp_path: Path, suffix: str) -> None:
    fill(FolderStore(tmp_path, WIDTH), range(5), layers=(0,))
    path = only(tmp_path, suffix)
    content = path.read_bytes()
    lost = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        store = FolderStore(tmp_path, WIDTH)
        for i in range(5):
            found = store.get(key(i), 0)
            lost += found is None
            assert found is None or numpy.array_equal(found, rows(i)), (place, i)
    assert lost >= len(content)


def test_garbage_and_foreign_files_are_left_alone(tmp_path: Path) -> None:
    fill(FolderStore(tmp_path, WIDTH), range(5))
    with only(tmp_path, ".idx").open("ab") as file_:
        file_.write(os.urandom(1000))
    (tmp_path / "layer_00.foreign.idx").write_bytes(os.urandom(500))
    (tmp_path / "layer_00.wide.idx").write_bytes(HEADER.pack(b"DLFALYR1", 99, 0) + bytes(72))
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    store = FolderStore(tmp_path, WIDTH)
    assert_holds(store, range(5))
    fill(store, range(5, 9))
    assert_holds(FolderStore(tmp_path, WIDTH), range(9))


def test_what_was_damaged_is_kept_again(tmp_path: Path) -> None:
    fill(FolderStore(tmp_path, WIDTH), range(5))
    only(tmp_path, ".f16").write_bytes(b"")
    store = FolderStore(tmp_path, WIDTH)
    assert store.get(key(1), 0) is None
    fill(store, range(5))
    assert_holds(store, range(5))


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = {tests!r}
from test_cache_store import FolderStore, WIDTH, fill
store = FolderStore(Path(sys.argv[1]), WIDTH)
print("ready", flush=True)
for i in range(10**9):
    fill(store, range(i % 50000, i % 50000 + 1))
"""


@pytest.mark.slow
def test_killed_writers_leave_a_folder_that_is_right(tmp_path: Path) -> None:
    for _ in range(2):
        command = [
            sys.executable,
            "-c",
            WRITER.format(tests=[str(Path(__file__).parent), str(UTIL)]),
        ]
        process = subprocess.Popen([*command, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        while not any(path.stat().st_size > 5000 for path in tmp_path.glob("*.idx")):
            assert process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
        store = FolderStore(tmp_path, WIDTH)
        found = 0
        for i in range(50000):
            array = store.get(key(i), 0)
            if array is not None:
                found += 1
                numpy.testing.assert_array_equal(array, rows(i))
        assert found > 100
        fill(store, range(60000, 60010))
        assert_holds(FolderStore(tmp_path, WIDTH), range(60000, 60010))
