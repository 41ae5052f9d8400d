"""What options cost: the table is of the pipelines it names, and its arithmetic is right."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from life import TEXTS, gold_docs, stock_listener
from optimized import encoder, mean, mix, saved, trained
from spacy.language import Language
from spacy.tokens import DocBin
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.evaluation import costs as costs_module
from dlfa_spacy.evaluation.costs import (
    ORIGINAL,
    STOCK,
    Corpus,
    Cost,
    Costs,
    measure_costs,
    variants,
)
from dlfa_spacy.optimization.optimize import Options, options_for
from dlfa_spacy.optimization.stock import stock_pipeline
from dlfa_spacy.report.costs_table import goal, rows, to_csv, to_markdown


@pytest.fixture(scope="module")
def tagger(bert: str) -> Language:
    return trained(bert, {"tagger": mean(1, 2), "ner": mix()})


@pytest.fixture(scope="module")
def corpus(tagger: Language, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for language in ("en", "de", "ru"):
        (folder / language).mkdir()
        DocBin(docs=gold_docs(tagger)).to_disk(folder / language / "test.spacy")
    return folder


# Arithmetic


def test_every_option_alone_and_all_together() -> None:
    chosen = Options(drop=0.1, int8=True, half="float16", onnx=True)
    found = variants(chosen)
    assert found == {
        "cut only": Options(),
        "--drop-layers": Options(drop=0.1),
        "--int8": Options(int8=True),
        "--half": Options(half="float16"),
        "--onnx": Options(onnx=True),
        "--drop-layers --int8 --half": replace(chosen, onnx=False),
        "--drop-layers --int8 --half --onnx": chosen,
    }
    together = ["--drop-layers --int8 --half", "--drop-layers --int8 --half --onnx"]
    assert list(variants(chosen, alone=False)) == together
    assert list(variants(Options(), alone=False)) == ["cut only"]
    assert variants(Options(cut=False, int8=True)) == {"--int8": Options(cut=False, int8=True)}


def test_what_is_asked_for_wins_over_the_target() -> None:
    whole = Options(int8=True, int8_embeddings=True, half="float16")
    assert options_for("cpu", {"int8": None, "onnx": False}) == whole
    assert options_for("cpu", {"int8": False, "drop": 0.1}) == replace(whole, int8=False, drop=0.1)
    assert options_for(None, {"onnx": True}) == Options(onnx=True)
    with pytest.raises(ValueError, match="--target tpu: expected cpu"):
        options_for("tpu", {})


def test_the_mean_loss_leaves_out_the_source_and_weighs_tasks_alike() -> None:
    whole = {"a": {"en": 0.9, "de": 0.5, "fr": 0.4, "ru": 0.3}, "b": {"en": 0.8, "de": 0.6}}
    less = {"a": {"en": 0.1, "de": 0.48, "fr": 0.38, "ru": 0.28}, "b": {"en": 0.8, "de": 0.64}}
    costs = Costs([Cost("x", 1, 1.0, whole), Cost("y", 1, 1.0, less)], None, "en", {})
    assert costs.mean_loss(costs.rows[1]) == pytest.approx((2.0 - 4.0) / 2)
    assert costs.losses(costs.rows[1])["a"]["en"] == pytest.approx(80.0)
    assert costs.mean_loss(costs.rows[0]) == 0.0


def test_the_tables() -> None:
    original = Cost(ORIGINAL, 8_000_000, 100.0, {"ner_span_f1": {"en": 0.9, "de": 0.5, "ru": 0.4}})
    smaller = Cost("--x", 2_000_000, 300.0, {"ner_span_f1": {"en": 0.8, "de": 0.5, "ru": 0.38}})
    costs = Costs([original, smaller], Cost(STOCK, 9_000_000, 50.0), "en", {"rounds": "5"})
    assert rows(costs) == [
        [STOCK, "9.0", "112 %", "50", "1.00", "–", "–"],
        [ORIGINAL, "8.0", "100 %", "100", "2.00", "–", "–"],
        ["--x", "2.0", "25 %", "300", "6.00", "1.00", "2.0 (ru, NER span F1)"],
    ]
    assert "6 times stock's words/s: `--x`" in goal(costs) and "all three: none" in goal(costs)
    smaller.size = 2_250_000
    assert "quarter of stock's size at most: `--x`" in goal(costs)
    smaller.scores["ner_span_f1"]["ru"] = 0.395
    assert "all three: `--x`" in goal(costs)
    smaller.scores["ner_span_f1"]["ru"], smaller.size = 0.38, 2_000_000
    without = replace(costs, stock=None)
    assert goal(without) == ""
    assert [row[4] for row in rows(without)] == ["1.00", "3.00"]
    lines = list(csv.DictReader(io.StringIO(to_csv(costs))))
    assert len(lines) == 1 + 2 * 3 and lines[0]["score"] == ""
    last = next(x for x in lines if x["pipeline"] == "--x" and x["language"] == "ru")
    assert (last["score"], last["points_lost"]) == ("0.380000", "2.0000")
    page = to_markdown(costs, "dlfa optimize a b")
    assert "| --x | -10.0 | 0.0 | -2.0 |" in page and "dlfa optimize a b" in page


# Measured


@pytest.mark.slow
def test_costs_are_those_of_the_pipelines(tagger: Language, corpus: Path, tmp_path: Path) -> None:
    source = saved(tagger, tmp_path / "model")
    steps: list[str] = []
    options = Options(int8=True, half="bfloat16")
    setting = Corpus([corpus], timed=1, rounds=1)
    costs = measure_costs(source, options, setting, on_step=steps.append)
    assert [row.name for row in costs.rows] == [ORIGINAL, *variants(options)]
    original, cut, *_, both = costs.rows
    assert set(original.scores) == {"ner_span_f1", "pos_token_accuracy"}
    assert set(original.scores["ner_span_f1"]) == {"en", "de", "ru"}
    assert costs.mean_loss(cut) == 0.0 and cut.scores == original.scores
    assert both.size < cut.size < original.size
    assert costs.stock is not None and costs.stock.size > both.size
    assert all(row.words_per_second > 0 for row in [*costs.rows, costs.stock])
    assert costs.settings["words timed"] == str(3 * len(gold_docs(tagger)[0]))
    assert steps[0] == "Optimizing: cut only" and steps[-1] == "Timing"


@pytest.mark.slow
def test_a_pipeline_without_a_stock_counterpart_is_refused_before_the_work(
    tagger: Language, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(nlp: Language, folder: Path) -> Language:
        raise ValueError("--stock: none")

    monkeypatch.setattr(costs_module, "stock_pipeline", refuse)
    steps: list[str] = []
    with pytest.raises(ValueError, match="--stock"):
        measure_costs(
            saved(tagger, tmp_path / "model"), Options(int8=True), Corpus([corpus]),
            on_step=steps.append,
        )  # fmt: skip
    assert not steps


@pytest.mark.slow
def test_two_folders_of_one_task_are_refused(
    tagger: Language, corpus: Path, tmp_path: Path
) -> None:
    source = saved(tagger, tmp_path / "model")
    with pytest.raises(ValueError, match="another folder has scores.*Fix: "):
        measure_costs(source, Options(), Corpus([corpus, corpus], rounds=1), stock=False)
    with pytest.raises(ValueError, match="no language but"):
        only = tmp_path / "only"
        (only / "en").mkdir(parents=True)
        (only / "en" / "test.spacy").write_bytes((corpus / "en" / "test.spacy").read_bytes())
        measure_costs(source, Options(), Corpus([only], rounds=1), stock=False)


def test_the_stock_pipeline_has_the_same_encoder(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": stock_listener()})
    stock = stock_pipeline(nlp, tmp_path / "encoder")
    assert stock.pipe_names == nlp.pipe_names
    model: Any = stock.get_pipe("transformer").model  # type: ignore[attr-defined]
    assert not isinstance(model, TransformerModel)
    state = encoder(nlp).transformer.state_dict()
    for name, tensor in model.transformer.state_dict().items():
        assert torch.equal(tensor, state[name])
    for name in ("tagger", "ner"):
        assert stock.get_pipe(name).labels == nlp.get_pipe(name).labels  # type: ignore[attr-defined]
    assert len(list(stock.pipe(TEXTS))) == len(TEXTS)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    with pytest.raises(ValueError, match="encoders of their own"):
        stock_pipeline(nlp, tmp_path / "other")


@pytest.mark.slow
def test_the_command(tagger: Language, corpus: Path, tmp_path: Path) -> None:
    source, out = saved(tagger, tmp_path / "model"), str(tmp_path / "out")
    table = tmp_path / "tables" / "costs"
    arguments = ["optimize", source, out, "--half", "--no-stock", "--rounds", "1", "--timed", "1"]
    arguments += ["--corpus", str(corpus), "--table", str(table)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "mean loss" in done.output and "--half" in done.output
    assert table.with_suffix(".csv").read_text().startswith("pipeline,bytes,")
    assert "## POS accuracy by language" in table.with_suffix(".md").read_text()
    failed = CliRunner().invoke(app, ["optimize", source, out, "--table", str(table)])
    assert failed.exit_code == 1
