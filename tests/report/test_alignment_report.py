"""The report of an alignment: before and after, by the tools that measure anything else."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from aligned import toy_pairs, write_text
from sweeps import make_corpus
from typer.testing import CliRunner

from dlfa_spacy.alignment.methods import LanguageMaps
from dlfa_spacy.cli import app
from dlfa_spacy.metrics.cka import cka
from dlfa_spacy.metrics.retrieval import retrieval
from dlfa_spacy.metrics.similarity import centred
from dlfa_spacy.parallel import SentencePair
from dlfa_spacy.parallel.linked_text import by_language, read_linked_texts
from dlfa_spacy.pipeline.sources import open_source
from dlfa_spacy.pipeline.states import all_sentence_states
from dlfa_spacy.report.aligned.measure import measure
from dlfa_spacy.report.aligned.report import Report, summary, to_markdown
from dlfa_spacy.report.aligned.zero_shot import ZeroShot, gains, make_zero_shot_plan

pytestmark = pytest.mark.slow


def test_measures_are_those_of_the_analysis_tools(bert: str) -> None:
    nlp = open_source(bert)
    texts = by_language(toy_pairs(12))
    found = measure(nlp, texts, "before")
    text = texts["ru"]
    x, y = (all_sentence_states(nlp, side) for side in (text.foreign, text.english))
    for row in found.retrieval:
        if row["level"] == "sentences":
            a, b = x[row["layer"]], y[row["layer"]]
            result = retrieval(centred(a), centred(b)) if row["centred"] else retrieval(a, b)
            assert row["csls_to_en"] == result.csls_forward
            assert row["cosine_from_en"] == result.cosine_backward
    assert {row["layer"] for row in found.retrieval} == {0, 1, 2, 3, 4}
    words = [row for row in found.retrieval if row["level"] == "words"]
    assert {row["n"] for row in words} == {sum(len(pair.links) for pair in toy_pairs(12))}
    assert [row["cka"] for row in found.cka] == [cka(x[i], y[i]) for i in range(5)]


def test_maps_are_applied_to_the_foreign_side_of_the_last_layer(bert: str) -> None:
    nlp, texts = open_source(bert), by_language(toy_pairs(10))
    maps = LanguageMaps(32, ["ru"])
    text = texts["ru"]
    x, y = (all_sentence_states(nlp, side, [-1])[0] for side in (text.foreign, text.english))
    # A map by least squares finds every translation of ten.
    solved = torch.from_numpy(numpy.linalg.lstsq(x, y, rcond=None)[0].T)
    maps.weights.data[0] = solved
    found = measure(nlp, texts, "after", maps).retrieval
    (row,) = [r for r in found if r["level"] == "sentences" and not r["centred"]]
    assert row["layer"] == 4 and row["cosine_to_en"] == row["cosine_from_en"] == 1.0
    plain = measure(nlp, texts, "before").retrieval
    assert [r for r in plain if r["layer"] == 4 and r["level"] == "sentences"][0] != row


def test_sides_that_come_twice_and_pairs_without_links_are_left_out() -> None:
    pairs = [
        SentencePair("de", ["a"], ["x"], [(0, 0)]),
        SentencePair("de", ["b"], ["x"], [(0, 0)]),
        SentencePair("de", ["c"], ["y"]),
    ]
    (text,) = by_language(pairs).values()
    assert [pair.source_text for pair in text.pairs] == ["a", "c"]
    assert text.repeated == 1
    assert [pair.links for pair in text.linked] == [[(0, 0)]]


def test_words_are_linked_by_dictionary_or_by_the_text_itself(tmp_path: Path) -> None:
    lines = [f"{pair.source_text}\t{pair.target_text}" for pair in toy_pairs(60)]
    (tmp_path / "ru-en.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    induced = read_linked_texts(tmp_path, limit=20)["ru"]
    assert len(induced.pairs) == 20 and len(induced.linked) > 15
    (tmp_path / "ru-en.txt").write_text("дар sun\n", encoding="utf-8")
    given = read_linked_texts(tmp_path / "ru-en.tsv", dictionaries=tmp_path)["ru"]
    links = [
        (pair.source_words[i], pair.target_words[j]) for pair in given.linked for i, j in pair.links
    ]
    assert set(links) == {("дар", "sun")}


def test_one_command_measures_before_and_after(bert: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "ru-en.tsv")
    out, report = tmp_path / "aligned", tmp_path / "report"
    arguments = ["align", "realign", bert, str(out), "--parallel", str(text), "--steps", "4"]
    arguments += ["--learn-rate", "1e-3", "--batch-size", "8", "--report", str(report)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    names = {path.name for path in report.iterdir()}
    assert names == {"retrieval.csv", "cka.csv", "report.md", "retrieval.svg"}
    page = (report / "report.md").read_text(encoding="utf-8")
    assert page in result.output.replace("\r", "") and "before, centred" in page
    rows = (report / "retrieval.csv").read_text(encoding="utf-8").splitlines()
    # 2 encoders, 5 layers, with and without centering, sentences and words.
    assert len(rows) == 1 + 2 * 5 * 2 * 2
    assert not (tmp_path / "aligned.checkpoint.pt").exists()
    before = json.loads((out / "alignment.json").read_text())["retrieval"]["before"]
    assert 0 <= before["ru"] <= 1


def test_the_report_of_clbt_measures_its_maps(bert: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "ru-en.tsv", 60)
    out, report = tmp_path / "aligned", tmp_path / "report"
    arguments = ["align", "clbt", bert, str(out), "--parallel", str(text), "--no-plot", "-q"]
    arguments += ["--report", str(report), "--set", "word_repr=mean"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    rows = [
        line.split(",")
        for line in (report / "retrieval.csv").read_text(encoding="utf-8").splitlines()
        if ",words,ru,4,False," in line
    ]
    # The mean cosine of translations: the toy words repeat, and retrieval finds any of them.
    before, after = (float(row[-1]) for row in rows)
    assert after > before + 0.05


def test_both_encoders_are_fine_tuned_by_one_sweep(bert: str, tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    text = write_text(tmp_path / "ru-en.tsv")
    out, report = tmp_path / "aligned", tmp_path / "report"
    (tmp_path / "plan.cfg").write_text(
        '[sweep]\nmethods = ["last"]\nepochs = 1\nlearn_rate = 1e-3\nbatch_size = 8\n'
        f'corpus = "{tmp_path / "corpus"}"\ntasks = ["pos"]\n\n[sweep.encoders]\nany = "any"\n'
    )
    arguments = ["align", "realign", bert, str(out), "--parallel", str(text), "--steps", "2"]
    arguments += ["--plan", str(tmp_path / "plan.cfg"), "--report", str(report), "--no-plot"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    page = (report / "report.md").read_text(encoding="utf-8")
    assert "## Zero-shot: pos, last" in page and "| targets |" in page
    rows = (report / "zero_shot.csv").read_text(encoding="utf-8").splitlines()
    # en (test and dev), de, fr, of both encoders.
    assert len(rows) == 1 + 2 * 4


def test_gains_are_means_over_seeds_and_target_languages() -> None:
    def row(encoder: str, language: str, seed: int, value: float, split: str = "test") -> Any:
        keys = ("task", "aggregator", "layer", "encoder", "language", "seed", "value", "split")
        return dict(
            zip(keys, ("pos", "dlfa", 4, encoder, language, seed, value, split), strict=True)
        )

    rows = [
        row(encoder, language, seed, base + 0.1 * seed)
        for encoder, base in (("before", 0.2), ("after", 0.4))
        for language in ("en", "de", "fr")
        for seed in (0, 1)
    ]
    rows.append(row("after", "en", 0, 0.9, "dev"))
    found = gains(rows)
    assert found["pos", "dlfa:4", "en"]["after"] == pytest.approx(0.45)
    assert found["pos", "dlfa:4", "targets"] == pytest.approx({"before": 0.25, "after": 0.45})


def test_what_a_report_cannot_do_is_said_before_training(bert: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "ru-en.tsv", 10)
    common = [bert, str(tmp_path / "out"), "--parallel", str(text), "--steps", "1"]
    for wrong, message in (
        (["labse", *common, "--corpus", "c"], "there is no --report"),
        (["labse", *common, "--corpus", "c", "--report", "r"], "found no tasks"),
        (["clbt", *common, "--corpus", "c", "--report", "r"], "leaves the encoder as it is"),
    ):
        result = CliRunner().invoke(app, ["align", *wrong])
        assert result.exit_code == 1 and message in " ".join(result.output.split()), result.output
        assert not (tmp_path / "out").exists()


def test_a_plan_s_encoders_give_way_to_the_two(tmp_path: Path) -> None:
    path = tmp_path / "plan.cfg"
    path.write_text(
        '[sweep]\ncorpus = "c"\ntasks = ["pos", "ner"]\nmethods = ["dlfa"]\nseeds = [3]\n\n'
        '[sweep.encoders]\nother = "other"\n'
    )
    plan = make_zero_shot_plan(ZeroShot(path, tasks=["ner"]), "a", "b")
    assert plan.encoders == {"before": "a", "after": "b"}
    assert (plan.tasks, plan.methods, plan.seeds) == (["ner"], ["dlfa"], [3])


def test_the_page_has_a_mean_over_languages() -> None:
    def row(encoder: str, language: str, is_centred: bool, value: float) -> Any:
        return {
            "encoder": encoder, "level": "sentences", "language": language, "layer": 2,
            "centred": is_centred, "n": 10, "csls_to_en": value, "csls_from_en": value + 0.1,
        }  # fmt: skip

    rows = [
        row(encoder, language, is_centred, 0.1 * i)
        for i, encoder in enumerate(("before", "after"))
        for language in ("de", "fr")
        for is_centred in (False, True)
    ]
    assert summary(rows, "sentences")["mean"]["after"] == pytest.approx(0.15)
    assert summary(rows, "words") == {}
    assert "| mean |  | 5.0 | 5.0 | 15.0 | 15.0 |" in to_markdown(Report("t", rows, []))
