"""EAR: golden values, the gradient of both losses, which words are copied, what is refused."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
import torch.nn.functional as F
from golden import fill
from pipelines import TEXTS, Bench, bench
from spacy.tokens import DocBin
from tiny import tiny_distilbert
from torch import Tensor
from transformers import BertModel

from dlfa_spacy.alignment.losses import attention_maps, attention_of_words, means_apart
from dlfa_spacy.alignment.training.order import seeded
from dlfa_spacy.pairs import join_pair
from dlfa_spacy.transfer.ear import build_ear_v1, copies_of

SYNONYMS = {"lives": ["dwells", "resides"], "in": ["within"], "the": ["that"], "unable": ["able"]}
LINES = ["Anna lives in Berlin .", "the unable the unable Anna", "Berlin lives .", "Anna Berlin"]
STEP = {"step": 0, "epoch": 0}


def callback(folder: Path, lines: list[str] = LINES, **settings: Any) -> Any:
    (folder / "synonyms.json").write_text(json.dumps(SYNONYMS))
    (folder / "en.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"layer": 2, "batch_size": 100, **settings}
    return build_ear_v1(str(folder / "en.txt"), str(folder / "synonyms.json"), **settings)


def test_the_push_has_its_golden_value_and_an_end() -> None:
    means = [fill((n, 4), 0.5, b).mean(dim=0, keepdim=True) for n, b in ((3, 0.1), (2, 0.9))]
    assert means_apart(*means, cap=1.0).item() == pytest.approx(-0.017220, abs=1e-6)
    x = torch.zeros(2, 3, requires_grad=True)
    loss = means_apart(x, torch.full((2, 3), 2.0), cap=1.0)
    loss.backward()
    assert loss.item() == -1 and x.grad is not None and not x.grad.any()


def test_maps_are_what_an_encoder_attends_with(bert: str) -> None:
    encoder: Any = BertModel.from_pretrained(bert, attn_implementation="eager").eval()
    ids, mask = torch.randint(5, 20, (3, 7)), torch.ones(3, 7, dtype=torch.long)
    mask[1, 4:] = 0
    found = encoder(ids, attention_mask=mask, output_attentions=True, output_hidden_states=True)
    attention = encoder.encoder.layer[1].attention.self
    heads = (attention.num_attention_heads, -1)
    query, key = (
        project(found.hidden_states[1]).unflatten(-1, heads).transpose(1, 2)
        for project in (attention.query, attention.key)
    )
    torch.testing.assert_close(attention_maps(query, key, mask), found.attentions[1])


def test_words_attend_as_their_wordpieces_do() -> None:
    maps = torch.rand(1, 2, 4, 4).softmax(dim=-1)
    # Word 0 is wordpiece 1, word 1 are wordpieces 2 and 3.
    rows, lengths = torch.tensor([1, 2, 3]), torch.tensor([1, 2])
    (found,) = attention_of_words(maps, rows, lengths, torch.tensor([0, 1]), torch.tensor([0, 0]))
    expected = torch.stack(
        [
            torch.stack([maps[0, :, 1, 1], maps[0, :, 1, 2:].sum(-1)], dim=-1),
            torch.stack([maps[0, :, 2:, 1].mean(-1), maps[0, :, 2:, 2:].sum(-1).mean(-1)], dim=-1),
        ],
        dim=1,
    )
    torch.testing.assert_close(found, expected)


def plain(encoder: Any, tokenizer: Any, words: list[str], layer: int) -> tuple[Tensor, Tensor]:
    """RETURNS: The mean of H^0, and the attention between words `(h, k, k)`, one text at a time."""
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    found = encoder(**encoded, output_attentions=True, output_hidden_states=True)
    (maps,) = found.attentions[layer - 1]
    owners = encoded.word_ids()
    rows = [[r for r, owner in enumerate(owners) if owner == i] for i in range(len(words))]
    of_words = torch.stack([maps[:, own].mean(dim=1) for own in rows], dim=1)
    between = torch.stack([of_words[:, :, own].sum(dim=2) for own in rows], dim=2)
    return found.hidden_states[0].mean(dim=1), between


def test_the_gradient_is_that_of_the_sum_of_all_losses(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "attention"})
    hook = callback(tmp_path, push=0.3, pull=20.0, copies=2)
    hook(both.nlp, STEP)
    both.update(TEXTS)
    both.repeat(TEXTS)
    eager: Any = BertModel.from_pretrained(bert, attn_implementation="eager").eval()
    eager.load_state_dict(both.transformer.state_dict())
    nlp = spacy.blank("xx")
    means: list[list[Tensor]] = [[], []]
    maps: list[list[Tensor]] = [[], []]
    switcher = callback(tmp_path).reference.pairs.switcher
    pairs = [x for line in LINES for x in copies_of(nlp.make_doc(line), switcher, 2)]
    assert len(pairs) > 3
    for pair in pairs:
        for k, words in enumerate((pair.source_words, pair.target_words)):
            mean, between = plain(eager, both.tokenizer, words, layer=2)
            means[k].append(mean)
            maps[k].append(between.flatten())
    pushed = -F.mse_loss(*(torch.cat(x) for x in means))
    pulled = F.mse_loss(*(torch.cat(x) for x in maps))
    loss = 0.3 * pushed + 20 * pulled
    loss.backward()
    assert hook.loss == pytest.approx(loss.item(), rel=1e-4)
    assert pulled.item() > 1e-5
    for name, parameter in both.transformer.named_parameters():
        extra = dict(eager.named_parameters()).get(name)
        if extra is not None and extra.grad is not None:
            parameter.grad = extra.grad + (0 if parameter.grad is None else parameter.grad)
    wrong = {k: v for k, v in both.errors().items() if not v < 1e-4}
    assert not wrong


def test_words_of_a_copy_stand_where_those_of_the_text_do(tmp_path: Path) -> None:
    doc = spacy.blank("xx").make_doc(LINES[0])
    pairs = list(copies_of(doc, callback(tmp_path).reference.pairs.switcher, 5))
    assert 1 < len(pairs) <= 5
    for pair in pairs:
        assert pair.target_text == LINES[0]
        assert pair.links == [(i, i) for i in range(5)]
        for word, copied in zip(pair.target_words, pair.source_words, strict=True):
            assert copied == word or copied in SYNONYMS[word]
    assert len({pair.source_text for pair in pairs}) > 1


def test_both_texts_of_a_pair_are_copied(tmp_path: Path) -> None:
    doc = spacy.blank("xx").make_doc(join_pair(LINES[0], LINES[1])[0])
    pairs = list(copies_of(doc, callback(tmp_path).reference.pairs.switcher, 9))
    assert {len(pair.target_words) for pair in pairs} == {5}
    assert {pair.target_text for pair in pairs} == set(LINES[:2])


def test_the_same_batch_each_time_also_after_pickling(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path, batch_size=2, every=2)
    losses = []
    for _ in range(2):
        for step in range(3):
            hook(both.nlp, {"step": step, "epoch": 0})
            losses.append(hook.loss)
        hook = pickle.loads(pickle.dumps(hook))
    assert losses[0] == losses[1] != losses[2]
    assert losses[:3] == pytest.approx(losses[3:])


def test_texts_come_from_a_corpus_too(bert: str, tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    DocBin(docs=[nlp(line) for line in LINES]).to_disk(tmp_path / "train.spacy")
    hook = callback(tmp_path)
    found = build_ear_v1(
        str(tmp_path / "train.spacy"), str(tmp_path / "synonyms.json"), layer=2, batch_size=100
    )
    both: Bench = bench(bert, {"tagger": "last"})
    examples = [
        {x.source.text for x in one.reference.pairs.read(model_of(both), True)}  # type: ignore[attr-defined]
        for one in (hook, found)
    ]
    assert examples[0] == examples[1] and len(examples[0]) > 3


def test_a_copy_that_is_the_text_has_no_attention_to_pull(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    reference = callback(tmp_path).reference
    method, batch = reference._batch(model_of(both), 0)
    same = type(batch)(
        **{**batch.__dict__, "source": batch.target, "links": batch.links[:, [1, 1]]}
    )
    found = method.eval()(same, seeded(0, 0))
    assert found["attention"].item() == 0 and found["embeddings"].item() == 0


def model_of(both: Bench) -> Any:
    return both.nlp.get_pipe("transformer").model  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"copies": 0}, "copies = 0: expected 1"),
        ({"batch_size": 0}, "batch_size = 0: expected 1"),
        ({"pull": -1.0}, "pull = -1.0: expected 0 or more"),
        ({"token_rate": 2.0}, "token_rate = 2.0: expected a share"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        callback(tmp_path, **wrong)


def test_what_is_wrong_is_named_at_the_first_step(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    with pytest.raises(ValueError, match="no word has synonyms"):
        callback(tmp_path, lines=["Anna Berlin"])(both.nlp, STEP)
    with pytest.raises(ValueError, match="layer = 9: expected a block of the encoder, from 1 to 4"):
        callback(tmp_path, layer=9)(both.nlp, STEP)
    (tmp_path / "distilbert").mkdir()
    other: Bench = bench(tiny_distilbert(tmp_path / "distilbert"), {"tagger": "last"})
    with pytest.raises(ValueError, match="DistilBertModel.*no attention like BERT's.*Fix"):
        callback(tmp_path)(other.nlp, STEP)
