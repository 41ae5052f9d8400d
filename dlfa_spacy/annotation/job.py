"""`annotate`: a corpus of any size into a folder, by processes that may be killed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from ..files.target_folder import check_apart, refuse_to_overwrite
from ..files.writing import replacing
from .cluster import RayTeam, require_ray
from .folder import ROWS, STATE, merge_failed, read_record
from .manifest import KIND, check_same, make_manifest, read_manifest, write_manifest
from .parquet_input import require_pyarrow
from .settings import PARQUET, AnnotationSettings
from .shards import Shard, scan
from .sources import STDIN, Source, find_sources
from .stream import sniff
from .team import Team
from .watcher import Silent, Watcher

# A process of a command that was killed may need a moment to notice.
_SECONDS_TO_WAIT = 10


@dataclass(frozen=True)
class Summary:
    """What a job has done, this time and before.

    annotated (int): Rows of the result.
    failed (int): Rows that failed.
    words (int): Tokens of the result.
    """

    annotated: int
    failed: int
    words: int


def annotate(
    given: str,
    out: Path,
    settings: AnnotationSettings,
    *,
    devices: Sequence[int] = (-1,),
    watcher: Watcher | None = None,
    ray: str | None = None,
) -> Summary:
    """Annotate texts. A call that was killed goes on where it stopped, and whatever happened on the
    way, and however many processes there were, the bytes of the result are the same.

    given (str): A file, a folder, a pattern, or "-" for stdin.
    out (Path): Folder for the result.
    settings (AnnotationSettings): The pipeline and the options.
    devices (Sequence[int]): For each process a GPU, or -1 for the CPU.
    watcher (Optional[Watcher]): Is told what happens.
    ray (Optional[str]): Address of a Ray cluster whose actors do it: HOST:PORT, "auto" or "local".
        Then `out` and the input lie on a disk that all its machines share.
    RETURNS (Summary): What is in the folder.
    RAISES (ValueError): The input, an option or the folder is not right.
    RAISES (OSError): A file cannot be read or written. What is done is kept.
    """
    watcher = watcher or Silent()
    if settings.format == PARQUET:
        require_pyarrow()
    if ray is not None:
        require_ray()
    with _ours(out) as before:
        folder, sources = (None, [_spool(out)]) if given == STDIN else find_sources(given)
        check_apart(folder, out, "IN")
        scans = [scan(number, source, settings) for number, source in enumerate(sources)]
        on_gpu = any(device >= 0 for device in devices)
        manifest = make_manifest(settings, [scanned for scanned, _ in scans], on_gpu=on_gpu)
        check_same(out, before, manifest)
        if "counts" not in before:
            write_manifest(out, manifest)
            (out / ROWS).mkdir(exist_ok=True)
            shards = [shard for _, found in scans for shard in found]
            team = (
                Team(settings, out, devices, watcher)
                if ray is None
                else RayTeam(settings, out, devices, watcher, address=ray, manifest=manifest)
            )
            team.annotate(_left(out, shards, watcher))
            before = {**manifest, "counts": merge_failed(out, shards)}
            write_manifest(out, before)
    return Summary(**before["counts"])


@contextmanager
def _ours(out: Path) -> Iterator[dict[str, Any]]:
    """Make the folder, or enter it, and let no other command in.

    YIELDS (Dict[str, Any]): The manifest that lies there; of a new folder, what says that it is
        ours.
    RAISES (ValueError): The folder is something else, or another command writes to it.
    """
    refuse_to_overwrite(out, read_manifest(out) is not None, "result of dlfa annotate")
    (out / STATE).mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(out / STATE / ".lock", timeout=_SECONDS_TO_WAIT)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"OUT {out}: another dlfa annotate writes to it. Fix: wait for that one, or choose "
            "another folder."
        ) from error
    try:
        # Whoever had the lock may have changed it.
        before = read_manifest(out) or {"kind": KIND}
        if len(before) == 1:
            write_manifest(out, before)
        yield before
    finally:
        lock.release()
        after = read_manifest(out) or {}
        if len(after) == 1:
            # An input or an option that is not right leaves nothing behind.
            shutil.rmtree(out)
        elif "counts" in after:
            shutil.rmtree(out / STATE)


def _spool(out: Path) -> Source:
    """Keep what stdin gives: several processes read it, and again after a stop."""
    path = out / STATE / "stdin"
    with replacing(path) as temporary, temporary.open("wb") as file_:
        shutil.copyfileobj(sys.stdin.buffer, file_)
    return sniff(path)


def _left(out: Path, shards: list[Shard], watcher: Watcher) -> list[Shard]:
    """RETURNS (List[Shard]): Those that are not done."""
    left, done, failed = [], 0, 0
    for shard in shards:
        record = read_record(out, shard)
        if record is None:
            left.append(shard)
        else:
            done += shard.piece.rows
            failed += len(record["failed"])
    watcher.planned(sum(shard.piece.rows for shard in shards), done, failed)
    return left
