"""The examples run, offline, on a tiny trained pipeline, and do what they say."""

import functools
import importlib.util
import io
import itertools
import json
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from pathlib import Path
from types import ModuleType
from wsgiref.simple_server import make_server

import numpy
import pytest
import spacy
import torch
import typer
from places import ROOT
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config

from dlfa_spacy.pairs import join_pair, make_pair
from dlfa_spacy.recipes import make_config

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
TEXTS = ["Anna lives in Berlin", "the Berlin in Anna", "Anna Berlin lives", "in the Berlin"]
TYPES = {"Anna": ("U-PER", "PROPN"), "Berlin": ("U-LOC", "PROPN"), "lives": ("O", "VERB")}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def examples(nlp: Language) -> list[Example]:
    made = []
    for text in TEXTS:
        words = text.split()
        tags = [TYPES.get(word, ("O", "ADP")) for word in words]
        annotations = {
            "words": words,
            "tags": [tag for _, tag in tags],
            "entities": [entity for entity, _ in tags],
        }
        made.append(Example.from_dict(Doc(nlp.vocab, words=words), annotations))
    return made


@pytest.fixture(scope="module")
def model(bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a pipeline like xx_dlfa_ner: entities and parts of speech on one encoder."""
    spacy.util.fix_random_seed(0)
    torch.manual_seed(0)
    config = make_config("ner_pos", "attention", encoder=bert, steps=60, learn_rate=2e-3)
    nlp = load_model_from_config(config, auto_fill=True)
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 2e-3
    for _ in range(60):
        nlp.update(examples(nlp), sgd=optimizer)
    folder = tmp_path_factory.mktemp("pipeline")
    nlp.to_disk(folder)
    found = [(e.text, e.label_) for e in nlp(TEXTS[0]).ents]
    assert found == [("Anna", "PER"), ("Berlin", "LOC")], "the tiny pipeline learned nothing"
    return str(folder)


@pytest.fixture(scope="module")
def classifier(bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny classifier of pairs: whether the first text is about Anna."""
    config = make_config("textcat", "attention", encoder=bert, steps=80, learn_rate=2e-3)
    nlp = load_model_from_config(config, auto_fill=True)
    made = []
    for first, second in itertools.product(["Anna lives", "in Berlin"], ["Anna", "Berlin"]):
        follows = float("Anna" in first)
        cats = {"entailment": follows, "neutral": 1.0 - follows}
        made.append(Example.from_dict(make_pair(nlp, first, second), {"cats": cats}))
    optimizer = nlp.initialize(lambda: made)
    # The schedule of the config begins at 0, and nobody steps it here.
    optimizer.learn_rate = 1e-3
    for _ in range(80):
        # A fresh Doc each time: what the last step left on it would be of no use.
        batch = [Example(nlp.make_doc(x.text), x.reference) for x in made]
        nlp.update(batch, sgd=optimizer)
    folder = tmp_path_factory.mktemp("classifier")
    nlp.to_disk(folder)
    return str(folder)


def test_every_script_is_listed_and_tested() -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {name for name in SCRIPTS if f"[{name}.py]({name}.py)" in readme} == set(SCRIPTS)
    tests = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in SCRIPTS if f'load("{name}")' in tests} == set(SCRIPTS)


@pytest.mark.slow
def test_sourced_ner_finds_the_same_beside_stock_components(model: str) -> None:
    example = load("compose")
    source = spacy.load(model)
    nlp = example.compose(model, example.train_parser())
    assert nlp.pipe_names == ["sentencizer", "parser", "entity_ruler", "ner"]
    for text in TEXTS:
        expected = [(e.text, e.label_) for e in source(text).ents]
        assert expected and [(e.text, e.label_) for e in nlp(text).ents] == expected
    doc = nlp("Anna lives in Berlin. She works for Nordwind Energy.")
    assert [s.text for s in doc.sents] == [
        "Anna lives in Berlin.",
        "She works for Nordwind Energy.",
    ]
    assert ("Nordwind Energy", "ORG") in [(e.text, e.label_) for e in doc.ents]
    assert doc.has_annotation("DEP")
    assert [t.head.text for t in doc if t.text == "She"] == ["works"]


@pytest.mark.slow
def test_composed_pipeline_survives_saving(model: str, tmp_path: Path) -> None:
    example = load("compose")
    nlp = example.compose(model, example.train_parser())
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for text in TEXTS:
        assert loaded(text).to_json() == nlp(text).to_json()


def test_compose_prints_entities_and_arcs(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    load("compose").main(model, text="Anna lives in Berlin.")
    printed = capsys.readouterr().out
    assert "('Berlin', 'LOC')" in printed and "arcs:" in printed


def test_mixed_languages_stream_with_their_language(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load("mixed_languages")
    # More lines than fit into one memory zone, and a line without a language.
    monkeypatch.setattr(example, "ZONE", 2)
    rows = [
        {"text": text, "lang": lang} for text, lang in zip(TEXTS, "en de ru".split(), strict=False)
    ]
    rows += [{"text": "Anna 在北京"}, {"text": "", "lang": "zh"}]
    source, target = tmp_path / "in.jsonl", tmp_path / "out" / "out.jsonl"
    source.write_text(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", encoding="utf-8"
    )
    example.main(source, target, model=model)
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [(x["text"], x["lang"]) for x in lines] == [(r["text"], r.get("lang")) for r in rows]
    nlp = spacy.load(model)
    for line in lines:
        doc = nlp(line["text"])
        assert line["entities"] == [[e.start_char, e.end_char, e.label_] for e in doc.ents]
        assert line["pos"] == [t.pos_ for t in doc]
    assert lines[0]["entities"] == [[0, 4, "PER"], [14, 20, "LOC"]]
    assert [path.name for path in target.parent.iterdir()] == ["out.jsonl"]


def test_mixed_languages_leave_no_half_file(model: str, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out" / "out.jsonl"
    source.write_text('{"text": "Anna", "lang": "en"}\nnot JSON\n', encoding="utf-8")
    with pytest.raises(json.JSONDecodeError):
        load("mixed_languages").main(source, target, model=model)
    assert list(target.parent.glob("*")) == []


def test_mixed_languages_read_without_collecting(model: str) -> None:
    nlp = spacy.load(model)
    read = []

    def endless():  # type: ignore[no-untyped-def]
        number = 0
        while True:
            read.append(number)
            yield "Anna lives", {"lang": "en"}
            number += 1

    docs = load("mixed_languages").annotate(nlp, endless())
    assert next(docs)._.language == "en"
    assert len(read) <= 2 * nlp.batch_size


@pytest.mark.slow
def test_five_components_trained_apart_share_one_encoder(bert: str, tmp_path: Path) -> None:
    example = load("one_encoder")
    corpus = tmp_path / "corpus"
    for part in ("en/train.conllu", "nli/en/train.jsonl"):
        lines = (ROOT / "assets" / "corpus" / part).read_text(encoding="utf-8")
        first = "\n\n".join(lines.split("\n\n")[:12]) + "\n\n"
        if part.endswith(".jsonl"):
            first = "\n".join(lines.splitlines()[:12]) + "\n"
        (corpus / part).parent.mkdir(parents=True, exist_ok=True)
        (corpus / part).write_text(first, encoding="utf-8")
    out = tmp_path / "out"
    example.main(out, corpus=corpus, encoder=bert, epochs=2)
    joined = spacy.load(out / "joined")
    assert joined.pipe_names == ["transformer", *example.RUNS]
    pair = make_pair(joined, TEXTS[0], TEXTS[1])
    docs = list(joined.pipe([*TEXTS, pair]))
    for name in example.RUNS:
        home = spacy.load(out / name)
        for doc, alone in zip(docs, home.pipe([*TEXTS, home.make_doc(pair.text)]), strict=True):
            assert [t.tag_ for t in doc] == [t.tag_ for t in alone] or name != "tagger"
            assert [t.is_sent_start for t in doc] == [t.is_sent_start for t in alone] or (
                name != "senter"
            )
            assert [str(e) for e in doc.ents] == [str(e) for e in alone.ents] or name != "ner"
            for label, score in alone.cats.items():
                assert doc.cats[label] == pytest.approx(score, abs=1e-5)
    # Four runs read texts that were encoded before.
    assert len(list((out / "layers").iterdir())) == 1


def test_layers_print_a_line_a_layer(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = load("layers")
    nlp = spacy.load(model)
    found = example.similarities(nlp, [("Anna", "Anna"), ("Berlin", "Berlin")])
    assert found.shape == (2, 5)
    # The same text in the same order: the first row is that of a text and itself.
    numpy.testing.assert_allclose(found[0], 1.0, atol=1e-5)
    assert (found[1] < 1.0).all()
    example.main(model)
    printed = capsys.readouterr().out
    assert "weight of each layer in ner" in printed and "weight of each layer in tagger" in printed


def test_plain_pytorch_trains_the_layers_that_are_read(
    bert: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load("plain_pytorch").main(bert, layer=-3)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("[2, 4]")
    norms = [[float(x) for x in line.split()[1:]] for line in printed[2:]]
    assert [fusion > 0 for fusion, _ in norms] == [False, False, True, False, True]
    assert all(attention > 0 for _, attention in norms)


@pytest.mark.slow
def test_training_on_ones_own_corpus(
    bert: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("Anna", "PROPN", "B-PER"), ("lives", "VERB", "O"), ("in", "ADP", "O")]
    rows += [("Berlin", "PROPN", "B-LOC")]
    lines = [f"{i}\t{w}\t_\t{p}\t_\t_\t_\t_\t_\tEntity={e}" for i, (w, p, e) in enumerate(rows, 1)]
    for part in ("en/train", "en/dev", "en/test", "de/test"):
        path = tmp_path / "corpus" / f"{part}.conllu"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(("\n".join(lines) + "\n\n") * 3, encoding="utf-8")
    out = tmp_path / "out"
    load("train_own").main(
        tmp_path / "corpus",
        out,
        encoder=bert,
        task="ner_pos",
        aggregation="dlfa",
        source="en",
        steps=4,
        learn_rate=1e-3,
    )
    assert (out / "training" / "model-best").is_dir()
    printed = capsys.readouterr().out
    assert "| de " in printed and "| en " in printed


@pytest.mark.slow
def test_inference_keeps_the_sentences_that_support_a_claim(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = load("filter_by_inference")
    nlp = spacy.load(classifier)
    candidates = ["Anna lives", "in Berlin", "", "two\nlines ␞ here"]
    found = list(example.supporting(nlp, "Anna", candidates))
    assert [text for _, text in found] == [*candidates[:3], "two\nlines \ufffd here"]
    for score, candidate in zip((score for score, _ in found), candidates, strict=True):
        expected = nlp(join_pair(candidate, "Anna")[0]).cats["entailment"]
        assert score == pytest.approx(expected, abs=1e-5)
    assert found[0][0] > 0.5 > found[1][0], "the tiny classifier learned nothing"
    lines = tmp_path / "lines.txt"
    lines.write_text("in Berlin\nAnna lives\n\n", encoding="utf-8")
    example.main("Anna", lines, model=classifier)
    assert [line.split("  ")[1] for line in capsys.readouterr().out.splitlines()] == ["Anna lives"]


def test_mail_is_routed_to_the_desk_of_its_topic_or_to_a_person(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = load("route_mail")
    nlp = spacy.load(classifier)
    mails = [join_pair("Anna lives", "Anna")[0], join_pair("in Berlin", "Anna")[0]]
    assert [desk for desk, _ in example.route(nlp, mails)] == ["entailment", "neutral"]
    assert {desk for desk, _ in example.route(nlp, mails, at_least=1.1)} == {example.UNSURE}
    source = tmp_path / "mail.jsonl"
    rows = [{"text": mail, "lang": "en", "desk": "entailment"} for mail in mails]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    example.main(source, model=classifier, least=1)
    printed = capsys.readouterr().out
    assert "✓" in printed and "✗" in printed and "1 of 2 mails" in printed
    with pytest.raises(typer.Exit) as error:
        example.main(source, model=classifier, least=2)
    assert error.value.exit_code == 1


def test_mail_without_a_known_desk_is_routed_and_not_judged(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "mail.jsonl"
    source.write_text(json.dumps({"text": "Anna [b] lives"}) + "\n", "utf-8")
    load("route_mail").main(source, model=classifier)
    printed = capsys.readouterr().out
    assert "Anna [b] lives" in printed and "reached" not in printed


def test_the_mails_cover_the_desks_and_languages_evenly() -> None:
    lines = load("route_mail").MAILS.read_text(encoding="utf-8").splitlines()
    mails = [json.loads(line) for line in lines]
    assert len(mails) == len({mail["text"] for mail in mails}) == 34
    topics = "science/technology travel politics sports health entertainment geography".split()
    desks = Counter(mail["desk"] for mail in mails)
    assert set(desks) == set(topics) and set(desks.values()) == {4, 5}
    languages = Counter(mail["lang"] for mail in mails)
    assert len(languages) == 14 and set(languages.values()) == {2, 3}


@pytest.mark.skipif(
    not spacy.util.is_package("xx_dlfa_ner"), reason="xx_dlfa_ner is not installed: make run"
)
def test_the_packaged_pipeline_routes_most_mails(capsys: pytest.CaptureFixture[str]) -> None:
    load("route_mail").main()
    assert "of 34 mails" in capsys.readouterr().out


def test_texts_are_routed_to_the_pipelines_of_their_languages(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = load("routing")
    # A twin of lingua, whose wheel is large.
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "util" / "lingua_twin"))
    monkeypatch.delitem(sys.modules, "lingua", raising=False)
    # More texts than wait for each other.
    monkeypatch.setattr(example, "CHUNK", 3)
    german, french, default = (spacy.blank("xx") for _ in range(3))
    for name, nlp in (("german", german), ("french", french), ("default", default)):
        nlp.meta["name"] = name
        nlp.add_pipe("sentencizer")
    texts = ["Das ist ein Haus", "12", "Le jardin", "This is a house", "北京", "Das ist", "", "est"]
    docs = list(
        example.route(
            texts, example.language_finder(), {"de": german, "fr": french, "ar": german}, default
        )
    )
    assert [doc.text for doc in docs] == texts
    languages = ["de", None, "fr", "en", "zh", "de", None, "fr"]
    assert [doc._.language for doc in docs] == languages
    own = {"de": german, "fr": french}
    for doc, language in zip(docs, languages, strict=True):
        assert doc.vocab is own.get(language or "", default).vocab
    lines = tmp_path / "lines.txt"
    lines.write_text("Anna is in Berlin this\n\n12\n", encoding="utf-8")
    example.main(lines, model=model, route_=None, languages="de,en")
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in printed] == ["en", "unknown"]
    # Which label, depends on the libraries that trained it.
    assert "Anna (" in printed[0]


def test_the_service_answers_with_entities_and_categories(model: str, classifier: str) -> None:
    example = load("http_service")
    for name, texts in ((model, TEXTS), (classifier, [join_pair("Anna lives", "Anna")[0]])):
        nlp = spacy.load(name)
        body = json.dumps(texts).encode("utf-8")
        heads: list[tuple[object, ...]] = []
        request = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        respond = functools.partial(_append, heads)
        answer = b"".join(example.application(nlp, request, respond))
        assert heads == [("200 OK", [("Content-Type", "application/json")])]
        for found, text in zip(json.loads(answer), texts, strict=True):
            doc = nlp(text)
            assert found["ents"] == [[e.start_char, e.end_char, e.label_] for e in doc.ents]
            assert found["cats"] == pytest.approx(doc.cats, abs=1e-5)


def _append(heads: list[tuple[object, ...]], *head: object) -> None:
    heads.append(head)


def test_the_service_serves(model: str) -> None:
    """Through a socket of this machine, as curl would."""
    example = load("http_service")
    service = functools.partial(example.application, spacy.load(model))
    with make_server("127.0.0.1", 0, service) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(url, json.dumps(TEXTS[:1]).encode("utf-8"), timeout=60) as got:
            answer = json.load(got)
        thread.join()
    assert answer == [{"ents": [[0, 4, "PER"], [14, 20, "LOC"]], "cats": {}}]


def test_frames_of_spark_are_annotated(model: str) -> None:
    pandas = pytest.importorskip("pandas")
    frames = [pandas.DataFrame({"id": [1, 2], "text": TEXTS[:2]}), pandas.DataFrame({"text": []})]
    first, second = load("spark").annotate(iter(frames), model)
    assert list(first["text"]) == TEXTS[:2] and not len(second)
    assert first["entities"][0] == [
        {"start": 0, "end": 4, "label": "PER"},
        {"start": 14, "end": 20, "label": "LOC"},
    ]


@pytest.mark.slow
def test_spark_annotates_on_this_machine(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark", reason="needs pip install pyspark, and Java")
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    parquet.write_table(pyarrow.table({"text": TEXTS}), tmp_path / "texts.parquet")
    command = ["texts.parquet", "annotated", "--model", model]
    subprocess.run([sys.executable, str(EXAMPLES / "spark.py"), *command], cwd=tmp_path, check=True)
    rows = parquet.read_table(tmp_path / "annotated").to_pylist()
    found = {row["text"]: [entity["label"] for entity in row["entities"]] for row in rows}
    assert set(found) == set(TEXTS) and found[TEXTS[0]] == ["PER", "LOC"]
