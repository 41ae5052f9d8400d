"""The one contrastive loss; InfoNCE, CZ-NCE, word alignment, MoCo and LaBSE are settings of it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...checks import check_choice

NO_NEGATIVES = ("raise", "skip")


def contrastive(
    similarity: Tensor,
    positives: Tensor,
    negatives: Tensor,
    temperature: float = 0.1,
    margin: float = 0.0,
    include_positive: bool = True,
    no_negatives: str = "raise",
) -> Tensor:
    """Pull each row toward its positives and away from its negatives.

        s+ = (sim+ - margin) / tau,  s- = sim- / tau
        L_CZ   = log sum_{k-} e^{s-} - s+            (CZ-NCE; log phi on the poster)
        L_info = -log( e^{s+} / (e^{s+} + sum_{k-} e^{s-}) ) = softplus(L_CZ)

    Sums of exponentials are never formed: at tau = 0.07 they overflow half precision. Everything
    is computed in float32 at least, whatever comes in.

    similarity (Tensor): `(n, m)`, anchors by candidates; usually cosines.
    positives, negatives (Tensor): `(n, m)` bool. A candidate that is neither is not used. With
        several positives the loss of an anchor is their mean, each against the negatives alone.
    temperature (float): tau.
    margin (float): Taken from the positive's similarity, before the temperature.
    include_positive (bool): Whether the positive is in the denominator too. Without it (CZ-NCE) the
        gradient does not vanish when a batch is small or easy; the loss has no lower bound.
    no_negatives (str): An anchor without negatives teaches nothing: InfoNCE is 0, CZ-NCE is log 0.
        For CZ-NCE `"raise"` an error if no anchor has any, or `"skip"` and return 0. Single anchors
        without negatives are always excluded from CZ-NCE.
    RETURNS (Tensor): `()`, the mean over the anchors that have a positive.
    RAISES (ValueError): No temperature above 0, masks of another shape or that overlap, or CZ-NCE
        without a negative.

    Source: van den Oord et al. 2018 (InfoNCE); Chen et al. 2022, arXiv 2202.13083, section 2.2
    (CZ-NCE, equal to the decoupled loss of Yeh et al. 2022, arXiv 2110.06848).
    """
    _check(similarity, positives, negatives, temperature, no_negatives)
    logits = similarity.to(torch.promote_types(similarity.dtype, torch.float32)) / temperature
    against = torch.logsumexp(logits.masked_fill(~negatives, -torch.inf), dim=1, keepdim=True)
    # (n, m); meaningful where there is a positive.
    log_phi = against - (logits - margin / temperature)
    losses = F.softplus(log_phi) if include_positive else log_phi
    wanted = positives & negatives.any(dim=1, keepdim=True)
    counts = wanted.sum(dim=1)
    # The mean over rows with a positive; with the positive in it, a row without negatives is 0.
    rows = (positives.any(dim=1) if include_positive else counts > 0).sum()
    if not include_positive and not rows and no_negatives == "raise":
        raise ValueError(
            "CZ-NCE of a batch without negatives is log 0: found no anchor that has both a "
            "positive and a negative. Expected 2 different pairs or more in a batch. Fix: a larger "
            "batch size."
        )
    per_row = losses.masked_fill(~wanted, 0.0).sum(dim=1) / counts.clamp(min=1)
    return per_row.sum() / rows.clamp(min=1)


def _check(
    similarity: Tensor, positives: Tensor, negatives: Tensor, temperature: float, mode: str
) -> None:
    if not temperature > 0:
        raise ValueError(
            f"temperature = {temperature}: expected a number above 0. Fix: temperature = 0.1."
        )
    check_choice("no_negatives", mode, NO_NEGATIVES)
    if similarity.ndim != 2 or not similarity.shape == positives.shape == negatives.shape:
        raise ValueError(
            f"Found similarity {tuple(similarity.shape)}, positives {tuple(positives.shape)} and "
            f"negatives {tuple(negatives.shape)}. Expected (n, m) three times. Fix: masks of the "
            "matrix's shape."
        )
    if bool((positives & negatives).any()):
        raise ValueError(
            "A candidate is both positive and negative. Expected at most one of them. Fix: "
            "negatives & ~positives."
        )
