"""Each method of alignment: its loss falls, gradients reach the encoder, its own promises hold."""

import math
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from aligned import toy_examples, toy_method, toy_pairs
from torch import nn
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast

from dlfa_spacy.alignment.losses import centroid_distance, info_nce, multi_way
from dlfa_spacy.alignment.methods import METHODS, LanguageMaps
from dlfa_spacy.alignment.methods.clbt import ClbtSettings, fit
from dlfa_spacy.alignment.methods.create import create_method, make_settings
from dlfa_spacy.alignment.methods.frozen import Frozen
from dlfa_spacy.alignment.methods.masking import Vocabulary, mask_pieces
from dlfa_spacy.alignment.methods.ml_ctl import one_link_a_pair
from dlfa_spacy.alignment.methods.mlm import TiedHead, find_head
from dlfa_spacy.alignment.methods.momentum import Momentum
from dlfa_spacy.alignment.methods.procrustes import procrustes
from dlfa_spacy.alignment.methods.queue import KeyQueue
from dlfa_spacy.alignment.training.batch import Side, Words
from dlfa_spacy.alignment.training.settings import TrainSettings
from dlfa_spacy.alignment.training.train import make_order, train
from dlfa_spacy.alignment.training.vectors import (
    hidden_states,
    last_layer,
    sentence_means,
    word_vectors,
)
from dlfa_spacy.encoder.run.packed_rows import runs_packed
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.parallel import SentencePair
from dlfa_spacy.pipeline.encoders import encoder_of
from dlfa_spacy.pipeline.sources import encoder_pipeline

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("ml-ctl", {}),
    ("ml-ctl", {"loss": "info", "words": False, "mlm_weight": 0}),
    ("ppa", {"queue": 32, "momentum": 0.9}),
    ("cao", {"reduction": "sum"}),
    ("cao", {"english": "frozen"}),
    ("realign", {}),
    ("realign", {"candidates": "linked", "freeze": "lower", "mask_same": True}),
    ("realign", {"candidates": "translations", "freeze": "upper"}),
    ("clbt", {"solver": "gradient", "center": True}),
    ("labse", {}),
    ("labse", {"pool": "pooler"}),
    ("labse", {"pool": "mean"}),
    ("adversarial", {"mlm_weight": 1.0}),
    ("adversarial", {"mlm_weight": 0.0, "adversarial": 0.0, "centroids": 1.0}),
    ("multi-way", {}),
    ("multi-way", {"pool": "cls"}),
    ("mlm", {}),
    ("mlm", {"text": "joined"}),
    ("mlm", {"dictionary": 10.0}),
    ("sense", {"rate": 0.5}),
]


def setup(folder: str, name: str, n: int = 6, **settings: Any) -> tuple[Any, Any]:
    """RETURNS: A method, and a batch of n pairs."""
    torch.manual_seed(3)
    method, collate = toy_method(folder, name, **settings)
    examples = toy_examples(method.tokenizer, toy_pairs(n))
    batch = collate(examples, torch.Generator().manual_seed(0))
    if name == "sense":
        method.prepare(lambda: [batch])
    return method, batch


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_the_loss_falls(bert: str, name: str, changes: dict[str, Any]) -> None:
    torch.manual_seed(3)
    method, collate = toy_method(bert, name, **changes)
    # The contrast of PPA grows while its queue fills: negatives are what makes it hard.
    key = "tlm" if name == "ppa" else "loss"
    examples = toy_examples(method.tokenizer, toy_pairs(16))
    rate = 1e-2 if name == "clbt" else 1e-3
    settings = TrainSettings(steps=16, batch_size=8, learn_rate=rate, warmup=0, schedule="constant")
    rows = train(method, examples, collate, settings)
    assert sum(row[key] for row in rows[-3:]) < 0.97 * sum(row[key] for row in rows[:3]) or (
        rows[-1]["loss"] < rows[0]["loss"] - 0.3
    )


@pytest.mark.parametrize(("name", "changes"), [v for v in VARIANTS if v[0] != "clbt"])
def test_gradients_reach_the_encoder(bert: str, name: str, changes: dict[str, Any]) -> None:
    method, batch = setup(bert, name, **changes)
    method.train()
    # Twice: the first batch of PPA has no keys to be compared with.
    for _ in range(2):
        method(batch, generator())["loss"].backward()
    blocks = method.encoder.encoder.layer
    moved = [any(p.grad is not None and bool(p.grad.any()) for p in b.parameters()) for b in blocks]
    half = {"lower": [False, False, True, True], "upper": [True, True, False, False]}
    assert moved == half.get(changes.get("freeze", ""), [True] * 4)
    embeddings = method.encoder.get_input_embeddings().weight
    assert (embeddings.grad is None) == (changes.get("freeze") == "lower")


def test_what_is_trained_in_a_batch_was_not_changed_by_masking(bert: str) -> None:
    method, batch = setup(bert, "ml-ctl")
    before = batch.source.ids.clone(), batch.joined.ids.clone()
    method.eval()
    masked = method(batch, generator())
    assert torch.equal(batch.source.ids, before[0]) and torch.equal(batch.joined.ids, before[1])
    method.mlm = None
    torch.testing.assert_close(method(batch, generator())["contrast"], masked["contrast"])
    total = masked["contrast"] + 0.1 * masked["mlm"]
    torch.testing.assert_close(masked["loss"], total)


def test_masking_spares_special_tokens_and_keeps_to_80_10_10() -> None:
    ids = torch.randint(5, 100, (200, 50), generator=generator())
    special = torch.zeros_like(ids, dtype=torch.bool)
    special[:, 0] = special[:, -5:] = True
    known = Vocabulary(4, torch.arange(5, 100))
    copy = ids.clone()
    masked, labels = mask_pieces(ids, special, known, generator())
    again = mask_pieces(ids, special, known, generator())
    assert torch.equal(ids, copy) and torch.equal(masked, again[0])
    chosen = labels != -100
    assert not (chosen & special).any() and torch.equal(masked[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert chosen.sum() / (~special).sum() == pytest.approx(0.15, abs=0.02)
    assert (masked[chosen] == 4).float().mean() == pytest.approx(0.8, abs=0.04)
    stayed = (masked[chosen] == ids[chosen]).float().mean()
    assert stayed == pytest.approx(0.1, abs=0.03)


def test_ml_ctl_reads_the_first_and_the_last_layer(bert: str) -> None:
    method, batch = setup(bert, "ml-ctl")
    method.eval()
    method.projection = nn.Identity()
    side = batch.source
    pairs = torch.arange(6)
    found = method.embed(side, pairs, torch.zeros(6, dtype=torch.long))
    states = hidden_states(method.encoder, side.ids, side.mask)
    both, length = states[1] + states[4], int(side.mask[0].sum())
    torch.testing.assert_close(found[0, :32], both[0, :length].mean(dim=0))
    pieces = side.words.rows[: int(side.words.lengths[0])]
    torch.testing.assert_close(found[0, 32:], both.flatten(0, 1)[pieces].mean(dim=0))
    torch.testing.assert_close(word_vectors(both, side.words, "first")[0], both[0, 1])


def test_alignment_trains_the_layers_that_a_pipeline_reads(any_encoder: str) -> None:
    nlp = encoder_pipeline(any_encoder)
    doc = nlp.make_doc("Anna lives in Berlin")
    encoder = encoder_of(nlp)
    batch = encoder.encode([doc], [0, 1, 2, 3, 4])
    ids = torch.from_numpy(batch.windows.ids)[None]
    mask = torch.ones_like(ids)
    transformer = encoder.packed.transformer
    with torch.no_grad():
        found = hidden_states(transformer, ids, mask)
        nowhere = torch.zeros(0, dtype=torch.long)
        side = Side(ids, mask, torch.zeros_like(ids, dtype=torch.bool), Words(nowhere, nowhere, []))
        last = last_layer(transformer, side)
    for layer, states in enumerate(batch.states):
        torch.testing.assert_close(found[layer][0], states, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(last[0], batch.states[-1], atol=1e-5, rtol=1e-5)


def test_ml_ctl_draws_one_link_of_each_pair(bert: str) -> None:
    _, batch = setup(bert, "ml-ctl")
    links = one_link_a_pair(batch, generator())
    assert batch.link_pairs[links].tolist() == list(range(6))


def test_ml_ctl_does_not_care_which_side_is_which(bert: str) -> None:
    method, batch = setup(bert, "ml-ctl", mlm_weight=0, words=False)
    method.eval()
    turned = type(batch)(**{**vars(batch), "source": batch.target, "target": batch.source})
    torch.testing.assert_close(
        method(batch, generator())["loss"], method(turned, generator())["loss"]
    )


def test_one_pair_has_no_negatives(bert: str) -> None:
    method, batch = setup(bert, "ml-ctl", n=1, mlm_weight=0)
    assert method(batch, generator())["loss"].item() == 0
    method, batch = setup(bert, "ml-ctl", n=1, mlm_weight=0, no_negatives="raise")
    with pytest.raises(ValueError, match="without negatives"):
        method(batch, generator())


def test_the_key_encoder_follows_and_has_no_gradient() -> None:
    module = nn.Linear(3, 3)
    follower = Momentum(module, 0.9)
    before = module.weight.detach().clone()
    with torch.no_grad():
        module.weight += 1
    follower.follow(module)
    torch.testing.assert_close(follower.module.weight, 0.9 * before + 0.1 * (before + 1))
    assert not any(p.requires_grad for p in follower.parameters())
    assert not follower.train().module.training


def test_the_queue_forgets_what_came_first() -> None:
    queue = KeyQueue(3, 2)
    assert len(queue.filled()[0]) == 0
    for i in range(5):
        queue.push(torch.full((1, 2), float(i)), torch.tensor([i]))
    assert sorted(queue.filled()[1].tolist()) == [2, 3, 4]
    queue.push(torch.arange(8.0).reshape(4, 2), torch.arange(4))
    assert sorted(queue.filled()[1].tolist()) == [1, 2, 3]


def test_joined_texts_are_one_sequence_without_masked_specials(bert: str) -> None:
    method, batch = setup(bert, "ppa", queue=8)
    side, tokenizer = batch.joined, method.tokenizer
    special = [row[~mask.bool()] for row, mask in zip(side.ids, side.special, strict=True)]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert not any(cls in row or sep in row for row in special)
    assert (side.ids == sep).sum(dim=1).tolist() == [2] * 6
    lengths = batch.source.mask.sum(1) + batch.target.mask.sum(1) - 1
    assert torch.equal(side.mask.sum(1), lengths)


def test_the_regulariser_is_zero_at_first_and_for_english_alone(bert: str) -> None:
    method, batch = setup(bert, "cao")
    method.eval()
    assert method(batch, generator())["keep"].item() == 0
    same = type(batch)(**{**vars(batch), "source": batch.target})
    ends = batch.links[:, 1]
    same = type(batch)(**{**vars(same), "links": torch.stack([ends, ends], dim=1)})
    assert method(same, generator())["align"].item() == 0


def test_a_batch_without_its_padding_has_the_states_and_gradients_of_hugging_face(
    any_encoder: str,
) -> None:
    encoder = load_encoder(any_encoder, {}, {}).transformer.eval().requires_grad_(True)
    assert runs_packed(encoder)
    lengths = torch.tensor([5, 2, 9, 1, 5])
    mask = (torch.arange(9) < lengths[:, None]).long()
    real = mask.bool()
    ids = torch.where(real, torch.randint(5, 40, (5, 9)), encoder.config.pad_token_id or 0)
    output = encoder(ids, attention_mask=mask, output_hidden_states=True)
    expected = [*output.hidden_states[:-1], output.last_hidden_state]
    found = hidden_states(encoder, ids, mask)
    weights = torch.randn(expected[0][real].shape)
    gradients = []
    for states in (expected, found):
        encoder.zero_grad()
        sum((h[real] * weights).sum() for h in states).backward(retain_graph=True)
        gradients.append({n: p.grad for n, p in encoder.named_parameters() if p.grad is not None})
    for h, own in zip(expected, found, strict=True):
        torch.testing.assert_close(own[real], h[real], atol=1e-5, rtol=1e-5)
        assert not own[~real].any()
    for name, gradient in gradients[0].items():
        own = gradients[1].get(name)
        # Positions and types may have a row that nothing read.
        own = torch.zeros_like(gradient) if own is None else own
        torch.testing.assert_close(own, gradient, atol=1e-4, rtol=1e-4, msg=name)
    some = hidden_states(encoder, ids, mask, [2, -1])
    assert torch.equal(some[0], found[2]) and torch.equal(some[1], found[-1])


def test_a_frozen_copy_stays_as_it_was(bert: str) -> None:
    method, batch = setup(bert, "cao")
    frozen: Frozen = method.initial
    method.train()
    assert not frozen.module.training
    before = last_layer(frozen.module, batch.target)
    with torch.no_grad():
        next(method.encoder.parameters()).add_(1)
    assert torch.equal(before, last_layer(frozen.module, batch.target))


def planted(n: int = 200, width: int = 8) -> tuple[Any, Any, Any]:
    random = numpy.random.default_rng(0)
    turn = numpy.linalg.qr(random.normal(size=(width, width)))[0]
    x = random.normal(size=(n, width))
    return x, x @ turn.T, turn


def test_procrustes_recovers_a_planted_rotation() -> None:
    x, y, turn = planted()
    found = procrustes(x, y)
    numpy.testing.assert_allclose(found, turn, atol=1e-12)
    numpy.testing.assert_allclose(found.T @ found, numpy.eye(8), atol=1e-12)
    numpy.testing.assert_allclose(procrustes(x, x), numpy.eye(8), atol=1e-12)


def test_maps_with_centring_recover_a_rotation_and_a_shift() -> None:
    x, y, _ = planted()
    maps = LanguageMaps(8, ["en", "de"])
    fit(maps, 0, x + 3, y - 2, ClbtSettings(center=True))
    mapped = maps(torch.from_numpy(x + 3).float(), ["de"] * len(x))
    torch.testing.assert_close(mapped, torch.from_numpy(y - 2).float(), atol=1e-5, rtol=1e-5)


def test_english_and_unset_languages_keep_their_vectors(tmp_path: Any) -> None:
    maps = LanguageMaps(4, ["de", "en"])
    with torch.no_grad():
        maps.weights += 1
    vectors = torch.randn(4, 4)
    mapped = maps(vectors, ["en", "", "de", "xx"])
    assert torch.equal(mapped[[0, 1, 3]], vectors[[0, 1, 3]])
    assert not torch.allclose(mapped[2], vectors[2])
    maps.save(tmp_path)
    torch.testing.assert_close(LanguageMaps.load(tmp_path)(vectors, ["de"] * 4)[2], mapped[2])
    with pytest.raises(ValueError, match="is not there"):
        LanguageMaps.load(tmp_path / "other")


def test_clbt_leaves_the_encoder_alone_and_brings_words_nearer(bert: str) -> None:
    method, batch = setup(bert, "clbt")
    before = {k: v.clone() for k, v in method.encoder.state_dict().items()}
    method.eval()
    first = method(batch, generator())["loss"].item()
    method.solve([batch])
    assert method(batch, generator())["loss"].item() < first
    assert all(torch.equal(v, before[k]) for k, v in method.encoder.state_dict().items())
    weights = method.maps.weights[0].detach()
    torch.testing.assert_close(weights.T @ weights, torch.eye(32), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_checkpoint_s_own_head_is_used_and_tied(bert: str, tmp_path: Any) -> None:
    tokenizer = BertTokenizerFast.from_pretrained(bert)
    config = BertConfig.from_pretrained(bert)
    torch.manual_seed(0)
    model = BertForMaskedLM(config)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    objects = load_encoder(str(tmp_path), {}, {})
    encoder = objects.transformer
    head = find_head(str(tmp_path), encoder)
    assert head is not None
    ids = torch.tensor([[2, 20, 30, 3]])
    logits = head(encoder.eval()(input_ids=ids).last_hidden_state)
    torch.testing.assert_close(logits, model.eval()(input_ids=ids).logits)
    own = {id(p) for p in head.parameters()}
    assert id(encoder.get_input_embeddings().weight) in own
    # One without: its head would be random.
    assert find_head(bert, encoder) is None


def test_a_tied_head_has_no_embeddings_of_its_own(any_encoder: str) -> None:
    encoder = load_encoder(any_encoder, {}, {}).transformer
    head = TiedHead(encoder, 32)
    embeddings = encoder.get_input_embeddings().weight
    assert id(embeddings) not in {id(p) for p in head.parameters()}
    logits = head(torch.randn(3, 32))
    assert logits.shape == (3, len(embeddings))
    logits.sum().backward()
    assert embeddings.grad is not None


def test_the_encoder_hides_languages_and_the_classifiers_look_for_them(bert: str) -> None:
    method, batch = setup(bert, "adversarial", mlm_weight=0.0)
    method.eval()(batch, generator())["loss"].backward()
    found = {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
    # The same loss in plain PyTorch, without the reversal.
    method.zero_grad()
    told = []
    sides = [
        method.encoder(input_ids=s.ids, attention_mask=s.mask, output_hidden_states=True)
        for s in (batch.source, batch.target)
    ]
    n = len(batch.languages)
    truth = torch.tensor([1] * n + [0] * n)
    for number, classify in enumerate(method.classifiers):
        layer = number % 4 + 1
        rows = []
        for side, out in zip((batch.source, batch.target), sides, strict=True):
            state = out.hidden_states[layer]
            rows.append(state[:, 0] if number < 4 else sentence_means(state, side.mask))
        told.append(nn.functional.cross_entropy(classify(torch.cat(rows)), truth))
    torch.stack(told).sum().backward()
    for name, parameter in method.named_parameters():
        if name in found:
            sign = -1 if name.startswith("encoder") else 1
            torch.testing.assert_close(found[name], sign * parameter.grad, rtol=1e-3, atol=1e-5)
    assert any(name.startswith("encoder") for name in found)


def test_languages_with_one_mean_have_no_distance() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 8)
    same = torch.cat([x, x])
    names = ["de"] * 4 + ["en"] * 4
    assert centroid_distance(same, names).item() == pytest.approx(0, abs=1e-6)
    assert centroid_distance(torch.cat([x, -x]), names).item() == pytest.approx(2, abs=1e-6)
    assert centroid_distance(x, ["en"] * 4).item() == 0


def test_the_worked_example_of_multi_way_alignment() -> None:
    languages = [
        [[1, 0.2, 0], [0, 1, 0.1]],
        [[0.9, 0.1, 0.1], [0.1, 0.8, 0]],
        [[0.8, 0.3, 0], [0, 0.9, 0.3]],
    ]
    vectors = torch.tensor(languages, dtype=torch.float64).flatten(0, 1)
    meanings = torch.tensor([0, 1] * 3)
    assert multi_way(vectors, meanings, 1.0).item() == pytest.approx(0.905899, abs=1e-6)
    assert multi_way(vectors, meanings, 0.05).item() == pytest.approx(0.000018, abs=1e-6)


def test_two_languages_are_info_nce_and_one_that_lacks_is_left_out() -> None:
    torch.manual_seed(0)
    x, y, z = torch.randn(3, 5, 8)
    pairs = multi_way(torch.cat([x, y]), torch.arange(5).repeat(2), 0.1)
    torch.testing.assert_close(pairs, info_nce(x, y, 0.1))
    whole = multi_way(torch.cat([x, y, z]), torch.arange(5).repeat(3), 0.1)
    lacking = multi_way(torch.cat([x, y, z[:2]]), torch.tensor([0, 1, 2, 3, 4] * 2 + [0, 1]), 0.1)
    assert whole != lacking != pairs
    alone = multi_way(torch.cat([x, y, z[:1]]), torch.tensor([0, 1, 2, 3, 4] * 2 + [9]), 0.1)
    # A meaning in one language is a negative, and no anchor.
    assert alone > pairs


def test_pairs_of_one_meaning_come_in_one_batch(bert: str) -> None:
    method, collate = toy_method(bert, "multi-way")
    pairs = [
        SentencePair(language, pair.source_words + [str(i)], pair.target_words, [])
        for i, language in enumerate(("ru", "de", "fr"))
        for pair in toy_pairs(6)[: 6 - i]
    ]
    examples = toy_examples(method.tokenizer, pairs)
    order = make_order(method, examples, 6, 0)
    seen = []
    for number in range(order.batches):
        batch = collate([examples[i] for i in order[number]], generator())
        for text in set(batch.english):
            n = sum(example.target.text == text for example in examples)
            assert batch.english.count(text) == n
        assert len(set(batch.english)) == 2
        seen += batch.english
        method.eval()(batch, generator())["loss"].backward()
    assert len(seen) == len(set(range(15)))


def test_a_teacher_s_vectors_are_the_goal_of_both_sides(bert: str, any_encoder: str) -> None:
    objects = load_encoder(bert, {}, {})
    method = create_method(
        "teacher", objects.transformer, objects.tokenizer, {"teacher": any_encoder}
    )
    _, collate = toy_method(bert, "labse")
    batch = collate(toy_examples(method.tokenizer, toy_pairs(4)), generator())
    method.eval()
    found = method(batch, generator())
    theirs = load_encoder(any_encoder, {}, {})
    goals = []
    with torch.no_grad():
        for text in batch.english:
            ids = theirs.tokenizer(text, return_tensors="pt").input_ids
            goals.append(theirs.transformer.eval()(ids).last_hidden_state[0].mean(0))
        goal = torch.stack(goals)
        own = [
            sentence_means(last_layer(method.encoder, side), side.mask)
            for side in (batch.source, batch.target)
        ]
    for name, vectors in zip(("foreign", "english"), own, strict=True):
        torch.testing.assert_close(
            found[name], ((vectors - goal) ** 2).mean(), rtol=1e-4, atol=1e-5
        )
    found["loss"].backward()
    assert all(p.grad is None for p in method.teacher.parameters())
    # Each text is read once.
    method.teacher.forward = None
    method(batch, generator())


def test_a_teacher_that_does_not_fit_is_refused(bert: str, tmp_path: Path) -> None:
    objects = load_encoder(bert, {}, {})
    with pytest.raises(ValueError, match='teacher = "": found no name.*Fix'):
        create_method("teacher", objects.transformer, objects.tokenizer)
    config = BertConfig(
        vocab_size=objects.transformer.config.vocab_size, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path)
    objects.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="its width is 16, that of the encoder 32"):
        create_method("teacher", objects.transformer, objects.tokenizer, {"teacher": str(tmp_path)})


def test_linked_words_are_drawn_together_in_the_embeddings(bert: str) -> None:
    method, batch = setup(bert, "mlm", dictionary=10.0)
    found = method.eval()(batch, generator())
    torch.testing.assert_close(found["loss"], found["mlm"] - 10 * found["cosine"])
    rows = method.encoder.get_input_embeddings().weight
    vectors = []
    for side in (batch.source, batch.target):
        flat = rows[side.ids.flatten()][side.words.rows]
        vectors.append(
            torch.stack([part.mean(0) for part in flat.split(side.words.lengths.tolist())])
        )
    cosines = [torch.cosine_similarity(vectors[0][i], vectors[1][j], 0) for i, j in batch.links]
    torch.testing.assert_close(found["cosine"], torch.stack(cosines).mean())


def test_the_worked_example_of_align_mlm() -> None:
    a, b = (0.5 * torch.sin(torch.arange(12.0) + s).reshape(3, 4) for s in (0.3, 1.1))
    cosines = torch.cosine_similarity(a, b)
    torch.testing.assert_close(cosines, torch.tensor([0.668091, 0.795758, 0.708265]))
    assert -10 * cosines.mean().item() == pytest.approx(-7.240379, abs=1e-5)


def test_embeddings_that_do_not_train_cannot_be_drawn_together(bert: str) -> None:
    objects = load_encoder(bert, {}, {})
    objects.transformer.get_input_embeddings().requires_grad_(False)
    with pytest.raises(ValueError, match="dictionary = 10.0: the encoder's embeddings.*Fix"):
        create_method("mlm", objects.transformer, objects.tokenizer, {"dictionary": 10.0})


def test_losses_agree_in_bf16(bert: str) -> None:
    for name in ("realign", "labse", "ml-ctl"):
        method, batch = setup(bert, name)
        method.eval()
        exact = method(batch, generator())["loss"].item()
        with torch.autocast("cpu", torch.bfloat16):
            short = method(batch, generator())["loss"].item()
        assert math.isclose(exact, short, rel_tol=0.1, abs_tol=0.2), name


@pytest.mark.parametrize("name", list(METHODS))
def test_wrong_settings_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no setting 'colour'.*Fix"):
        make_settings(name, {"colour": 1})
    first = next(iter(vars(METHODS[name].settings_class())))
    with pytest.raises(ValueError, match=f"found {first} = .*expected"):
        make_settings(name, {first: None})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ml-ctl", {"loss": "no"}),
        ("ml-ctl", {"first_layer": 9}),
        ("ppa", {"momentum": 1.0}),
        ("ppa", {"queue": 0}),
        ("cao", {"english": "no"}),
        ("realign", {"candidates": "no"}),
        ("realign", {"freeze": "no"}),
        ("clbt", {"solver": "no"}),
        ("labse", {"pool": "no"}),
        ("adversarial", {"adversarial": 0.0}),
        ("mlm", {"text": "no"}),
        ("mlm", {"rate": 1.0}),
    ],
)
def test_values_that_cannot_be_are_refused(bert: str, name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Fix: "):
        toy_method(bert, name, **changes)


@pytest.mark.parametrize(
    "name, setting, value",
    [
        ("ml-ctl", "loss", "cosine"),
        ("ml-ctl", "temperature", 0.0),
        ("ml-ctl", "no_negatives", "stop"),
        ("ppa", "momentum", 1.5),
        ("ppa", "queue", 0),
        ("cao", "english", "later"),
        ("cao", "reduction", "max"),
        ("realign", "temperature", -0.1),
        ("realign", "candidates", "some"),
        ("realign", "freeze", "all"),
        ("clbt", "solver", "guess"),
        ("clbt", "word_repr", "middle"),
        ("labse", "pool", "max"),
        ("labse", "scale", 0.0),
    ],
)
def test_values_that_cannot_be_are_refused_before_an_encoder_is_loaded(
    name: str, setting: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"{setting} = .*expected .*Fix: {setting} = "):
        make_settings(name, {setting: value})
