"""SBERT-WK: a sentence vector from how each wordpiece changes from layer to layer."""

import torch
from torch import Tensor


def sbert_wk(states: Tensor, lengths: Tensor, window: int = 2) -> Tensor:
    """Weigh the layers of each wordpiece by novelty and alignment, and the wordpieces of a text by
    how much they change between layers.

    For layer k of a piece, C are the vectors of the layers within `window` of k and R the last
    column of the QR of [C, h_k]: what of h_k lies along C (r[:-1]) and what is new (r[-1]).

        novelty    n_k = |r[-1]| / |r|
        alignment  a_k = 1 / (2 w_k * mean(columns of R_C / their length) . r[:-1] / |r[:-1]|)
        layer      sum_k (n_k / sum n + a_k / sum a) / 2 h_k      w_k: layers in C, and k itself
        text       pieces weighted by the variance of cos(h_k, h_k+1) over k

    Vectorised over pieces, without a QR: every number above follows from the inner products of a
    piece's layers. Differs from the authors' code in three places, on purpose: the window is also
    complete on the left of the second layer (a negative slice leaves it empty there); no wordpiece
    is dropped (theirs drops the last, a special token; hand in no special tokens); and a product
    of the alignment that is not positive, whose inverse has no meaning as a weight, gives none.

    states (Tensor): `(K, N, E)`, the layers from the first that takes part to the last; K >= 2. The
        authors take H^4 to H^12.
    lengths (Tensor): `(B,)` wordpieces of each text, sums to N; 0 for an empty one.
    window (int): m, layers on each side.
    RETURNS (Tensor): `(B, E)`; zeros for an empty text.
    RAISES (ValueError): Fewer than 2 layers, or no window.

    Source: Wang & Kuo 2020 (SBERT-WK), section 3 and the authors' code.
    """
    pieces, shares = sbert_wk_shares(states, lengths, window)
    texts = torch.arange(len(lengths), device=states.device).repeat_interleave(lengths)
    total = states.new_zeros(len(lengths), states.shape[-1])
    return total.index_add_(0, texts, shares[:, None] * pieces)


def sbert_wk_shares(states: Tensor, lengths: Tensor, window: int = 2) -> tuple[Tensor, Tensor]:
    """What `sbert_wk` adds up.

    RETURNS (Tuple[Tensor, Tensor]): `(N, E)`, the vector of each wordpiece, and `(N,)`, its share,
        which sums to 1 over a text.
    """
    if len(states) < 2 or window < 1:
        raise ValueError(
            f"SBERT-WK over {len(states)} layers with window = {window}: expected 2 layers or "
            "more and a window of 1 or more. Fix: name more layers."
        )
    # In double precision: how much of a layer is new is a small difference of large numbers.
    exact = states.to(torch.float64)
    gram = torch.einsum("kne,lne->nkl", exact, exact)  # (N, K, K)
    weights = layer_weights(gram, window).to(states.dtype)  # (N, K)
    pieces = torch.einsum("nk,kne->ne", weights, states)
    importance = piece_importance(gram)  # (N,)
    texts = torch.arange(len(lengths), device=states.device).repeat_interleave(lengths)
    total = importance.new_zeros(len(lengths)).index_add_(0, texts, importance)[texts]
    # A text that no layer changes, or of two layers, has nothing to weigh by: the plain mean.
    flat = total <= 1e-15
    plain = 1 / lengths[texts].to(total)
    return pieces, torch.where(flat, plain, importance / total.clamp_min(1e-30)).to(states.dtype)


def layer_weights(gram: Tensor, window: int) -> Tensor:
    """
    gram (Tensor): `(N, K, K)`, inner products of the layers of each piece.
    RETURNS (Tensor): `(N, K)`, weights that sum to 1.
    """
    count = gram.shape[1]
    novelty, alignment = [], []
    for k in range(count):
        near = [j for j in range(max(0, k - window), min(count, k + window + 1)) if j != k]
        order = [*near, k]
        # The R of a QR is the transposed Cholesky factor of the inner products, up to signs that
        # cancel in what is read from it. A trace of noise keeps equal layers factorable.
        part = gram[:, order][:, :, order]
        scale = part.diagonal(dim1=1, dim2=2).amax(dim=1).clamp_min(1e-30)
        noise = 1e-12 * scale[:, None, None] * torch.eye(len(order)).to(part)
        r = torch.linalg.cholesky(part + noise).transpose(1, 2)  # (N, c + 1, c + 1)
        column = r[:, :, -1]
        novelty.append(column[:, -1].abs() / column.norm(dim=1))
        others = r[:, :-1, :-1]
        mean = (others / others.norm(dim=1, keepdim=True)).mean(dim=2)  # (N, c)
        along = column[:, :-1] / column[:, :-1].norm(dim=1, keepdim=True).clamp_min(1e-30)
        product = 2 * len(order) * (mean * along).sum(dim=1)
        alignment.append(torch.where(product > 1e-6, 1 / product.clamp_min(1e-6), 0.0))
    shares = _share(torch.stack(novelty, dim=1)) + _share(torch.stack(alignment, dim=1))
    return _share(shares)


def piece_importance(gram: Tensor) -> Tensor:
    """gram `(N, K, K)`. RETURNS: `(N,)`, the variance of the cosines of neighboring layers."""
    norms = gram.diagonal(dim1=1, dim2=2).clamp_min(1e-30).sqrt()
    neighbours = gram.diagonal(offset=1, dim1=1, dim2=2) / (norms[:, :-1] * norms[:, 1:])
    return (neighbours - neighbours.mean(dim=1, keepdim=True)).square().mean(dim=1)


def _share(values: Tensor) -> Tensor:
    total = values.sum(dim=1, keepdim=True)
    return torch.where(total > 0, values / total.clamp_min(1e-30), 1 / values.shape[1])
