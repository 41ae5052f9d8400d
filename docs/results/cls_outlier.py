"""How much of [CLS] is one dimension, layer by layer, and what the gates of DLFA make of it.

python docs/results/cls_outlier.py [ENCODER]
"""

import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from dlfa_spacy.aggregators import DoubleLayerFusion
from dlfa_spacy.encoder.storage.loading import load_encoder

name = sys.argv[1] if len(sys.argv) > 1 else "assets/encoder"
lines = Path("assets/corpus/en/dev.conllu").read_text(encoding="utf-8").splitlines()
texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
loaded = load_encoder(name, {}, {})
tokenizer, encoder = loaded.tokenizer, loaded.transformer.eval()
inputs = tokenizer(texts, padding=True, return_tensors="pt")
with torch.no_grad():
    layers = encoder(**inputs, output_hidden_states=True).hidden_states
real = inputs["attention_mask"].bool()
lengths = real.sum(dim=1)
states = torch.stack([layer[real] for layer in layers])  # (S, N, E)
first = torch.cumsum(lengths, 0) - lengths  # (B,), the rows of [CLS]
others = torch.ones(states.shape[1], dtype=torch.bool).index_fill(0, first, False)


def peak(rows: torch.Tensor) -> float:
    """RETURNS (float): Mean share of a vector's length in its largest dimension."""
    return float((rows.abs().amax(dim=-1) / rows.norm(dim=-1)).mean())


def spread(rows: torch.Tensor) -> float:
    """RETURNS (float): How far texts are from their mean, relative to their length."""
    return float((rows - rows.mean(dim=0)).norm(dim=-1).mean() / rows.norm(dim=-1).mean())


table = Table(
    "", "[CLS], share of the largest dimension", "[CLS], spread of texts", "others, share"
)
for layer, rows in enumerate(states):
    cells = (peak(rows[first]), spread(rows[first]), peak(rows[others]))
    table.add_row(f"H^{layer}", *(f"{cell:.3f}" for cell in cells))
for gate in ("product", "sigmoid"):
    torch.manual_seed(0)
    module = DoubleLayerFusion(states.shape[-1], gate=gate).eval()
    with torch.no_grad():
        rows = module(states, lengths)
    cells = (peak(rows[first]), spread(rows[first]), peak(rows[others]))
    table.add_row(f"DLFA, {gate}, untrained", *(f"{cell:.3f}" for cell in cells))
Console().print(table)
