"""The page about analysis shows what the measured files say, and those hold numbers only."""

import csv
import re
import runpy
from xml.etree import ElementTree

import pytest
from places import ROOT

DOCS = ROOT / "docs"
MEASURED = DOCS / "results" / "analysis"


def test_the_tables_are_those_of_the_measured_files() -> None:
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    script = runpy.run_path(str(DOCS / "write_analysis_tables.py"))
    assert script["filled"](page) == page
    assert page.count("| **mean** |") == 2
    with pytest.raises(ValueError, match="Fix:"):
        script["filled"](page.replace("<!-- analysis:cka -->", "", 1))


def test_no_measured_number_is_typed_by_hand() -> None:
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    by_hand, n_parts = re.subn(r"(<!-- analysis:\w+ -->).*?\1", "", page, flags=re.DOTALL)
    assert n_parts == 7
    by_hand = re.sub(r"```.*?```", "", by_hand, flags=re.DOTALL)
    encoder = by_hand.split("## The bundled encoder")[1].split("## CKA")[0]
    vectors = by_hand.split("What the bundled encoder's vectors")[1].split("**SBERT-WK**")[0]
    assert "not on cs, fi, ko and sv" in encoder
    assert re.findall(r"\d+", encoder + vectors) == []
    assert re.findall(r"\d (?:percent|points)|\d ?%", by_hand) == []


def test_what_the_page_says_changes_with_what_was_measured() -> None:
    script = runpy.run_path(str(DOCS / "write_analysis_tables.py"))
    prose, rows_of = script["prose"], script["rows_of"]
    cka, retrieval = rows_of("cka"), rows_of("retrieval")
    wider = [{**row, "n": "1000"} for row in retrieval]
    assert "sentence of 1000 is right by chance in 0.1 percent" in " ".join(
        prose.retrieval_caption(wider).split()
    )
    # Where shuffled pairs are as similar as translations, nothing is shared.
    alike = [{**row, "shuffled": row["cka"]} for row in cka]
    with pytest.raises(ValueError, match="do not support 'Debiased CKA is above"):
        prose.curves(alike, retrieval)
    level = [{**row, "csls_to_en": "0.5", "csls_from_en": "0.5"} for row in retrieval]
    with pytest.raises(ValueError, match="do not support"):
        prose.curves(cka, level)
    drifts = {name: rows_of(f"drift_{name}") for name in ("attention", "dlfa")}
    weights = [{**row, "weight": "0.1"} for row in rows_of("layer_weights")]
    with pytest.raises(ValueError, match="do not support .*Attention subtracts"):
        prose.pipelines(weights, rows_of("gates"), drifts)
    inside = [{**row, "outside": "0.0"} for row in rows_of("gates")]
    with pytest.raises(ValueError, match="do not support .*product gate is no weight"):
        prose.pipelines(rows_of("layer_weights"), inside, drifts)
    free = {f"{t}, blocks {b}": [0.1, 0.1, 0.0] for t in ("ner", "pos") for b in ("1-2", "5-6")}
    with pytest.raises(ValueError, match="do not support .*lowest blocks matter"):
        prose.blocks({**free, "ner, blocks 3-4": [0.1, -0.1, 0.2]})
    with pytest.raises(ValueError, match="do not support 'No choice costs more"):
        prose.choice([{**row, "regret": "0.03"} for row in rows_of("layer_regret")])
    lines = {**script["vectors_lines"](), "SBERT-WK": [99.0, 99.5, 99.0, 99.5]}
    with pytest.raises(ValueError, match="SBERT-WK finds the fewest"):
        prose.vectors(lines)


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


@pytest.mark.parametrize(
    "name", ["cka", "retrieval", "layer_weights", "drift_attention", "tsne_de"]
)
def test_the_plots_are_readable_on_every_page(name: str) -> None:
    text = (MEASURED / f"{name}.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r'href="(?!#)|url\((?!#)|<script|<image|#010203|#fdfefd', text)
