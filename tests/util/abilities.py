"""What an encoder can do here, tried on a tiny one of each kind: tests and docs/encoders.md read
the same list."""

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import life
import numpy
import torch
from life import annotations, assert_same, encoded, initialized, pipeline, reloaded
from optimized import encoder, mean, run
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from tiny import (
    layers_of,
    tiny_bert,
    tiny_byte_modernbert,
    tiny_camembert,
    tiny_canine,
    tiny_distilbert,
    tiny_mdeberta,
    tiny_mmbert,
    tiny_mt5,
    tiny_roberta,
    tiny_wide_electra,
    tiny_xlm_roberta,
)
from torch import Tensor, nn
from transformers import AutoTokenizer

from dlfa_spacy.encoder.cache import LayerCache
from dlfa_spacy.encoder.run.early_exit import find_blocks
from dlfa_spacy.encoder.run.packed_rows import runs_packed
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.pairs import make_pair


@dataclass(frozen=True)
class Kind:
    """A kind of encoder.

    make (Callable): Writes a tiny one to a folder, and returns it.
    examples (str): Who is of this kind.
    pieces (str): What its tokenizer is.
    """

    make: Callable[[Path], str]
    examples: str
    pieces: str


KINDS = {
    "BERT": Kind(tiny_bert, "mBERT, LaBSE, MiniLM", "WordPiece"),
    "XLM-RoBERTa": Kind(tiny_xlm_roberta, "XLM-R, larger multilingual-e5, BGE-M3", "Unigram"),
    "RoBERTa": Kind(tiny_roberta, "RoBERTa", "byte-level BPE"),
    "CamemBERT": Kind(tiny_camembert, "CamemBERT", "Unigram"),
    "DistilBERT": Kind(tiny_distilbert, "DistilmBERT", "WordPiece"),
    "ELECTRA": Kind(tiny_wide_electra, "ELECTRA", "WordPiece"),
    "DeBERTa-v2": Kind(tiny_mdeberta, "mDeBERTa-v3, DeBERTa-v3", "Unigram"),
    "ModernBERT": Kind(tiny_byte_modernbert, "ModernBERT", "byte-level BPE"),
    "mmBERT": Kind(tiny_mmbert, "mmBERT", "BPE with byte fallback"),
}
# Nothing of these works: they are refused when they are loaded.
REFUSED = {"CANINE": tiny_canine, "mT5": tiny_mt5}
# Of several lengths, with two spaces, letters that no vocabulary has, and words cut anywhere.
TEXTS = [
    "Anna lives in Berlin, unable: the (Berlin)!",
    "the un able  Berlin",
    "Berlin",
    "北京 Anna ☃ lives the in Anna Berlin ed " * 2,
]
PAIR = ("Anna lives in Berlin", "the Berlin ing")
# Integers and four bits move vectors; what is wrong moves them by their own size.
ROUNDED = 0.6


def trained(folder: str) -> Language:
    """RETURNS (Language): A pipeline of its own: a tagger that reads several layers."""
    return copy_of(_trained(folder))


@functools.cache
def _trained(folder: str) -> Language:
    return initialized(pipeline(folder, {"tagger": mean(1, 2, 4)}), 1)


def copy_of(nlp: Language) -> Language:
    return load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())


def whole_texts(folder: str) -> Language:
    """RETURNS (Language): One whose windows are whole texts, as Hugging Face has them."""
    nlp = trained(folder)
    encoder(nlp).attrs["get_spans"] = WordpieceSpans(60, 60)
    return nlp


def docs_of(nlp: Language) -> list[Doc]:
    return [nlp.make_doc(text) for text in TEXTS]


def huggingface(model: Any, folder: str, texts: Sequence[Any]) -> list[Tensor]:
    """RETURNS (List[Tensor]): All layers `(N, E)` by `AutoModel`, one text or pair at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in texts:
        encoding = tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt")
        taken = inspect.signature(model.forward).parameters
        inputs = {key: value for key, value in encoding.items() if key in taken}
        found.append(layers_of(model(**inputs, output_hidden_states=True)))
    return [torch.cat([text[0] for text in layer]) for layer in zip(*found, strict=True)]


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


# One function for each ability: it fails where the encoder lacks it.


def raw_ids(folder: str, path: Path) -> None:
    """Wordpieces are those of the tokenizer on raw text, although spaCy has cut it into words."""
    nlp = whole_texts(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    windows = encoder(nlp).segment(docs_of(nlp))
    expected = tokenizer(TEXTS)["input_ids"]
    assert windows.lengths.tolist() == [len(ids) for ids in expected]
    assert windows.ids.tolist() == [i for ids in expected for i in ids]


def all_layers(folder: str, path: Path) -> None:
    """H^0 to H^L are those of Hugging Face, H^L `last_hidden_state`."""
    nlp = whole_texts(folder)
    states = encoder(nlp).encode(docs_of(nlp), [0, 1, 2, 3, 4]).states
    with torch.no_grad():
        expected = huggingface(encoder(nlp).transformer, folder, TEXTS)
    assert len(expected) == 5
    for layer, states_of_layer in enumerate(expected):
        assert_close(states[layer], states_of_layer)


def gradients(folder: str, path: Path) -> None:
    """Through every layer at once, autograd on the plain encoder gives the same."""
    nlp = whole_texts(folder)
    model = encoder(nlp).transformer
    plain = copy.deepcopy(model)
    windows = encoder(nlp).segment(docs_of(nlp))
    found = encoder(nlp).packed(windows, [0, 1, 2, 3, 4])
    expected = huggingface(plain, folder, TEXTS)
    for layer, states in enumerate(expected):
        weights = torch.randn_like(states) * 2.0**-layer
        (found[layer] * weights).sum().backward(retain_graph=True)
        (states * weights).sum().backward(retain_graph=True)
    own = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    others = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    assert own.keys() == others.keys() and len(own) > 20
    # That of a bias of keys is 0 but for rounding.
    least = 1e-3 * max(float(gradient.norm()) for gradient in others.values())
    for name, gradient in others.items():
        error = float((own[name] - gradient).norm() / gradient.norm().clamp_min(least))
        assert error < 1e-4, f"{name}: {error}"


def early_exit(folder: str, path: Path) -> None:
    """A listener that needs low layers alone gets the same, and no block above them runs."""
    nlp = whole_texts(folder)
    blocks = find_blocks(encoder(nlp).transformer, 4)
    assert blocks is not None
    expected = encoder(nlp).encode(docs_of(nlp), [0, 1, 2, 3, 4]).states
    ran = []
    # Inside the blocks: packed rows do not call them.
    for number, block in enumerate(blocks, start=1):
        linear = next(module for module in block.modules() if isinstance(module, nn.Linear))
        linear.register_forward_hook(lambda *_, number=number: ran.append(number))
    states = encoder(nlp).encode(docs_of(nlp), [0, 2]).states
    assert set(ran) == {1, 2}
    for layer in (0, 2):
        assert_close(states[layer], expected[layer])


def frozen_cache(folder: str, path: Path) -> None:
    """What is kept of a frozen encoder is what it computed, in half precision."""
    nlp = whole_texts(folder)
    model = encoder(nlp)
    expected = model.encode(docs_of(nlp), [1, 4]).states
    model.cache = LayerCache("100MB")
    for is_new in (True, False):
        with encoded() as runs:
            states = model.encode_frozen(docs_of(nlp), [1, 4]).states
        assert bool(runs) == is_new
        for layer in (1, 4):
            torch.testing.assert_close(states[layer], expected[layer], atol=2e-3, rtol=2e-3)


def replaced_listeners(folder: str, path: Path) -> None:
    """`replace_listeners` gives a tagger its own encoder, which survives saving."""
    nlp = trained(folder)
    own = copy_of(nlp)
    own.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    own.remove_pipe("transformer")
    assert_same(nlp, own, TEXTS)
    assert_same(nlp, reloaded(own, path), TEXTS)


def pairs(folder: str, path: Path) -> None:
    """Two texts are one window, as the tokenizer joins them, with its token types."""
    nlp = whole_texts(folder)
    states = encoder(nlp).encode([make_pair(nlp, *PAIR)], [0, 4]).states
    with torch.no_grad():
        expected = huggingface(encoder(nlp).transformer, folder, [PAIR])
    for layer in (0, 4):
        assert_close(states[layer], expected[layer])


def packed(folder: str, path: Path) -> None:
    """On a CPU it reads rows without padding."""
    assert runs_packed(encoder(trained(folder)).transformer)


def _vectors(nlp: Language) -> Any:
    """RETURNS (List[Floats2d]): What the tagger reads of each text."""
    return nlp.get_pipe("tagger").model.get_ref("tok2vec").predict(list(nlp.pipe(TEXTS)))  # type: ignore[attr-defined]


def _optimized(folder: str, path: Path, **options: Any) -> tuple[Language, Language]:
    nlp = trained(folder)
    found, _ = run(copy_of(nlp), path, cut=False, **options)
    return nlp, found


def _assert_near(nlp: Language, found: Language) -> None:
    for own, other in zip(_vectors(nlp), _vectors(found), strict=True):
        assert numpy.linalg.norm(own - other) < ROUNDED * numpy.linalg.norm(own)
    assert len(annotations(found.pipe(TEXTS))) == len(TEXTS)


def trimmed(folder: str, path: Path) -> None:
    """`dlfa optimize --trim-vocab`: the same on covered texts, with fewer wordpieces."""
    nlp, found = _optimized(folder, path, trim=True)
    assert len(encoder(found).tokenizer) < len(encoder(nlp).tokenizer)
    assert_same(nlp, found, life.TEXTS)


def int8(folder: str, path: Path) -> None:
    """`dlfa optimize --int8 --int8-embeddings`: vectors stay near."""
    _assert_near(*_optimized(folder, path, int8=True, int8_embeddings=True))


def int4(folder: str, path: Path) -> None:
    """`dlfa optimize --int4 --int4-embeddings`: vectors stay near."""
    _assert_near(*_optimized(folder, path, int4=True, int4_embeddings=True))


def cut(folder: str, path: Path) -> None:
    """`dlfa optimize`: blocks that nobody reads are removed."""
    nlp = initialized(pipeline(folder, {"tagger": mean(1, 2)}), 0)
    found, _ = run(nlp, path)
    assert encoder(found).num_layers == 2
    assert_same(nlp, found, TEXTS)


def onnx(folder: str, path: Path) -> None:
    """`dlfa optimize --onnx`: the graph gives the same."""
    nlp, found = _optimized(folder, path, onnx=True)
    for own, other in zip(_vectors(nlp), _vectors(found), strict=True):
        numpy.testing.assert_allclose(other, own, atol=1e-4, rtol=0)


ABILITIES: dict[str, Callable[[str, Path], None]] = {
    "raw text": raw_ids,
    "layers": all_layers,
    "gradients": gradients,
    "early exit": early_exit,
    "frozen cache": frozen_cache,
    "`replace_listeners`": replaced_listeners,
    "pairs": pairs,
    "packed on a CPU": packed,
    "cut": cut,
    "trim": trimmed,
    "int8": int8,
    "int4": int4,
    "ONNX": onnx,
}
