"""Every loss by the worked numbers of its paper, by hand, or against the same thing of sentence-transformers."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sentence_transformers.sentence_transformer import losses as theirs
from torch.nn import functional

from foils.errors import DataError
from foils.train import losses

INF = float("inf")
CURVE = torch.tensor([[0.8, 0.5, 0.2, -0.1]])
FIRST = torch.tensor([[1, 0, 0, 0]])


def near(value, wanted, tolerance=2e-6):
    return value.detach().numpy() == pytest.approx(np.array(wanted), abs=tolerance)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


# InfoNCE


def test_info_nce_is_the_worked_number():
    assert near(losses.info_nce(CURVE, FIRST, 0.5), [0.700770])


def test_info_nce_is_that_of_sentence_transformers():
    queries, positives, negatives = (functional.normalize(torch.randn(6, 8), dim=-1) for _ in range(3))
    wanted = theirs.MultipleNegativesRankingLoss(None, scale=50.0).compute_loss_from_embeddings(
        [queries, positives, negatives], None
    )
    found = losses.info_nce(queries @ torch.cat((positives, negatives)).T, torch.eye(6, 12), 0.02)
    assert near(found.mean(), wanted.item())


def test_two_positives_are_each_compared_with_the_negatives_alone():
    scores = torch.tensor([[0.9, 0.3, 0.5]])
    one, two = (math.log(1 + math.exp((0.5 - s) / 0.1)) for s in (0.9, 0.3))
    assert near(losses.info_nce(scores, torch.tensor([[1, 1, 0]]), 0.1), [(one + two) / 2])
    assert near(losses.info_nce(scores, torch.tensor([[3, 1, 0]]), 0.1), [(3 * one + two) / 4])
    together = math.exp(9) + math.exp(3)
    assert near(losses.info_nce(scores, torch.tensor([[1, 1, 0]]), 0.1, "sum"), [math.log(1 + math.exp(5) / together)])


def test_soft_targets_are_a_cross_entropy():
    targets = torch.tensor([[2.0, 1.0, 1.0, 0.0]])
    wanted = functional.cross_entropy(CURVE / 0.3, targets / 4)
    assert near(losses.soft_info_nce(CURVE, targets, 0.3), [wanted.item()])
    assert near(losses.soft_info_nce(CURVE, FIRST, 0.3), losses.info_nce(CURVE, FIRST, 0.3).tolist())


def test_soft_targets_on_a_removed_candidate_are_left_out():
    scores = losses.remove(CURVE, torch.tensor([[False, True, False, False]]))
    assert near(
        losses.soft_info_nce(scores, torch.tensor([[1.0, 1, 0, 0]]), 0.3), losses.info_nce(scores, FIRST, 0.3).tolist()
    )


def test_symmetric_is_that_of_sentence_transformers():
    queries, documents = (functional.normalize(torch.randn(5, 8), dim=-1) for _ in range(2))
    both = ("query_to_doc", "doc_to_query")
    theirs_ = theirs.MultipleNegativesRankingLoss(None, 20.0, directions=both, partition_mode="per_direction")
    wanted = theirs_.compute_loss_from_embeddings([queries, documents], None)
    assert near(losses.symmetric_info_nce(queries @ documents.T, torch.eye(5)), wanted.item())


def test_symmetric_asks_nothing_of_mined_negatives():
    scores = torch.rand(3, 5)
    found = losses.symmetric_info_nce(scores, torch.eye(3, 5), 0.1)
    rows = losses.info_nce(scores, torch.eye(3, 5), 0.1).mean()
    columns = losses.info_nce(scores[:, :3].T, torch.eye(3), 0.1).mean()
    assert near(found, ((rows + columns) / 2).item())


def test_without_in_batch_negatives_it_is_the_loss_of_the_own_list():
    lists = torch.rand(3, 4)
    scores, owners = torch.rand(3, 12), torch.arange(3).repeat_interleave(4)
    for row in range(3):
        scores[row, owners == row] = lists[row]
    targets = torch.zeros(3, 12)
    targets[torch.arange(3), torch.arange(3) * 4] = 1
    assert near(
        losses.info_nce(losses.only_own(scores, owners), targets),
        losses.info_nce(lists, FIRST.expand(3, 4)).tolist(),
    )


def test_codiemb_leaves_other_slots_out():
    scores = torch.rand(2, 2, 3)
    found = losses.codiemb_ir(scores, positives=2, temperature=0.1)
    wanted = torch.zeros(2)
    for slot in range(2):
        row = torch.cat((scores[:, :, slot], scores[:, 0, 2:], scores[:, 1, 2:]), 1)
        wanted += functional.cross_entropy(row / 0.1, torch.arange(2), reduction="none") / 2
    assert near(found, wanted.tolist())


def test_pair_logistic_is_the_mean_over_pairs():
    wanted = sum(math.log(1 + math.exp(s - 0.8)) for s in (0.5, 0.2, -0.1)) / 3
    assert near(losses.pair_logistic(CURVE, FIRST), [wanted])


def test_prototypes_have_their_own_temperature():
    scores, clusters = torch.tensor([[0.9, 0.1]]), torch.tensor([0])
    found = losses.proto_nce(scores, clusters, torch.tensor([0.5, 0.1]))
    assert near(found, [math.log(1 + math.exp(0.1 / 0.1 - 0.9 / 0.5))])


def test_nonnegative_vectors():
    vectors = torch.tensor([[3.0, -1.0, 4.0], [-1.0, -2.0, -3.0]], requires_grad=True)
    found = losses.nonnegative(vectors)
    assert near(found.detach(), [[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]])
    found.sum().backward()
    assert torch.isfinite(vectors.grad).all()
    assert vectors.grad[0, 1] != 0
    plain = torch.tensor([[3.0, -1.0, 4.0]], requires_grad=True)
    losses.nonnegative(plain, "relu").sum().backward()
    assert plain.grad[0, 1] == 0


# Removed, neutral, weighed, soft: four different things


def test_the_four_effects_differ():
    where = torch.tensor([[False, True, False, False]])
    rest = sum(math.exp((s - 0.8) / 0.5) for s in (0.2, -0.1))
    half = torch.tensor([[1.0, 0.5, 1.0, 1.0]])
    results = {
        "removed": (losses.info_nce(losses.remove(CURVE, where), FIRST, 0.5), math.log(1 + rest)),
        "neutral": (
            losses.info_nce(losses.neutralise(CURVE, where), FIRST, 0.5),
            math.log(1 + rest + math.exp(-0.8 / 0.5)),
        ),
        "weighed": (
            losses.info_nce(losses.weigh(CURVE, half, 0.5), FIRST, 0.5),
            math.log(1 + rest + 0.5 * math.exp(-0.3 / 0.5)),
        ),
        "soft": (
            losses.soft_info_nce(CURVE, losses.soften(FIRST, 0.25 * where), 0.5),
            math.log(1 + rest + math.exp(-0.3 / 0.5)) + 0.2 * 0.3 / 0.5,
        ),
    }
    for found, wanted in results.values():
        assert near(found, [wanted])
    assert len({round(found.item(), 4) for found, _ in results.values()}) == 4


def test_a_weight_of_zero_removes_and_of_one_does_nothing():
    weights = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    weighed = losses.weigh(CURVE, weights, 0.02)
    assert torch.equal(weighed, losses.remove(CURVE, weights == 0))
    assert torch.equal(losses.weigh(CURVE, torch.ones(1, 4)), CURVE)


def test_weights_may_be_learnt():
    weights = torch.tensor([[1.0, 0.5, 0.0, 1.0]], requires_grad=True)
    losses.info_nce(losses.weigh(CURVE, weights, 0.5), FIRST, 0.5).backward()
    assert torch.isfinite(weights.grad).all()
    assert weights.grad[0, 1] > 0
    assert weights.grad[0, 2] == 0


def test_softened_targets_keep_positives_and_take_unknown_for_zero():
    found = losses.soften(torch.tensor([[2, 0, 0]]), torch.tensor([[0.1, math.nan, 0.3]]))
    assert near(found, [[2.0, 0.0, 0.3]])


# Debiased


def test_dcl_and_hcl_are_the_worked_numbers():
    assert near(losses.dcl(CURVE, FIRST), [0.584884])
    assert near(losses.hcl(CURVE, FIRST, beta=1.0), [0.714446])
    assert near(losses.hcl(CURVE, FIRST, beta=2.0), [0.803845])
    assert near(losses.dcl(CURVE, FIRST, prior=0.0), losses.info_nce(CURVE, FIRST, 0.5).tolist())


def test_dcl_has_a_floor():
    scores = torch.tensor([[1.0, -1.0, -1.0]])
    wanted = math.log(1 + 2 * math.exp(-2) / math.exp(2))
    assert near(losses.dcl(scores, torch.tensor([[1, 0, 0]]), prior=0.5), [wanted])


def test_dcl_with_two_positives_corrects_by_their_mean():
    scores, targets = torch.tensor([[0.9, 0.7, 0.6, 0.5]]), torch.tensor([[1, 1, 0, 0]])
    pos = [math.exp(s / 0.5) for s in (0.9, 0.7)]
    rest = (math.exp(1.2) + math.exp(1.0) - 2 * 0.1 * sum(pos) / 2) / 0.9
    wanted = sum(-math.log(p / (p + rest)) for p in pos) / 2
    assert near(losses.dcl(scores, targets), [wanted])


def test_dcl_at_the_temperature_of_retrieval():
    scores = torch.tensor([[0.8, 0.79, 0.5]], dtype=torch.float64)
    pos, one, two = (math.exp(s / 0.02) for s in (0.8, 0.79, 0.5))
    rest = (one + two - 2 * 0.05 * pos) / 0.95
    found = losses.dcl(scores, torch.tensor([[1, 0, 0]]), 0.02, 0.05)
    assert near(found, [-math.log(pos / (pos + rest))])
    assert near(losses.dcl(scores.float(), torch.tensor([[1, 0, 0]]), 0.02, 0.05), found.tolist(), 1e-4)


def test_ifm_is_the_mean_of_two():
    harder = torch.tensor([[0.7, 0.6, 0.3, 0.0]])
    both = (losses.info_nce(CURVE, FIRST, 0.5) + losses.info_nce(harder, FIRST, 0.5)) / 2
    assert near(losses.ifm(CURVE, FIRST), both.tolist())


def test_hasa_by_hand():
    scores, suspects = torch.tensor([[2.0, 1.0, 0.5]]), torch.tensor([[1.5, 0.2]])
    hard, false = np.array([1.0, 0.5]), np.array([1.5, 0.2])
    p, f = (np.exp(x / np.linalg.norm(x)) / np.exp(x / np.linalg.norm(x)).sum() for x in (hard, false))
    rest = (p * np.exp(hard)).sum() - 0.1 * (f * np.exp(false)).sum()
    nu = math.exp(2.0 - 1.0)
    wanted = -math.log(nu / (nu + 2 / 0.9 * rest))
    assert near(losses.hasa(scores, torch.tensor([[1, 0, 0]]), suspects, prior=0.1), [wanted])


def test_hasa_costs_nothing_where_the_correction_overshoots():
    scores = torch.tensor([[2.0, -5.0]], requires_grad=True)
    cost = losses.hasa(scores, torch.tensor([[1, 0]]), torch.tensor([[3.0]]), prior=0.5)
    cost.sum().backward()
    assert cost.item() == 0
    assert scores.grad.tolist() == [[0.0, 0.0]]


def test_hasa_without_suspects_only_weighs():
    scores, none = torch.tensor([[2.0, 1.0, 0.5]]), torch.full((1, 2), -INF)
    sharp = losses.hasa(scores, torch.tensor([[1, 0, 0]]), none, prior=0.0, sharpness=0.1)
    p = np.exp(np.array([1.0, 0.5]) / 0.1)
    rest = 2 * (p / p.sum() * np.exp([1.0, 0.5])).sum()
    assert near(sharp, [math.log(1 + rest / math.exp(1))])


# Suspects


def test_dclr_paper_removes_and_code_neutralises():
    suspects = torch.tensor([[True, True, False, False]])
    logits = torch.tensor([0.8, 0.0, 0.2, -0.1]) / 0.05
    p = torch.softmax(logits, 0)
    removed = losses.info_nce(losses.remove(CURVE, torch.tensor([[False, True, False, False]])), FIRST)
    assert near(losses.dclr(CURVE, FIRST, suspects), removed.tolist())
    wanted = functional.binary_cross_entropy(p, torch.tensor([1.0, 0, 0, 0]))
    assert near(losses.dclr(CURVE, FIRST, suspects, form="code"), [wanted.item()])


def test_dclr_noise_stands_in_the_denominator():
    none = torch.zeros(1, 4, dtype=torch.bool)
    found = losses.dclr(CURVE, FIRST, none, torch.tensor([[0.1, 0.0]]), 0.5)
    wide = torch.tensor([[0.8, 0.5, 0.2, -0.1, 0.1, 0.0]])
    assert near(found, losses.info_nce(wide, torch.tensor([[1, 0, 0, 0, 0, 0]]), 0.5).tolist())


def test_gcse_is_the_worked_numbers():
    scores = torch.tensor([[0.70, 0.699, 0.69, 0.65, 0.71]], dtype=torch.float64)
    frozen = torch.full_like(scores, 0.70)
    found = losses.gcse(scores, frozen, torch.ones_like(scores, dtype=torch.bool)) / 0.05
    assert near(found, [[0.0, 0.0964, 6.8924, 13.0, 14.2]], 5e-5)


def test_gcse_keeps_the_gradient_of_the_score():
    scores = torch.tensor([[0.9, 0.65]], requires_grad=True)
    held = losses.gcse(scores, torch.tensor([[0.9, 0.66]]), torch.tensor([[False, True]]))
    held.sum().backward()
    assert scores.grad.tolist() == [[1.0, 1.0]]


def test_bml_by_hand():
    scores = torch.tensor([[0.9, 0.95, 0.3], [0.4, 0.8, 0.1], [0.2, 0.1, 0.7]])
    found = losses.bml(scores, torch.tensor([0, 0, 1]), alpha=0.1, beta=0.3)
    assert near(found, [(0.05 + 0.1) / 3, (0.4 - 0.3) / 3, 0.0])


def test_meow_and_its_weights():
    labels = torch.tensor([[0, 0, 1], [0, 1, 1]])
    weights = losses.cluster_weights(labels, labels)
    assert weights.tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    scores = torch.tensor([[0.9, 0.5, 0.1], [0.5, 0.9, 0.2], [0.1, 0.2, 0.9]])
    found = losses.meow(scores, torch.eye(3), weights)
    first = -0.9 / 0.4 + math.log(math.exp(0.5 / 0.4) + 2 * math.exp(0.1 / 0.4))
    assert near(found[0], first)
    assert (found < 0).all()


def test_learned_weights_are_held_at_mean_one():
    weights = torch.tensor([[0.2, 0.1, 0.3], [0.0, 0.0, 0.0]])
    where = torch.tensor([[False, True, True], [False, True, True]])
    assert near(losses.mean_one(weights, where), [[0.2, 0.5, 1.5], [0.0, 0.0, 0.0]])


def test_wide_clusters_have_higher_temperatures():
    distances = torch.tensor([0.1, 0.1, 0.1, 0.8, 0.8, 0.8])
    found = losses.prototype_temperatures(distances, torch.tensor([0, 0, 0, 1, 1, 1]), 3)
    assert found[0] < found[2] < found[1]
    assert near(found.mean(), 0.4)


# Distances


def test_cacr_by_hand():
    scores, targets = torch.tensor([[0.9, 0.5, 0.3, -0.2]]), torch.tensor([[1, 1, 0, 0]])
    d = 2 - 2 * scores[0].numpy().astype(float)
    far, near_ = np.exp(d[:2]) / np.exp(d[:2]).sum(), np.exp(-d[2:]) / np.exp(-d[2:]).sum()
    attract, repel = (far * d[:2]).sum(), (near_ * d[2:]).sum()
    assert near(losses.cacr(scores, targets), [attract - repel])
    corrected = (repel - 0.1 * d[:2].mean()) / 0.9
    assert near(losses.cacr(scores, targets, prior=0.1), [attract - corrected])


def test_hard_simple_keeps_the_hardest_share():
    found = losses.hard_simple(torch.tensor([[0.8, 0.5, 0.2, -0.1, 0.4]]), torch.tensor([[1, 0, 0, 0, 0]]), 0.5)
    assert near(found, [0.45 - 0.8])
    assert near(losses.hard_simple(CURVE, FIRST, 0.01), [0.5 - 0.8])


def test_ngame_by_hand():
    found = losses.ngame(CURVE, FIRST, margin=0.35, top=2)
    assert near(found, [0.05])
    both = losses.ngame(CURVE, FIRST, margin=0.7, top=2)
    share = 1 / (1 + math.exp(-3))
    assert near(both, [share * 0.4 + (1 - share) * 0.1])


def test_relative_penalties_are_the_worked_numbers():
    for temperature, wanted, entropy in (
        (0.07, [0.986239, 0.013574, 0.000187], 0.0736),
        (0.3, [0.665241, 0.244728, 0.090031], 0.8324),
        (1.0, [0.436752, 0.323554, 0.239694], 1.0693),
    ):
        r = losses.relative_penalty(CURVE, FIRST, temperature)[0]
        assert near(r, [0.0, *wanted])
        assert -(r[1:] * r[1:].log()).sum().item() == pytest.approx(entropy, abs=5e-5)


def test_uniformity_and_tolerance():
    square = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    wanted = math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6)
    assert near(losses.uniformity(square), wanted)
    assert near(losses.tolerance(square, torch.tensor([0, 0, 1, 1])), 0.0)
    assert near(losses.tolerance(square, torch.tensor([0, 1, 0, 2])), -1.0)
    assert near(losses.tolerance(square, torch.arange(4)), 0.0)


# Order


def test_adore_by_hand():
    scores, targets = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0, 1, 0]])
    up, down = math.log(1 + math.exp(1.0)), math.log(1 + math.exp(-1.0))
    assert near(losses.adore(scores, targets), [(0.5 * up + (1 / 2 - 1 / 3) * down) / 4])
    assert near(losses.adore(scores, targets, cut=1), [(1.0 * up) / 4])


def test_conan_adds_cosent():
    pairs, gold = torch.tensor([0.9, 0.2, 0.6]), torch.tensor([3.0, 1.0, 1.0])
    by_hand = math.log(1 + math.exp((0.2 - 0.9) / 0.05) + math.exp((0.6 - 0.9) / 0.05))
    assert near(losses.cosent(pairs, gold), by_hand)
    wanted = losses.info_nce(CURVE, FIRST).mean() + 0.8 * by_hand
    assert near(losses.conan(CURVE, FIRST, pairs, gold), wanted.item())


def test_codiemb_sts_terms():
    scores, gold = torch.tensor([0.9, 0.5, 0.6, 0.1]), torch.tensor([5.0, 3.0, 3.0, 0.0])
    correlation = np.corrcoef(scores, gold)[0, 1]
    assert near(losses.pearson(scores, gold), 1 - correlation)
    ideal = torch.tensor([1.0, 0.5, 0.5, 0.0]) / 0.05
    wanted = functional.kl_div(torch.log_softmax(scores / 0.05, 0), torch.softmax(ideal, 0), reduction="batchmean")
    assert near(losses.rank_kl(scores, gold), wanted.item())
    logits, terms = scores / 0.05, []
    for k, lower in ((0, [1, 2, 3]), (1, [3]), (2, [3])):
        gaps = gold[k] - gold[lower]
        row = torch.cat(((logits[k] * gaps.max()).reshape(1), logits[lower] * gaps))
        terms.append(-torch.log_softmax(row, 0)[0])
    pro = torch.stack(terms).mean()
    assert near(losses.pro(scores, gold), pro.item())
    assert near(losses.codiemb_sts(scores, gold), (2 * (1 - correlation) + 0.5 * pro + 5 * wanted).item(), 1e-5)


# Distillation


def test_ar2_is_the_worked_numbers():
    ranker, scores = torch.tensor([[2.0, 1.0, 2.5]]), torch.tensor([[3.0, 2.0, 2.8]])
    targets = torch.tensor([[1, 0, 0]])
    assert near(losses.ar2_adversarial(scores, ranker, targets), [2.057515])
    assert near(losses.ar2_distillation(scores, ranker), [1.013614])
    assert near(losses.ar2(scores, ranker, targets), (2.057515 + 1.013614) / 2)
    twice = [torch.cat((t, t)) for t in (scores, ranker, targets)]
    assert near(losses.ar2(*twice), (2 * 2.057515 + 1.013614) / 2)
    assert near(losses.ar2(*twice, reduce="mean"), (2.057515 + 1.013614) / 2)


def test_symmetric_kl_is_the_worked_number():
    found = losses.symmetric_kl(torch.tensor([[0.80, 0.78, 0.70]]), torch.tensor([[0.95, 0.90, 0.10]]))
    assert near(found, [0.176522])


def test_distil_kl_is_that_of_sentence_transformers_and_takes_gaps():
    scores, teacher = torch.tensor([[0.9, 0.2, 0.4]]), torch.tensor([[3.0, 1.0, 2.0]])
    p, q = torch.softmax(teacher[0] / 2, 0), torch.softmax(scores[0] / 0.5, 0)
    wanted = (p * (p / q).log()).sum() * 0.25
    assert near(losses.distil_kl(scores, teacher, 0.5, 2.0), wanted.item())
    gap = torch.tensor([[0.9, 0.2, -INF, 0.4]]), torch.tensor([[3.0, 1.0, 5.0, 2.0]])
    assert near(losses.distil_kl(*gap, 0.5, 2.0), wanted.item())


def test_margin_mse_counts_real_pairs_only():
    scores = torch.tensor([[0.9, 0.2, 0.4], [0.8, 0.1, -INF]])
    teacher = torch.tensor([[3.0, 1.0, 2.0], [2.0, 0.0, 9.0]])
    targets = torch.tensor([[1, 0, 0], [1, 0, 0]])
    wanted = ((0.7 - 2) ** 2 + (0.5 - 1) ** 2 + (0.7 - 2) ** 2) / 3
    assert near(losses.margin_mse(scores, teacher, targets), wanted)


def test_cusa_by_hand():
    scores, own, teachers = torch.rand(3, 3), torch.rand(2, 3, 3), torch.rand(2, 3, 3)
    kl = [
        functional.kl_div(torch.log_softmax(s / 0.45, 1), torch.softmax(t, 1), reduction="batchmean")
        for s, t in zip((scores, scores.T, own[0], own[1]), (*teachers, *teachers), strict=True)
    ]
    contrast = losses.symmetric_info_nce(scores, torch.eye(3))
    wanted = contrast + 0.1 * (kl[0] + kl[1]) / 2 + 0.5 * (kl[2] + kl[3]) / 2
    assert near(losses.cusa(scores, tuple(own), tuple(teachers)), wanted.item())


def test_sycl_is_the_worked_number_and_zero_for_itself():
    scores, grades = torch.tensor([[2.0, 1, 0, 0], [0, 0, 1, 2]]), torch.tensor([[3.0, 1, 0, 0], [0, 0, 3, 1]])
    assert near(losses.sycl(scores, grades), 0.493613)
    assert near(losses.sycl(grades, grades), 0.0, 1e-9)


def test_sycl_is_the_wasserstein_distance_of_gaussians():
    scores, grades = torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    x, y = torch.softmax(scores, 1).numpy(), torch.softmax(grades, 1).numpy()
    a, b = np.cov(x.T), np.cov(y.T)
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    # The covariances are singular, so scipy's root carries an error of about 1e-8.
    assert near(losses.sycl(scores, grades), wanted, 1e-6)


def test_sycl_refuses_one_row():
    with pytest.raises(DataError, match="at least 2"):
        losses.sycl(CURVE, FIRST.float())


# Pairs


def test_nbpo_is_the_worked_numbers():
    logits, noise = torch.tensor([1.0, 1.0]), torch.tensor([-2.0, -2.0])
    chances = (-losses.nbpo(logits, noise, torch.tensor([1, 0]))).exp()
    assert near(chances, [0.643914, 0.356086])


def test_nbpo_surrogate_has_the_published_steps():
    logits = torch.tensor([1.0, 1.0], requires_grad=True)
    noise = torch.tensor([-2.0, -2.0], requires_grad=True)
    losses.nbpo_surrogate(logits, noise, torch.tensor([1, 0])).sum().backward()
    r, g = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(2))
    assert near(-logits.grad, [(1 - g) * (1 - r), g * (1 - r) - r])
    assert near(-noise.grad, [-g * r, (1 - g) * r])


def test_spml_is_the_worked_numbers():
    p = torch.tensor([0.1, 0.5, 0.9])
    found = losses.spml(torch.logit(p), torch.zeros(3))
    assert near(found, [-0.065017, -0.138629, -0.065017])
    soft = losses.spml(torch.logit(p), torch.tensor([1, 0, 0]), torch.tensor([0.2, math.nan, 0.2]), beta=0.5)
    assert near(soft[0], -math.log(0.1))
    assert near(soft[2], -0.5 * (0.2 * math.log(0.9) + 0.8 * math.log(0.1)))


def test_spml_gradient_vanishes_in_the_middle_and_at_the_ends():
    logits = torch.tensor([-20.0, -1.0, 0.0, 1.0, 20.0], requires_grad=True)
    losses.spml(logits, torch.zeros(5)).sum().backward()
    p = torch.sigmoid(logits.detach())
    assert near(logits.grad, (0.2 * p * (1 - p) * logits.detach()).tolist())


def test_pseudo_negatives_take_the_surest_of_each_column():
    p = torch.tensor([[0.1, 0.9], [0.2, 0.3], [0.05, 0.2], [0.4, 0.1]])
    targets = torch.tensor([[0, 0], [0, 0], [1, 0], [0, 0]])
    first = losses.pseudo_negatives(p, targets, torch.full((4, 2), math.nan), 0.5)
    assert torch.isnan(first).tolist() == [[False, True], [True, True], [True, False], [True, False]]
    assert first[0, 0] == p[0, 0]
    second = losses.pseudo_negatives(p / 2, targets, first, 0.5)
    assert torch.isnan(second).tolist() == [[False, False], [False, False], [True, False], [True, False]]
    assert second[0, 0] == p[0, 0]


def test_asl_is_the_worked_numbers():
    p = torch.tensor([0.9, 0.5, 0.04, 0.9, 0.5])
    found = losses.asl(torch.logit(p), torch.tensor([0, 0, 0, 1, 1]))
    assert near(found, [0.990308, 0.024515, 0.0, 0.010536, 0.346574])


def test_asl_cuts_the_gradient_through_the_weight():
    logits = torch.tensor([-0.5], requires_grad=True)
    losses.asl(logits, torch.tensor([1])).sum().backward()
    p = torch.sigmoid(logits.detach())
    assert near(logits.grad, (-((1 - p) ** 1) * (1 - p)).tolist())


def test_dice_is_the_worked_numbers():
    logits, y = torch.logit(torch.tensor([0.9, 0.8, 0.3, 0.1])), torch.tensor([1, 0, 1, 0])
    assert near(losses.dice(logits, y), 0.414624)
    assert near(losses.dice(logits, y, alpha=1.0), 0.764676)
    assert near(losses.dice(logits, y, squared=True), 0.323935)


def test_dpo_starts_at_log_two_and_falls():
    reference = torch.tensor([[1.0, 2.0, 0.0]])
    targets = torch.tensor([[1, 0, 0]])
    assert near(losses.dpo_margin(reference, reference, targets), [math.log(2)])
    better = losses.dpo_margin(reference + torch.tensor([[10.0, 0, 0]]), reference, targets)
    assert near(better, [math.log(1 + math.exp(-1))])
