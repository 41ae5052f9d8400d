"""The folder of a result: rows by shard, and what says which shards are done."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ..files.writing import replacing, write_text
from . import parquet_output
from .annotator import Annotated, Annotator
from .output import Encode, json_line
from .settings import PARQUET
from .shards import Shard

ROWS, STATE = "rows", "state"
FAILED, MANIFEST = "failed.jsonl", "manifest.json"


class ShardWriter:
    """Writes the shards of one process.

    out (Path): The folder of the result.
    annotator (Annotator): Makes the rows.
    """

    def __init__(self, out: Path, annotator: Annotator) -> None:
        self.out = out
        self.maker = annotator.make_row
        self.settings = annotator.settings
        self.is_parquet = self.settings.format == PARQUET

    def encode(self, shard: Shard) -> Encode:
        """RETURNS (Callable): What is kept of each row until the shard is written."""
        if self.is_parquet:
            keep = self.settings.keep
            return partial(parquet_output.parquet_row, source=shard.source, keep=keep)
        return json_line

    def write(self, shard: Shard, annotated: Annotated) -> None:
        """Write a shard, whole; then what says that it is done.

        shard (Shard): The shard.
        annotated (Annotated): What came of it.
        """
        with replacing(self.out / ROWS / f"{shard.name}.{self.settings.format}") as temporary:
            if self.is_parquet:
                columns = parquet_output.schema(self.maker, shard.source)
                parquet_output.write_parquet(temporary, annotated.rows, columns)
            else:
                with temporary.open("wb") as file_:
                    file_.writelines(annotated.rows)
        record = {
            "rows": len(annotated.rows),
            "words": annotated.words,
            "failed": annotated.failed,
        }
        write_text(_record_path(self.out, shard), json.dumps(record))


def read_record(out: Path, shard: Shard) -> dict[str, Any] | None:
    """
    out (Path): The folder of the result.
    shard (Shard): A shard.
    RETURNS (Optional[Dict[str, Any]]): `rows`, `words` and `failed`; None if it is not done.
    """
    path = _record_path(out, shard)
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def merge_failed(out: Path, shards: list[Shard]) -> dict[str, int]:
    """Put the failures of all shards into one file, in the order of the input.

    out (Path): The folder of the result.
    shards (List[Shard]): All of them are done.
    RETURNS (Dict[str, int]): How many rows were annotated, their words, and how many failed.
    """
    counts = {"annotated": 0, "failed": 0, "words": 0}
    with replacing(out / FAILED) as temporary, temporary.open("wb") as file_:
        for shard in shards:
            record = read_record(out, shard)
            assert record is not None
            counts["annotated"] += record["rows"]
            counts["failed"] += len(record["failed"])
            counts["words"] += record["words"]
            file_.writelines(json_line(failure) for failure in record["failed"])
    return counts


def _record_path(out: Path, shard: Shard) -> Path:
    return out / STATE / f"{shard.name}.json"
