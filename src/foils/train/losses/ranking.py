"""Losses on the order of a list: ADORE's LambdaLoss, CoSENT and Conan's mix, CoDiEmb's terms for graded pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.contrast import info_nce
from foils.train.losses.rows import average, check_temperature, divergence, log_sum, order, split, wide


def adore(scores: Tensor, targets: Tensor, cut: int | None = None, sigma: float = 1.0) -> Tensor:
    """LambdaLoss for reciprocal rank on the list that the query retrieves now (ADORE).

    arXiv:2104.08051, released code: sum over pairs of a positive i and a negative j of
    |1/rank_i - 1/rank_j| log(1 + e^(-sigma (s_i - s_j))), over twice the number of pairs (the released code sums each
    from both sides, so its value is twice as large); ranks by score, 1/rank is 0 beyond ``cut``. Published cut 200 =
    the depth of the list, sigma 1. The released code weighs by list positions, which are the ranks as long as no
    positive was appended. For weights of nDCG take sentence-transformers' LambdaLoss.
    Fails on unlabelled positives at the top of the list: they have the largest weights.

    Args:
        scores: (B, N) of the retrieved list, positives that were not retrieved appended.
        targets: (B, N) booleans or grades; every grade above 0 counts alike.
        cut: depth that counts; null: all.
        sigma: steepness, per unit of the scores.

    Returns:
        (B,); 0 for a row without a positive or without negatives.
    """
    scores = wide(scores)
    positive, negative = split(scores, targets)
    rank = order(scores)
    gain = 1.0 / rank.to(scores.dtype)
    if cut is not None:
        gain = gain.masked_fill(rank > cut, 0.0)
    weight = (gain.unsqueeze(2) - gain.unsqueeze(1)).abs()
    filled = scores.masked_fill(~(positive | negative), 0.0)
    cost = -functional.logsigmoid(sigma * (filled.unsqueeze(2) - filled.unsqueeze(1)))
    pairs = positive.unsqueeze(2) & negative.unsqueeze(1)
    return average((weight * cost).flatten(1), pairs.flatten(1)) / 2


def cosent(scores: Tensor, gold: Tensor, temperature: float = 0.05) -> Tensor:
    """Ranks pairs by their gold similarity: log(1 + sum over gold_a > gold_b of e^((s_b - s_a)/T)).

    CoSENT (doi:10.1109/TASLP.2024.3402087), by sentence-transformers' CoSENTLoss; published T 0.05. Fails with one
    grade only: the loss is then 0.

    Args:
        scores: (n,) cosines of n pairs.
        gold: (n,) their grades.
        temperature: in cosines.

    Returns:
        One number.
    """
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss

    check_temperature(temperature=temperature)
    loss = CoSENTLoss(None, scale=1 / temperature, similarity_fct=_given)  # type: ignore[arg-type, unused-ignore]
    return loss.compute_loss_from_embeddings([scores, scores], gold)


def _given(scores: Tensor, _: Tensor) -> Tensor:
    """What stands in for the similarity where the scores are known."""
    return scores


def conan(
    scores: Tensor,
    targets: Tensor,
    pair_scores: Tensor,
    gold: Tensor,
    temperature: float = 0.05,
    beta: float = 0.8,
) -> Tensor:
    """Retrieval and similarity in every step: mean InfoNCE + beta CoSENT (Conan-embedding).

    arXiv:2408.15710, cross-GPU balancing: all devices share the queries and hold different negatives, so ``scores``
    are those of the gathered candidates; the pairs come from another batch of the same step. Published beta 0.8,
    4 queries and 32 pairs a device. The temperature was not found. Fails without graded pairs: use ``info_nce``.

    Args:
        scores: (B, N) cosines, candidates of all devices.
        targets: (B, N) booleans or grades.
        pair_scores: (n,) cosines of graded pairs.
        gold: (n,) their grades.
        temperature: in cosines, for both.
        beta: weight of CoSENT.

    Returns:
        One number.
    """
    return info_nce(scores, targets, temperature).mean() + beta * cosent(pair_scores, gold, temperature)


def pearson(scores: Tensor, gold: Tensor) -> Tensor:
    """1 - Pearson's correlation of scores and gold; 0 if all grades are equal, 1 if all scores are.

    Args:
        scores: (n,) of n pairs.
        gold: (n,) their grades.

    Returns:
        One number.
    """
    scores, gold = wide(scores), wide(gold).to(wide(scores).dtype)
    if not len(gold) or bool((gold == gold[0]).all()):
        return scores.sum() * 0.0
    spread = functional.normalize(scores - scores.mean(), dim=0)
    return 1 - (spread * functional.normalize(gold - gold.mean(), dim=0)).sum()


def rank_kl(scores: Tensor, gold: Tensor, temperature: float = 0.05) -> Tensor:
    """KL from the softmax of ideal ranks to that of the scores, over n (CoDiEmb's RankKL).

    Ideal value of a pair: (n - 1 - r)/(n - 1) with r its average rank by falling gold, from 0, so ties are equal.
    Published T 0.05. The released code divides by n ("batchmean" of a vector), so does this.

    Args:
        scores: (n,) of n pairs.
        gold: (n,) their grades.
        temperature: of both softmaxes.

    Returns:
        One number; 0 for fewer than two pairs.
    """
    check_temperature(temperature=temperature)
    scores, n = wide(scores), len(gold)
    if n < 2:
        return scores.sum() * 0.0
    above = (gold[None, :] > gold[:, None]).sum(-1)
    ties = (gold[None, :] == gold[:, None]).sum(-1) - 1
    ideal = (n - 1 - above - ties / 2).to(scores.dtype) / (n - 1)
    logs = torch.log_softmax(torch.stack((ideal, scores)) / temperature, -1)
    return divergence(logs[0], logs[1]) / n


def pro(scores: Tensor, gold: Tensor, temperature: float = 0.05) -> Tensor:
    """Each pair in turn against all with a lower grade, logits times the gap in grade (CoDiEmb's PRO).

    Mean over k of -log softmax at k of {s_k/T max_j gap_j, s_j/T gap_j}, gap_j = gold_k - gold_j > 0. Published T 0.05.

    Args:
        scores: (n,) of n pairs.
        gold: (n,) their grades.
        temperature: in the unit of the scores.

    Returns:
        One number; 0 if all grades are equal.
    """
    check_temperature(temperature=temperature)
    logits = wide(scores) / temperature
    gap = (gold[:, None] - gold[None, :]).to(logits.dtype)
    lower = gap > 0
    against = log_sum(logits[None, :] * gap, lower)
    cost = -functional.logsigmoid(logits * gap.amax(-1) - against) if len(gold) else logits
    return average(cost, lower.any(-1))


def codiemb_sts(scores: Tensor, gold: Tensor, weights: tuple[float, float, float] = (2.0, 0.5, 5.0)) -> Tensor:
    """CoDiEmb's loss for graded similarity: 2 (1 - Pearson) + 0.5 PRO + 5 RankKL.

    arXiv:2508.11442, released code and weights; its mid-layer InfoNCE on pairs above a threshold is ``info_nce`` on
    vectors of that layer. Fails on batches with one grade: all terms are then about 0.

    Args:
        scores: (n,) cosines of n pairs.
        gold: (n,) their grades, on the scale of the data.
        weights: of the three terms.

    Returns:
        One number.

    Raises:
        DataError: different numbers of scores and grades.
    """
    if scores.shape != gold.shape or scores.dim() != 1:
        raise DataError(f"scores {tuple(scores.shape)} and gold {tuple(gold.shape)} must both be (n,)")
    return weights[0] * pearson(scores, gold) + weights[1] * pro(scores, gold) + weights[2] * rank_kl(scores, gold)
