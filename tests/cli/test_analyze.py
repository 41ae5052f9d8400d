"""`dlfa analyze` and `dlfa suggest-layer`: tables, plots, and errors in plain words."""

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy
import pytest
from life import encoded, trained
from spacy.tokens import Doc, DocBin
from sweeps import make_corpus
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.metrics.retrieval import retrieval
from dlfa_spacy.parallel.text import read_parallel
from dlfa_spacy.pipeline.sources import encoder_pipeline
from dlfa_spacy.pipeline.states import all_sentence_states

pytest.importorskip("matplotlib")

WORDS = ["Anna", "lives", "in", "Berlin", "the", "un", "able"]


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two languages of 16 pairs, words linked."""
    folder = tmp_path_factory.mktemp("parallel")
    rng = numpy.random.default_rng(0)
    for language in ("de", "fr"):
        lines = []
        for i in range(16):
            words = list(rng.choice(WORDS, size=4 + i % 3))
            other = [*reversed(words), str(i)]
            links = " ".join(f"{j}-{len(words) - 1 - j}" for j in range(len(words)))
            lines.append("\t".join([" ".join([*words, f"{i}"]), " ".join(other), links]))
        (folder / f"{language}-en.tsv").write_text("\n".join(lines) + "\n")
    return folder


def run(*arguments: str | Path, fails: bool = False) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert (result.exit_code != 0) == fails, result.output
    return result.output


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file_:
        return list(csv.DictReader(file_))


def assert_drawn(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag.endswith("svg")
    # Readable on both kinds of pages, and without anything to load.
    assert "prefers-color-scheme:dark" in text and "var(--ink)" in text
    assert "<image" not in text and "#010203" not in text


def test_cka(bert: str, parallel: Path, tmp_path: Path) -> None:
    out = run("analyze", "cka", bert, parallel, "--size", "8", "--out", tmp_path)
    assert "shuffled" in out and "mean" in out
    rows = rows_of(tmp_path / "cka.csv")
    assert len(rows) == 2 * 5 * 4
    assert list(rows[0])[:4] == ["language", "layer", "kernel", "debiased"]
    assert {row["batches"] for row in rows} == {"2"} and {row["n"] for row in rows} == {"16"}
    assert all(0 < float(row["cka"]) <= 1 and row["sd"] and row["shuffled"] for row in rows)
    assert_drawn(tmp_path / "cka.svg")
    first = (tmp_path / "cka.svg").read_bytes(), (tmp_path / "cka.csv").read_bytes()
    run("analyze", "cka", bert, parallel, "--size", "8", "--out", tmp_path, "--quiet")
    assert first == ((tmp_path / "cka.svg").read_bytes(), (tmp_path / "cka.csv").read_bytes())


def test_language_id(bert: str, tmp_path: Path) -> None:
    rng = numpy.random.default_rng(0)
    for language, words in (("de", WORDS[:4]), ("fr", WORDS[3:]), ("es", WORDS[3:])):
        lines = {" ".join(rng.choice(words, size=6)) for _ in range(60)}
        (tmp_path / f"{language}.txt").write_text("\n".join(sorted(lines)) + "\n")
    out = run("analyze", "language-id", bert, tmp_path, "--out", tmp_path / "out")
    assert "mean" in out and "chance" in out
    rows = rows_of(tmp_path / "out" / "language_id.csv")
    assert len(rows) == 3 * 5
    of = {(row["language"], int(row["layer"])): float(row["accuracy"]) for row in rows}
    # German has words of its own; the other two are one language under two names.
    assert all(of["de", layer] > 0.85 for layer in range(5))
    for layer in range(5):
        assert of["fr", layer] + of["es", layer] < 1.6
    assert {row["chance"] for row in rows} == {"0.333333"}
    assert_drawn(tmp_path / "out" / "language_id.svg")
    error = run("analyze", "language-id", bert, tmp_path, "--langs", "de", fails=True)
    assert "Expected 2 languages" in error


def test_a_store_keeps_layers_for_every_analysis(
    bert: str, parallel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("analyze", "retrieval", bert, parallel, "-o", tmp_path / "without", "-q")
    more = ["-q", "--store", tmp_path / "store"]
    run("analyze", "retrieval", bert, parallel, "-o", tmp_path / "with", *more)
    names = {path.name.split(".")[0] for path in (tmp_path / "store").glob("*/*.f16")}
    assert names == {f"layer_0{layer}" for layer in range(5)}
    for exact, kept in zip(
        rows_of(tmp_path / "without" / "retrieval.csv"),
        rows_of(tmp_path / "with" / "retrieval.csv"),
        strict=True,
    ):
        assert float(kept["mean_cosine"]) == pytest.approx(float(exact["mean_cosine"]), abs=1e-3)
    # What was read once is not encoded again, whoever asks.
    monkeypatch.setattr(PackedEncoder, "forward", None)
    run("analyze", "retrieval", bert, parallel, "-o", tmp_path / "again", *more)
    run("analyze", "cka", bert, parallel, "--size", "8", "-o", tmp_path, *more)
    again, first = (tmp_path / name / "retrieval.csv" for name in ("again", "with"))
    assert again.read_bytes() == first.read_bytes()


def test_evaluate_reads_the_layers_of_a_store(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(bert).to_disk(tmp_path / "model")
    corpus = make_corpus(tmp_path, "pos") / "pos"
    arguments = ["evaluate", tmp_path / "model", corpus, "--split", "test,dev", "--out"]
    run(*arguments, tmp_path / "without")
    run(*arguments, tmp_path / "with", "--store", tmp_path / "store")
    files = [path.name for path in (tmp_path / "store").glob("*/*.f16")]
    parts = {".".join(name.split(".")[1:4]) for name in files}
    assert parts == {"pos.en.test", "pos.de.test", "pos.fr.dev"}
    monkeypatch.setattr(PackedEncoder, "forward", None)
    run(*arguments, tmp_path / "again", "--store", tmp_path / "store")
    texts = [(tmp_path / x / "scores.csv").read_text() for x in ("without", "with", "again")]
    assert texts[0] == texts[1] == texts[2]


def test_retrieval_of_sentences_and_words(bert: str, parallel: Path, tmp_path: Path) -> None:
    out = run("analyze", "retrieval", bert, parallel, "--langs", "de", "-o", tmp_path)
    assert "chance" in out and "centred" in out and "shuffled" in out
    rows = rows_of(tmp_path / "retrieval.csv")
    assert len(rows) == 5 * 2 and {row["level"] for row in rows} == {"sentences"}
    assert "csls" not in rows[0]
    assert_drawn(tmp_path / "retrieval.svg")
    run(
        *("analyze", "retrieval", bert, parallel, "--words", "--limit", "8"),
        *("--word-limit", "20", "--no-plot", "-o", tmp_path),
    )
    words = rows_of(tmp_path / "retrieval_words.csv")
    assert {row["n"] for row in words} == {"20"} and len(words) == 2 * 5 * 2
    assert not (tmp_path / "retrieval_words.svg").exists()


def test_recipes_of_sentence_vectors(bert: str, parallel: Path, tmp_path: Path) -> None:
    out = run("analyze", "vectors", bert, parallel, "-o", tmp_path)
    assert "SBERT-WK" in out and "csls, centred" in out
    rows = rows_of(tmp_path / "vectors.csv")
    recipes = {row["recipe"] for row in rows}
    assert {"mean of layer 4", "mean of all layers", "SBERT-WK"} < recipes
    assert len(rows) == 2 * 2 * len(recipes) and {row["n"] for row in rows} == {"8"}
    plain = [row for row in rows if row["centred"] == "False"]
    last = [float(row["cosine_to_en"]) for row in plain if row["recipe"] == "mean of layer 4"]
    nlp = encoder_pipeline(bert)
    text = read_parallel(parallel / "de-en.tsv")
    x, y = (all_sentence_states(nlp, side[8:], [-1])[0] for side in (text.foreign, text.english))
    assert last[0] == pytest.approx(retrieval(x, y).cosine_forward)


@pytest.mark.parametrize("aggregation", ["attention", "fusion"])
def test_aggregator(bert: str, tmp_path: Path, aggregation: str) -> None:
    nlp = trained(bert, ["tagger"], aggregation)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "corpus" / "de").mkdir(parents=True)
    docs = [Doc(nlp.vocab, words=WORDS[:4], pos=["PROPN", "VERB", "ADP", "PROPN"])]
    DocBin(attrs=["ORTH", "POS"], docs=docs).to_disk(tmp_path / "corpus" / "de" / "test.spacy")
    out = tmp_path / "out"
    run("analyze", "aggregator", tmp_path / "model", tmp_path / "corpus", "--out", out)
    if aggregation == "attention":
        rows = rows_of(out / "layer_weights.csv")
        assert {(row["language"], row["upos"]) for row in rows} == {
            (language, upos)
            for language in ("de", "all")
            for upos in ("all", "PROPN", "VERB", "ADP")
        }
        assert_drawn(out / "layer_weights.svg")
    else:
        (row,) = rows_of(out / "gates.csv")
        assert row["language"] == "de" and row["layer"] == "2"


def test_drift(bert: str, parallel: Path, tmp_path: Path) -> None:
    trained(bert, ["tagger"], steps=3).to_disk(tmp_path / "model")
    run("analyze", "drift", tmp_path / "model", bert, parallel, "--out", tmp_path)
    rows = rows_of(tmp_path / "drift.csv")
    assert {row["language"] for row in rows} == {"en", "de", "fr"}
    assert all(0 < float(row["drift"]) < 0.5 for row in rows)
    assert_drawn(tmp_path / "drift.svg")


def test_tsne(bert: str, parallel: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    file = parallel / "de-en.tsv"
    run("analyze", "tsne", bert, file, "--layer", "2", "--limit", "10", "-o", tmp_path)
    rows = rows_of(tmp_path / "tsne_de.csv")
    assert len(rows) == 20 and rows[0]["text"] in WORDS
    assert_drawn(tmp_path / "tsne_de.svg")


def test_a_layer_is_suggested(bert: str, parallel: Path, tmp_path: Path) -> None:
    out = run("suggest-layer", bert, "--parallel", parallel, "--limit", "12", "-o", tmp_path)
    for criterion in ("retrieval", "cka", "cosine"):
        assert f"{criterion}: layer " in out
    rows = rows_of(tmp_path / "suggest_layer.csv")
    best = [row for row in rows if row["criterion"] == "retrieval" and row["suggested"] == "True"]
    assert len(best) == 1 and f"Suggested: layer = {best[0]['layer']}" in out
    for name in ("de", "en"):
        (tmp_path / f"{name}.txt").write_text("\n".join(WORDS))
    (tmp_path / "fr.txt").write_text("\n".join(f"{word} 12" for word in WORDS))
    assert "Suggested: layer = " in run("suggest-layer", bert, "--raw", tmp_path)


def test_the_criteria_share_what_is_encoded(bert: str, parallel: Path) -> None:
    with encoded() as once:
        run("analyze", "retrieval", bert, parallel)
    with encoded() as for_all:
        run("suggest-layer", bert, "--parallel", parallel)
    assert sum(for_all) == sum(once) > 0


@pytest.mark.slow
def test_what_a_suggestion_and_blocks_cost_is_read_off_a_sweep(
    bert: str, parallel: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pandas")
    header = "task,aggregator,layer,gate,norm,encoder,seed,language,split,metric,value,count"
    lines = [header]
    for name, layer, value in (
        ("dlfa", "1", 0.5),
        ("dlfa", "2", 0.7),
        ("dlfa", "3", 0.6),
        ("last", "", 0.6),
        ("reinit_top", "4", 0.65),
    ):
        for language, extra in (("en", 0.2), ("de", 0.0)):
            lines.append(f"pos,{name},{layer},,,tiny,0,{language},test,accuracy,{value + extra},10")
    table = tmp_path / "results.csv"
    table.write_text("\n".join(lines) + "\n")
    out = run("analyze", "random-init", table, "--out", tmp_path)
    assert "+5.0 in en, +5.0 on the targets" in out
    assert {row["language"] for row in rows_of(tmp_path / "random_init.csv")} == {
        *("en", "targets", "gap", "de")
    }
    run(
        *("suggest-layer", bert, "--parallel", parallel, "--limit", "8"),
        *("--table", table, "--out", tmp_path),
    )
    rows = {row["criterion"]: row for row in rows_of(tmp_path / "layer_regret.csv")}
    assert set(rows) == {"retrieval", "cka", "cosine", "random"}
    assert {row["oracle_layer"] for row in rows.values()} == {"2"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["analyze", "cka", "nowhere/encoder", "{parallel}"], "nowhere"),
        (["analyze", "cka", "{bert}", "{parallel}", "--langs", "xx"], "has no xx"),
        (["analyze", "cka", "{bert}", "{bert}/config.json"], "language"),
        (["suggest-layer", "{bert}"], "--parallel"),
        (["suggest-layer", "{bert}", "--parallel", "{parallel}", "--criterion", "x"], "x"),
        (["analyze", "random-init", "nowhere"], "nowhere"),
    ],
)
def test_errors_are_one_message(
    bert: str, parallel: Path, arguments: list[str], message: str
) -> None:
    out = run(*(a.format(bert=bert, parallel=parallel) for a in arguments), fails=True)
    assert "Error:" in out and message in out and "Fix:" in out and "Traceback" not in out
