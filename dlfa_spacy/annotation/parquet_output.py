"""A shard as Parquet: a schema that the pipeline and the file decide, and no single row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .parquet_input import open_parquet, require_pyarrow
from .rows import RowMaker
from .sources import PARQUET, Source

_INTEGERS = ("head",)
_FLAGS = ("is_sent_start",)


def schema(maker: RowMaker, source: Source) -> Any:
    """
    maker (RowMaker): Makes the rows.
    source (Source): The file that they are of.
    RETURNS (pyarrow.Schema): Their columns. One that is carried along has the type that it has in a
        Parquet file; of other files it is a string.
    """
    require_pyarrow()
    import pyarrow as pa

    span = [("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]
    fields = [
        ("id", pa.string()),
        ("language", pa.string()),
        ("entities", pa.list_(pa.struct([*span, ("confidence", pa.float64())]))),
    ]
    if maker.settings.tokens:
        columns = [(name, _token_type(name)) for name in maker.token_columns]
        fields.append(("tokens", pa.list_(pa.struct([*span[:2], *columns]))))
    if maker.has_cats:
        fields.append(("cats", pa.map_(pa.string(), pa.float64())))
    if maker.has_spans:
        fields.append(("spans", pa.map_(pa.string(), pa.list_(pa.struct(span)))))
    kept = {name: pa.string() for name in maker.settings.keep}
    if source.kind == PARQUET and kept:
        with open_parquet(source) as file_:
            kept = {name: file_.schema_arrow.field(name).type for name in kept}
    return pa.schema([*fields, *kept.items()])


def _token_type(name: str) -> Any:
    import pyarrow as pa

    if name in _INTEGERS:
        return pa.int64()
    return pa.bool_() if name in _FLAGS else pa.string()


def parquet_row(row: dict[str, Any], source: Source, keep: tuple[str, ...]) -> dict[str, Any]:
    """
    row (Dict[str, Any]): A row.
    source (Source): The file that it is of.
    keep (Tuple[str, ...]): Columns that are carried along.
    RETURNS (Dict[str, Any]): It, as the schema wants it.
    """
    texts = {"id": row["id"]}
    if source.kind != PARQUET:
        texts.update((name, row[name]) for name in keep)
    return {**row, **{name: _text(value) for name, value in texts.items()}}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Parquet has no escape for half of a surrogate pair.
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def write_parquet(path: Path, rows: list[dict[str, Any]], columns: Any) -> None:
    """
    path (Path): The file.
    rows (List[Dict[str, Any]]): The rows.
    columns (pyarrow.Schema): Their columns.
    """
    import pyarrow

    parquet = require_pyarrow()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=columns), path)
