"""InfoNCE and CZ-NCE over pairs: everything else in the batch, on both sides, is a negative."""

import torch
from torch import Tensor

from .contrastive import contrastive
from .similarity import cosine_matrix


def info_nce(x: Tensor, y: Tensor, temperature: float = 0.07, same: Tensor | None = None) -> Tensor:
    """InfoNCE in both directions, see `cz_nce`; the positive is in the denominator.

    x, y (Tensor): `(n, E)`; row i of both is a pair.
    temperature (float): tau.
    same (Optional[Tensor]): `(n, n)` bool, see `cz_nce`.
    RETURNS (Tensor): `()`.
    """
    return _both(x, y, temperature, same, True, "raise")


def cz_nce(
    x: Tensor,
    y: Tensor,
    temperature: float = 0.07,
    same: Tensor | None = None,
    no_negatives: str = "raise",
) -> Tensor:
    """CZ-NCE in both directions, 2n - 2 negatives for each of 2n anchors.

        (1/2n) sum_i [ L(x_i) + L(y_i) ]

    x, y (Tensor): `(n, E)`; row i of both is a pair.
    temperature (float): tau. 0.07 as in the authors' code.
    same (Optional[Tensor]): `(n, n)` bool: pairs that share a sentence, which would be false
        negatives of each other; they are not used.
    no_negatives (str): `"raise"` or `"skip"`, see `contrastive`.
    RETURNS (Tensor): `()`.

    Source: Chen et al. 2022, arXiv 2202.13083, section 2.2.
    """
    return _both(x, y, temperature, same, False, no_negatives)


def _both(
    x: Tensor,
    y: Tensor,
    temperature: float,
    same: Tensor | None,
    include_positive: bool,
    no_negatives: str,
) -> Tensor:
    n = len(x)
    both = torch.cat([x, y])
    # (2n, 2n): row i is x_i, row n + i is y_i.
    own = torch.eye(n, dtype=torch.bool, device=x.device)
    positives = own.repeat(2, 2) & ~torch.eye(2 * n, dtype=torch.bool, device=x.device)
    left_out = own if same is None else own | same
    return contrastive(
        cosine_matrix(both, both),
        positives,
        ~left_out.repeat(2, 2),
        temperature,
        include_positive=include_positive,
        no_negatives=no_negatives,
    )
