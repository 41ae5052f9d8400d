"""How rows are written: JSON a line, or Parquet."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

Encode = Callable[[dict[str, Any]], Any]


def json_line(row: dict[str, Any]) -> bytes:
    """
    row (Dict[str, Any]): A row.
    RETURNS (bytes): It, as a line of JSONL in UTF-8.
    """
    line = json.dumps(row, ensure_ascii=False, default=_plain) + "\n"
    try:
        return line.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair can be escaped, but is no UTF-8.
        return (json.dumps(row, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    """RETURNS (Any): A value of a column of Parquet that JSON has no type for."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
