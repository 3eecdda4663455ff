"""Losses that learn from another scorer: a ranker, a judge, a teacher's margins, soft labels of either side."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.contrast import symmetric_info_nce
from foils.train.losses.rows import (
    check,
    check_temperature,
    cross_entropy,
    divergence,
    log_softmax,
    log_sum,
    softmax,
    split,
    wide,
)


def _given(_: Tensor, scores: Tensor) -> Tensor:
    """What stands in for the similarity where the scores are known."""
    return scores


def margin_mse(scores: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
    """Mean squared difference of the margins s+ - s- of model and teacher, over all pairs that are there.

    arXiv:2010.02666, by sentence-transformers' MarginMSELoss on known scores. The margins need the same unit: teacher
    logits go with dot products, not with cosines. Fails to use the teacher's opinion of the positives alone.

    Args:
        scores: (B, N) of the model.
        teacher: (B, N) of the teacher.
        targets: (B, N) booleans or grades.

    Returns:
        One number; 0 without any pair.
    """
    from sentence_transformers.sentence_transformer.losses import MarginMSELoss

    check(scores, teacher=teacher)
    scores, teacher = wide(scores), wide(teacher)
    positive, negative = split(torch.where(torch.isneginf(teacher), teacher, scores), targets)
    row, first, second = (positive.unsqueeze(2) & negative.unsqueeze(1)).nonzero(as_tuple=True)
    if not len(row):
        return scores.masked_fill(torch.isneginf(scores), 0.0).sum() * 0.0
    columns = [scores[row, first], scores[row, first], scores[row, second]]
    loss = MarginMSELoss(None, similarity_fct=_given)  # type: ignore[arg-type, unused-ignore]
    labels = teacher[row, first] - teacher[row, second]
    return loss.compute_loss_from_embeddings(columns, labels)


def distil_kl(scores: Tensor, teacher: Tensor, temperature: float = 1.0, teacher_temperature: float = 1.0) -> Tensor:
    """KL(softmax of the teacher || softmax of the model) over each list, times the model's temperature squared.

    arXiv:2010.11386, by sentence-transformers' DistillKLDivLoss on known scores; LG-ANNA's soft labels are this with
    a fused teacher [reconstruction: its loss is not stated]. Fails on teachers whose scores all lie close together
    (raise their spread by a lower ``teacher_temperature``) and on rows with one candidate, which cost 0.

    Args:
        scores: (B, N) of the model.
        teacher: (B, N) of the teacher; -inf in either takes a candidate out of both.
        temperature: of the model.
        teacher_temperature: of the teacher.

    Returns:
        One number, the mean over the rows.
    """
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss

    check_temperature(temperature=temperature, teacher_temperature=teacher_temperature)
    check(scores, teacher=teacher)
    gone = torch.isneginf(scores) | torch.isneginf(teacher)
    # The model's far below everything, yet finite: 0 times -inf is NaN. The teacher's -inf, for sentence-transformers
    # warns of any other number that leaves no share.
    scores, teacher = _floor(wide(scores), gone, -1e4 * temperature), _floor(wide(teacher), gone, -math.inf)
    if scores.shape[1] < 2:
        return scores.sum() * 0.0
    loss = DistillKLDivLoss(
        None,  # type: ignore[arg-type, unused-ignore]
        similarity_fct=_given,
        student_temperature=temperature,
        teacher_temperature=teacher_temperature,
    )
    columns = [scores[:, :1].detach(), *scores.unbind(1)]
    return loss.compute_loss_from_embeddings(columns, teacher)


def _floor(scores: Tensor, gone: Tensor, low: float) -> Tensor:
    """Scores with what is gone set far below the row's best."""
    best = scores.detach().masked_fill(gone, -math.inf).amax(-1, keepdim=True)
    return torch.where(gone, torch.where(torch.isneginf(best), 0.0, best + low), scores)


def symmetric_kl(
    scores: Tensor, judge: Tensor, temperature: float = 0.02, judge_temperature: float = 0.02, eps: float = 1e-8
) -> Tensor:
    """Half of KL(P || Q) + KL(Q || P) between the model's and a judge's softmax (UniME-V2).

    arXiv:2510.13515: P = softmax(cos/T), Q = softmax(judge probability/T), published T 0.02 for both, eps 1e-8, 8
    negatives. The paper calls it JS; it is the symmetric KL. At 0.02 a judge that says 0.95 and 0.90 gives 0.92 and
    0.08: raise ``judge_temperature`` for a softer target. Fails on the published fall-back negatives, whose judge score
    is 1: ``remove`` them.

    Args:
        scores: (B, N) cosines, the positive among them.
        judge: (B, N) probabilities; -inf in either takes a candidate out of both.
        temperature: of the model.
        judge_temperature: of the judge.
        eps: added inside the logarithms.

    Returns:
        (B,).

    Example:
        >>> symmetric_kl(torch.tensor([[0.80, 0.78, 0.70]]), torch.tensor([[0.95, 0.90, 0.10]]))
        tensor([0.1765])
    """
    check_temperature(temperature=temperature, judge_temperature=judge_temperature)
    check(scores, judge=judge)
    there = ~(torch.isneginf(scores) | torch.isneginf(judge))
    p = softmax(wide(scores) / temperature, there)
    q = softmax(wide(judge) / judge_temperature, there)
    gap = (p + eps).log() - (q + eps).log()
    return ((p - q) * gap).sum(-1) / 2


def ar2_distillation(scores: Tensor, ranker: Tensor, temperature: float = 1.0) -> Tensor:
    """Cross-entropy of the retriever's softmax against the ranker's (AR2's regulariser).

    arXiv:2110.03611, released code: -sum_d t(d) log(p(d) + 1e-7), t = softmax(D/T) without gradient. Published T 1.

    Args:
        scores: (B, N) of the retriever, over the positive and its negatives.
        ranker: (B, N) logits of the ranker.
        temperature: of the ranker.

    Returns:
        (B,).
    """
    check_temperature(temperature=temperature)
    check(scores, ranker=ranker)
    there = ~(torch.isneginf(scores) | torch.isneginf(ranker))
    wanted = softmax(wide(ranker).detach() / temperature, there)
    return cross_entropy(wanted, _padded_log(log_softmax(wide(scores), there)))


def ar2_adversarial(scores: Tensor, ranker: Tensor, targets: Tensor) -> Tensor:
    """Teaches the retriever to bring up what the ranker cannot tell from the positive.

    AR2 (arXiv:2110.03611), released code: sum over the list of r(d) log(p(d) + 1e-7) with
    r(d) = log(sigmoid(D(d+) - D(d)) + 1e-7) <= 0, ranker without gradient; the positive is in the sum. Of several
    positives the ranker's best stands for d+. Fails without a good ranker: false negatives are brought up as well,
    which is wanted only because the ranker then decides.

    Args:
        scores: (B, N) of the retriever.
        ranker: (B, N) logits of the ranker.
        targets: (B, N) booleans or grades.

    Returns:
        (B,), sums over the list; 0 for a row without a positive.
    """
    check(scores, ranker=ranker)
    judged = wide(ranker).detach()
    positive, negative = split(torch.where(torch.isneginf(judged), judged, wide(scores)), targets)
    there = (positive | negative) & positive.any(-1, keepdim=True)
    best = judged.masked_fill(~positive, -math.inf).amax(-1, keepdim=True)
    reward = _padded_log(functional.logsigmoid((best - judged).masked_fill(~there, 0.0)))
    chance = _padded_log(log_softmax(wide(scores), positive | negative))
    return (reward * chance).masked_fill(~there, 0.0).sum(-1)


def ar2(
    scores: Tensor,
    ranker: Tensor,
    targets: Tensor,
    share: float = 0.5,
    reduce: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """The retriever's loss of AR2: share * adversarial + (1 - share) * distillation.

    Released code: the adversarial term is a ``sum`` over the batch, the distillation a mean, so the balance depends on
    the batch; ``mean`` averages both. Published share 0.5, 15 negatives. The ranker's own loss is ``info_nce`` of its
    logits at temperature 1.

    Args:
        scores: (B, N) of the retriever.
        ranker: (B, N) logits of the ranker.
        targets: (B, N) booleans or grades.
        share: lambda, 0 to 1.
        reduce: of the adversarial term over the batch.

    Returns:
        One number.
    """
    adversarial = ar2_adversarial(scores, ranker, targets)
    adversarial = adversarial.sum() if reduce == "sum" else adversarial.mean()
    return share * adversarial + (1 - share) * ar2_distillation(scores, ranker).mean()


def _padded_log(logs: Tensor, eps: float = 1e-7) -> Tensor:
    """log(e^logs + eps), finite where logs is -inf."""
    # Two numbers and not logaddexp: its gradient at -inf is NaN in half of the versions.
    pair = torch.stack((logs, torch.full_like(logs, math.log(eps))), -1)
    return log_sum(pair, torch.ones_like(pair, dtype=torch.bool))


def cusa(
    scores: Tensor,
    own: tuple[Tensor, Tensor],
    teachers: tuple[Tensor, Tensor],
    temperatures: tuple[float, float, float] = (0.05, 0.45, 1.0),
    weights: tuple[float, float] = (0.1, 0.5),
) -> Tensor:
    """Contrast plus soft labels of a teacher for each side: across (CSA) and within a side (USA).

    CUSA (AAAI 2024), released code: symmetric InfoNCE on the diagonal + 0.1 CSA + 0.5 USA. CSA is the mean of
    KL(softmax(A_q) || softmax(s)) over rows and of KL(softmax(A_d) || softmax(s^T)) over columns; USA compares the
    model's own query-query and document-document cosines, of separate heads, with the same targets. Published
    temperatures 0.05, 0.45 (both learnt there) and 1.0. Made for images and texts; here for queries and documents.
    Fails when the teacher's temperature is high: nearly all mass then leaves the diagonal.

    Args:
        scores: (B, B) cosines of queries and documents, positives on the diagonal; -inf here takes a candidate out.
        own: (B, B) query-query and (B, B) document-document cosines of the model.
        teachers: the same two of the teachers; without gradient.
        temperatures: of InfoNCE, of the model's softmax, of the teachers'.
        weights: of CSA and of USA.

    Returns:
        One number.
    """
    contrast, student, teacher = temperatures
    check_temperature(contrast=contrast, student=student, teacher=teacher)
    check(scores, own_queries=own[0], own_documents=own[1], teacher_queries=teachers[0], teacher_documents=teachers[1])
    wanted = [wide(t).detach() / teacher for t in teachers]
    terms = [symmetric_info_nce(scores, torch.eye(len(scores), device=scores.device), contrast)]
    for given in ((scores, scores.T), own):
        sides = [(w, wide(g) / student) for w, g in zip(wanted, given, strict=True)]
        both = [divergence(log_softmax(w, ~torch.isneginf(g)), log_softmax(g)) for w, g in sides]
        terms.append((both[0].mean() + both[1].mean()) / 2)
    return terms[0] + weights[0] * terms[1] + weights[1] * terms[2]


def sycl(scores: Tensor, grades: Tensor, temperature: float = 1.0) -> Tensor:
    """2-Wasserstein distance between the batch's score distributions and its grade distributions (SyCL).

    arXiv:2503.23239, released code: rows X = softmax(s/T) and Y = softmax(grades) as samples of two Gaussians,
    |mu_X - mu_Y|^2 + Tr C_X + Tr C_Y - 2 Tr (C_X C_Y)^(1/2). The last trace is the sum of the singular values of
    E_X E_Y^T / (B - 1) with E the centred rows: the same number as the authors' eigenvalues of its square, without
    their 1e-15 and with a stable gradient. Computed in float64. Published grades 3, 2, 1, 0, others' documents 0.
    Fails on small batches: it fits moments, not rows, and never on one row.

    Args:
        scores: (B, N) against all documents of the batch.
        grades: (B, N); -inf in the scores takes a candidate out of both.
        temperature: of the scores.

    Returns:
        One number.

    Raises:
        DataError: fewer than two rows.
    """
    check_temperature(temperature=temperature)
    check(scores, grades=grades)
    if len(scores) < 2:
        raise DataError(
            "the 2-Wasserstein loss compares distributions of rows and needs at least 2; there is 1 in the batch"
        )
    there = ~torch.isneginf(scores)
    x, y = softmax(scores.double() / temperature, there), softmax(grades.double(), there)
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y, free = x - mean_x, y - mean_y, len(x) - 1
    # The decomposition refuses NaN with an error of its own; the other terms carry it on.
    cross: Tensor = torch.linalg.svdvals((x @ y.T).nan_to_num()).sum() / free
    squared = (mean_x - mean_y).square().sum() + (x.square().sum() + y.square().sum()) / free - 2 * cross
    return squared.to(wide(scores).dtype)
