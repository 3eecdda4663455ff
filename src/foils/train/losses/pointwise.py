"""Losses on single pairs, for rerankers and label noise: NBPO, SPML, ASL, dice, and ANGEL's preference margin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.rows import average, check, order, split, wide


def nbpo(logits: Tensor, noise: Tensor, targets: Tensor) -> Tensor:
    """Likelihood of noisy labels: an unlabelled pair may be a positive that was flipped (NBPO's exact form).

    SIGIR 2020: P(labelled) = (1 - sigma(noise)) sigma(logit), P(unlabelled) = 1 - P(labelled); -log of what was
    seen. The noise may be learned beside (started low, so that little is noise) or be the logit of any
    model's probability that the pair is a false negative. Published: 4 sampled negatives per positive. Fails without a
    start or a penalty on the noise: it and the logits cannot be told apart.

    Args:
        logits: (...) of relevance.
        noise: (...) logits of the chance that a positive goes unlabelled.
        targets: (...) above 0 where the pair is labelled.

    Returns:
        (...), one value per pair; 0 where the logit is -inf.

    Example:
        >>> nbpo(torch.tensor([1.0, 1.0]), torch.tensor([-2.0, -2.0]), torch.tensor([1, 0])).neg().exp()
        tensor([0.6439, 0.3561])
    """
    check(logits, noise=noise)
    positive, negative = split(logits, targets)
    there = positive | negative
    logits, noise = wide(logits).masked_fill(~there, 0.0), wide(noise)
    seen = functional.logsigmoid(-noise) + functional.logsigmoid(logits)
    unseen = torch.logaddexp(
        functional.logsigmoid(-logits), functional.logsigmoid(noise) + functional.logsigmoid(logits)
    )
    return -torch.where(positive, seen, unseen).masked_fill(~there, 0.0)


def nbpo_surrogate(logits: Tensor, noise: Tensor, targets: Tensor) -> Tensor:
    """NBPO's surrogate: only its gradient means something, its value does not.

    SIGIR 2020, released code, as steps uphill. Labelled: (1 - sigma(noise)) sigma(-logit) for the logit and
    -sigma(noise) sigma(logit) for the noise. Unlabelled: sigma(noise) sigma(-logit) - sigma(logit) and
    sigma(-noise) sigma(logit).

    Args:
        logits: (...) of relevance.
        noise: (...) logits of the chance that a positive goes unlabelled.
        targets: (...) above 0 where the pair is labelled.

    Returns:
        (...), one value per pair.
    """
    check(logits, noise=noise)
    positive, negative = split(logits, targets)
    logits, noise = wide(logits).masked_fill(~(positive | negative), 0.0), wide(noise)
    r, g = torch.sigmoid(logits.detach()), torch.sigmoid(noise.detach())
    up_logit = torch.where(positive, (1 - g) * (1 - r), g * (1 - r) - r)
    up_noise = torch.where(positive, -g * r, (1 - g) * r)
    return -(up_logit * logits + up_noise * noise).masked_fill(~(positive | negative), 0.0)


def spml(
    logits: Tensor, targets: Tensor, pseudo: Tensor | None = None, alpha: float = 0.2, beta: float = 0.02
) -> Tensor:
    """Unlabelled means unknown: rewards doubt there, pulls sure negatives softly (entropy-maximisation loss).

    SPML (ECCV 2022, arXiv:2203.16219): -log p for positives, -alpha H(p) for unknown pairs, beta BCE(p, soft label) for
    pseudo-negatives. Its gradient on unknown pairs vanishes at p = 0.5 and at both ends. Published alpha, beta: VOC
    0.2, 0.02; COCO 0.1, 0.9; NUS 0.1, 0.2; CUB 0.01, 0.4; mean over all pairs. In retrieval: the middle of the ranking
    is unknown, what lies below is pseudo-negative. Fails with alpha too high: everything stays at 0.5.

    Args:
        logits: (...) of relevance.
        targets: (...) above 0 for positives.
        pseudo: (...) soft labels of pseudo-negatives, NaN for all others (see ``pseudo_negatives``).
        alpha: weight of the entropy.
        beta: weight of the pseudo-negatives.

    Returns:
        (...), one value per pair; below 0 for unknown pairs.
    """
    positive, unknown = split(logits, targets)
    there = positive | unknown
    logits = wide(logits).masked_fill(~there, 0.0)
    yes, no, p = functional.logsigmoid(logits), functional.logsigmoid(-logits), torch.sigmoid(logits)
    cost = torch.where(positive, -yes, alpha * (p * yes + (1 - p) * no))
    if pseudo is not None:
        check(logits, pseudo=pseudo)
        soft = wide(pseudo).nan_to_num(nan=0.0).to(logits.dtype)
        settled = ~torch.isnan(pseudo) & ~positive
        cost = torch.where(settled, -beta * (soft * yes + (1 - soft) * no), cost)
    return cost.masked_fill(~there, 0.0)


def pseudo_negatives(p: Tensor, targets: Tensor, pseudo: Tensor, share: float) -> Tensor:
    """Settle the surest unknown pairs of each column as pseudo-negatives, with their probability as soft label.

    SPML's asymmetric pseudo-labelling: each epoch after the warm-up, int(0.9 n_unknown / epochs left) of each class;
    positives are never made up. A label stays once it is given.

    Args:
        p: (n, C) probabilities now.
        targets: (n, C) above 0 for positives.
        pseudo: (n, C) labels so far, NaN where there is none.
        share: of the column's unlabelled pairs (settled or not), 0 to 1: published 0.9 / (epochs - warm-up).

    Returns:
        (n, C) labels, with more of them.
    """
    check(p, targets=targets, pseudo=pseudo)
    if not 0 <= share <= 1:
        raise DataError(f"share={share} of the unlabelled pairs is not possible; it must lie between 0 and 1")
    unlabelled = ~(targets > 0)
    unknown = unlabelled & torch.isnan(pseudo)
    quota = (share * unlabelled.sum(0)).floor()
    place = order(-p.masked_fill(~unknown, torch.inf).T).T
    return torch.where(unknown & (place <= quota), p.detach(), pseudo)


def asl(
    logits: Tensor,
    targets: Tensor,
    focus: tuple[float, float] = (1.0, 4.0),
    margin: float = 0.05,
    through: bool = False,
) -> Tensor:
    """Asymmetric loss: easy negatives count nothing, very hard (doubtful) ones less than in focal loss.

    ICCV 2021 (arXiv:2009.14119): -(1-p)^g+ log p for positives, -p_m^g- log(1 - p_m) for negatives,
    p_m = max(p - margin, 0). Published g+ 1 in code (best 0 in the paper), g- 4, margin 0.05, summed over pairs, no
    gradient through the focusing weight. Fails on balanced data: negatives hardly count.

    Args:
        logits: (...) of relevance.
        targets: (...) above 0 for positives.
        focus: g+ and g-.
        margin: probability below which a negative counts nothing.
        through: let gradients through the focusing weight.

    Returns:
        (...), one value per pair.
    """
    positive, negative = split(logits, targets)
    logits = wide(logits).masked_fill(~(positive | negative), 0.0)
    p = torch.sigmoid(logits)
    shifted = (p - margin).clamp(min=0)
    weight = torch.where(positive, _doubt(logits) ** focus[0], shifted ** focus[1])
    # log(1 - p + m) written so that it keeps its digits for p near 1: 1 - p is sigmoid(-logit).
    away = torch.where(p > margin, (torch.sigmoid(-logits) + margin).clamp(min=1e-8).log(), torch.zeros_like(p))
    cost = -(weight if through else weight.detach()) * torch.where(positive, functional.logsigmoid(logits), away)
    return cost.masked_fill(~(positive | negative), 0.0)


def _doubt(logits: Tensor) -> Tensor:
    """1 - p, never 0: a root of it would have a gradient of NaN."""
    return torch.sigmoid(-logits).clamp(min=torch.finfo(logits.dtype).tiny)


def dice(logits: Tensor, targets: Tensor, alpha: float = 0.0, smooth: float = 1e-4, squared: bool = False) -> Tensor:
    """One minus the soft F1 of the whole batch, easy pairs pushed aside by (1 - p)^alpha.

    ACL 2020 (arXiv:1911.02855): 1 - (2 sum f y + smooth) / (sum f + sum y + smooth), f = (1-p)^alpha p; ``squared`` has
    f^2 and y^2 in the denominator. Published smooth 1e-4; alpha 0 in code. Reduces over all pairs at once: on a single
    pair it means nothing. Fails on batches without positives: the loss is then about 1 whatever the model does, up to
    the smoothing.

    Args:
        logits: (...) of relevance.
        targets: (...) booleans or labels in [0, 1].
        alpha: how far sure pairs are pushed aside.
        smooth: keeps the ratio finite.
        squared: use squares in the denominator.

    Returns:
        One number.
    """
    check(logits, targets=targets)
    there = ~torch.isneginf(logits)
    logits = wide(logits).masked_fill(~there, 0.0)
    p = torch.sigmoid(logits)
    f = (_doubt(logits) ** alpha * p).masked_fill(~there, 0.0)
    y = targets.to(f.dtype).masked_fill(~there, 0.0)
    below = f.square().sum() + y.square().sum() if squared else f.sum() + y.sum()
    return 1 - (2 * (f * y).sum() + smooth) / (below + smooth)


def dpo_margin(scores: Tensor, reference: Tensor, targets: Tensor, beta: float = 0.1) -> Tensor:
    """Preference of each positive over each negative, relative to a frozen reference: DPO for rerankers (ANGEL).

    ANGEL (arXiv:2408.16493) trains on (right, own wrong answer) pairs with DPO (arXiv:2305.18290):
    -log sigma(beta ((s+ - s+_ref) - (s- - s-_ref))), published beta 0.1, one epoch, negatives that the model itself
    ranked above the positive. Here s is a reranker's logit in place of a log-likelihood [the transfer is ours]. Fails
    when the pairs are not the model's own errors: most margins are then wide from the start.

    Args:
        scores: (B, N) logits.
        reference: (B, N) logits of the model before training; without gradient.
        targets: (B, N) booleans or grades.
        beta: per unit of the logits.

    Returns:
        (B,), mean over the row's pairs; 0 for a row without a pair.
    """
    check(scores, reference=reference)
    gain = wide(scores) - wide(reference).detach().masked_fill(torch.isneginf(reference), 0.0)
    positive, negative = split(torch.where(torch.isneginf(reference), wide(reference), gain), targets)
    gain = gain.masked_fill(~(positive | negative), 0.0)
    cost = -functional.logsigmoid(beta * (gain.unsqueeze(2) - gain.unsqueeze(1)))
    return average(cost.flatten(1), (positive.unsqueeze(2) & negative.unsqueeze(1)).flatten(1))
