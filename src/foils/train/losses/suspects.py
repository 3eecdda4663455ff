"""Losses that look twice at in-batch negatives: DCLR, GCSE, ClusterNS's band, MEOW."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.contrast import info_nce
from foils.train.losses.effects import neutralise, remove, weigh
from foils.train.losses.rows import average, check, check_temperature, log_softmax, log_sum, split, wide


def dclr(
    scores: Tensor,
    targets: Tensor,
    suspects: Tensor,
    noise: Tensor | None = None,
    temperature: float = 0.05,
    form: Literal["paper", "code"] = "paper",
) -> Tensor:
    """InfoNCE without the suspects of a frozen model, and with noise vectors as further negatives.

    arXiv:2205.00656. ``paper`` removes suspects. ``code`` is what was released: suspects are neutralised (they stay,
    with score 0) and the loss is the mean over candidates of the binary cross-entropy of the softmax. Published:
    suspects have a cosine above 0.9 (BERT) or 0.85 (RoBERTa) in SimCSE, temperature 0.05, noise by
    ``vectors.dclr_noise``. Fails when the threshold is moved to another frozen model, whose cosines lie elsewhere.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades; a positive is never a suspect.
        suspects: (B, N) booleans.
        noise: (B, Z) cosines to the noise vectors.
        temperature: in cosines.
        form: ``paper`` or ``code``.

    Returns:
        (B,).
    """
    check_temperature(temperature=temperature)
    check(scores, targets=targets, suspects=suspects)
    act = remove if form == "paper" else neutralise
    scores = act(scores, suspects & ~(targets > 0))
    if noise is not None:
        scores = torch.cat((scores, wide(noise)), 1)
        targets = torch.cat((targets, targets.new_zeros(noise.shape)), 1)
    if form == "paper":
        return info_nce(scores, targets, temperature)
    logits = scores / temperature
    positive, negative = split(logits, targets)
    logs = log_softmax(logits)
    # log(1 - p_j), from the sum over the others.
    rest = torch.log1p(-logs.exp().clamp(max=1 - torch.finfo(logs.dtype).eps))
    return average(torch.where(positive, -logs, -rest), positive | negative)


def gcse(scores: Tensor, frozen: Tensor, where: Tensor, temperature: float = 0.05, alpha: float = 0.17) -> Tensor:
    """Holds back the push on negatives that may be false, as long as the model still agrees with a frozen one.

    GCSE, released code: in logits (score/T), with diff = s - s0 and no gradient through the term, s becomes
    s (1 - e^(-diff^2 / (2 alpha^2))) where diff <= 0, and stays where diff > 0. Use the result in ``info_nce`` at the
    same temperature. Published alpha 0.17 (BERT), 8.58 (RoBERTa), *in logits*: 0.0085 and 0.43 in cosines. Fails for
    negative scores; a held-back score of 0 is neutral, not removed; and it jumps where diff passes 0.

    Args:
        scores: (B, N) of the model.
        frozen: (B, N) of the frozen model.
        where: (B, N) booleans, the hard negatives in doubt.
        temperature: in the unit of both scores.
        alpha: width, in logits.

    Returns:
        (B, N) scores.
    """
    check_temperature(temperature=temperature, alpha=alpha)
    check(scores, frozen=frozen, where=where)
    scores = wide(scores)
    logits, base = scores.detach() / temperature, wide(frozen).detach() / temperature
    held = where & (logits <= base) & ~torch.isneginf(logits)
    gap = (logits - base).masked_fill(~held, 0.0)
    offset = -logits.masked_fill(~held, 0.0) * torch.exp(-(gap**2) / (2 * alpha**2))
    return scores + offset * temperature


def bml(scores: Tensor, clusters: Tensor, alpha: float = 0.0, beta: float = 0.3) -> Tensor:
    """Holds likely false negatives (same cluster) in a band below the positive: -beta <= s - s+ <= -alpha.

    Bidirectional margin loss of ClusterNS (ACL Findings 2023): relu(delta + alpha) + relu(-delta - beta),
    delta = s_ij - s_ii, over other rows of the same cluster. The released code averages over all B pairs of a row, and
    counts relu(alpha) for those of other clusters, a constant without gradient; it is left out here. Published:
    BERT-base alpha 0, beta 0.3, weight 1e-3 beside InfoNCE, which keeps the false negatives in its denominator. Fails
    while clusters are not yet there: start late (``clusters.OnlineClusters``).

    Args:
        scores: (B, B) cosines, the positives on the diagonal.
        clusters: (B,) cluster of each row.
        alpha: the least distance below the positive.
        beta: the largest distance below the positive.

    Returns:
        (B,).
    """
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1] or clusters.shape != scores.shape[:1]:
        raise DataError(f"scores {tuple(scores.shape)} and clusters {tuple(clusters.shape)} must be (B, B) and (B,)")
    scores = wide(scores)
    same = (clusters[:, None] == clusters[None, :]) & ~torch.isneginf(scores)
    same &= ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    delta = scores.masked_fill(~same, 0.0) - scores.diagonal().unsqueeze(1)
    band = functional.relu(delta + alpha) + functional.relu(-delta - beta)
    return band.masked_fill(~same, 0.0).sum(-1) / scores.shape[1]


def meow(scores: Tensor, targets: Tensor, weights: Tensor, temperature: float = 0.4) -> Tensor:
    """InfoNCE with a weight per negative, and the positive outside the denominator (MEOW, AdaMEOW).

    Released code: -s+/T + log sum_j w_ij e^(s_ij/T). MEOW counts in how many of K clusterings i and j are apart
    (``cluster_weights``: the positive itself weighs 0); AdaMEOW learns w with a sigmoid network, whose easiest way
    down is w = 0 for all: give it ``mean_one`` of its weights. Published T 0.4, K 2 (100 and 300 clusters).
    The loss has no lower bound, because the positive is not under the fraction: watch it.

    Args:
        scores: (B, N) cosines.
        targets: (B, N) booleans or grades.
        weights: (B, N) of at least 0.
        temperature: in cosines.

    Returns:
        (B,); 0 for a row without a positive or in which all weights are 0.
    """
    positive, _ = split(scores, targets)
    weighed = weigh(scores, weights, temperature) / temperature
    there = ~torch.isneginf(weighed)
    complete = positive.any(-1) & there.any(-1)
    pulled = average(wide(scores) / temperature, wide(targets) * positive)
    return (log_sum(weighed, there, 0.0) - pulled).masked_fill(~complete, 0.0)


def cluster_weights(rows: Tensor, columns: Tensor) -> Tensor:
    """MEOW's weights: in how many clusterings a row and a column are in different clusters.

    Args:
        rows: (K, B) cluster of each row in each of K clusterings.
        columns: (K, N) the same of each candidate.

    Returns:
        (B, N) whole numbers from 0 to K, as float32.
    """
    return (rows[:, :, None] != columns[:, None, :]).sum(0).float()


def mean_one(weights: Tensor, where: Tensor) -> Tensor:
    """Scale weights so that their mean over part of each row is 1: what keeps learned weights from all going to 0.

    Args:
        weights: (B, N) of at least 0.
        where: (B, N) booleans, the negatives. The others keep their weights.

    Returns:
        (B, N).
    """
    mean = average(wide(weights), where).unsqueeze(-1)
    return torch.where(where & (mean > 0), weights / mean.masked_fill(mean <= 0, 1.0), wide(weights))


def prototype_temperatures(distances: Tensor, clusters: Tensor, count: int, temperature: float = 0.4) -> Tensor:
    """The temperature of each cluster for ``proto_nce``: the more spread a cluster is, the higher.

    MEOW's code: d = mean distance / log(size + 5), clipped to its 10th and 90th percentile; T d / mean(d). An empty
    cluster has the temperature of the mean.

    Args:
        distances: (n,) of each sample to its centre, of at least 0.
        clusters: (n,).
        count: clusters in all.
        temperature: on average.

    Returns:
        (count,).
    """
    distances = wide(distances)
    sizes = torch.bincount(clusters, minlength=count).to(distances.dtype)
    total = torch.zeros(count, dtype=distances.dtype, device=distances.device).index_add(0, clusters, distances)
    spread = total / sizes.clamp(min=1) / torch.log(sizes + 5)
    known = spread[sizes > 0]
    if not known.numel() or not (known > 0).any():
        return torch.full_like(spread, temperature)
    low, high = torch.quantile(known, torch.tensor([0.1, 0.9], dtype=known.dtype, device=known.device))
    spread = torch.where(sizes > 0, spread, known.mean()).clamp(low, high)
    # A cluster of equal points would have temperature 0.
    return (temperature * spread / spread.mean()).clamp(min=1e-3 * temperature)
