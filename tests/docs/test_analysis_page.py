"""The page about analysis shows what the measured files say, and those hold numbers only."""

import csv
import re
import runpy
from statistics import fmean
from xml.etree import ElementTree

import pandas
import pytest
from places import ROOT

DOCS = ROOT / "docs"
MEASURED = DOCS / "results" / "analysis"


def rows_of(name: str) -> list[dict[str, str]]:
    with (MEASURED / f"{name}.csv").open(encoding="utf-8") as file_:
        return list(csv.DictReader(file_))


def by_layer(rows: list[dict[str, str]], *keys: str) -> list[float]:
    """RETURNS (List[float]): In percent, for each layer the mean of rows and columns."""
    layers = sorted({int(row["layer"]) for row in rows})
    return [
        100 * fmean(float(row[key]) for row in rows if int(row["layer"]) == layer for key in keys)
        for layer in layers
    ]


def said() -> str:
    """RETURNS (str): The page as one line."""
    return " ".join((DOCS / "analysis.md").read_text(encoding="utf-8").split())


def test_the_tables_are_those_of_the_measured_files() -> None:
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    script = runpy.run_path(str(DOCS / "write_analysis_tables.py"))
    assert script["filled"](page) == page
    assert page.count("| **mean** |") == 2
    with pytest.raises(ValueError, match="Fix:"):
        script["filled"](page.replace("<!-- analysis:cka -->", "", 1))


def test_what_is_said_of_cka_is_what_was_measured() -> None:
    rows = [row for row in rows_of("cka") if row["kernel"] == "linear"]
    debiased = [row for row in rows if row["debiased"] == "True"]
    biased = [row for row in rows if row["debiased"] == "False"]
    mean = by_layer(debiased, "cka")
    assert max(mean) - min(mean[6:8]) < 0.05
    assert f"rises from {mean[0]:.1f} percent in the embeddings to {mean[6]:.1f}" in said()
    assert f"falls to {mean[11]:.1f} and {mean[12]:.1f} in the last two" in said()
    highest = max(100 * float(row["shuffled"]) for row in debiased)
    assert f"shuffled pairs is never above {highest:.1f}" in said()
    peaks = {}
    for language in {row["language"] for row in debiased}:
        own = by_layer([row for row in debiased if row["language"] == language], "cka")
        peaks[language] = own.index(max(own))
    others = sorted(code for code, layer in peaks.items() if layer not in (6, 7))
    assert len(peaks) == 11 and others == ["pl", "zh"] and {peaks[code] for code in others} == {10}
    own, shuffled = by_layer(biased, "cka"), by_layer(biased, "shuffled")
    shares = [100 * b / a for a, b in zip(own, shuffled, strict=True)]
    assert f"is {min(shares):.0f} to {max(shares):.0f} percent of the biased" in said()
    assert own[12] == max(own) and f"the most similar one ({own[12]:.1f})" in said()


def test_what_is_said_of_retrieval_is_what_was_measured() -> None:
    plain = [row for row in rows_of("retrieval") if row["centred"] == "False"]
    found = by_layer(plain, "csls_to_en", "csls_from_en")
    assert f"From layer 6 on it finds at least {min(found[6:]):.1f} percent" in said()
    assert found[12] == max(found) and f"in the last layer ({found[12]:.1f})" in said()
    own, shuffled = by_layer(plain, "mean_cosine"), by_layer(plain, "shuffled_cosine")
    assert f"cosine of {own[11]:.1f} percent in layer 11 and of {own[12]:.1f} in the last" in said()
    assert f"shuffled pairs of {shuffled[11]:.1f} and {shuffled[12]:.1f}" in said()
    cosine = [a - b for a, b in zip(own, shuffled, strict=True)]
    picked = [max(range(1, 12), key=values.__getitem__) for values in (found, cosine)]
    assert picked == [11, 11]


def test_what_is_said_of_language_identity_is_what_was_measured() -> None:
    rows = rows_of("language_id")
    assert len({row["language"] for row in rows}) == 12
    lowest = min(by_layer(rows, "accuracy"))
    assert f"{lowest:.1f} percent of the time or more" in said()
    assert f"chance is {100 / 12:.1f}" in said()


def test_what_is_said_of_learned_weights_is_what_was_measured() -> None:
    runs: dict[tuple[str, str, str], list[float]] = {}
    for row in rows_of("layer_weights"):
        key = row["task"], row["aggregator"], row["seed"]
        runs.setdefault(key, []).append(100 * float(row["weight"]))
    scalar = {key: values for key, values in runs.items() if key[1] == "scalar"}
    entities = min(sum(values[6:9]) for key, values in scalar.items() if key[0] != "pos")
    tags = min(sum(values[3:6]) for key, values in scalar.items() if key[0] == "pos")
    assert f"at least {entities:.0f} percent of its weight lie on layers 6 to 8" in said()
    assert f"at least {tags:.0f} percent on layers 3 to 5" in said()
    assert len({key[2] for key in runs}) == 8
    last = {key: values[12] for key, values in runs.items() if key[1] == "attention"}
    alone = [(task, seed) for (task, _, seed), value in last.items() if value > 99]
    assert [sum(x == task for x, _ in alone) for task in ("pos", "ner-uner", "ner")] == [4, 2, 0]
    assert f"at least 99 percent (up to {max(last.values()):.0f}, less" in said()
    table = pandas.read_csv(DOCS / "results" / "frozen_main.csv", dtype={"seed": str})
    table = table[(table.aggregator == "attention") & (table.language != "en")]
    scores = 100 * table[table.metric == "pos_token_accuracy"].groupby("seed").value.mean()
    behind = scores[[seed for task, seed in alone if task == "pos"]]
    others = scores[[s for t, _, s in last if t == "pos" and ("pos", s) not in alone]]
    found = f"{behind.min():.1f} to {behind.max():.1f} percent, the others {others.min():.1f}"
    assert f"{found} to {others.max():.1f}." in said()


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


@pytest.mark.parametrize("name", ["cka", "retrieval", "tsne_de"])
def test_the_plots_are_readable_on_every_page(name: str) -> None:
    text = (MEASURED / f"{name}.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r'href="(?!#)|url\((?!#)|<script|<image|#010203|#fdfefd', text)


def test_what_is_said_of_forgetting_is_what_was_measured() -> None:
    moved = by_layer(rows_of("tuned/drift"), "drift")
    assert f"the last one by {moved[12]:.0f} percent" in said() and moved == sorted(moved)
    assert max(moved[:5]) < 3 and "the lower third by at most 3" in said()
    found = {
        when: by_layer(
            [row for row in rows_of(f"{when}/retrieval") if row["centred"] == "False"],
            "csls_to_en",
            "csls_from_en",
        )
        for when in ("initial", "tuned")
    }
    before, after = found["initial"], found["tuned"]
    assert f"{after[12]:.1f} percent of them are still found, of {before[12]:.1f}" in said()
    lost = max(a - b for a, b in zip(before, after, strict=True))
    assert f"no layer loses more than {lost:.1f} points" in said()


def test_what_is_said_of_random_init_is_what_was_measured() -> None:
    rows = [row for row in rows_of("random_init") if row["metric"] == "ner_span_f1"]
    changes = {(row["group"], row["language"]): round(100 * float(row["delta"]), 1) for row in rows}
    gaps = [value for (_, language), value in changes.items() if language == "gap"]
    assert len(gaps) == 6
    assert f"the gap grows by {gaps[0]} and {gaps[1]} points" in said()
    assert f"it changes by {max(map(abs, gaps[2:]))} at most, in both directions" in said()
    assert min(gaps[2:]) < 0 < max(gaps[2:])
    assert f"English too loses {-changes['reinit:1-2', 'en']} points" in said()
    targets = [value for (_, language), value in changes.items() if language == "targets"]
    assert max(targets) == targets[5] and f"the last pair, {-targets[5]} on the targets" in said()
    assert min(targets[3:]) == targets[4] and "above the middle are blocks 9 and 10" in said()
