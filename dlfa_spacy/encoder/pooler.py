"""The encoder's own pooler: dense and tanh over the first wordpiece (Devlin et al. 2019)."""

from typing import Any

from torch import Tensor, nn


def find_pooler(transformer: Any) -> nn.Linear | None:
    """RETURNS (Optional[Linear]): The pooler's dense layer `(E, E)`, if the encoder has one."""
    pooler = getattr(transformer, "pooler", None)
    # ALBERT's is the layer itself.
    dense = getattr(pooler, "dense", pooler)
    return dense if isinstance(dense, nn.Linear) else None


def pooler_weights(transformer: Any) -> tuple[Tensor, Tensor] | None:
    """RETURNS (Optional[Tuple[Tensor, Tensor]]): `(E, E)` and `(E,)`, on the CPU."""
    dense = find_pooler(transformer)
    if dense is None or dense.bias is None:
        return None
    return dense.weight.detach().cpu(), dense.bias.detach().cpu()


def drop_pooler(transformer: Any) -> None:
    """Take away a pooler that the checkpoint does not have: transformers fills it with random
    numbers, and nobody should take those for trained ones."""
    if find_pooler(transformer) is not None:
        # Not None: some architectures call it in any case.
        transformer.pooler = nn.Identity()
