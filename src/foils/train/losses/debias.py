"""Denominators corrected for false negatives: DCL, HCL, HaSa; and IFM's harder scores. All in log space."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.contrast import info_nce
from foils.train.losses.rows import (
    average,
    check_temperature,
    log_minus,
    log_softmax,
    log_sum,
    split,
    wide,
)


def dcl(scores: Tensor, targets: Tensor, temperature: float = 0.5, prior: float = 0.1) -> Tensor:
    """Takes the expected share of false negatives out of the denominator: debiased contrastive loss.

    NeurIPS 2020 (arXiv:2007.00224): N_g = max((sum_neg - N prior pos) / (1 - prior), N e^(-1/T)),
    L = -log(pos / (pos + N_g)); with several positives pos is their mean inside N_g. Published: T 0.5, prior 0.1.
    The prior is the chance that a *sampled* negative is false, about 1 / classes for random ones: never the same for
    mined ones. Fails on scores outside [-1, 1], for which the floor N e^(-1/T) means nothing.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        temperature: in cosines.
        prior: chance of a false negative, 0 <= prior < 1.

    Returns:
        (B,); 0 for a row without a positive or without negatives.
    """
    return hcl(scores, targets, temperature, prior, beta=0.0)


def hcl(scores: Tensor, targets: Tensor, temperature: float = 0.5, prior: float = 0.1, beta: float = 1.0) -> Tensor:
    """DCL whose negatives weigh more the harder they are: hard contrastive loss.

    ICLR 2021 (arXiv:2010.04592), released code: the sum over negatives becomes sum_j imp_j neg_j / mean(imp) with
    imp = neg^beta. Published: beta 1.0 (STL-10; 2.0 and 6.0 are worse), prior 0.1, T 0.5. beta 0 is DCL, prior 0 is
    hardness alone. Fails as DCL does, and on mined negatives it adds weight to the false ones.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        temperature: in cosines.
        prior: chance of a false negative, 0 <= prior < 1.
        beta: exponent of the hardness.

    Returns:
        (B,); 0 for a row without a positive or without negatives.
    """
    check_temperature(temperature=temperature)
    _check_prior(prior)
    logits = wide(scores) / temperature
    positive, negative = split(logits, targets)
    count = negative.sum(-1).to(logits.dtype)
    log_count = count.clamp(min=1).log()
    # For beta 0 both sums are the same numbers times one: log N remains.
    hard = log_sum((1 + beta) * logits, negative, 0.0) - log_sum(beta * logits, negative, 0.0) + log_count
    mean_positive = log_sum(logits, positive, 0.0) - positive.sum(-1).clamp(min=1).to(logits.dtype).log()
    false = log_count + mean_positive + math.log(prior) if prior else torch.full_like(hard, -math.inf)
    estimate = log_minus(hard, false) - math.log1p(-prior)
    against = torch.maximum(estimate, log_count - 1 / temperature)
    costs = -functional.logsigmoid(logits.masked_fill(~positive, 0.0) - against.unsqueeze(-1))
    return average(costs, wide(targets) * (positive & (count > 0).unsqueeze(-1)))


def ifm(scores: Tensor, targets: Tensor, temperature: float = 0.5, epsilon: float = 0.1, share: float = 0.5) -> Tensor:
    """Averages InfoNCE with itself on harder scores: positives lowered, negatives raised by epsilon.

    Implicit feature modification (NeurIPS 2021, arXiv:2106.11230): stops a model from leaning on one easy feature.
    Equal parts as in the released code; epsilon 0.1 is ours. Fails with false negatives: those are raised too.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        temperature: in cosines.
        epsilon: change of the scores.
        share: of the perturbed loss, 0 to 1.

    Returns:
        (B,).
    """
    harder = wide(scores) + torch.where(targets > 0, -epsilon, epsilon)
    plain = info_nce(scores, targets, temperature)
    return (1 - share) * plain + share * info_nce(harder, targets, temperature)


def hasa(
    scores: Tensor,
    targets: Tensor,
    suspects: Tensor,
    prior: float = 1e-4,
    margin: float = 1.0,
    sharpness: float | None = None,
) -> Tensor:
    """Weighs hard negatives up and takes an estimate of the false ones out, from suspects in the graph (HaSa).

    WWW 2024, released code: M = max(sum_j p_j e^(s_j) - prior sum_k f_k e^(f_k's score), 0) and
    L = -log(nu / (nu + N / (1 - prior) M)), nu = e^(s+ - margin), p and f softmax weights without gradient. The code
    takes them over L2-normalised rows, which makes them nearly equal (sharpness null); a number takes
    softmax(score / sharpness). N is the number of negatives; the code counts all columns. Published prior 1e-4
    (FB15k-237), 2e-5 (WN18RR), 3 suspects. Fails when the correction overshoots: then the row's negatives have no
    gradient.

    Args:
        scores: (B, N) dot products, without temperature.
        targets: (B, N) booleans or grades.
        suspects: (B, F) scores of candidate false negatives; -inf where there are fewer.
        prior: share of false negatives, 0 <= prior < 1.
        margin: taken off the positive's score.
        sharpness: temperature of the weights.

    Returns:
        (B,); 0 for a row without a positive or without negatives.

    Raises:
        DataError: scores and suspects have different numbers of rows.
    """
    if suspects.dim() != 2 or suspects.shape[0] != scores.shape[0]:
        raise DataError(f"suspects of shape {tuple(suspects.shape)} do not fit {scores.shape[0]} rows of scores")
    _check_prior(prior)
    logits, suspects = wide(scores), wide(suspects)
    positive, negative = split(logits, targets)
    doubtful = ~torch.isneginf(suspects)
    hard = log_sum(logits + _log_weights(logits, negative, sharpness), negative)
    # Rows without suspects have nothing to take off.
    false = log_sum(suspects + _log_weights(suspects, doubtful, sharpness), doubtful)
    false = false + math.log(prior) if prior else torch.full_like(false, -math.inf)
    count = negative.sum(-1).clamp(min=1).to(logits.dtype).log()
    against = log_minus(hard, false) + count - math.log1p(-prior)
    costs = -functional.logsigmoid(logits.masked_fill(~positive, 0.0) - margin - against.unsqueeze(-1))
    return average(costs, wide(targets) * positive)


def _log_weights(scores: Tensor, where: Tensor, sharpness: float | None) -> Tensor:
    """Log of the softmax over part of each row, without gradient; 0 elsewhere."""
    kept = scores.detach().masked_fill(~where, 0.0)
    kept = functional.normalize(kept, dim=-1) if sharpness is None else kept / sharpness
    return log_softmax(kept, where).masked_fill(~where, 0.0)


def _check_prior(prior: float) -> None:
    if not 0 <= prior < 1:
        raise DataError(f"prior={prior} is not the chance of a false negative; it must be at least 0 and below 1")
