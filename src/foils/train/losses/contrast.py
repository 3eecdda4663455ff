"""InfoNCE: one or several positives, graded or soft targets, both directions; and pairs instead of lists."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.rows import (
    average,
    check,
    check_temperature,
    cross_entropy,
    log_softmax,
    log_sum_there,
    split,
    wide,
)


def info_nce(
    scores: Tensor, targets: Tensor, temperature: float = 0.05, combine: Literal["each", "sum"] = "each"
) -> Tensor:
    """Softmax cross-entropy of the positives against the negatives.

    With one positive per row this is the loss of MultipleNegativesRankingLoss (arXiv:1705.00652; InfoNCE,
    arXiv:1807.03748). With several, ``each`` compares every positive with the negatives alone, as CoDiEmb
    (arXiv:2508.11442) does: mean over p, weighted by grade, of -log(e^(s_p/T) / (e^(s_p/T) + sum_neg e^(s_j/T))).
    ``sum`` asks that some positive be on top (MIL-NCE, arXiv:1912.06430): -log(sum_pos / (sum_pos + sum_neg)); grades
    do not count there. Published temperatures: 0.05 (SimCSE), 0.02 (UniME, CoDiEmb). Fails on unlabelled positives
    among the negatives, the more the lower the temperature: ``remove`` or ``soften`` them.

    Args:
        scores: (B, N) cosines or dot products.
        targets: (B, N) booleans, or grades of at least 0.
        temperature: in the unit of the scores.
        combine: ``each`` or ``sum``.

    Returns:
        (B,); 0 for a row without a positive or without negatives.

    Example:
        >>> info_nce(torch.tensor([[0.8, 0.5, 0.2, -0.1]]), torch.tensor([[1, 0, 0, 0]]), temperature=0.5)
        tensor([0.7008])
    """
    check_temperature(temperature=temperature)
    logits = wide(scores) / temperature
    positive, negative = split(logits, targets)
    against = log_sum_there(logits, negative)
    if combine == "sum":
        cost = -functional.logsigmoid(log_sum_there(logits, positive, 0.0) - against)
        return cost.masked_fill(~positive.any(-1), 0.0)
    # Positives are few: their costs are computed one by one, not over the whole matrix.
    row, column = positive.nonzero(as_tuple=True)
    costs = -functional.logsigmoid(logits[row, column] - against[row])
    grades = wide(targets[row, column]).to(costs.dtype)
    total = torch.zeros_like(against).index_add(0, row, grades)
    cost = torch.zeros_like(against).index_add(0, row, costs * grades)
    return cost / total.masked_fill(total == 0, 1.0)


def soft_info_nce(scores: Tensor, targets: Tensor, temperature: float = 0.05) -> Tensor:
    """Softmax cross-entropy against a distribution: positives stand in each other's denominator.

    -sum_j t_j log softmax_j(s/T) with t = targets / sum(targets). With booleans it is SupCon's L_out
    (arXiv:2004.11362), with grades or the shares of ``soften`` a soft-target loss. Its least value is the entropy of
    the targets, not 0. SupReMix (arXiv:2309.16633) is this loss on real and mixed vectors, negatives weighed by
    |t - t_i| + 1 with ``weigh`` and positives by 1. Fails with many positives at a low temperature: two positives that
    score differently cost, although both are on top; take ``info_nce`` if order among positives means nothing.

    Args:
        scores: (B, N).
        targets: (B, N) of at least 0; what lies on a removed candidate is left out.
        temperature: in the unit of the scores.

    Returns:
        (B,); 0 for a row without targets.
    """
    check_temperature(temperature=temperature)
    check(scores, targets=targets)
    logits = wide(scores) / temperature
    shares = wide(targets).masked_fill(torch.isneginf(logits), 0.0)
    total = shares.sum(-1, keepdim=True)
    return cross_entropy(shares / total.masked_fill(total <= 0, 1.0), log_softmax(logits))


def symmetric_info_nce(scores: Tensor, targets: Tensor, temperature: float = 0.05) -> Tensor:
    """Half the loss of finding documents for queries, half that of finding queries for documents (CLIP).

    arXiv:2103.00020; in sentence-transformers MultipleNegativesRankingLoss with both directions, one positive,
    no masks.
    Columns without a positive (mined negatives) have no part in the second half, as documents that ask; they do in the
    first. Fails where many queries share a document: the second half then has many positives a column.

    Args:
        scores: (B, N).
        targets: (B, N) booleans or grades.
        temperature: in the unit of the scores.

    Returns:
        One number: the mean of the mean over the rows and the mean over the columns with a positive.
    """
    rows = info_nce(scores, targets, temperature)
    columns = info_nce(scores.T, targets.T, temperature)
    return (rows.mean() + average(columns, split(scores, targets)[0].any(0))) / 2


def codiemb_ir(scores: Tensor, positives: int, temperature: float = 0.02) -> Tensor:
    """CoDiEmb's loss for retrieval: each positive slot in turn against that slot of the others and all negatives.

    arXiv:2508.11442, released code, mode "all"; published temperature 0.02, 2 positives and 4 negatives a query. The
    other positives of the batch's queries are left out of a slot's softmax, not only the query's own. Texts that occur
    in two groups are not masked in the released code: ``remove`` them here.

    Args:
        scores: (B, B, G): query by owner of the candidate by place in the owner's group, positives first.
        positives: how many places of a group are positives.
        temperature: in the unit of the scores.

    Returns:
        (B,), the mean over the slots.

    Raises:
        DataError: the groups cannot hold so many positives.
    """
    if scores.dim() != 3 or scores.shape[0] != scores.shape[1] or not 0 < positives <= scores.shape[2]:
        raise DataError(
            f"scores {tuple(scores.shape)} with positives={positives}: (B, B, G) with 0 < positives <= G is needed"
        )
    negatives = scores[:, :, positives:].flatten(1)
    own = torch.eye(scores.shape[0], dtype=torch.bool, device=scores.device)
    targets = torch.cat((own, torch.zeros_like(negatives, dtype=torch.bool)), 1)
    slots = (torch.cat((scores[:, :, k], negatives), 1) for k in range(positives))
    return torch.stack([info_nce(slot, targets, temperature) for slot in slots]).mean(0)


def proto_nce(scores: Tensor, clusters: Tensor, temperatures: Tensor) -> Tensor:
    """InfoNCE against cluster centres, each with its own temperature (ProtoNCE, as MEOW adds it).

    arXiv:2005.04966. A wide cluster has a higher temperature (see ``prototype_temperatures``). Fails when one cluster
    holds most of the data.

    Args:
        scores: (B, C) cosines of samples and centres.
        clusters: (B,) the cluster of each sample.
        temperatures: (C,).

    Returns:
        (B,).
    """
    targets = functional.one_hot(clusters, scores.shape[1])
    return info_nce(wide(scores) / temperatures, targets, temperature=1.0)


def pair_logistic(scores: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean of -log sigmoid((s+ - s-)/T) over all pairs of a positive and a negative: STAR's loss.

    STAR (arXiv:2104.08051): two-way softmax per pair on dot products; the authors take the mean over all pairs of the
    batch, here the mean is per row. Random negatives then have unbounded weight: easy pairs cost little each but are
    many, so hard ones need a list of their own. Fails with removed pairs only: the row costs 0.

    Args:
        scores: (B, N).
        targets: (B, N) booleans or grades; all positives count alike.
        temperature: in the unit of the scores.

    Returns:
        (B,).
    """
    check_temperature(temperature=temperature)
    logits = wide(scores) / temperature
    positive, negative = split(logits, targets)
    filled = logits.masked_fill(~(positive | negative), 0.0)
    # A line per positive: all pairs of candidates of a large batch would not fit into memory.
    row, column = positive.nonzero(as_tuple=True)
    costs = average(-functional.logsigmoid(filled[row, column].unsqueeze(1) - filled[row]), negative[row])
    total = costs.new_zeros(len(logits)).index_add(0, row, costs)
    return total / positive.sum(-1).clamp(min=1)


def nonnegative(
    vectors: Tensor, form: Literal["reparametrised", "relu"] = "reparametrised", eps: float = 1e-8
) -> Tensor:
    """Non-negative unit vectors for non-negative contrastive learning (NCL).

    ICLR 2024 (arXiv:2403.12459): ReLU, or ReLU forward with the gradient of GELU (the authors' choice on CIFAR), then
    unit length; InfoNCE at temperature 0.2 on their products. Features come out sparse and one-sided. Fails where
    cosines are cut at fixed thresholds: they now lie in [0, 1]. A vector with no positive part becomes 0, not NaN.

    Args:
        vectors: (..., d).
        form: ``reparametrised`` or ``relu``.
        eps: added to nothing; the least length that is divided by.

    Returns:
        (..., d).
    """
    vectors = wide(vectors)
    positive = functional.relu(vectors)
    if form == "reparametrised":
        smooth = functional.gelu(vectors)
        positive = smooth - smooth.detach() + positive.detach()
    return functional.normalize(positive, dim=-1, eps=eps)
