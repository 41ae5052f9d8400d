"""Encoders without padding give what Hugging Face gives, and run so only where they do."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import (
    layers_of,
    tiny_bert,
    tiny_camembert,
    tiny_deberta,
    tiny_distilbert,
    tiny_electra,
    tiny_mdeberta,
    tiny_modernbert,
    tiny_xlm_roberta,
)
from torch import Tensor, nn
from transformers import AlbertConfig, AlbertModel, AutoConfig, AutoModel, BertModel

from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.encoder.run.packed_rows import packed_layers, rows_of, runs_packed

KINDS = {
    "bert": tiny_bert,
    "camembert": tiny_camembert,
    "deberta": tiny_deberta,
    "distilbert": tiny_distilbert,
    "electra": tiny_electra,
    "mdeberta": tiny_mdeberta,
    "modernbert": tiny_modernbert,
    "xlm_roberta": tiny_xlm_roberta,
}
LAYERS = range(5)
Rows = Sequence[Sequence[int]]


@pytest.fixture(scope="module", params=sorted(KINDS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each kind of encoder that runs packed, in evaluation mode."""
    folder = KINDS[request.param](tmp_path_factory.mktemp(request.param))
    return AutoModel.from_pretrained(folder).eval()


def packed(model: Any, rows: Rows, layers: Sequence[int] = LAYERS) -> dict[int, Tensor]:
    ids = numpy.array([i for row in rows for i in row], dtype="int64")
    lengths = numpy.array([len(row) for row in rows])
    return packed_layers(model, ids, None, lengths, layers)


def alone(model: Any, rows: Rows) -> list[Tensor]:
    """RETURNS: All layers `(N, E)`, by Hugging Face, one window at a time."""
    outputs = [
        layers_of(
            model(
                input_ids=torch.tensor([row]),
                attention_mask=torch.ones(1, len(row)),
                output_hidden_states=True,
            )
        )
        for row in rows
    ]
    return [torch.cat([output[layer][0] for output in outputs]) for layer in LAYERS]


def blocks_of(model: Any) -> Sequence[Any]:
    rows = rows_of(model)
    assert rows is not None
    return rows.blocks(model)


def random_rows(lengths: Sequence[int], seed: int = 0) -> Rows:
    rng = numpy.random.default_rng(seed)
    return [rng.integers(5, 60, size=n).tolist() for n in sorted(lengths)]


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_every_layer_is_that_of_each_window_alone(
    model: Any, lengths: list[int], seed: int
) -> None:
    rows = random_rows(lengths, seed)
    with torch.no_grad():
        found, expected = packed(model, rows), alone(model, rows)
    for layer in LAYERS:
        torch.testing.assert_close(found[layer], expected[layer], atol=1e-5, rtol=1e-5)


def test_a_padding_token_inside_a_text_counts_as_hugging_face_counts_it(model: Any) -> None:
    pad = model.config.pad_token_id
    rows = [[7, pad, 9], [7, 8, pad, pad, 9]]
    with torch.no_grad():
        found, expected = packed(model, rows), alone(model, rows)
    torch.testing.assert_close(found[4], expected[4], atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_hugging_face(model: Any) -> None:
    rows = random_rows([3, 9, 3, 14, 1])
    weights = torch.randn(5, sum(map(len, rows)), 32)

    def gradients(states: Sequence[Tensor]) -> dict[str, Tensor]:
        model.zero_grad()
        (torch.stack(list(states)) * weights).sum().backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    expected = gradients(alone(model, rows))
    found = gradients([packed(model, rows)[layer] for layer in LAYERS])
    assert found.keys() == expected.keys() and len(found) > 20
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=2e-4, rtol=1e-4)


def test_no_block_above_the_highest_layer_runs(model: Any) -> None:
    ran = []
    linear = [next(m for m in b.modules() if isinstance(m, nn.Linear)) for b in blocks_of(model)]
    hooks = [
        module.register_forward_hook(lambda *_, number=number: ran.append(number))
        for number, module in enumerate(linear, start=1)
    ]
    assert sorted(packed(model, random_rows([4, 5]), [0, 2])) == [0, 2]
    # A layer may read positions as well as wordpieces.
    assert set(ran) == {1, 2}
    ran.clear()
    assert sorted(packed(model, random_rows([4, 5]), [0])) == [0]
    assert not ran
    for hook in hooks:
        hook.remove()


def test_dropout_is_applied_in_training_and_only_then(model: Any) -> None:
    rows = random_rows([4, 9])
    assert torch.equal(packed(model, rows)[4], packed(model, rows)[4])
    for block in blocks_of(model):
        attention = getattr(block, "attn", None) or getattr(
            block.attention, "self", block.attention
        )
        if hasattr(attention, "attention_dropout"):
            # ModernBERT's, which has none by default.
            attention.attention_dropout = 0.1
        attention.train()
    first, second = packed(model, rows), packed(model, rows)
    model.eval()
    # That of the attention weights, the only modules in training.
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])


def test_blocks_in_bfloat16_are_near(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlfa_spacy.encoder.run.packed.has_bfloat16", lambda device: True)
    rows = random_rows([3, 9, 3, 14, 60])
    with torch.no_grad():
        expected = alone(model, rows)
        found = PackedEncoder(model, mixed_precision=True)(Windows(rows), [0, 2, 4])
    for layer in (0, 2, 4):
        assert found[layer].dtype == torch.float32
        assert (found[layer] - expected[layer]).norm() < 0.05 * expected[layer].norm()
    assert not torch.equal(found[4], expected[4])


def test_token_types_reach_the_embeddings(bert: str) -> None:
    model = BertModel.from_pretrained(bert).eval()
    ids, types = numpy.array([2, 7, 3, 9, 3]), numpy.array([0, 0, 0, 1, 1])
    with torch.no_grad():
        found = packed_layers(model, ids, types, numpy.array([5]), [4])[4]
        expected = model(
            input_ids=torch.tensor(ids)[None], token_type_ids=torch.tensor(types)[None]
        ).last_hidden_state[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


# Where it is used


class Windows:
    def __init__(self, rows: Rows):
        self.ids = numpy.array([i for row in rows for i in row], dtype="int64")
        self.lengths = numpy.array([len(row) for row in rows])
        self.types = None


def test_windows_come_back_in_their_order_whatever_the_budget(model: Any) -> None:
    rows = random_rows([9, 2, 30, 4, 4, 17])
    rows = [rows[i] for i in (3, 0, 5, 1, 4, 2)]
    expected = alone(model, rows)
    for budget in (1, 20, 1024):
        with torch.no_grad():
            found = PackedEncoder(model)(Windows(rows), [0, 4], budget=budget)
        for layer in (0, 4):
            torch.testing.assert_close(found[layer], expected[layer], atol=1e-5, rtol=1e-5)


class Doubled(BertModel):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state * 2
        return output


def with_config(folder: str, **settings: Any) -> Any:
    config = AutoConfig.from_pretrained(folder)
    for key, value in settings.items():
        setattr(config, key, value)
    return AutoModel.from_config(config)


def not_packed(bert: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """YIELDS: What it is, and an encoder that has to run by itself."""
    made = {"deberta": tiny_deberta, "modernbert": tiny_modernbert}
    for name in made:
        (folder / name).mkdir()
    sizes = {"embedding_size": 8, "hidden_size": 16, "num_attention_heads": 2}
    yield "another architecture", AlbertModel(AlbertConfig(vocab_size=9, **sizes))
    deberta, modernbert = (make(folder / name) for name, make in made.items())
    yield "a convolution", with_config(deberta, conv_kernel_size=3)
    yield "absolute positions", with_config(deberta, relative_attention=False)
    turned = AutoModel.from_pretrained(modernbert)
    turned.layers[0].attn.rotary_emb.rope_type = "dynamic"
    yield "other angles", turned
    yield "a subclass", Doubled.from_pretrained(bert)
    relative = BertModel.from_pretrained(bert, position_embedding_type="relative_key")
    yield "relative positions", relative
    yield "a decoder", BertModel.from_pretrained(bert, is_decoder=True)
    checkpointing = BertModel.from_pretrained(bert)
    checkpointing.gradient_checkpointing_enable()
    yield "gradient checkpointing", checkpointing
    hooked = BertModel.from_pretrained(bert)
    hooked.encoder.layer[1].register_forward_hook(lambda module, args, output: (output[0] * 2,))
    yield "a hook on a block", hooked


def test_an_encoder_that_computes_something_else_runs_by_itself(bert: str, tmp_path: Path) -> None:
    assert runs_packed(BertModel.from_pretrained(bert))
    for name, model in not_packed(bert, tmp_path):
        assert not runs_packed(model), name
        assert not runs_packed(model.train()), name


def test_a_hook_on_a_block_has_its_effect(bert: str) -> None:
    model = BertModel.from_pretrained(bert).eval()
    rows = random_rows([4, 9])
    with torch.no_grad():
        before = PackedEncoder(model)(Windows(rows), [4])[4]
        hook = model.encoder.layer[3].register_forward_hook(
            # transformers 5 hands out the rows themselves.
            lambda module, args, output: (
                (output[0] * 2, *output[1:]) if isinstance(output, tuple) else output * 2
            )
        )
        after = PackedEncoder(model)(Windows(rows), [4])[4]
    hook.remove()
    torch.testing.assert_close(after, 2 * before, atol=1e-5, rtol=1e-5)
