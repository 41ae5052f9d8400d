"""Pairs of texts from XNLI, PAWS-X, XTREME and JSONL to Docs; and the corpus that streams them."""

import json
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.util import registry
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import (
    Part,
    ReadingOptions,
    convert_files,
    plan,
    read_docs,
    read_labelled_text,
    write_docs,
)
from dlfa_spacy.pairs import REPLACEMENT, SEPARATOR, split_text

run = CliRunner().invoke

NLI = ["contradiction", "entailment", "neutral"]
XNLI_HEADER = (
    "language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
    "sentence2_parse\tsentence1\tsentence2\tpromptID\tpairID\tgenre\tlabel1\tmatch\n"
)
MNLI_HEADER = "premise\thypo\tlabel\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))


def pairs(docs: list[Doc]) -> list[tuple[str, str]]:
    found = [split_text(doc.text) for doc in docs]
    return [pair for pair in found if pair is not None]


def held(doc: Doc) -> list[str]:
    return [label for label, value in doc.cats.items() if value == 1.0]


def xnli_row(language: str, label: str, first: str, second: str) -> str:
    return f"{language}\t{label}\t\t\t\t\t{first}\t{second}\t1\t1\tgov\t{label}\tTrue\n"


# Formats


def test_the_official_file_of_xnli_becomes_one_output_a_language(tmp_path):
    rows = [
        xnli_row("de", "neutral", "Ein Hund.", 'Er sagt "ja".'),
        xnli_row("en", "contradictory", "A dog.", "A cat."),
        xnli_row("de", "entailment", "Ein Hund.", "Ein Tier."),
    ]
    write(tmp_path / "XNLI-1.0/xnli.test.tsv", XNLI_HEADER + "".join(rows))
    write(tmp_path / "XNLI-1.0/xnli.dev.tsv", XNLI_HEADER + rows[0])
    write(
        tmp_path / "XNLI-1.0/multinli.train.en.tsv", "premise\thypo\tlabel\nA\tB\tcontradictory\n"
    )
    out = tmp_path / "out"
    result = run(app, ["convert", str(tmp_path / "XNLI-1.0"), str(out)])
    assert result.exit_code == 0, result.output
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.spacy")) == [
        "de/dev.spacy",
        "de/test.spacy",
        "en/test.spacy",
        "en/train.spacy",
    ]
    german = load(out / "de/test.spacy")
    assert pairs(german) == [("Ein Hund.", 'Er sagt "ja".'), ("Ein Hund.", "Ein Tier.")]
    assert [held(doc) for doc in german] == [["neutral"], ["entailment"]]
    assert {doc._.language for doc in german} == {"de"}
    for path in out.rglob("*.spacy"):
        assert all(list(doc.cats) == NLI for doc in load(path))
    assert held(load(out / "en/train.spacy")[0]) == ["contradiction"]


def test_one_language_of_a_file_with_many_can_be_asked_for(tmp_path):
    rows = xnli_row("de", "neutral", "a", "b") + xnli_row("en", "neutral", "c", "d")
    source = write(tmp_path / "xnli.test.tsv", XNLI_HEADER + rows)
    assert {job.part for job in plan(source, tmp_path)} == {Part("de", "test"), Part("en", "test")}
    (job,) = plan(source, tmp_path, language="en")
    convert_files(job.inputs, job.output, job.part)
    assert pairs(load(job.output)) == [("c", "d")]
    with pytest.raises(ValueError, match="found 'de, en', expected texts of the language 'fr'"):
        list(read_docs(source, language="fr"))
    with pytest.raises(ValueError, match="found a file name, expected a folder"):
        plan(source, tmp_path / "out.spacy")


def test_xtremes_files_have_no_header_and_the_quotes_of_python_csv(tmp_path):
    # What csv.writer(delimiter="\t") makes of: He said "no".
    quoted = '"He said ""no""."\tNo.\tneutral\r\n'
    write(tmp_path / "in/train-en.tsv", quoted + '"Whole"\t""\tentailment\r\n')
    write(tmp_path / "in/de/test.tsv", "Hund\tTier\tentailment\n")
    jobs = plan(tmp_path / "in", tmp_path / "out")
    assert [job.part for job in jobs] == [Part("de", "test"), Part("en", "train")]
    docs = list(read_docs(jobs[1].inputs[0]))
    assert pairs(docs) == [('He said "no".', "No."), ('"Whole"', '""')]
    assert [list(doc.cats) for doc in docs] == [NLI, NLI]


def test_pawsx_gets_readable_labels_and_loses_untranslated_pairs(tmp_path):
    header = "id\tsentence1\tsentence2\tlabel\n"
    source = write(
        tmp_path / "x-final/de/test_2k.tsv",
        header + "1\tA b\tB a\t1\n2\tNS\tC d\t0\n3\tE f\tG h\t0\n",
    )
    xtreme = write(tmp_path / "flat/test-de.tsv", "A b\tB a\t1\nE f\tG h\t0\nNS\tNS\t0\n")
    (job,) = plan(tmp_path / "x-final", tmp_path / "out")
    assert job.part == Part("de", "test")
    for path in (source, xtreme):
        conversion = convert_files([path], tmp_path / "out.spacy", job.part)
        assert conversion.notes.changes() == {"untranslated_pairs": 1}
        assert conversion.n_labels == {"not_paraphrase": 1, "paraphrase": 1}
        docs = load(tmp_path / "out.spacy")
        assert [held(doc) for doc in docs] == [["paraphrase"], ["not_paraphrase"]]


@pytest.mark.parametrize("keys", [("premise", "hypothesis"), ("sentence1", "sentence2")])
def test_jsonl_takes_either_names_of_the_texts(tmp_path, keys):
    rows = [
        json.dumps({keys[0]: "a", keys[1]: "b", "label": label}) for label in ("yes", "no", "yes")
    ]
    path = write(tmp_path / "de/test.jsonl", "\n".join(rows))
    docs = list(read_docs(path))
    assert pairs(docs) == [("a", "b")] * 3
    assert [doc.cats for doc in docs][:2] == [{"no": 0.0, "yes": 1.0}, {"no": 1.0, "yes": 0.0}]


def test_pairs_without_a_gold_label_are_left_out_and_counted(tmp_path):
    path = write(
        tmp_path / "en/dev.jsonl",
        '{"gold_label": "-", "sentence1": "a", "sentence2": "b"}\n'
        '{"gold_label": "neutral", "sentence1": "c", "sentence2": "d"}\n',
    )
    conversion = convert_files([path], tmp_path / "out.spacy", Part("en", "dev"))
    assert conversion.n_docs == 1 and conversion.notes.changes() == {"undecided_texts": 1}


def test_empty_texts_and_separators_are_counted_and_shown(tmp_path):
    rows = [("", "b"), ("a", " "), ("", ""), (f"x{SEPARATOR}y", f"{SEPARATOR}{SEPARATOR}")]
    lines = [json.dumps({"premise": a, "hypothesis": b, "label": "neutral"}) for a, b in rows]
    path = write(tmp_path / "in/de/test.jsonl", "\n".join(lines))
    result = run(app, ["convert", str(path), str(tmp_path / "out.spacy")])
    assert result.exit_code == 0, result.output
    assert "2 pairs kept, one of their texts empty" in result.output
    assert "1 pairs kept, both of their texts empty" in result.output
    assert "3 separators of pairs (U+241E) inside a text replaced by U+FFFD" in result.output
    docs = load(tmp_path / "out.spacy")
    assert pairs(docs)[:3] == rows[:3]
    assert pairs(docs)[3] == (f"x{REPLACEMENT}y", REPLACEMENT * 2)
    assert [token.text for token in docs[0]] == [SEPARATOR, "b"]


# Errors

XTREME_ROW = "a\tb\tneutral\n"


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.tsv", XTREME_ROW + "a\tb\tmaybe\n", r"a\.tsv:2: found 'maybe', expected one of"),
        ("a.tsv", XTREME_ROW + "a\tb\tc\tneutral\n", r"a\.tsv:2: .*3 columns .* not 4\. Fix"),
        ("a.tsv", "One text.\tAnother text.\n", r"a\.tsv:1: .*XTREME withholds the labels"),
        ("a.tsv", XTREME_ROW + "a\tb\n", r"a\.tsv:2: .*XTREME withholds the labels"),
        ("a.tsv", XTREME_ROW + "a\tb\t\n", r"a\.tsv:2: found '', expected a text and a label"),
        ("a.tsv", XTREME_ROW * 25, r"a\.tsv:1: found 'neutral', .* all 25 texts.*withheld.*Fix"),
        ("a.tsv", "a\tb\t0\n" * 25, r"a\.tsv:1: found 'not_paraphrase', expected several"),
        ("a.tsv", XNLI_HEADER + "de\tneutral\n", r"a\.tsv:2: .*13 columns .* not 2\. Fix"),
        ("a.tsv", "", r"a\.tsv:1: found an empty file.*Fix"),
        ("a.tsv", "id\tsentence1\tsentence2\tlabel\n", r"a\.tsv:1: found 'no texts'.*Fix"),
        ("a.jsonl", "\n\n", r"a\.jsonl:1: found an empty file.*Fix"),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text": "a", "la', r"a\.jsonl:2: .*cut off"),
        ("a.jsonl", '["a", "b"]\n', r"a\.jsonl:1: .*expected a JSON object"),
        ("a.jsonl", '{"premise": "a", "label": 1}\n', r"a\.jsonl:1: .*both texts of a pair"),
        ("a.jsonl", '{"sentence1": "a", "sentence2": null, "label": 1}\n', ":1: found None.*Fix"),
        ("a.jsonl", '{"sentence1": "a", "sentence2": "b"}\n', ":1: .*label under one key"),
        ("a.jsonl", '{"text": "a", "label": null}\n', ":1: found None, expected a text and"),
        ("a.jsonl", '{"text": "a", "label": 1.0}\n', ":1: found 1.0, expected a label"),
        ("a.jsonl", '{"text": "a", "label": -1}\n', ":1: found '-1', expected a label; -1 says"),
        ("a.jsonl", '{"text": "\\ud83d", "label": 1}\n', ":1: .*unpaired surrogates.*Fix"),
        ("a.jsonl", '{"text": " ", "label": 1}\n', ":1: found ' ', expected a text and a label"),
    ],
)
def test_what_is_malformed_is_named_and_nothing_is_written(tmp_path, name, text, message):
    write(tmp_path / "in/de" / name, text)
    write(tmp_path / "in/ar/a.jsonl", '{"text": "fine", "label": "neutral"}\n')
    older = write(tmp_path / "out/de/a.spacy", "older")
    result = run(app, ["convert", str(tmp_path / "in"), str(tmp_path / "out")])
    assert result.exit_code == 1 and "Traceback" not in result.output
    error = " ".join(result.output.split())
    with pytest.raises(ValueError, match=message):
        raise ValueError(error)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [older]
    assert older.read_text(encoding="utf-8") == "older"


def test_bytes_that_are_no_utf8_are_named_with_their_line(tmp_path):
    path = tmp_path / "de" / "a.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'{"text": "a", "label": "b"}\n{"text": "\xff", "label": "b"}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:2: found b'\\xff.*expected UTF-8"):
        list(read_docs(path))


# Any texts

ANY_TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from(f"{SEPARATOR} \n\t"), max_size=9)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(
        st.tuples(
            st.text(
                st.characters(codec="utf-8") | st.sampled_from(f"{SEPARATOR} \n\t"), max_size=9
            ),
            st.text(
                st.characters(codec="utf-8") | st.sampled_from(f"{SEPARATOR} \n\t"), max_size=9
            ),
            st.sampled_from(NLI),
        ),
        min_size=1,
        max_size=5,
    ),
    ascii_only=st.booleans(),
    tokenizer=st.sampled_from(["spacy.Tokenizer.v1", "dlfa_spacy.MultilingualTokenizer.v1"]),
)
def test_any_two_texts_come_back_from_the_file_the_docbin_and_the_corpus(
    tmp_path, texts, ascii_only, tokenizer
):
    path = tmp_path / "de.jsonl"
    with path.open("w", encoding="utf-8", newline="\n") as file_:
        for first, second, label in texts:
            record = {"premise": first, "hypothesis": second, "label": label}
            file_.write(json.dumps(record, ensure_ascii=ascii_only) + "\n")
    output = tmp_path / "de.spacy"
    convert_files([path], output, Part("de", "test"), topics=NLI)
    nlp = spacy.blank("xx", config={"nlp": {"tokenizer": {"@tokenizers": tokenizer}}})
    wanted = [
        (first.replace(SEPARATOR, REPLACEMENT), second.replace(SEPARATOR, REPLACEMENT), label)
        for first, second, label in texts
    ]
    for corpus in (
        Corpus(output),
        streaming(path=output),
        streaming(path=path, labels=NLI),
    ):
        examples = list(corpus(nlp))
        for docs in ([eg.predicted for eg in examples], [eg.reference for eg in examples]):
            assert pairs(docs) == [(first, second) for first, second, _ in wanted]
        assert [held(eg.reference) for eg in examples] == [[label] for _, _, label in wanted]
        assert all(list(eg.reference.cats) == NLI for eg in examples)


# Many of them


def test_more_docs_than_a_file_takes_make_a_folder_that_spacy_reads_like_a_file(tmp_path):
    path = write(tmp_path / "a.tsv", "".join(f"w{i}\tv{i}\t{i % 2}\n" for i in range(25)))
    output, part = tmp_path / "train.spacy", Part("en", "train")
    convert_files([path], output, part)
    assert output.is_file()
    convert_files([path], output, part, shard_size=10)
    names = ["00000.spacy", "00001.spacy", "00002.spacy"]
    assert sorted(file.name for file in output.iterdir()) == names
    nlp = spacy.blank("xx")
    texts = [eg.text for eg in Corpus(output)(nlp)]
    assert texts == [doc.text for doc in read_docs(output)] == [f"w{i} ␞ v{i}" for i in range(25)]
    # A malformed input leaves the folder as it was, a small one takes its place.
    bad = write(tmp_path / "b.tsv", path.read_text(encoding="utf-8") + "a\tb\t7\n")
    with pytest.raises(ValueError, match=r"b\.tsv:26: found '7'"):
        convert_files([bad], output, part, shard_size=10, topics=["not_paraphrase", "paraphrase"])
    assert sorted(file.name for file in output.iterdir()) == names
    convert_files([path], output, part)
    assert output.is_file() and sorted(tmp_path.iterdir()) == [path, bad, output]


def test_the_language_and_other_user_data_survive_the_docbin(tmp_path):
    nlp = spacy.blank("xx")
    docs = [nlp.make_doc(text) for text in "abcd"]
    for doc, language in zip(docs, ["de", "de", None, "fr"], strict=True):
        if language:
            doc.user_data[("._.", "language", None, None)] = language
    docs[1].user_data["more"] = [1]
    write_docs(docs, tmp_path / "a.spacy")
    for loaded in (load(tmp_path / "a.spacy"), list(read_docs(tmp_path / "a.spacy"))):
        assert [doc._.language for doc in loaded] == ["de", "de", None, "fr"]
        assert loaded[1].user_data["more"] and "more" not in loaded[0].user_data


def streaming(**settings):
    return registry.resolve({"corpus": {"@readers": "dlfa_spacy.StreamingCorpus.v1", **settings}})[
        "corpus"
    ]


def numbered(path: Path, n: int) -> Path:
    # Few different words: a vocab grows with every new one, whoever reads.
    rows = (f"w{i % 50} and more words\tv{i // 50}\t{i % 2}\n" for i in range(n))
    return write(path, "".join(rows))


def test_the_streaming_corpus_shuffles_every_pass_in_its_own_repeatable_way(tmp_path):
    path = numbered(tmp_path / "en.tsv", 300)
    nlp = spacy.blank("xx")

    def passes(**settings: object) -> list[list[str]]:
        corpus = streaming(path=path, **settings)
        return [[eg.text for eg in corpus(nlp)] for _ in range(2)]

    plain = passes()
    assert plain[0] == plain[1] == [doc.text for doc in read_docs(path)]
    first, second = passes(shuffle_buffer=50, seed=1)
    assert sorted(first) == sorted(second) == sorted(plain[0])
    assert len({tuple(plain[0]), tuple(first), tuple(second)}) == 3
    assert passes(shuffle_buffer=50, seed=1) == [first, second]
    assert passes(shuffle_buffer=50, seed=2) != [first, second]
    # No text comes earlier than the buffer allows.
    assert all(place >= plain[0].index(text) - 50 for place, text in enumerate(first))


def test_a_limit_reads_the_same_texts_on_every_pass(tmp_path):
    numbered(tmp_path / "in/a.tsv", 40)
    numbered(tmp_path / "in/b.tsv", 40)
    corpus = streaming(path=tmp_path / "in", limit=50, shuffle_buffer=8)
    nlp = spacy.blank("xx")
    first, second = ([eg.text for eg in corpus(nlp)] for _ in range(2))
    assert len(first) == 50 and sorted(first) == sorted(second) and first != second


def test_texts_over_the_length_are_left_out_and_reported(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    path = write(tmp_path / "en.tsv", "a\tb\t1\n" + "a b c d\te f g h\t0\n")
    spacy.util.logger.addHandler(caplog.handler)
    try:
        examples = list(streaming(path=path, max_length=8)(spacy.blank("xx")))
    finally:
        spacy.util.logger.removeHandler(caplog.handler)
    assert [eg.text for eg in examples] == ["a ␞ b"]
    assert "1 of 2 texts have more than max_length = 8 tokens" in caplog.text
    with pytest.raises(ValueError, match="found no text to train on .2 longer than"):
        list(streaming(path=path, max_length=1)(spacy.blank("xx")))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"path": None}, r"path: found none"),
        ({"path": "x", "limit": -1}, "limit: found -1, expected 0 or more"),
        ({"path": "x", "format": "xml"}, 'format = "xml": expected one of auto, conllu'),
        ({"path": "x", "labels": ["a", "a"]}, "labels: found .*expected different names"),
    ],
)
def test_the_streaming_corpus_names_a_wrong_argument(settings, message):
    with pytest.raises(ValueError, match=message):
        streaming(**settings)


def test_a_folder_of_sources_and_converted_files_is_refused(tmp_path):
    path = numbered(tmp_path / "in/a.tsv", 4)
    convert_files([path], tmp_path / "in/a.spacy", Part("en", "a"))
    with pytest.raises(ValueError, match="every text would be read twice"):
        list(streaming(path=tmp_path / "in")(spacy.blank("xx")))
    with pytest.raises(ValueError, match="found no corpus at"):
        list(streaming(path=tmp_path / "nothing")(spacy.blank("xx")))


def test_spacy_trains_on_the_stream_and_finds_all_labels(tmp_path):
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import create_train_batches
    from thinc.api import Config

    # Three labels, the last one only after the hundred examples that spaCy initializes with.
    rows = ["a\tb\tneutral\n", "c\td\tentailment\n"] * 60 + ["e\tf\tcontradiction\n"]
    path = write(tmp_path / "train.tsv", "".join(rows))
    nlp = spacy.blank("xx")
    nlp.add_pipe("textcat")
    config = Config(nlp.config).copy()
    config["corpora"] = {
        name: {
            "@readers": "dlfa_spacy.StreamingCorpus.v1",
            "path": str(path),
            "shuffle_buffer": 8,
        }
        for name in ("train", "dev")
    }
    config["training"]["max_epochs"] = -1
    trained = init_nlp(config)
    assert list(trained.get_pipe("textcat").labels) == NLI
    corpus = streaming(path=str(path))
    batches = create_train_batches(trained, corpus, lambda items: [list(items)], -1)
    sizes = [(len(batch), epoch) for (epoch, batch), _ in zip(batches, range(3), strict=False)]
    assert sizes == [(121, 0), (121, 1), (121, 2)]
    losses = trained.update(list(corpus(trained))[:8], sgd=trained.create_optimizer())
    assert losses["textcat"] > 0


def peak(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    small, large = numbered(tmp_path / "small.tsv", 400), numbered(tmp_path / "large.tsv", 3000)
    nlp = spacy.blank("xx")
    list(streaming(path=large)(nlp))

    def stream(path: Path) -> None:
        for _ in streaming(path=path, shuffle_buffer=100)(nlp):
            pass

    def convert(path: Path) -> None:
        convert_files([path], tmp_path / "out.spacy", Part("en", "train"), shard_size=200)

    for work in (stream, convert):
        work(small)
        assert peak(lambda w=work: w(large)) < 1.5 * peak(lambda w=work: w(small)), work


# Real data


def test_all_of_xnli_and_pawsx_convert(data_folder, tmp_path):
    with tarfile.open(data_folder / "nli.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    expected = {"dev": 2490, "test": 5010, "train": 62364}
    languages = set()
    for job in plan(tmp_path / "nli", tmp_path / "out"):
        # Reading checks every line; tokenizing all 160,000 pairs would take minutes.
        counts: Counter[str] = Counter()
        for item in read_labelled_text(job.inputs[0], format="xnli", labels=NLI):
            counts.update(item.cats)
            assert item.second is not None
        assert sum(counts.values()) == expected[job.part.split], job.part
        assert job.part.split == "train" or len(set(counts.values())) == 1
        languages.add(job.part.language)
    assert languages == set("ar bg de el en es fr hi ru sw th ur zh".split())
    options = ReadingOptions(format="pawsx")
    for language, n_test in {"de": 1968, "ja": 1943, "zh": 1975}.items():
        source = data_folder / "paraphrase" / language / "test.jsonl"
        output = tmp_path / f"{language}.spacy"
        conversion = convert_files([source], output, Part(language, "test"), options=options)
        assert conversion.n_docs == n_test
        assert list(conversion.n_labels) == ["not_paraphrase", "paraphrase"]
        assert all(pair is not None for pair in map(split_text, (d.text for d in load(output))))
