"""Text classification: what it predicts, which pooler it has, new labels, long life."""

import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import FACTORIES, MORE_TEXTS, TEXTS
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_model_from_config, registry
from textcats import (
    LABELS,
    LONG,
    TextcatBench,
    build,
    classifier,
    config,
    learn_label,
    make_examples,
    scores,
)
from tiny import tiny_distilbert, tiny_xlm_roberta
from transformers import AutoModel, AutoTokenizer, BertForSequenceClassification, BertModel

from dlfa_spacy.layers.textcat_head import fixed_dropout

both_factories = pytest.mark.parametrize("factory", FACTORIES)
both_sequences = pytest.mark.parametrize("sequence", ["cls", "mean"])
ALL = ["", *TEXTS, "", "  \n ", LONG[0], *MORE_TEXTS, LONG[1], ""]


def train(nlp: Language, steps: int, **more: Any) -> None:
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 1e-3
    for _ in range(steps):
        nlp.update(make_examples(nlp, TEXTS), sgd=optimizer, **more)


def pooler_of(nlp: Language) -> numpy.ndarray:
    return numpy.array(classifier(nlp).get_ref("pooler").get_param("W"))


def encoder_pooler(nlp: Language) -> numpy.ndarray:
    transformer = nlp.get_pipe("transformer").model.transformer  # type: ignore[attr-defined]
    return transformer.pooler.dense.weight.detach().numpy()


# The same as a plain computation


@both_factories
@pytest.mark.parametrize("exclusive", [True, False])
def test_it_is_the_classifier_of_hugging_face(bert: str, exclusive: bool, factory: str) -> None:
    nlp = build(bert, "last", factory, exclusive=exclusive)
    other = BertForSequenceClassification.from_pretrained(bert, num_labels=3)
    head = classifier(nlp).get_ref("output_layer")
    other.classifier.weight.data = torch.tensor(head.get_param("W"))
    other.classifier.bias.data = torch.tensor(head.get_param("b"))
    other.eval()
    tokenizer = AutoTokenizer.from_pretrained(bert)
    for text in [*TEXTS, *MORE_TEXTS]:
        with torch.no_grad():
            logits = other(**tokenizer(text, return_tensors="pt")).logits
        expected = logits.softmax(dim=1) if exclusive else logits.sigmoid()
        torch.testing.assert_close(scores(nlp, [text]), expected, atol=1e-5, rtol=0)
        if not exclusive:
            docs = [nlp(text)]
            ours: Any = docs
            for layer in classifier(nlp).layers[:-1]:
                ours = layer.predict(ours)
            torch.testing.assert_close(torch.tensor(ours), logits, atol=1e-5, rtol=0)


@both_factories
@both_sequences
@pytest.mark.parametrize("kind", ["last", "low", "attention", "product"])
def test_long_docs_and_empty_ones_anywhere(
    bert: str, kind: str, sequence: str, factory: str
) -> None:
    nlp = build(bert, kind, factory, sequence=sequence, window=12, stride=8)
    reference = TextcatBench(nlp, one_window=False)
    expected = reference.scores(ALL)
    torch.testing.assert_close(scores(nlp, ALL), expected, atol=1e-5, rtol=0)
    one_by_one = torch.cat([scores(nlp, [text]) for text in ALL if text])
    kept = torch.tensor([bool(text) for text in ALL])
    torch.testing.assert_close(one_by_one, expected[kept], atol=1e-5, rtol=0)
    nlp.replace_listeners("transformer", "textcat", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    torch.testing.assert_close(scores(nlp, ALL), expected, atol=1e-5, rtol=0)


def test_cls_reads_first_wordpieces_alone_and_mean_reads_all(bert: str) -> None:
    found = {}
    for sequence in ("cls", "mean"):
        nlp = build(bert, "last", sequence=sequence, window=12, stride=8)
        doc = nlp(LONG[0])
        data = doc._.trf_data
        rows = data.model_output["last_hidden_state"][0]
        lengths = data.window_lengths
        assert len(lengths) > 2
        firsts = numpy.cumsum(lengths) - lengths
        expected = rows[firsts].mean(axis=0) if sequence == "cls" else rows.mean(axis=0)
        (found[sequence],) = classifier(nlp).layers[0].predict([doc])
        numpy.testing.assert_allclose(found[sequence], expected, atol=1e-5)
    assert numpy.abs(found["cls"] - found["mean"]).max() > 0.1


def test_windows_of_stored_docs_are_known_also_as_older_versions_stored_them(bert: str) -> None:
    nlp = build(bert, "attention", sequence="cls", window=12, stride=8)
    doc = nlp(LONG[0])
    expected = classifier(nlp).predict([doc])
    stored = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    numpy.testing.assert_array_equal(classifier(nlp).predict([stored]), expected)
    data = stored._.trf_data
    lengths, data.wordpieces.lengths = data.wordpieces.lengths, [sum(data.wordpieces.lengths)]
    assert numpy.abs(classifier(nlp).predict([stored]) - expected).max() > 1e-3
    data.model_output["window_lengths"] = numpy.asarray(lengths)
    numpy.testing.assert_array_equal(classifier(nlp).predict([stored]), expected)


@both_factories
def test_the_pooling_to_tokens_takes_no_part(
    bert: str, factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = build(bert, "last", factory)
    pooling = classifier(nlp).get_ref("tok2vec").layers[-1]
    assert pooling.name == "pool-pieces"

    def never(*args: Any) -> Any:
        raise AssertionError("tokens were pooled")

    monkeypatch.setattr(pooling, "_func", never)
    train(nlp, 1)
    assert scores(nlp, TEXTS).shape == (5, 3)


@pytest.fixture(scope="module")
def ragged(bert: str) -> tuple[Language, torch.Tensor]:
    nlp = build(bert, "attention", window=12, stride=8)
    return nlp, scores(nlp, ALL)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.lists(st.integers(0, len(ALL) - 1), min_size=1, max_size=9))
def test_any_batch_gives_each_doc_its_scores(
    ragged: tuple[Language, torch.Tensor], order: list[int]
) -> None:
    nlp, expected = ragged
    found = scores(nlp, [ALL[i] for i in order])
    wanted = expected[order]
    if not any(ALL[i] for i in order):
        # spaCy does not ask a model about a batch of empty Docs.
        wanted = torch.zeros_like(wanted)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


# Poolers


def test_pretrained_pooler_is_a_copy_that_trains(bert: str, tmp_path: Path) -> None:
    # As it is initialised: a test that sets the weights gives the pooler memory of its own.
    nlp = build(bert, "attention", randomized=False)
    before = encoder_pooler(nlp).copy()
    numpy.testing.assert_array_equal(pooler_of(nlp), before)
    train(nlp, 3)
    assert not numpy.allclose(pooler_of(nlp), before)
    numpy.testing.assert_array_equal(encoder_pooler(nlp), before)
    nlp.to_disk(tmp_path)
    numpy.testing.assert_array_equal(pooler_of(spacy.load(tmp_path)), pooler_of(nlp))


def test_new_pooler_begins_as_berts_did(bert: str) -> None:
    nlp = build(bert, "attention", pooler="new", randomized=False)
    weights = pooler_of(nlp)
    assert weights.std() == pytest.approx(0.02, rel=0.1)
    assert abs(weights.mean()) < 0.005
    train(nlp, 2)
    assert not numpy.allclose(pooler_of(nlp), weights)


def test_no_pooler(bert: str) -> None:
    nlp = build(bert, "attention", pooler=None)
    assert classifier(nlp).maybe_get_ref("pooler") is None
    vector = classifier(nlp).layers[0].predict([nlp(TEXTS[0])])
    output = classifier(nlp).get_ref("output_layer").predict(vector)
    torch.testing.assert_close(torch.tensor(output), scores(nlp, TEXTS[:1]))


@both_factories
def test_pooler_of_a_sourced_encoder_that_is_frozen(
    bert: str, factory: str, tmp_path: Path
) -> None:
    source = build(bert, "attention", factory)
    model: Any = source.get_pipe("transformer")
    model.model.transformer.pooler.dense.weight.data += 0.25
    source.to_disk(tmp_path)
    settled = config(bert, "attention", factory)
    settled["components"]["transformer"] = {"source": str(tmp_path)}
    nlp = load_model_from_config(settled, auto_fill=True)
    with nlp.select_pipes(disable=["transformer"]):
        nlp.initialize(lambda: make_examples(nlp, TEXTS))
    numpy.testing.assert_array_equal(pooler_of(nlp), encoder_pooler(source))
    assert not numpy.allclose(pooler_of(nlp), _own_pooler(bert))


@both_factories
def test_pooler_of_a_fresh_encoder_that_is_frozen(bert: str, factory: str) -> None:
    nlp = load_model_from_config(config(bert, "attention", factory), auto_fill=True)
    with nlp.select_pipes(disable=["transformer"]):
        nlp.initialize(lambda: make_examples(nlp, TEXTS))
    numpy.testing.assert_array_equal(pooler_of(nlp), _own_pooler(bert))


def _own_pooler(folder: str) -> numpy.ndarray:
    return AutoModel.from_pretrained(folder).pooler.dense.weight.detach().numpy()


@pytest.fixture(scope="module")
def without_pooler(bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint as masked language models leave it."""
    folder = str(tmp_path_factory.mktemp("without"))
    BertModel.from_pretrained(bert, add_pooling_layer=False).save_pretrained(folder)
    AutoTokenizer.from_pretrained(bert).save_pretrained(folder)
    return folder


def test_random_pooler_is_not_taken_for_a_pretrained_one(without_pooler: str) -> None:
    with pytest.raises(ValueError, match="no trained pooler.*Fix"):
        build(without_pooler, "attention")
    nlp = build(without_pooler, "attention", pooler="new")
    train(nlp, 1)
    assert scores(nlp, TEXTS).shape == (5, 3)


def test_a_missing_pooler_is_remembered(without_pooler: str, tmp_path: Path) -> None:
    source = build(without_pooler, "attention", pooler=None)
    source.to_disk(tmp_path / "source")
    settled = config(without_pooler, "attention")
    settled["components"]["transformer"] = {"source": str(tmp_path / "source")}
    nlp = load_model_from_config(settled, auto_fill=True)
    with pytest.raises(ValueError, match="no trained pooler.*Fix"):
        nlp.initialize(lambda: make_examples(nlp, TEXTS))
    again = spacy.load(tmp_path / "source")
    torch.testing.assert_close(scores(again, ALL), scores(source, ALL))


def test_encoder_that_never_has_a_pooler(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="distilbert.*no trained pooler.*Fix"):
        build(tiny_distilbert(tmp_path), "attention")


def test_every_encoder_classifies(any_encoder: str) -> None:
    nlp = load_model_from_config(config(any_encoder, pooler="new"), auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp, TEXTS))
    train(nlp, 1)
    assert torch.isfinite(scores(nlp, ALL)).all()


def test_pooler_of_xlm_roberta(tmp_path: Path) -> None:
    folder = tiny_xlm_roberta(tmp_path)
    numpy.testing.assert_array_equal(pooler_of(build(folder, "last")), _own_pooler(folder))


# Dropout


def test_dropout_of_the_config_wins_and_stays_away_from_predictions(bert: str) -> None:
    nlp = build(bert, "last", dropout=0.5)
    before = scores(nlp, TEXTS)
    train(nlp, 1, drop=0.0)
    (node,) = [n for n in classifier(nlp).walk() if n.name == "fixed-dropout"]
    assert node.attrs["rate"] == 0.5
    assert not torch.allclose(before, scores(nlp, TEXTS))
    torch.testing.assert_close(scores(nlp, TEXTS), scores(nlp, TEXTS))


def test_dropout_keeps_the_expected_value() -> None:
    layer = fixed_dropout(0.25)
    X = numpy.ones((200, 100), dtype="f")
    Y, backprop = layer.begin_update(X)
    assert (Y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert Y.mean() == pytest.approx(1.0, abs=0.02)
    numpy.testing.assert_array_equal(backprop(X), Y)
    numpy.testing.assert_array_equal(layer.predict(X), X)


# Labels


@both_factories
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_new_label_keeps_the_others_and_learns(bert: str, exclusive: bool, factory: str) -> None:
    nlp = build(bert, "attention", factory, exclusive=exclusive, randomized=False)
    train(nlp, 5)
    before = scores(nlp, TEXTS)
    pipe: Any = nlp.get_pipe("textcat")
    old = numpy.array(classifier(nlp).get_ref("output_layer").get_param("W"))
    assert pipe.add_label("D") == 1
    new = classifier(nlp).get_ref("output_layer").get_param("W")
    assert new.shape == (4, 32)
    numpy.testing.assert_array_equal(new[:3], old)
    torch.testing.assert_close(scores(nlp, TEXTS), before, atol=1e-4, rtol=0)
    assert pipe.model.get_dim("nO") == 4
    learn_label(nlp, "D")
    assert nlp(TEXTS[0]).cats["D"] > 0.5


def test_a_pipeline_with_a_new_label_is_saved(bert: str, tmp_path: Path) -> None:
    nlp = build(bert, "attention")
    nlp.get_pipe("textcat").add_label("D")  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded(TEXTS[0]).cats == nlp(TEXTS[0]).cats
    assert set(loaded(TEXTS[0]).cats) == {*LABELS, "D"}
    loaded.get_pipe("textcat").add_label("E")  # type: ignore[attr-defined]
    assert len(loaded(TEXTS[0]).cats) == 5


def test_exclusive_scores_sum_to_one_and_others_need_not(bert: str) -> None:
    exclusive = scores(build(bert, "last"), TEXTS).sum(dim=1)
    torch.testing.assert_close(exclusive, torch.ones(5))
    several = scores(build(bert, "last", exclusive=False), TEXTS).sum(dim=1)
    assert (several - 1).abs().max() > 0.05


# Life


@both_factories
@pytest.mark.parametrize("exclusive", [True, False])
def test_saved_and_loaded(bert: str, tmp_path: Path, exclusive: bool, factory: str) -> None:
    nlp = build(bert, "product", factory, exclusive=exclusive, window=12, stride=8)
    train(nlp, 2)
    expected = scores(nlp, ALL)
    nlp.to_disk(tmp_path)
    torch.testing.assert_close(scores(spacy.load(tmp_path), ALL), expected, atol=1e-6, rtol=0)
    nlp.replace_listeners("transformer", "textcat", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    nlp.to_disk(tmp_path / "own")
    torch.testing.assert_close(
        scores(spacy.load(tmp_path / "own"), ALL), expected, atol=1e-5, rtol=0
    )


def test_bytes(bert: str) -> None:
    nlp = build(bert, "attention")
    train(nlp, 2)
    copied = load_model_from_config(nlp.config, auto_fill=True)
    copied.initialize(lambda: make_examples(copied, TEXTS))
    copied.from_bytes(nlp.to_bytes())
    assert torch.equal(scores(copied, ALL), scores(nlp, ALL))


@both_factories
def test_several_processes(bert: str, factory: str) -> None:
    nlp = build(bert, "attention", factory, window=12, stride=8)
    expected = scores(nlp, ALL)
    docs = nlp.pipe(ALL, n_process=2, batch_size=3)
    found = torch.tensor([[doc.cats[label] for label in LABELS] for doc in docs])
    # A process may get empty Docs alone, which spaCy gives zeros.
    kept = torch.tensor([bool(text) for text in ALL])
    torch.testing.assert_close(found[kept], expected[kept], atol=1e-5, rtol=0)


@both_factories
@both_sequences
@pytest.mark.parametrize("kind", ["last", "attention"])
def test_on_a_frozen_encoder(bert: str, kind: str, sequence: str, factory: str) -> None:
    nlp = build(bert, kind, factory, sequence=sequence, window=12, stride=8)
    model: Any = nlp.get_pipe("transformer")
    before = {k: v.clone() for k, v in model.model.transformer.state_dict().items()}
    texts = [LONG[0], "", *TEXTS]
    bench = TextcatBench(nlp, one_window=False)
    # Twice: the first time the encoder does not know yet that somebody trains on it.
    for _ in range(2):
        nlp.update(
            make_examples(nlp, texts), sgd=False, exclude=["transformer"], annotates=["transformer"]
        )
    bench.repeat(texts, texts)
    errors = bench.errors()
    parts = ["aggregation", "pooler.W", "pooler.b", "output.W", "output.b"]
    assert all(errors[part] < 1e-4 for part in parts), errors
    after = model.model.transformer.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@both_factories
def test_classes_are_learned(bert: str, factory: str) -> None:
    nlp = build(bert, "attention", factory, randomized=False)
    train(nlp, 40)
    truth = [max(eg.reference.cats, key=eg.reference.cats.get) for eg in make_examples(nlp, TEXTS)]
    assert [LABELS[i] for i in scores(nlp, TEXTS).argmax(dim=1).tolist()] == truth


def test_docs_that_were_stored_are_classified_the_same(bert: str) -> None:
    nlp = build(bert, "attention", window=12, stride=8)
    docs = list(nlp.pipe(ALL))
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(stored).get_docs(nlp.vocab))
    model = classifier(nlp)
    numpy.testing.assert_allclose(model.predict(again), model.predict(docs), atol=1e-6)


def test_an_encoder_of_its_own(bert: str, tmp_path: Path) -> None:
    settled = config(bert, "attention", window=12, stride=8)
    block = settled["components"]["textcat"]["model"]["tok2vec"]
    block["@architectures"] = "dlfa_spacy.Tok2VecTransformer.v1"
    transformer = settled["components"].pop("transformer")["model"]
    for key in ("name", "get_spans", "transformer_config"):
        block[key] = transformer[key]
    settled["nlp"]["pipeline"] = ["textcat"]
    nlp = load_model_from_config(settled, auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp, TEXTS))
    numpy.testing.assert_array_equal(pooler_of(nlp), _own_pooler(bert))
    train(nlp, 2)
    nlp.to_disk(tmp_path)
    torch.testing.assert_close(scores(spacy.load(tmp_path), ALL), scores(nlp, ALL))


@both_factories
def test_empty_docs_alone(bert: str, factory: str) -> None:
    nlp = build(bert, "attention", factory)
    found = classifier(nlp).predict([nlp(""), nlp("")])
    kept = scores(nlp, ["", TEXTS[0]])[:1]
    torch.testing.assert_close(torch.tensor(found), kept.expand(2, 3))
    assert nlp.update(make_examples(nlp, ["", ""]), sgd=False)["textcat"] == 0.0


def test_the_width_of_an_encoder_travels_to_another_process(bert: str) -> None:
    nlp = build(bert, "attention")
    width: Any = nlp.get_pipe("transformer").model.get_dim("nO")  # type: ignore[attr-defined]
    assert width.encoder() is nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    sent = pickle.loads(pickle.dumps(width))
    assert (int(sent), sent.num_layers, sent.encoder) == (32, 4, None)


def test_the_model_can_be_built_without_the_width_of_an_encoder(bert: str) -> None:
    """spaCy infers shapes from Docs that no encoder has read, and from empty ones."""
    nlp = load_model_from_config(config(bert), auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp, ["", *TEXTS]))
    assert classifier(nlp).get_dim("nO") == 3
    assert classifier(nlp).get_ref("output_layer").get_dim("nI") == 32
    other = load_model_from_config(nlp.config, auto_fill=True).from_bytes(nlp.to_bytes())
    torch.testing.assert_close(scores(other, ALL), scores(nlp, ALL))


# Errors


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"sequence": "max"}, 'sequence = "max"'),
        ({"pooler": "old"}, 'pooler = "old"'),
        ({"dropout": 1.0}, "dropout = 1.0"),
        ({"dropout": -0.1}, "dropout = -0.1"),
    ],
)
def test_wrong_argument_is_named(bert: str, wrong: dict[str, Any], found: str) -> None:
    with pytest.raises(ValueError, match=r"\[components.textcat.model\].*[eE]xpected.*Fix") as e:
        load_model_from_config(config(bert, **wrong), auto_fill=True)
    assert found in str(e.value)


def test_wrong_number_of_classes_is_named(bert: str) -> None:
    settled = config(bert)
    settled["components"]["textcat"]["model"]["nO"] = 0
    with pytest.raises(ValueError, match="nO = 0.*Fix"):
        load_model_from_config(settled, auto_fill=True)


def test_stock_listener_is_refused(bert: str) -> None:
    settled = config(bert)
    settled["components"]["textcat"]["model"]["tok2vec"] = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    with pytest.raises(ValueError, match="dlfa_spacy.TransformerListener.v1.*Fix"):
        load_model_from_config(settled, auto_fill=True)


def test_cls_of_a_tokenizer_without_special_tokens_is_refused(bert: str, tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    AutoModel.from_pretrained(bert).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", 3)]
    )
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match='sequence = "cls".*no special token.*Fix'):
        build(str(tmp_path), "last")
    assert scores(build(str(tmp_path), "last", sequence="mean"), TEXTS).shape == (5, 3)


def test_registered_without_an_import() -> None:
    assert registry.has("architectures", "dlfa_spacy.TextCat.v1")
