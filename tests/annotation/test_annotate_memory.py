"""Memory does not grow with the number of texts."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from annotating import Counts, settings

from dlfa_spacy.annotation import annotate
from dlfa_spacy.annotation.annotator import Annotator
from dlfa_spacy.annotation.lines import cut
from dlfa_spacy.annotation.member import Member
from dlfa_spacy.annotation.output import json_line
from dlfa_spacy.annotation.shards import read, scan
from dlfa_spacy.annotation.sources import find_sources


def corpus(path: Path, n: int) -> Path:
    with path.open("w", encoding="utf-8") as file_:
        file_.writelines(f"Ada {number} was in Rome\n" for number in range(n))
    return path


def test_a_pipeline_that_reads_new_words_for_ever_keeps_none(model: str, tmp_path: Path) -> None:
    given = corpus(tmp_path / "a.txt", 3000)
    options = settings(model, shard_size=500)
    source = find_sources(str(given))[1][0]
    annotator = Annotator.of(options)
    words = []
    for shard in scan(0, source, options)[1]:
        assert len(annotator.annotate(list(read(shard, options)), json_line).rows) == 500
        words.append(len(annotator.nlp.vocab.strings))
    assert len(set(words[1:])) == 1


def test_a_pipeline_is_loaded_again_when_its_vocab_has_grown(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlfa_spacy.annotation.annotator._NEW_LEXEMES", 150)
    given = corpus(tmp_path / "a.txt", 400)
    options = settings(model, shard_size=100, max_length=50)
    source = find_sources(str(given))[1][0]
    annotator = Annotator.of(options)
    pipelines, sizes = [annotator.nlp], []
    for shard in scan(0, source, options)[1]:
        assert len(annotator.annotate(list(read(shard, options)), json_line).rows) == 100
        pipelines.append(annotator.nlp)
        sizes.append(len(annotator.nlp.vocab))
    # 100 new words a shard, and 150 are too many.
    assert [a is b for a, b in zip(pipelines, pipelines[1:], strict=False)] == [True, False] * 2
    assert sizes[1] == sizes[3] < sizes[0]
    assert pipelines[-1].max_length == 50


def test_a_file_is_cut_and_read_without_holding_its_rows(model: str, tmp_path: Path) -> None:
    given = corpus(tmp_path / "a.txt", 100_000)
    source = find_sources(str(given))[1][0]
    options = settings(model)
    tracemalloc.start()
    shards = scan(0, source, options)[1]
    n_rows = sum(1 for shard in shards for _ in read(shard, options))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 100_000 and len(shards) == 100
    assert peak < given.stat().st_size / 4


def test_a_shard_of_long_texts_has_fewer(tmp_path: Path) -> None:
    given = tmp_path / "a.txt"
    given.write_text(("x" * 1_000_000 + "\n") * 40)

    class Seen:
        def update(self, line: bytes) -> None: ...

    pieces = list(cut(find_sources(str(given))[1][0], 1000, Seen()))
    assert [piece.rows for piece in pieces] == [17, 17, 6]
    assert [piece.first for piece in pieces] == [1, 18, 35]


def test_a_process_has_one_shard_at_a_time_and_the_longest_come_first(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "a.txt"
    given.write_text("".join("x" * length + "\n" for length in (3, 900, 40, 7, 200)))
    told = []
    give = Member.give

    def counted(self: Any, attempts: Any) -> None:
        assert self.attempts is None
        told.append(attempts.shard.piece.first)
        give(self, attempts)

    monkeypatch.setattr(Member, "give", counted)
    annotate(str(given), tmp_path / "out", settings(model, shard_size=1), watcher=Counts())
    assert told == [2, 5, 3, 4, 1]
