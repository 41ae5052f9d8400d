"""The setting `cache` of a `dlfa_transformer`: how much is kept in memory, or in which folder."""

import re
from pathlib import Path

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
SIZE = re.compile(r"([+-]?[\d.,]+)\s*([A-Za-z]*)")
DEFAULT = "2GB"


def parse_cache(value: int | str, component: str = "transformer") -> int | Path:
    """Tell a size from a folder.

    value (Union[int, str]): Bytes, a size such as "500MB" or "2GB" (0 is off), or a folder, which
        need not be there yet.
    component (str): Name of the component, for errors.
    RETURNS (Union[int, Path]): Bytes, or the folder.
    RAISES (ValueError): It is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.strip():
        size = SIZE.fullmatch(value.strip())
        if size is None:
            path = Path(value).expanduser()
            if not path.exists() or path.is_dir():
                return path
        elif size[2].upper() in UNITS and re.fullmatch(r"\d+(\.\d+)?", size[1]):
            return int(float(size[1]) * UNITS[size[2].upper()])
    raise ValueError(
        f"[components.{component}] cache = {value!r}: expected a size in memory (bytes, or "
        'something like "500MB" or "2GB"; units B, KB, MB, GB), 0 for none, or a folder. '
        f'Fix: cache = "{DEFAULT}". (A folder whose name reads like a size: "./{value}".)'
    )
