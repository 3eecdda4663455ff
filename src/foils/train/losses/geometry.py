"""Losses that weigh by distance instead of one softmax, and numbers that describe a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from foils.errors import DataError
from foils.train.losses.rows import average, check_temperature, log_sum, order, softmax, split, wide


def cacr(
    scores: Tensor,
    targets: Tensor,
    attract: float = 1.0,
    repel: float = 1.0,
    sharpness: tuple[float, float] = (1.0, 1.0),
    prior: float = 0.0,
    through: bool = True,
) -> Tensor:
    """Pulls far positives and pushes near negatives, each weighted within its own group (CACR).

    TMLR 2023 (arXiv:2105.03746), on squared distances d = 2 - 2 s of unit vectors: attract sum w+ d+ - repel sum w- d-,
    w+ = softmax(t+ d+), w- = softmax(-t- d-). Published: all 1, three other positive views; the ImageNet code cuts the
    gradient through the weights. With a prior, sum w- d- becomes (sum w- d- - prior d+) / (1 - prior), d+ the mean;
    published 0.1 (the released code has the sign of d+ turned, so that it attracts less). The loss may be below 0.
    Fails without a second positive: w+ is then 1 and half the idea is gone; and on vectors that are not of unit length.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        attract: weight of the positives.
        repel: weight of the negatives.
        sharpness: t+ and t-, how much far positives and near negatives are preferred.
        prior: chance of a false negative, 0 <= prior < 1.
        through: let gradients through the weights.

    Returns:
        (B,); a group that is empty costs 0.

    Raises:
        DataError: the prior is no chance.
    """
    if not 0 <= prior < 1:
        raise DataError(f"prior={prior} is not the chance of a false negative; it must be at least 0 and below 1")
    positive, negative = split(scores, targets)
    distance = 2 - 2 * wide(scores).masked_fill(~(positive | negative), 0.0)
    weigher = distance if through else distance.detach()
    far = (softmax(sharpness[0] * weigher, positive) * distance).sum(-1)
    near = (softmax(-sharpness[1] * weigher, negative) * distance).sum(-1)
    if prior:
        corrected = (near - prior * average(distance, positive)) / (1 - prior)
        near = torch.where(negative.any(-1), corrected, near)
    return attract * far - repel * near


def hard_simple(scores: Tensor, targets: Tensor, quantile: float = 0.0819, weight: float = 1.0) -> Tensor:
    """The linear loss on the hardest share of the negatives: hardness by choice instead of by temperature.

    "Understanding the Behaviour of Contrastive Loss" (CVPR 2021, arXiv:2012.09740): -s+ + weight * mean of the
    negatives above the upper quantile of the row (published 0.0819 CIFAR, 0.0315 SVHN, 0.034 ImageNet-100, of 4095).
    [Reconstruction: the paper sums with a factor that our source does not give; the mean has the same gradient up to
    it.] At least one negative is kept. Fails with false negatives, as anything does that trains on the hardest alone.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        quantile: share of the row's negatives that is kept, 0 to 1.
        weight: of the negatives.

    Returns:
        (B,); 0 for a row without a positive or without negatives.
    """
    positive, negative = split(scores, targets)
    wanted = hardest(scores, negative, quantile)
    complete = (positive.any(-1) & negative.any(-1)).unsqueeze(-1)
    scores = wide(scores)
    return weight * average(scores, wanted & complete) - average(scores, wide(targets) * (positive & complete))


def hardest(scores: Tensor, negative: Tensor, share: float) -> Tensor:
    """The best-scored share of each row's negatives, at least one where there is one. (B, N) booleans."""
    count = negative.sum(-1, keepdim=True)
    keep = (count * share).round().clamp(min=1)
    return negative & (order(scores.masked_fill(~negative, -torch.inf)) <= keep)


def ngame(scores: Tensor, targets: Tensor, margin: float = 0.3, top: int = 10, temperature: float = 0.1) -> Tensor:
    """Hinge loss on the hardest negatives, weighted by softmax of their scores (NGAME).

    arXiv:2207.04452, released code: hinge(margin + s- - s+) on the ``top`` best negatives, weights softmax(s-/0.1) over
    those with a loss above 0. The released code lets gradients through the weights, here they are cut. Published margin
    0.3, top 10. With several positives each row takes the mean over them. Fails on scores that are not cosines.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        margin: in cosines.
        top: negatives per row.
        temperature: of the weights, in cosines.

    Returns:
        (B,).
    """
    check_temperature(temperature=temperature)
    scores = wide(scores)
    positive, negative = split(scores, targets)
    hard, place = scores.masked_fill(~negative, -torch.inf).topk(min(top, scores.shape[-1]), -1)
    there = negative.gather(-1, place)
    filled = hard.masked_fill(~there, 0.0)
    gap = margin + filled.unsqueeze(1) - scores.masked_fill(~positive, 0.0).unsqueeze(2)
    active = there.unsqueeze(1) & (gap > 0)
    weights = softmax((filled.detach() / temperature).unsqueeze(1).expand_as(gap), active)
    return average((weights * gap).sum(-1), positive)


def relative_penalty(scores: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """How the softmax loss shares its push among the negatives: r_j = softmax over negatives of s_j/T.

    CVPR 2021 (arXiv:2012.09740): at a low temperature nearly all goes to the hardest one. A number to look at; to
    weigh with it, see ``foils.weigh.ScoreWeight``.

    Args:
        scores: (B, N).
        targets: (B, N) booleans or grades.
        temperature: in the unit of the scores.

    Returns:
        (B, N); 0 for positives and removed candidates.
    """
    check_temperature(temperature=temperature)
    logits = wide(scores) / temperature
    return softmax(logits, split(logits, targets)[1])


def uniformity(vectors: Tensor, t: float = 2.0) -> Tensor:
    """Log of the mean of exp(-t |x - y|^2) over all pairs: the lower, the more evenly vectors fill the sphere.

    arXiv:2005.10242, t = 2. Read it with ``tolerance``: a low temperature buys uniformity with intolerance.

    Args:
        vectors: (n, d) unit rows, n at least 2.
        t: sharpness.
    """
    squared = torch.pdist(wide(vectors)).pow(2)
    return log_sum(-t * squared, torch.ones_like(squared, dtype=torch.bool)) - torch.tensor(float(len(squared))).log()


def tolerance(vectors: Tensor, labels: Tensor) -> Tensor:
    """Mean cosine of vectors with the same label, over pairs of different rows: how much alikeness survives.

    CVPR 2021 (arXiv:2012.09740). 0 where no label occurs twice.

    Args:
        vectors: (n, d) unit rows.
        labels: (n,).
    """
    vectors = wide(vectors)
    same = (labels[:, None] == labels[None, :]).triu(1)
    return average((vectors @ vectors.T).flatten(), same.flatten())
