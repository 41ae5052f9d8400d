"""DLFA and attention over layers in plain PyTorch, without spaCy.

    python examples/plain_pytorch.py assets/encoder

An aggregator is a torch module: module(states, lengths) -> vectors. `states` are all layers of the
encoder, `(S, N, E)`, without padding rows; `lengths` says how many rows each text has.
"""

from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from dlfa_spacy.aggregators import DoubleLayerFusion, LayerAttention
from dlfa_spacy.encoder.storage.loading import load_encoder

TEXTS = ["Anna lives in Berlin.", "Анна живёт в Берлине с прошлого года."]


def packed_layers(encoder: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """RETURNS (Tuple[Tensor, Tensor]): All layers `(S, N, E)`, and the rows of each text `(B,)`."""
    output = encoder(**batch, output_hidden_states=True)
    layers = torch.stack(output.hidden_states)  # (S, B, T, E)
    mask = batch["attention_mask"].bool()  # (B, T)
    # Padding must not count in DLFA's mean over a text, nor in batch norm: leave it out.
    return layers[:, mask], mask.sum(dim=1)


def gradient_norms(encoder: nn.Module, aggregator: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Run one backward pass.

    RETURNS (Tensor): `(S,)`, the norm of the gradient that each layer gets from the aggregator.
    """
    with torch.no_grad():
        states, lengths = packed_layers(encoder, batch)
    leaves = states.requires_grad_()
    vectors = aggregator(leaves, lengths)  # (N, E)
    # Any loss will do; here the rows are asked to be alike.
    vectors.var(dim=0).sum().backward()
    assert leaves.grad is not None
    return leaves.grad.flatten(1).norm(dim=1)


def main(
    name: Annotated[
        str, typer.Argument(help="Folder or Hugging Face name of an encoder.")
    ] = "assets/encoder",
    layer: Annotated[int, typer.Option(help="Lower layer of DLFA.")] = -3,
) -> None:
    """Print which layers two aggregators train."""
    torch.manual_seed(0)
    # As AutoTokenizer and AutoModel would, but for an encoder in four bits, too.
    loaded = load_encoder(name, {}, {})
    tokenizer, encoder = loaded.tokenizer, loaded.transformer.eval()
    width, depth = encoder.config.hidden_size, encoder.config.num_hidden_layers
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt", return_token_type_ids=False)

    fusion = DoubleLayerFusion(width, layer=layer, gate="product")
    # The residual form starts at the last layer; without it every layer takes part at once.
    attention = LayerAttention(width, depth, residual=False, dropout=0.0)
    print("layers that DLFA reads:", fusion.needs(depth))
    print("layer  gradient (DLFA)  gradient (attention)")
    norms = zip(
        gradient_norms(encoder, fusion, dict(batch)),
        gradient_norms(encoder, attention, dict(batch)),
        strict=True,
    )
    for number, (by_fusion, by_attention) in enumerate(norms):
        print(f"{number:5}  {by_fusion:15.4f}  {by_attention:20.4f}")


if __name__ == "__main__":
    typer.run(main)
