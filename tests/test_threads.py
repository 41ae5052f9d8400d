"""One pipeline in many threads: every answer is the one that it gives alone, bit by bit."""

import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from life import annotations, examples, initialized, listener, pipeline, trained
from optimized import run
from spacy.language import Language
from spacy.tokens import Doc
from tiny import tiny_bert, tiny_distilbert
from transformers import AutoTokenizer

from dlfa_spacy.aggregators.model import aggregator_shim
from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.encoder.run.early_exit import run_up_to
from dlfa_spacy.layers.listener import TransformerListener

pytestmark = pytest.mark.slow

WORDS = ["Anna", "lives in Berlin", "the un able", "北京大学的学生", "กขคง จฉชซ", "абвг дежз"]
WORDS += ["हिनद अआइ", "بتث جحخ"]
CHOICE = random.Random(0)
TEXTS = [" ".join(CHOICE.choices(WORDS, k=CHOICE.randint(1, 5))) for _ in range(64)]


@pytest.fixture(autouse=True)
def _hurry() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def answer(doc: Doc) -> tuple[Any, dict[str, bytes], dict[str, float]]:
    """RETURNS: What components wrote, and the encoder's vectors to the last bit."""
    output = doc._.trf_data.model_output if doc._.trf_data is not None else {}
    vectors = {name: numpy.asarray(array).tobytes() for name, array in output.items()}
    return annotations([doc]), vectors, dict(doc.cats)


def wrong(nlp: Language, threads: int, texts: Sequence[str] = TEXTS) -> int:
    """RETURNS (int): Texts that are answered otherwise than without threads."""
    expected = [answer(nlp(text)) for text in texts]
    with ThreadPoolExecutor(threads) as pool:
        found = [answer(doc) for doc in pool.map(nlp, texts)]
    return sum(a != b for a, b in zip(expected, found, strict=True))


def encoder_of(nlp: Language) -> TransformerModel:
    nodes = (node for _, pipe in nlp.pipeline for node in pipe.model.walk())  # type: ignore[attr-defined]
    return next(node for node in nodes if isinstance(node, TransformerModel))


def modules_of(nlp: Language) -> list[torch.nn.Module]:
    """RETURNS (List[Module]): The encoder and all aggregators."""
    nodes = [node for _, pipe in nlp.pipeline for node in pipe.model.walk()]  # type: ignore[attr-defined]
    found = [aggregator_shim(n.aggregation).module for n in nodes if type(n) is TransformerListener]
    return [encoder_of(nlp).packed, *found]


def _shared(folder: str, path: Path) -> Language:
    return trained(folder, ["tagger", "ner", "textcat"])


def _stock_factory(folder: str, path: Path) -> Language:
    return trained(folder, ["tagger", "ner", "textcat"], factory="transformer")


def _early_exit(folder: str, path: Path) -> Language:
    (path / "other").mkdir()
    return trained(tiny_distilbert(path / "other"), {"tagger": listener("low")})


def _inline(folder: str, path: Path) -> Language:
    nlp = trained(folder, ["tagger"])
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    return nlp


def _int8(folder: str, path: Path) -> Language:
    return run(trained(folder, ["tagger"]), path, int8=True)[0]


def _onnx(folder: str, path: Path) -> Language:
    pytest.importorskip("onnxruntime")
    heads = {"tagger": listener("low"), "ner": listener("mix")}
    return run(trained(folder, heads), path, onnx=True)[0]


def _cache_folder(folder: str, path: Path) -> Language:
    nlp = pipeline(folder, ["tagger"])
    nlp.get_pipe("transformer").model.cache.__init__(str(path / "cache"))  # type: ignore[attr-defined, misc]
    return initialized(nlp)


PIPELINES = [_shared, _stock_factory, _early_exit, _inline, _int8, _onnx, _cache_folder]


@pytest.mark.parametrize("make", PIPELINES, ids=lambda make: make.__name__[1:])
def test_every_thread_gets_the_answer_that_one_thread_gets(
    bert: str, tmp_path: Path, make: Callable[[str, Path], Language]
) -> None:
    nlp = make(bert, tmp_path)
    assert [wrong(nlp, threads) for threads in (8, 32)] == [0, 0]


@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer"])
def test_pipe_in_several_threads_gives_what_it_gives_in_one(bert: str, factory: str) -> None:
    nlp = trained(bert, ["tagger", "ner"], factory=factory)
    parts = [TEXTS[i::8] for i in range(8)]
    expected = [[answer(doc) for doc in nlp.pipe(part, batch_size=3)] for part in parts]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda part: [*map(answer, nlp.pipe(part, batch_size=3))], parts)
        assert list(found) == expected


def test_layers_asked_for_and_texts_tagged_at_once(bert: str) -> None:
    """The encoder is asked for layers of its own, as reports do, while it also predicts."""
    nlp = trained(bert, ["tagger"])
    model = encoder_of(nlp)
    docs = [nlp.make_doc(text) for text in TEXTS[:8]]
    layers = [model.encode([doc], [1, 3]).states[1] for doc in docs] * 4
    tags = [answer(nlp(text)) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        tagged = pool.map(nlp, TEXTS)
        encoded = pool.map(lambda doc: model.encode([doc], [1, 3]).states[1], docs * 4)
        assert [answer(doc) for doc in tagged] == tags
        assert all(torch.equal(a, b) for a, b in zip(encoded, layers, strict=True))


def test_the_tokenizer_is_never_borrowed_while_another_thread_is_in_it(tmp_path: Path) -> None:
    """A tokenizer that was saved with padding and truncation is reset before anybody calls it."""
    folder = tiny_bert(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.enable_truncation(16)
    tokenizer.backend_tokenizer.enable_padding(length=16)
    tokenizer.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).backend_tokenizer.truncation
    for _ in range(3):
        nlp = initialized(pipeline(folder, ["tagger"]))
        backend = encoder_of(nlp).tokenizer.backend_tokenizer
        assert backend.truncation is None and backend.padding is None
        # No warming up: the first call is made by all of them.
        with ThreadPoolExecutor(8) as pool:
            first = [answer(doc) for doc in pool.map(nlp, [TEXTS[0] * 20] * 16)]
        assert all(found == first[0] for found in first)


def test_modules_rest_in_eval_and_train_only_while_a_batch_runs_through_them(bert: str) -> None:
    nlp = trained(bert, ["tagger"], aggregation="mix")
    seen: list[bool] = []
    for module in modules_of(nlp):
        module.register_forward_hook(lambda module, args, output: seen.append(module.training))
    nlp(TEXTS[0])
    assert seen and not any(seen)
    assert not any(part.training for module in modules_of(nlp) for part in module.modules())
    seen.clear()
    nlp.update(examples(nlp))
    assert len(seen) == 2 and all(seen)
    assert not any(part.training for module in modules_of(nlp) for part in module.modules())


def test_modules_are_at_rest_again_after_a_failure(bert: str) -> None:
    nlp = trained(bert, ["tagger"])

    def fail(module: Any, args: Any, output: Any) -> None:
        raise KeyError("broken")

    for module in modules_of(nlp):
        handle = module.register_forward_hook(fail)
        with pytest.raises(KeyError, match="broken"):
            nlp.update(examples(nlp))
        handle.remove()
        assert not any(part.training for m in modules_of(nlp) for part in m.modules())


def test_gradients_of_checkpointed_layers_see_the_same_dropout(bert: str) -> None:
    """The second forward pass, within the backward pass, runs in training mode as well."""
    nlp = trained(bert, ["tagger"])
    transformer = encoder_of(nlp).transformer
    transformer.gradient_checkpointing_enable()
    modes: list[bool] = []
    block = transformer.encoder.layer[0]
    block.register_forward_hook(lambda module, args, output: modes.append(module.training))
    nlp.update(examples(nlp))
    assert len(modes) == 2 and all(modes)


def test_other_threads_are_refused_in_the_middle_of_a_batch_and_served_after_it(bert: str) -> None:
    nlp = trained(bert, ["tagger", "ner"])
    nlp.update(examples(nlp), sgd=False)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="trained in the thread .* middle of a batch.* Fix: "):
            pool.submit(nlp, TEXTS[0]).result()
        with pytest.raises(ValueError, match="middle of a batch"):
            pool.submit(nlp.to_bytes).result()
        with pytest.raises(ValueError, match="middle of a batch"):
            pool.submit(nlp.update, examples(nlp)).result()
        # The thread that trains may look at its own work.
        nlp(TEXTS[0])
        optimizer = nlp.resume_training()
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)  # type: ignore[attr-defined]
        assert answer(pool.submit(nlp, TEXTS[0]).result()) == answer(nlp(TEXTS[0]))


def test_a_frozen_encoder_refuses_other_threads_while_components_train_on_it(bert: str) -> None:
    nlp = trained(bert, {"tagger": listener("last")})
    settings: dict[str, Any] = {"exclude": ["transformer"], "annotates": ["transformer"]}
    nlp.update(examples(nlp), sgd=False, **settings)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="middle of a batch"):
            pool.submit(nlp, TEXTS[0]).result()
        nlp.update(examples(nlp), sgd=nlp.resume_training(), **settings)
        assert answer(pool.submit(nlp, TEXTS[0]).result()) == answer(nlp(TEXTS[0]))


def test_a_batch_that_broke_off_ends_when_the_pipeline_is_saved(bert: str) -> None:
    nlp = trained(bert, ["tagger"])
    nlp.update(examples(nlp), sgd=False)
    nlp.to_bytes()
    assert wrong(nlp, 4, TEXTS[:8]) == 0


def test_a_batch_ends_with_the_thread_that_trained_on_it(bert: str) -> None:
    nlp = trained(bert, ["tagger"])
    trainer = threading.Thread(target=nlp.update, args=(examples(nlp),), kwargs={"sgd": False})
    trainer.start()
    trainer.join()
    assert wrong(nlp, 4, TEXTS[:8]) == 0


def test_while_the_main_thread_trains_others_get_an_answer_of_one_step_or_an_error(
    bert: str,
) -> None:
    nlp = trained(bert, ["tagger"], aggregation="mix")
    optimizer = nlp.resume_training()
    over = threading.Event()
    known = {tuple(answer(nlp(TEXTS[0]))[1].values())}

    def ask() -> list[tuple[bytes, ...]]:
        found = []
        while not over.is_set():
            try:
                found.append(tuple(answer(nlp(TEXTS[0]))[1].values()))
            except ValueError as error:
                assert "middle of a batch" in str(error)
        return found

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        try:
            for _ in range(12):
                nlp.update(examples(nlp), sgd=optimizer)
                known.add(tuple(answer(nlp(TEXTS[0]))[1].values()))
        finally:
            over.set()
        found = {vectors for future in asked for vectors in future.result()}
    assert len(known) == 13
    assert found and found <= known


def test_training_beside_other_threads_moves_the_weights_as_it_does_alone(bert: str) -> None:
    def train(threads: int) -> bytes:
        torch.manual_seed(0)
        nlp = trained(bert, ["tagger"], aggregation="mix")
        torch.manual_seed(1)
        optimizer = nlp.resume_training()
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                try:
                    nlp(TEXTS[0])
                except ValueError as error:
                    assert "middle of a batch" in str(error)

        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask) for _ in range(threads)]
            try:
                for _ in range(4):
                    nlp.update(examples(nlp), sgd=optimizer)
            finally:
                over.set()
            for future in asked:
                future.result()
        return nlp.get_pipe("transformer").model.shim.fingerprint()  # type: ignore[attr-defined, no-any-return]

    assert train(4) == train(0)


def test_an_early_exit_ignores_the_blocks_that_other_threads_run(tmp_path: Path) -> None:
    model = encoder_of(initialized(pipeline(tiny_distilbert(tmp_path), ["tagger"])))
    blocks = model.transformer.transformer.layer
    ids = torch.arange(5, 12)[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "return_dict": True}
    whole = model.transformer(**inputs).last_hidden_state
    entered, left = threading.Event(), threading.Event()

    def wait(module: Any, args: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            entered.set()
            assert left.wait(30)

    handle = blocks[1].register_forward_pre_hook(wait)
    with ThreadPoolExecutor(1) as pool, torch.no_grad():
        early = pool.submit(run_up_to, model.transformer, blocks, [1, 2], inputs)
        assert entered.wait(30)
        # Its hooks are on the blocks now.
        assert torch.equal(model.transformer(**inputs).last_hidden_state, whole)
        left.set()
        assert sorted(early.result()) == [1, 2]
    handle.remove()
