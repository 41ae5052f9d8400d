"""Files made to break a reader: an error that names file and line, soon, and nothing is written."""

import os
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from dlfa_spacy.corpora import (
    ReadingOptions,
    convert_files,
    docbin_format,
    plan,
    read_docs,
    set_language,
    topics_of_jobs,
)
from dlfa_spacy.corpora.docbin import count_docs, write_docs
from dlfa_spacy.corpora.multiword import highest_part
from dlfa_spacy.corpora.trees import depths_of, is_tree
from dlfa_spacy.parallel.pharaoh import parse_links
from dlfa_spacy.parallel.tmx import read_tmx


@contextmanager
def at_once(seconds: float = 5.0) -> Iterator[None]:
    """Of the processor's time, so that other processes do not count."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def convert(path: Path) -> int:
    """As the command does it."""
    options = ReadingOptions()
    jobs = plan(path, path.parent / "out.spacy", language="de")
    topics = topics_of_jobs(jobs, options)
    done = [convert_files(j.inputs, j.output, j.part, options=options, topics=topics) for j in jobs]
    return sum(conversion.n_docs for conversion in done)


HUGE = "9" * 5000
DEEP = 100_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"text":"a","label":' + "[" * DEEP, ":1: .*one JSON object"),
        (
            "a.jsonl",
            '{"text":"a","label":"x","m":' + '{"a":' * DEEP + "1" + "}" * DEEP,
            ":1: .*JSON",
        ),
        ("a.jsonl", '{"text":"a","label":' + "[" * 700 + "]" * 700 + "}", ":1: .*a label that is"),
        ("a.jsonl", '{"text":"a","label":"\\ud83d"}', ":1: .*label without unpaired surrogates"),
        ("a.jsonl", '{"text":"a","cats":{"\\ud83d":1}}', ":1: .*label without unpaired surrogates"),
        ("a.jsonl", '{"text":"a","cats":["b","\\udc00"]}', ":1: .*label without unpaired"),
        ("a.jsonl", f'{{"text":"a","label":{HUGE}}}', ":1: .*one JSON object"),
        ("a.conllu", f"{HUGE}\tw" + "\t_" * 8, ":1: .*an ID such as 3"),
        ("a.conllu", f"1-{HUGE}\tw" + "\t_" * 8, ":1: .*an ID such as 3"),
    ],
)
def test_a_malformed_line_is_named_at_once(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text + "\n", encoding="utf-8")
    with at_once(), pytest.raises(ValueError, match=rf"{name}{message}") as error:
        convert(path)
    assert len(str(error.value)) < 1000
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_numbers_too_long_to_read_are_names_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text":"a","label":"{HUGE}"}}\n{{"text":"b","label":"2"}}\n')
    assert [set(doc.cats) for doc in read_docs(path)] == [{HUGE, "2"}] * 2
    path = tmp_path / "a.conllu"
    path.write_text("".join(f"1\tw\t_\tX\t_\t_\t{head}\t_\t_\t_\n\n" for head in (HUGE, "²", "٣")))
    assert len(list(read_docs(path))) == 3
    with pytest.raises(ValueError, match=r"de-en\.tsv:3: .*expected i-j"):
        parse_links(f"{HUGE}-0", 1, 1, "de-en.tsv", 3)


def conllu(n_words: int, ranges: Callable[[int], str]) -> str:
    rows = (f"{ranges(i)}{i}\tw\t_\tNOUN\t_\t_\t{i - 1}\t_\t_\t_\n" for i in range(1, n_words + 1))
    return "".join(rows) + "\n"


@pytest.mark.parametrize("every", [50_000, 2])
def test_the_part_of_speech_of_a_long_range_takes_linear_time(tmp_path: Path, every: int) -> None:
    def ranges(i: int) -> str:
        return f"{i}-{i + every - 1}\tw" + "\t_" * 8 + "\n" if i % every == 1 else ""

    path = tmp_path / "a.conllu"
    path.write_text(conllu(50_000, ranges), encoding="utf-8")
    with at_once():
        assert [len(doc) for doc in read_docs(path)] == [50_000 // every]


def hanging_on_one(heads: list[int]) -> set[int]:
    """RETURNS (Set[int]): What is below the root; nothing if there is not one root."""
    found = {i for i, head in enumerate(heads) if i == head}
    for _ in heads:
        found |= {i for i, head in enumerate(heads) if head in found}
    return found if sum(i == head for i, head in enumerate(heads)) == 1 else set()


def test_depths_are_those_of_a_walk_to_the_root() -> None:
    rng = random.Random(0)
    for size in (1, 2, 3, 5, 9, 30):
        for _ in range(200):
            heads = {i: rng.randint(0, size + 1) for i in range(1, size + 1) if rng.random() < 0.9}
            for node, depth in depths_of(heads).items():
                seen: set[int] = set()
                while node in heads and node not in seen:
                    seen.add(node)
                    node = heads[node]
                assert depth == len(seen)
            assert set(depths_of(heads)) == set(heads)
            tree = [heads.get(i + 1, 0) - 1 for i in range(size)]
            tree = [i if not 0 <= head < size else head for i, head in enumerate(tree)]
            assert is_tree(tree) == (hanging_on_one(tree) == set(range(size)))
    assert highest_part([1, 2], ["ADP", "DET"], depths_of({1: 2, 2: 1}), "de") == 0


def test_a_topic_line_of_blanks_takes_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(f"# topic = a{' ' * 200_000}b\n" + conllu(1, lambda _: ""), encoding="utf-8")
    with at_once():
        (doc,) = read_docs(path)
    assert len(doc.cats) == 1


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "conllu"])
def test_free_text_in_the_place_of_labels_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    lines = {
        "jsonl": '{{"text":"w","label":"t{}"}}\n',
        "conllu": "# topic = t{}\n1\tw\t_\tX\t_\t_\t0\t_\t_\t_\n\n",
    }
    path.write_text("".join(map(lines[suffix].format, range(3000))), encoding="utf-8")
    line = 3000 if suffix == "jsonl" else 3 * 2999 + 1
    with at_once(), pytest.raises(ValueError, match=rf"a\.{suffix}:{line}: found '3,000 different"):
        convert(path)
    # Few texts of few labels are no free text, and many texts of many labels neither.
    path.write_text("".join(map(lines[suffix].format, range(900))), encoding="utf-8")
    assert convert(path) == 900
    path.write_text("".join(lines[suffix].format(i % 1100) for i in range(2200)), encoding="utf-8")
    with at_once(20.0):
        assert convert(path) == 2200


# Parallel text

UNIT = '<tu><tuv xml:lang="{}"><seg>a</seg></tuv><tuv xml:lang="en"><seg>b</seg></tuv></tu>'


@pytest.mark.parametrize(
    "encoding", ["foo", "hex", "utf-7", "idna", "undefined", "punycode", "zip", "big5", "cp037"]
)
def test_a_strange_encoding_of_tmx_is_named_with_its_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.tmx"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><tmx>{UNIT}</tmx>')
    with pytest.raises(ValueError, match=rf"a\.tmx:1: found the encoding '{encoding}'"):
        list(read_tmx(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "koi8-r"])
def test_ordinary_encodings_of_tmx_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.tmx"
    text = f'<?xml version="1.0" encoding="{encoding}"?><tmx>{UNIT.format("de-DE")}</tmx>'
    path.write_bytes(text.encode(encoding))
    assert [(pair.language, pair.source) for pair in read_tmx(path)] == [("de", "a")]


def test_what_stands_in_the_place_of_a_language_of_tmx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_text(f"<tmx>\n{UNIT.format('../../evil')}</tmx>")
    with pytest.raises(ValueError, match=r"a\.tmx:2: found xml:lang='\.\./\.\./evil'"):
        list(read_tmx(path))


def test_a_tag_without_end_is_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_bytes(b"<tmx>\n<" + b"a" * 50_000_000)
    with at_once(), pytest.raises(ValueError, match=r"a\.tmx:2: found a tag or comment of more"):
        list(read_tmx(path))


# What is not a file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", ["a.conllu", "a.iob2", "a.jsonl", "a.tsv", "a.spacy", "a.tmx"])
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(ValueError, match=rf"{name}: found no ordinary file"):
        list(read_tmx(path) if name == "a.tmx" else read_docs(path))
    path.unlink()
    path.mkdir()
    if name != "a.spacy":
        with pytest.raises(ValueError, match=rf"{name}: found no ordinary file"):
            list(read_tmx(path) if name == "a.tmx" else read_docs(path))


# DocBins


def docbin(path: Path, **changes: Any) -> Path:
    nlp = spacy.blank("xx")
    docs = []
    for text in ("Anna wohnt hier", "Nein doch"):
        doc = nlp.make_doc(text)
        doc.cats = {"x": 1.0}
        docs.append(doc)
    message = srsly.msgpack_loads(zlib.decompress(DocBin(docs=docs).to_bytes()))
    message["user_data"] = [None, srsly.msgpack_dumps({})]
    message.update(changes)
    message = {key: value for key, value in message.items() if value is not ...}
    path.write_bytes(zlib.compress(srsly.msgpack_dumps(message)))
    return path


def lengths(*numbers: int) -> bytes:
    return numpy.asarray(numbers, dtype="int32").tobytes()


def test_a_docbin_of_spacy_is_read_as_spacy_reads_it(tmp_path: Path) -> None:
    path = docbin(tmp_path / "a.spacy")
    stock = DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab)
    assert [doc.to_json() for doc in read_docs(path)] == [doc.to_json() for doc in stock]
    assert count_docs(path) == 2
    # Files of before there were flags, spans and user data.
    path = docbin(tmp_path / "b.spacy", flags=..., span_groups=..., user_data=..., version=...)
    assert [doc.text for doc in read_docs(path)] == ["Anna wohnt hier", "Nein doch"]


@pytest.mark.parametrize(
    "changes",
    [
        {"lengths": lengths(3, 9)},
        {"lengths": lengths(3)},
        {"lengths": lengths(-1, 6)},
        {"lengths": lengths(2**31 - 1, 2**31 - 1)},
        {"lengths": b"abc"},
        {"tokens": b"abc"},
        {"tokens": ...},
        {"tokens": 7},
        {"tokens": numpy.full(5 * 13, 77777, dtype="uint64").tobytes()},
        {"spaces": b"\1"},
        {"spaces": b"abcde"},
        {"attrs": []},
        {"attrs": [10**9] * 13},
        {"attrs": ["a"]},
        {"strings": []},
        {"strings": [1, 2]},
        {"strings": ...},
        {"cats": []},
        {"cats": [5, 5]},
        {"cats": [{"a": float("nan")}] * 2},
        {"flags": []},
        {"flags": [1, 1]},
        {"user_data": [None]},
        {"user_data": [b"\xc1", None]},
        {"user_data": [srsly.msgpack_dumps([1]), None]},
        {"user_data": 5},
        {"span_groups": [b"zz", b"zz"]},
    ],
    ids=lambda changes: "-".join(f"{key}={str(value)[:12]}" for key, value in changes.items()),
)
def test_a_docbin_whose_parts_do_not_fit_is_an_error_with_its_name(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = docbin(tmp_path / "a.spacy", **changes)
    with pytest.raises(ValueError, match=r"a\.spacy: found a file that is not a readable DocBin"):
        list(read_docs(path))


def test_a_docbin_cut_off_or_continued_is_refused(tmp_path: Path) -> None:
    path = docbin(tmp_path / "a.spacy")
    whole = path.read_bytes()
    for data in (whole[:-1], whole[: len(whole) // 2], whole + b"x", b""):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="not a readable DocBin"):
            list(read_docs(path))


@pytest.mark.slow
def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    # The beginning of a DocBin: one array of a billion bytes. Full flushes make blocks repeatable.
    begin = packer.compress(b"\x81\xa6tokens\xc6" + (10**9).to_bytes(4, "big"))
    begin += packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(10**6)) + packer.flush(zlib.Z_FULL_FLUSH)
    path = tmp_path / "a.spacy"
    path.write_bytes(begin + 1000 * block)
    assert path.stat().st_size < 2_000_000
    with at_once(), pytest.raises(ValueError, match=r"a\.spacy: .*packed in"):
        list(read_docs(path))


def test_the_same_text_again_and_again_is_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docbin_format, "_FREE_BYTES", 0)
    doc = Doc(spacy.blank("xx").vocab, words=["a"])
    set_language(doc, "de")
    write_docs((doc for _ in range(20_000)), tmp_path / "a.spacy")
    assert count_docs(tmp_path / "a.spacy") == 20_000
