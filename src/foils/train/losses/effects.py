"""What can be done to a candidate before the loss: four different things with four names.

*Remove* takes it out of the loss; *neutralise* sets its score to 0, where it still stands in the denominator;
*weigh* multiplies its share of the denominator; *soften* gives it part of the target. They change scores or targets and
leave the loss alone, so each goes with every loss.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from foils.errors import DataError
from foils.train.losses.rows import check, check_temperature, wide


def remove(scores: Tensor, where: Tensor) -> Tensor:
    """Take candidates out: score -inf, no share of any denominator, gradient 0.

    The right treatment of a known positive or of a likely false negative (DCLR's paper, GISTEmbed, UniME). Fails when
    it takes all negatives of many rows: those rows then teach nothing; count them.

    Args:
        scores: (B, N), in any unit.
        where: (B, N) booleans, true for what goes.

    Example:
        >>> remove(torch.tensor([[0.9, 0.8]]), torch.tensor([[False, True]]))
        tensor([[0.9000,   -inf]])
    """
    check(scores, where=where)
    return wide(scores).masked_fill(where, -math.inf)


def neutralise(scores: Tensor, where: Tensor) -> Tensor:
    """Set scores to 0: the candidate keeps a share e^0 of the denominator, without gradient. What is removed stays so.

    What the released code of DCLR (arXiv:2205.00656) does with weight 0, and that of GCSE nearly: for cosines it means
    "unrelated". Fails as a way to take a false negative out: at temperature 0.05 and without other negatives, a row
    whose positive scores 0.1 still pays log(1 + e^-2) = 0.127.

    Args:
        scores: (B, N) cosines, or anything whose 0 means unrelated.
        where: (B, N) booleans.

    Example:
        >>> neutralise(torch.tensor([[0.9, 0.8]]), torch.tensor([[False, True]]))
        tensor([[0.9000, 0.0000]])
    """
    check(scores, where=where)
    return wide(scores).masked_fill(where & ~torch.isneginf(scores), 0.0)


def weigh(scores: Tensor, weights: Tensor, temperature: float = 0.05) -> Tensor:
    """Multiply each candidate's share of the denominator by a weight: adds temperature * log(weight) to its score.

    After division by the same temperature the candidate stands in the denominator as w e^(s/T); 0 removes it. Give
    positives the weight 1. Fails with a learned weight that nothing holds up: all of them go to 0 (see ``mean_one``).

    Args:
        scores: (B, N).
        weights: (B, N) of at least 0; one that is not above 0 removes. May have gradients.
        temperature: that of the loss which follows.
    """
    check(scores, weights=weights)
    check_temperature(temperature=temperature)
    gone = ~(weights > 0)
    offset = temperature * wide(weights).masked_fill(gone, 1.0).log()
    return (wide(scores) + offset).masked_fill(gone, -math.inf)


def soften(targets: Tensor, probability: Tensor) -> Tensor:
    """Give unlabelled candidates the probability that they are relevant as their share of the target.

    Positives keep what they have; ``soft_info_nce`` then pulls each candidate up by its share. LG-ANNA
    (arXiv:2506.07438) and CUSA (AAAI 2024) train with soft labels of a teacher. Fails with an uncalibrated
    probability: twenty candidates at 0.05 outweigh one positive.

    Args:
        targets: (B, N), above 0 for positives.
        probability: (B, N) in [0, 1]; NaN where nothing is known: 0.

    Returns:
        (B, N) shares, not normalised.
    """
    check(targets, probability=probability)
    shares = wide(probability).nan_to_num(nan=0.0).clamp(0.0, 1.0)
    return torch.where(targets > 0, wide(targets), shares)


def only_own(scores: Tensor, owners: Tensor) -> Tensor:
    """Remove the candidates that belong to other queries: the form of any loss without in-batch negatives.

    The same as scoring each query against its own list (B, 1 + K). Right for typed negatives and rerankers, and where
    most documents of a batch could answer most queries. Fails to use the batch: needs several mined negatives a row.

    Args:
        scores: (B, N).
        owners: (N,) the row that each candidate belongs to.

    Raises:
        DataError: the number of owners is not the number of candidates.
    """
    if owners.shape != scores.shape[-1:]:
        raise DataError(f"{scores.shape[-1]} candidates need as many owners; there are {owners.numel()}")
    rows = torch.arange(scores.shape[0], device=scores.device)
    return remove(scores, owners[None, :] != rows[:, None])
