"""The page about analysis shows what the measured files say, and those hold numbers only."""

import csv
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parent.parent / "docs"
MEASURED = DOCS / "results" / "analysis"


def test_the_tables_are_those_of_the_measured_files() -> None:
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    script = runpy.run_path(str(DOCS / "write_analysis_tables.py"))
    assert script["filled"](page) == page
    assert page.count("| **mean** |") == 2
    with pytest.raises(ValueError, match="Fix:"):
        script["filled"](page.replace("<!-- analysis:cka -->", "", 1))


@pytest.mark.parametrize("name", ["cka", "retrieval", "vectors"])
def test_no_text_of_a_corpus_is_committed(name: str) -> None:
    with (MEASURED / f"{name}.csv").open(encoding="utf-8") as file_:
        rows = list(csv.DictReader(file_))
    assert len({row["language"] for row in rows}) == 11
    words = {"linear", "rbf", "True", "False", "sentences", *{row["language"] for row in rows}}
    for row in rows:
        row.pop("recipe", None)
        for value in row.values():
            assert value in words or re.fullmatch(r"-?\d+(\.\d{6})?|", value), value


@pytest.mark.parametrize("name", ["cka", "retrieval"])
def test_the_plots_are_readable_on_every_page(name: str) -> None:
    text = (MEASURED / f"{name}.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r'href="(?!#)|url\((?!#)|<script|<image|#010203|#fdfefd', text)
