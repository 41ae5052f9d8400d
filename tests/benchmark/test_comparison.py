"""The comparison with other libraries: texts and limits are right, the smallest run works."""

import os
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from fourbit import packed_folder
from places import ROOT
from spacy.tokens import Doc
from spacy_transformers.data_classes import HFObjects
from tiny import tiny_bert
from transformers import BertModel
from typer.testing import CliRunner

from benchmarks.comparison import bench, goals, load, memory, page, profile_parts
from benchmarks.comparison.__main__ import app
from benchmarks.comparison.bench import MEASURES, PRESETS, Bench, resized
from benchmarks.comparison.curated import CuratedProcess
from benchmarks.comparison.doc import vector_bytes
from benchmarks.comparison.encoders import encoder_folder
from benchmarks.comparison.figures import Figure, figure, merge, read_csv, write_csv
from benchmarks.comparison.pipelines import STOCK, System, build, windows_of
from benchmarks.comparison.run import CSV, run_benchmark
from benchmarks.comparison.texts import Text, read_texts
from benchmarks.comparison.train import equal
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.optimization.speed import limit
from dlfa_spacy.optimization.speed.child import run_child
from dlfa_spacy.optimization.speed.limit import bare_forwards
from dlfa_spacy.optimization.speed.memory_use import peak, reset_peak, resident
from dlfa_spacy.optimization.speed.rounds import measure

SENTENCES = {
    "en": [["Anna", "lives", "in", "Berlin"], ["the", "un"], ["Berlin"] * 20],
    "de": [["Anna", "ed"], ["in"]],
}


def write_corpus(folder: Path) -> Path:
    for lang, sentences in SENTENCES.items():
        lines = []
        for sentence in sentences:
            for i, word in enumerate(sentence, start=1):
                lines.append(f"{i}\t{word}\t_\tNOUN\t_\t_\t0\troot\t_\t_")
            lines.append("")
        (folder / lang).mkdir(parents=True)
        (folder / lang / "test.conllu").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_bert(tmp_path_factory.mktemp("encoder"))


def test_other_libraries_get_floats_of_an_encoder_in_four_bits(
    encoder: str, tmp_path: Path
) -> None:
    packed = packed_folder(tmp_path)
    made = encoder_folder("own", packed, tmp_path)
    floats = BertModel.from_pretrained(made)
    rows = load_encoder(packed, {}, {}).transformer.get_input_embeddings()
    torch.testing.assert_close(floats.get_input_embeddings().weight.detach(), rows.weight)
    assert encoder_folder("own", packed, tmp_path) == made
    assert encoder_folder("own", encoder, tmp_path) == encoder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def settings(encoder: str, corpus: Path, tmp_path: Path) -> Bench:
    sizes = PRESETS["smallest"]
    return Bench(encoder, corpus, ("en", "de"), sizes, threads=1, folder=tmp_path / "made")


# Texts


def test_texts_are_as_long_as_their_kind_and_languages_alternate(corpus: Path) -> None:
    languages = ("en", "de")
    sentences = read_texts(corpus, languages, "sentences", 30)
    expected = [SENTENCES["en"][0], SENTENCES["de"][0], SENTENCES["en"][1], SENTENCES["de"][1]]
    assert [text.words for text in sentences] == [*expected, SENTENCES["en"][2], ["Anna", "ed"]][:6]
    assert max(len(t.words) for t in read_texts(corpus, languages, "tweets", 60)) == 12
    paragraphs = read_texts(corpus, languages, "paragraphs", 200)
    assert [len(t.words) for t in paragraphs] == [120, 120]
    assert all(len(t.words) == len(t.tags) for t in paragraphs)
    (book,) = read_texts(corpus, languages, "books", 1)
    assert len(book.words) == 10_000


def test_a_corpus_without_a_language_is_named(corpus: Path) -> None:
    with pytest.raises(ValueError, match="fr/test.conllu.*Fix"):
        read_texts(corpus, ["en", "fr"], "sentences", 5)


def test_sentences_of_equal_lengths_are_of_equal_lengths(encoder: str, corpus: Path) -> None:
    nlp = build(encoder, System("last"), "tagger")
    mixed = read_texts(corpus, ("en", "de"), "sentences", 40)
    assert len({len(row) for row in windows_of(nlp, mixed)}) > 1
    made = equal(nlp, mixed)
    assert len(made) == len(mixed)
    assert len({len(row) for row in windows_of(nlp, made)}) == 1
    assert all(len(text.words) == len(text.tags) for text in made)


# The limit


@pytest.mark.parametrize("packs", [True, False])
def test_every_bare_forward_computes_every_wordpiece(
    encoder: str, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packs:
        monkeypatch.setattr(limit, "runs_packed", lambda model: False)
        monkeypatch.setattr(limit, "BUDGET", 30)
    model = BertModel.from_pretrained(encoder).eval()
    windows = [[2, *range(5, 5 + n), 3] for n in (9, 1, 4, 4, 9, 1, 1, 30)]
    seen: list[int] = []
    hook = model.embeddings.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(output.shape[0] * output.shape[1]),
        with_kwargs=True,
    )
    total = sum(map(len, windows))
    computed = {}
    for name, run in bare_forwards(model, windows).items():
        seen.clear()
        run()
        computed[name.removeprefix("bare forward, ")] = sum(seen)
    hook.remove()
    assert computed["equal lengths"] == total
    if packs:
        assert computed["packed"] == total
    else:
        # 3 + 3 + 3 + 6 + 6, then 11 + 11, then 32, each padded to its longest.
        assert computed["full batches"] == 5 * 6 + 2 * 11 + 32
    assert computed["padded by 8"] == len(windows) * 32 > total


def test_rounds_alternate_and_leave_out_the_warm_up() -> None:
    order: list[str] = []

    def elsewhere() -> float:
        order.append("b")
        return 0.5

    seconds = measure({"a": lambda: order.append("a"), "b": elsewhere}, 2)
    assert order == ["a", "b"] * 3
    assert len(seconds["a"]) == 2 and seconds["b"] == [0.5, 0.5]


# Work, not seconds


def calls_of_encoder(nlp: Any, texts: list[Text], packed: bool = False) -> tuple[int, int]:
    """RETURNS: Forward passes for some texts, and wordpieces in them, padding included."""
    transformer = nlp.get_pipe("transformer").model.transformer
    sizes: list[int] = []
    # With a hook on the encoder itself it has to be called, and so to be padded.
    hook = (transformer.embeddings if packed else transformer).register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    docs = [Doc(nlp.vocab, words=text.words) for text in texts]
    for _ in nlp.pipe(docs, batch_size=256):
        pass
    hook.remove()
    return len(sizes), sum(sizes)


def mixed_texts() -> list[Text]:
    rng = numpy.random.default_rng(0)
    rows = [["Berlin"] * int(n) for n in rng.integers(1, 40, size=200)]
    return [Text(row, ["X"] * len(row)) for row in rows]


@pytest.mark.parametrize("aggregation", ["attention", "dlfa", "last"])
def test_guard_bert_computes_nothing_but_what_there_is(encoder: str, aggregation: str) -> None:
    nlp = build(encoder, System(aggregation))
    texts = mixed_texts()
    real = sum(map(len, windows_of(nlp, texts)))
    calls, computed = calls_of_encoder(nlp, texts, packed=True)
    assert computed == real
    assert calls <= 1.1 * -(-real // 1024)


@pytest.mark.parametrize("aggregation", ["attention", "dlfa", "last"])
def test_guard_an_encoder_that_needs_padding_computes_little_more_than_there_is(
    encoder: str, aggregation: str
) -> None:
    nlp = build(encoder, System(aggregation))
    texts = mixed_texts()
    real = sum(map(len, windows_of(nlp, texts)))
    calls, computed = calls_of_encoder(nlp, texts)
    assert real < computed <= 1.05 * real
    # Not many more calls than the budget of a forward pass makes necessary.
    assert calls <= 3 * -(-real // 1024) < len(texts) / 6


def test_guard_stock_would_compute_a_lot_more(encoder: str) -> None:
    nlp = build(encoder, System("stock"))
    _, computed = calls_of_encoder(nlp, mixed_texts())
    ours = build(encoder, System("last"))
    assert computed > 1.2 * sum(map(len, windows_of(ours, mixed_texts())))


def test_guard_one_tokenizer_call_a_batch_and_no_strings_of_wordpieces(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = build(encoder, System("attention"))
    tokenizer = nlp.get_pipe("transformer").model.tokenizer  # type: ignore[attr-defined]
    batches: list[int] = []
    original = type(tokenizer).__call__

    def counted(self: Any, texts: Any, *args: Any, **kwargs: Any) -> Any:
        # Single strings only tell which special tokens there are.
        if isinstance(texts, list):
            batches.append(len(texts))
        return original(self, texts, *args, **kwargs)

    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a string for every wordpiece")

    monkeypatch.setattr(type(tokenizer), "__call__", counted)
    monkeypatch.setattr(type(tokenizer), "convert_ids_to_tokens", forbidden)
    docs = [Doc(nlp.vocab, words=text.words) for text in mixed_texts()]
    assert len(list(nlp.pipe(docs, batch_size=64))) == 200
    assert batches == [64, 64, 64, 8]


def test_guard_nothing_is_left_on_docs_of_shipped_pipelines(encoder: str) -> None:
    texts = mixed_texts()[:5]
    for cleaner in (True, False):
        nlp = build(encoder, System("attention"), cleaner=cleaner)
        docs = list(nlp.pipe(Doc(nlp.vocab, words=text.words) for text in texts))
        found = vector_bytes(docs)
        rows = sum(map(len, windows_of(nlp, texts)))
        # One vector of 32 floats per wordpiece, and its id, its row and its lengths.
        assert found == 0 if cleaner else rows * 32 * 4 < found < rows * 32 * 4 * 1.5


def test_guard_loading_draws_no_random_weights(encoder: str) -> None:
    nlp = build(encoder, System("last"))
    shim = nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    content = shim.to_bytes()
    before = torch.random.get_rng_state()
    loaded = type(shim)(HFObjects(None, None, None, {}, {}), False, {}).from_bytes(content)
    assert torch.equal(torch.random.get_rng_state(), before)
    own, other = shim._model.state_dict(), loaded._model.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[key], other[key]) for key in own)


def test_bytes_of_a_view_are_those_of_the_whole_array() -> None:
    nlp = spacy.blank("xx")
    doc = Doc(nlp.vocab, words=["a"])
    whole = numpy.zeros((100,), dtype="float32")
    doc.user_data["x"] = whole[:1]
    doc.user_data["y"] = [whole[5:]]
    assert vector_bytes([doc]) == whole.nbytes


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells")
def test_the_peak_is_that_since_the_last_reset() -> None:
    big = numpy.ones((30_000_000,))
    high = peak()
    assert high >= resident() >= big.nbytes
    del big
    reset_peak()
    assert peak() < high - 200_000_000


# Files


def some(kind: str = "predict", encoder: str = "own", seconds: float = 2.0) -> list[Figure]:
    rows = [("bare forward, packed", 1.0), (STOCK, 4.0), ("ours, attention", seconds)]
    return [
        figure(kind, encoder, "sentences", name, "seconds", [value, value, 9.0], words=100)
        for name, value in rows
    ]


def test_figures_are_written_and_read_back(tmp_path: Path) -> None:
    figures = some()
    write_csv(tmp_path / "a.csv", figures)
    assert read_csv(tmp_path / "a.csv") == figures
    assert read_csv(tmp_path / "none.csv") == []
    (tmp_path / "b.csv").write_text("x,y\n", encoding="utf-8")
    with pytest.raises(ValueError, match="columns.*Fix"):
        read_csv(tmp_path / "b.csv")


def test_a_repeated_measure_replaces_all_of_its_figures() -> None:
    before = [*some("predict"), *some("train"), *some("predict", "base")]
    merged = merge(before, some("predict", seconds=3.0)[:2])
    assert merged == [*some("train"), *some("predict", "base"), *some("predict")[:2]]
    profile = [figure("profile", "own", label, "all", "seconds", [1.0]) for label in ("a", "b")]
    assert merge(profile[:1], profile[1:]) == profile


def test_goals_say_what_was_measured_and_whether_it_is_reached() -> None:
    found = {goal.what: goal for goal in goals.goals(some("predict", "base", seconds=1.25))}
    limit = found["BERT-base, CPU, fp32, every aggregation: of the limit"]
    assert (limit.goal, limit.measured, limit.reached) == ("≥ 0.95", "0.80", False)
    stock = found["the same, times stock"]
    assert (stock.measured, stock.reached) == ("3.20", True)
    rest = [goal for goal in found.values() if goal not in (limit, stock)]
    assert all(goal.reached is None and goal.measured == "not measured" for goal in rest)


def test_growing_memory_is_no_constant_and_no_line() -> None:
    grows = [
        figure("many", "own", str(n), "ours, attention", "bytes", [100.0 + n]) for n in range(1, 11)
    ]
    flat = [
        figure("many", "own", str(n), "ours, attention", "bytes", [100.0]) for n in range(1, 11)
    ]
    square = [
        figure("long", "own", str(n), "ours, attention", "seconds", [n * n]) for n in (10, 100)
    ]
    linear = [figure("long", "own", str(n), "ours, attention", "seconds", [n]) for n in (10, 100)]
    for figures, reached in ((grows, False), (flat, True), (square, False), (linear, True)):
        said = [goal.reached for goal in goals.goals(figures) if goal.reached is not None]
        assert said == [reached]


def test_tables_go_between_the_markers_of_a_page(tmp_path: Path) -> None:
    found = page.sections(
        some(), {"predict, own": "(some machine.)", "predict, base": "(another one.)"}
    )
    path = tmp_path / "page.md"
    marker = "<!-- dlfa:speed-own -->"
    path.write_text(f"# A\n\n{marker}\nold\n{marker}\n\nend\n", encoding="utf-8")
    page.write_page(path, found)
    text = path.read_text(encoding="utf-8")
    assert "old" not in text and text.endswith("end\n")
    assert "(some machine.)" in text and "another" not in text
    assert "| ours, attention | 50 | 11–50 | 0.50 | 2.00 |" in text
    assert "| bare forward, packed (the limit) | 100 |" in text
    path.write_text("# A\n", encoding="utf-8")
    with pytest.raises(ValueError, match="markers.*Fix"):
        page.write_page(path, found)


def test_the_page_of_the_repository_has_a_place_for_every_table() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for known in MEASURES:
        name = "speed-own" if known == "predict" else f"benchmark-{known}"
        assert text.count(f"<!-- dlfa:{name} -->") == 2, name
    assert text.count("<!-- dlfa:speed-base -->") == 2
    assert text.count("<!-- dlfa:benchmark-goals -->") == 2


# The command


def test_longer_documents_are_one_option_away() -> None:
    sizes = resized(PRESETS["full"], 2, 10**6, 10**5)
    assert sizes.wordpieces == (1_000, 10_000, 100_000, 1_000_000)
    assert (sizes.rounds, sizes.docs) == (2, 100_000)
    assert resized(sizes, None, 500, None).wordpieces == (500,)


@pytest.mark.parametrize(
    "options, said",
    [
        (["--measures", "predict,magic"], "there is no magic"),
        (["--preset", "huge"], "there is no huge"),
        (["--shapes", "large"], "there is no large"),
        (["--measures", "predict", "--corpus", "nowhere"], "nowhere"),
        (["--measures", "doc", "--shapes", "own", "--curated-python", "none"], "no such file"),
    ],
)
def test_mistakes_are_said_plainly(
    options: list[str], said: str, tmp_path: Path, encoder: str, corpus: Path
) -> None:
    settings = {"--encoder": encoder, "--corpus": str(corpus), "--languages": "en"}
    given = [x for key, value in settings.items() if key not in options for x in (key, value)]
    command = ["--out", str(tmp_path), "--preset", "smallest", *given, *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split()) and "Traceback" not in result.output


def test_a_failed_process_is_an_error() -> None:
    with pytest.raises(ValueError, match='part "dlfa_spacy.nothing".*No module named.*Fix'):
        run_child("dlfa_spacy.nothing", {})


@pytest.mark.skipif(os.name == "nt", reason="a script of sh stands for Python")
def test_a_python_without_the_library_is_an_error(tmp_path: Path, encoder: str) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(ValueError, match="no such library.*Fix"):
        CuratedProcess(program, encoder, [], 1)


# In a process of its own, where loading spaCy alone takes its time.
IN_CHILDREN = ("memory", "load", "long", "many")


@pytest.mark.slow
def test_the_smallest_run_measures_and_writes(
    settings: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "encoder_folder", lambda shape, encoder, folder: encoder)
    said: list[str] = []
    chosen = [name for name in MEASURES if name not in IN_CHILDREN]
    figures, lines = run_benchmark(settings, tmp_path / "out", chosen, ["own"], said.append)
    assert {f.measure for f in figures} == set(chosen)
    assert set(lines) == {f"{measure}, own" for measure in chosen}
    written = read_csv(tmp_path / "out" / CSV)
    assert [(f.measure, f.texts, f.system, f.quantity) for f in written] == [
        (f.measure, f.texts, f.system, f.quantity) for f in figures
    ]
    assert [f.value for f in written] == pytest.approx([f.value for f in figures], rel=1e-5)
    assert all(f.value > 0 for f in figures if f.quantity == "seconds" and f.measure != "profile")
    found = page.sections(figures, lines)
    assert len(found) == len(chosen) + 1
    assert all("nan" not in table for table in found.values())


@pytest.mark.slow
def test_the_smallest_run_of_the_command(
    tmp_path: Path, encoder: str, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each system is a process that loads spaCy and torch.
    for module in (memory, load):
        monkeypatch.setattr(module, "AGGREGATIONS", ("attention",))
    target = tmp_path / "page.md"
    markers = [f"<!-- dlfa:benchmark-{name} -->" for name in (*IN_CHILDREN, "goals")]
    target.write_text("".join(f"{m}\n{m}\n" for m in markers), encoding="utf-8")
    out = tmp_path / "out"
    command = ["--preset", "smallest", "--shapes", "own", "--out", str(out)]
    command += ["--encoder", encoder, "--corpus", str(corpus), "--languages", "en,de"]
    command += ["--measures", ",".join(IN_CHILDREN), "--page", str(target)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    figures = read_csv(out / CSV)
    assert {f.measure for f in figures} == set(IN_CHILDREN)
    assert [f.texts for f in figures if f.measure == "many" and f.quantity == "bytes"]
    assert "wordpieces in one Doc" in target.read_text(encoding="utf-8")


def test_what_a_profile_counts_is_still_called_so() -> None:
    for own, inside in profile_parts.PARTS.values():
        for end, function in (*own, *inside):
            if end.startswith("spacy_transformers") or function == "<listcomp>":
                continue
            code = (ROOT / "dlfa_spacy" / end).read_text(encoding="utf-8")
            assert f"def {function}(" in code, (end, function)
