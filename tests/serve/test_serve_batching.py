"""Texts that arrive together are annotated together."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from dlfa_spacy.serve.batching import Batcher, Busy, Job, PipelineFailed
from dlfa_spacy.serve.settings import ServeSettings


class Pipeline:
    """Remembers its batches. A first one waits, so that others can arrive meanwhile."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.began, self.goes_on = threading.Event(), threading.Event()

    def __call__(self, jobs: Sequence[Job]) -> list[str]:
        texts = [job.text for job in jobs]
        self.batches.append(texts)
        self.began.set()
        assert self.goes_on.wait(60)
        if "FAIL" in texts:
            raise RuntimeError("what the text says")
        return [text.upper() for text in texts]


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def batcher(pipeline: Pipeline) -> Iterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def make(**settings: object) -> Batcher:
        made.append(Batcher(pipeline, ServeSettings(**settings)))  # type: ignore[arg-type]
        made[0].start()
        return made[0]

    yield make
    pipeline.goes_on.set()
    made[0].stop()


def jobs(*texts: str) -> list[Job]:
    return [Job(text) for text in texts]


def crowd(batcher: Batcher, pipeline: Pipeline, *texts: str) -> list[str]:
    """RETURNS: Answers to texts that arrive while the pipeline reads another."""
    batcher.submit(jobs("first"))
    assert pipeline.began.wait(60)
    waiting = [answer for text in texts for answer in batcher.submit(jobs(text))]
    pipeline.goes_on.set()
    return [answer.result(60) for answer in waiting]


def test_what_arrives_meanwhile_is_one_batch(
    batcher: Callable[..., Batcher], pipeline: Pipeline
) -> None:
    assert crowd(batcher(), pipeline, "a", "b", "c") == ["A", "B", "C"]
    assert pipeline.batches == [["first"], ["a", "b", "c"]]


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({"batch_texts": 1}, [["aa"], ["bb"], ["cc"]]),
        ({"batch_texts": 2}, [["aa", "bb"], ["cc"]]),
        # The one that does not fit is the first of the next.
        ({"batch_characters": 5}, [["aa", "bb"], ["cc"]]),
        ({"batch_characters": 1}, [["aa"], ["bb"], ["cc"]]),
    ],
)
def test_a_batch_has_a_size(
    settings: dict[str, int],
    batches: list[list[str]],
    batcher: Callable[..., Batcher],
    pipeline: Pipeline,
) -> None:
    assert crowd(batcher(**settings), pipeline, "aa", "bb", "cc") == ["AA", "BB", "CC"]
    assert pipeline.batches[1:] == batches


def test_a_client_that_is_alone_never_waits(
    batcher: Callable[..., Batcher], pipeline: Pipeline
) -> None:
    pipeline.goes_on.set()
    lonely = batcher(max_wait=1e6)
    begin = time.monotonic()
    for text in ("a", "b"):
        assert lonely.submit(jobs(text))[0].result(60) == text.upper()
    assert time.monotonic() - begin < 60


def test_after_a_batch_of_several_the_next_text_waits_for_others(
    batcher: Callable[..., Batcher], pipeline: Pipeline
) -> None:
    crowded = batcher(max_wait=1e6, batch_texts=2)
    crowd(crowded, pipeline, "a", "b")
    (one,) = crowded.submit(jobs("c"))
    (other,) = crowded.submit(jobs("d"))
    assert (one.result(60), other.result(60)) == ("C", "D")
    assert pipeline.batches == [["first"], ["a", "b"], ["c", "d"]]


def test_a_text_that_fails_fails_alone(batcher: Callable[..., Batcher], pipeline: Pipeline) -> None:
    batch = batcher()
    batch.submit(jobs("first"))
    assert pipeline.began.wait(60)
    one, failed, other = batch.submit(jobs("a", "FAIL", "b"))
    pipeline.goes_on.set()
    assert (one.result(60), other.result(60)) == ("A", "B")
    with pytest.raises(PipelineFailed, match="^RuntimeError$"):
        failed.result(60)


def test_nobody_annotates_for_a_client_that_has_left(
    batcher: Callable[..., Batcher], pipeline: Pipeline
) -> None:
    batch = batcher()
    batch.submit(jobs("first"))
    assert pipeline.began.wait(60)
    left, stayed = batch.submit(jobs("a", "b"))
    left.cancel()
    pipeline.goes_on.set()
    assert stayed.result(60) == "B"
    assert pipeline.batches == [["first"], ["b"]]


def test_a_line_that_is_too_long_is_refused_whole(
    batcher: Callable[..., Batcher], pipeline: Pipeline
) -> None:
    batch = batcher(waiting=2)
    batch.submit(jobs("first"))
    assert pipeline.began.wait(60)
    with pytest.raises(Busy):
        batch.submit(jobs("a", "b", "c"))
    pipeline.goes_on.set()
    # What of it stood in line already is not annotated.
    while True:
        try:
            assert batch.submit(jobs("d"))[0].result(60) == "D"
            break
        except Busy:
            time.sleep(0.01)
    assert [text for texts in pipeline.batches for text in texts] == ["first", "d"]


def test_what_waits_at_the_end_is_answered(pipeline: Pipeline) -> None:
    batcher = Batcher(pipeline, ServeSettings(batch_texts=1))
    batcher.start()
    answers = batcher.submit(jobs("a", "b", "c"))
    assert pipeline.began.wait(60)
    pipeline.goes_on.set()
    batcher.stop()
    assert [answer.result(0) for answer in answers] == ["A", "B", "C"]


@pytest.mark.parametrize("name", ["max_texts", "rate", "max_wait", "batch_texts"])
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = -1: expected . or more. Fix: {name} = "):
        ServeSettings(**{name: -1})  # type: ignore[arg-type]
