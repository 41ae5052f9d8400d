"""Every reader of corpora: damaged files give Docs or an error of ours, and write nothing else."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from fuzzing import damaged, fuzz, json_values, own_errors
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from dlfa_spacy.corpora import ReadingOptions, convert_files, plan, read_docs, topics_of_jobs
from dlfa_spacy.parallel.moses import read_moses
from dlfa_spacy.parallel.muse import read_muse
from dlfa_spacy.parallel.pharaoh import parse_links
from dlfa_spacy.parallel.tmx import read_tmx
from dlfa_spacy.parallel.tsv import read_tsv

pytestmark = pytest.mark.slow

CONLLU = (
    "# topic = travel\n1-2\tZum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tZu\t_\tADP\t_\t_\t3\tcase\t_\t_\n"
    "2\tdem\t_\tDET\t_\t_\t3\tdet\t_\t_\n3\tBahnhof\t_\tNOUN\t_\t_\t0\troot\t_\t"
    "Entity=B-LOC|SpaceAfter=No\n3.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n\n1\tJa\t_\tINTJ\t_\t_\t0\t_\t_\t_\n\n"
)
SAMPLES = {
    "conllu": CONLLU,
    "iob2": "de:Rom\tB-LOC\nde:ist\tO\n\nOslo\tI-LOC\n\n# x\n1\tBonn\tB-LOC\t_\t_\n",
    "tsv": "language\tlabel\ttext\nde\tsport\tEin Tor!\nen\tart\tA goal.\n",
    "jsonl": (
        '{"text": "Ein Tor!", "label": "a", "language": "de"}\n{"text": "A", "cats": ["b"]}\n'
        '{"sentence1": "x", "sentence2": "y", "cats": {"a": 1, "b": 0.5}}\n'
    ),
    "xnli": "Ein Tor!\tEin Spiel.\tentailment\nKein Tor.\tEin Tor.\tcontradiction\n",
    "pawsx": "id\tsentence1\tsentence2\tlabel\n1\tEin Tor\tTor\t1\n2\tNS\tTor\t0\n",
}
SUFFIX = {"conllu": ".conllu", "iob2": ".iob2", "jsonl": ".jsonl"}


def convert(path: Path, target: Path, options: ReadingOptions) -> int:
    jobs = plan(path, target)
    topics = topics_of_jobs(jobs, options)
    return sum(
        convert_files(job.inputs, job.output, job.part, options=options, topics=topics).n_docs
        for job in jobs
    )


def check(folder: Path, kind: str, content: bytes, options: ReadingOptions) -> None:
    place = folder / "in" / "de"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"test{SUFFIX.get(kind, '.tsv')}"
    path.write_bytes(content)
    target = folder / "out"
    n_docs = None
    with own_errors(path):
        n_docs = convert(path, target, options)
    written = sorted(file for file in folder.rglob("*") if file.is_file() and file != path)
    assert all(file.is_relative_to(target) and file.suffix == ".spacy" for file in written)
    if n_docs is None:
        # One language may be complete when another one ends in an error.
        assert all(len(list(read_docs(file))) for file in written)
    else:
        assert sum(len(list(read_docs(file))) for file in written) == n_docs
    for file in written:
        file.unlink()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_labelled_text_and_tags(kind: str, tmp_path: Path) -> None:
    samples = [SAMPLES[kind].encode()]

    @fuzz
    @given(damaged(*samples), st.sampled_from(["auto", kind]), st.sampled_from(["", "a,b"]))
    def run(content: bytes, format: str, labels: str) -> None:
        wanted = tuple(labels.split(",")) if labels and kind in ("tsv", "jsonl") else ()
        check(tmp_path, kind, content, ReadingOptions(format=format, labels=wanted, max_length=2))

    run()


def test_multiword_tokens_as_words(tmp_path: Path) -> None:
    @fuzz
    @given(damaged(CONLLU.encode()))
    def run(content: bytes) -> None:
        check(tmp_path, "conllu", content, ReadingOptions(multiword="syntactic"))

    run()


KEYS = ["text", "label", "cats", "language", "sentence1", "sentence2", "premise", "hypothesis"]


def test_objects_of_any_values(tmp_path: Path) -> None:
    @fuzz
    @given(st.lists(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4), max_size=3))
    def run(values: list[dict[str, Any]]) -> None:
        lines = [json.dumps({"text": "a", "label": "b", **value}) for value in values]
        check(tmp_path, "jsonl", "\n".join(lines).encode(), ReadingOptions())

    run()


# DocBins


def sample_bin() -> bytes:
    nlp = spacy.blank("xx")
    docs = []
    for text in ("Anna wohnt hier", "Nein doch"):
        doc = nlp.make_doc(text)
        doc.cats = {"x": 1.0}
        doc.spans["a"] = [doc[0:1]]
        docs.append(doc)
    return zlib.decompress(DocBin(docs=docs, store_user_data=True).to_bytes())


SAMPLE_BIN = sample_bin()
MESSAGE = srsly.msgpack_loads(SAMPLE_BIN)


def read(path: Path) -> None:
    with own_errors(path):
        for doc in read_docs(path):
            assert isinstance(doc, Doc)
            # Whatever comes through can be looked at and written again.
            doc.to_json()
            DocBin(docs=[doc], store_user_data=True).to_bytes()
            for token in doc:
                assert isinstance(token.lemma_ + token.pos_ + token.tag_ + token.dep_, str)
            assert all(isinstance(ent.label_, str) for ent in doc.ents)


def test_docbins_of_damaged_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.spacy"

    @fuzz
    @given(damaged(SAMPLE_BIN), st.booleans())
    def run(content: bytes, packed: bool) -> None:
        path.write_bytes(zlib.compress(content) if packed else content)
        read(path)

    run()


def test_docbins_with_wrong_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.spacy"
    plain = st.integers(-(2**63), 2**64 - 1) | st.text(max_size=3) | st.binary(max_size=9)
    values = st.recursive(
        st.none() | st.booleans() | st.floats() | plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=2),
        max_leaves=4,
    )

    @fuzz
    @given(st.dictionaries(st.sampled_from(sorted(MESSAGE)), values, min_size=1, max_size=2))
    def run(changes: dict[str, Any]) -> None:
        path.write_bytes(zlib.compress(srsly.msgpack_dumps({**MESSAGE, **changes})))
        read(path)

    run()


def test_docbins_with_wrong_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.spacy"
    names = st.sampled_from(["tokens", "lengths", "spaces"])

    @fuzz
    @given(names, st.integers(0, 10_000), st.integers(0, 2**64 - 1) | st.integers(0, 9))
    def run(name: str, place: int, number: int) -> None:
        data = bytearray(MESSAGE[name])
        size = {"tokens": 8, "lengths": 4, "spaces": 1}[name]
        place = place % (len(data) // size) * size
        data[place : place + size] = (number % 256**size).to_bytes(size, "little")
        path.write_bytes(zlib.compress(srsly.msgpack_dumps({**MESSAGE, name: bytes(data)})))
        read(path)

    run()


# Parallel text

UNIT = (
    '<tu><tuv xml:lang="de-DE"><seg>Ja &amp; <ph>x</ph></seg></tuv>'
    '<tuv xml:lang="en"><seg>y</seg></tuv></tu>'
)
TMX = [
    f"<tmx><body>{UNIT}</body></tmx>".encode(),
    f'<?xml version="1.0" encoding="windows-1252"?>\n<tmx>{UNIT * 2}</tmx>'.encode(),
    f'<?xml version="1.0" encoding="utf-16"?>\n<tmx>{UNIT}</tmx>'.encode("utf-16"),
]


def test_translation_memories(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"

    @fuzz
    @given(damaged(*TMX))
    def run(content: bytes) -> None:
        path.write_bytes(content)
        with own_errors(path):
            list(read_tmx(path))

    run()


def test_encodings_of_translation_memories(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    known = st.sampled_from(
        "utf8 utf_7 u16 hex foo idna iso-8859-15 latin1 cp1252 koi8-r zip gb18030 mbcs".split()
    )

    @fuzz
    @given(known | st.text(st.characters(codec="ascii"), max_size=8))
    def run(encoding: str) -> None:
        path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><tmx>{UNIT}</tmx>')
        with own_errors(path):
            list(read_tmx(path))

    run()


def test_lines_of_parallel_text_and_dictionaries(tmp_path: Path) -> None:
    path, other = tmp_path / "de-en.tsv", tmp_path / "de-en.txt"

    @fuzz
    @given(damaged(b"Ein Tor\tA goal\t0-0 1-1\n\na\tb\n"), damaged(b"Tor goal\nja\tyes\n"))
    def run(pairs: bytes, words: bytes) -> None:
        path.write_bytes(pairs)
        other.write_bytes(words)
        with own_errors(path):
            for pair in read_tsv(path):
                sizes = len(pair.source.split()), len(pair.target.split())
                parse_links(pair.links or "", *sizes, *pair.place)
        with own_errors(other):
            read_muse(other)
        with own_errors(path, other):
            list(read_moses(path, other, "de"))

    run()
