"""What the losses share: sums of exponentials over part of a row, without NaN where the part is empty."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from foils.errors import DataError


def wide(scores: Tensor) -> Tensor:
    """Half precision as float32, whole numbers too; float32 and float64 as they are."""
    return scores if scores.dtype in (torch.float32, torch.float64) else scores.float()


def check(scores: Tensor, **others: Tensor) -> None:
    """Everything has the shape of the scores.

    Raises:
        DataError: it has not.
    """
    for name, other in others.items():
        if other.shape != scores.shape:
            raise DataError(
                f"{name} has the shape {tuple(other.shape)}, the scores {tuple(scores.shape)}; give one value per score"
            )


def check_temperature(**temperatures: float) -> None:
    """Temperatures are positive numbers.

    Raises:
        DataError: one is not.
    """
    for name, value in temperatures.items():
        if not 0 < value < math.inf:
            raise DataError(f"{name}={value} is no temperature; it must be a positive number such as 0.05")


def split(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Which candidates are positives and which negatives, (B, N) each; one with score -inf is neither."""
    check(scores, targets=targets)
    here, wanted = ~torch.isneginf(scores), targets > 0
    return wanted & here, ~wanted & here


def log_sum(logits: Tensor, where: Tensor, empty: float = -math.inf) -> Tensor:
    """Log of the sum of exp(logits) over part of each row.

    Args:
        logits: (..., N).
        where: (..., N) booleans, the part.
        empty: the value, without gradient, where the part is empty.

    Returns:
        (...).
    """
    return log_sum_there(logits, where & ~torch.isneginf(logits), empty)


def log_sum_there(logits: Tensor, where: Tensor, empty: float = -math.inf) -> Tensor:
    """The same for a part in which no score is -inf: one pass over the matrix less."""
    some = where.any(-1)
    # A row of nothing but -inf has a NaN gradient: it is computed from zeros and replaced.
    fill = torch.zeros_like(some, dtype=logits.dtype).masked_fill(some, -math.inf).unsqueeze(-1)
    total = torch.logsumexp(torch.where(where, logits, fill), -1)
    return total.masked_fill(~some, empty)


def log_minus(more: Tensor, less: Tensor) -> Tensor:
    """log(e^more - e^less), which is -inf without gradient where the difference is not positive."""
    gap = less - more
    fine = (gap < 0) & ~torch.isneginf(more)
    # expm1 keeps the digits where the two are close.
    inside = torch.log(-torch.expm1(torch.where(fine, gap, torch.full_like(gap, -1.0))))
    return torch.where(fine, torch.where(fine, more, 0.0) + inside, torch.full_like(more, -math.inf))


def average(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over each row of the values whose weight is above 0; 0 where there is none.

    Args:
        values: (B, N), may be infinite where the weight is 0.
        weights: (B, N), booleans or numbers of at least 0.
    """
    used = weights > 0
    weights = weights.to(values.dtype)
    total = (values.masked_fill(~used, 0.0) * weights).sum(-1)
    return total / weights.sum(-1).masked_fill(~used.any(-1), 1.0)


def log_softmax(logits: Tensor, where: Tensor | None = None) -> Tensor:
    """Log of the softmax over the candidates of each row that are there, -inf elsewhere."""
    where = ~torch.isneginf(logits) if where is None else where & ~torch.isneginf(logits)
    filled = logits.masked_fill(~where, 0.0) - log_sum(logits, where, 0.0).unsqueeze(-1)
    return filled.masked_fill(~where, -math.inf)


def softmax(logits: Tensor, where: Tensor | None = None) -> Tensor:
    """Softmax over the candidates of each row that are there, 0 elsewhere."""
    return log_softmax(logits, where).exp()


def cross_entropy(wanted: Tensor, log_given: Tensor) -> Tensor:
    """-sum_j wanted_j log given_j per row; what is not wanted costs nothing, even if impossible. (B,)."""
    used = wanted > 0
    return -(wanted * log_given.masked_fill(~used, 0.0)).sum(-1)


def divergence(log_wanted: Tensor, log_given: Tensor) -> Tensor:
    """KL(wanted || given) per row, from logarithms; 0 log 0 = 0. (B,)."""
    used = ~torch.isneginf(log_wanted)
    gap = log_wanted.masked_fill(~used, 0.0) - log_given.masked_fill(~used, 0.0)
    return (log_wanted.exp() * gap).sum(-1)


def order(scores: Tensor) -> Tensor:
    """Each candidate's rank in its row from 1, by falling score; of equals the first column first. (B, N)."""
    ranked = torch.argsort(scores.detach(), dim=-1, descending=True, stable=True)
    places = torch.arange(1, scores.shape[-1] + 1, device=scores.device).expand_as(ranked)
    return torch.empty_like(ranked).scatter_(-1, ranked, places)
