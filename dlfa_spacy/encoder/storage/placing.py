"""Layers of a kind of its own where a saved encoder has them."""

from collections.abc import Callable, Sequence

from torch import nn


def place_layers(
    transformer: nn.Module,
    names: Sequence[str],
    linear: Callable[[int, int, bool], nn.Module],
    embedding: Callable[[int, int, int | None], nn.Module],
    kind: str,
) -> None:
    """Put empty layers in the place of ordinary ones; their weights are loaded afterwards.

    transformer (Module): Changed in place.
    names (Sequence[str]): Of the layers.
    linear, embedding (Callable): Make them, from the arguments of `nn.Linear` and `nn.Embedding`.
    kind (str): What they are, for errors.
    RAISES (ValueError): There is no Linear layer, and no embedding, of that name.
    """
    for name in names:
        try:
            layer = transformer.get_submodule(name)
        except AttributeError:
            layer = None
        if isinstance(layer, nn.Linear):
            made = linear(layer.in_features, layer.out_features, layer.bias is not None)
        elif isinstance(layer, nn.Embedding):
            made = embedding(layer.num_embeddings, layer.embedding_dim, layer.padding_idx)
        else:
            raise ValueError(
                f'The saved encoder says that its layer "{name}" is {kind}, but its configuration '
                "has no Linear layer and no embedding there (found "
                f"{type(layer).__name__}). Fix: copy the pipeline again, or use the version of "
                "transformers that saved it."
            )
        transformer.set_submodule(name, made)
