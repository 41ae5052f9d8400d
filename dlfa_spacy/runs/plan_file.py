"""The file of a plan: its sections, and the lines on which its settings stand."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

from thinc.api import Config

from ..files.errors import malformed
from ..files.lines import numbered_lines

# A plan is a page; what is larger is something else, and reading it would take long.
_MAX_BYTES = 1 << 20
_SECTION = re.compile(r"\[([^\]]+)\]")
_KEY = re.compile(r"([^\s=#;][^=]*?)\s*=")


def read_plan_file(path: Path, section: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Read the settings of a plan.

    path (Path): The file.
    section (str): The section that holds all of them, or their blocks.
    RETURNS (Tuple[Dict[str, Any], Dict[str, int]]): The settings, and the line of each; of one in a
        block, such as `epochs.pos`, by both names.
    RAISES (ValueError): The file is missing or no config file, or has other sections.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: there is no such file. Expected a plan with a block [{section}]. "
            "Fix: give --corpus, --tasks and --aggregations, or the path of a plan."
        )
    if (size := path.stat().st_size) > _MAX_BYTES:
        raise ValueError(
            f"{path}: found a file of {size:,} bytes, expected a plan, which is smaller than "
            f"{_MAX_BYTES:,}. Fix: name another file."
        )
    lines = [line for _, line in numbered_lines(path)]
    config = _parse(path, "\n".join(lines), section)
    if set(config) != {section}:
        blocks = ", ".join(config)[:200] or "none"
        raise ValueError(
            f"{path}: found the blocks {blocks}, expected [{section}] alone. "
            f"Fix: put all settings below [{section}]."
        )
    return config[section], _places(lines, section)


def _parse(path: Path, text: str, section: str) -> dict[str, Any]:
    try:
        return dict(Config().from_str(text))
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        option = getattr(error, "option", None)
        raise malformed(
            path,
            error.lineno or 1,
            f"[{error.section}]" if option is None else f"[{error.section}] {option}",
            "it once, but it stands above already",
            "Fix: put both into one, or remove one of them.",
        ) from error
    except Exception as error:
        # Values are JSON, sections refer to each other: each raises its own kind.
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path}: found no plan ({reason[:200]}), expected a config file that begins with "
            f"[{section}]. Fix: put [{section}] on the first line and one key = value on each "
            "after it."
        ) from error


def _places(lines: list[str], section: str) -> dict[str, int]:
    places: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(lines, start=1):
        if match := _SECTION.match(line):
            prefix = match[1].removeprefix(section).removeprefix(".")
            places.setdefault(prefix, number)
        elif match := _KEY.match(line):
            places.setdefault(f"{prefix}.{match[1]}" if prefix else match[1], number)
    return places
