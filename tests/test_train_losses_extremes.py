"""Every loss on empty rows, padding, extreme and half-precision scores, and its gradient against finite differences."""

import pytest
import torch
from torch.autograd import gradcheck

from foils.errors import DataError
from foils.train import losses

INF = float("inf")
B, N = 4, 6
COLD = 0.02


def fixed(*shape, seed=1, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def targets_of(scores):
    """The first column is the positive, in the second row the second too."""
    targets = torch.zeros(scores.shape)
    targets[:, 0] = 1
    if len(targets) > 1:
        targets[1, 1] = 2
    return targets


def like(scores, seed=1):
    """A fixed companion of the scores, without gradient; the same columns however many are left."""
    return fixed(len(scores), N, seed=seed)[:, : scores.shape[1]].to(scores)


# Row losses: scores (B, N) to (B,).
ROWS = {
    "info_nce": lambda s: losses.info_nce(s, targets_of(s), COLD),
    "info_nce sum": lambda s: losses.info_nce(s, targets_of(s), COLD, "sum"),
    "soft_info_nce": lambda s: losses.soft_info_nce(s, losses.soften(targets_of(s), torch.full(s.shape, 0.1)), COLD),
    "neutralise": lambda s: losses.info_nce(losses.neutralise(s, like(s) > 0.5), targets_of(s), COLD),
    "weigh": lambda s: losses.info_nce(
        losses.weigh(s, like(s).clamp(min=0) + targets_of(s), COLD), targets_of(s), COLD
    ),
    "pair_logistic": lambda s: losses.pair_logistic(s, targets_of(s), COLD),
    "dcl": lambda s: losses.dcl(s, targets_of(s), 0.5, 0.1),
    "dcl cold": lambda s: losses.dcl(s, targets_of(s), COLD, 0.1),
    "hcl": lambda s: losses.hcl(s, targets_of(s), 0.5, 0.1, 1.0),
    "hcl cold": lambda s: losses.hcl(s, targets_of(s), COLD, 0.1, 1.0),
    "ifm": lambda s: losses.ifm(s, targets_of(s), COLD),
    "hasa": lambda s: losses.hasa(s, targets_of(s), like(s)[:, :2], prior=0.05),
    "dclr": lambda s: losses.dclr(s, targets_of(s), like(s) > 0.5, like(s)[:, :2], COLD),
    "dclr code": lambda s: losses.dclr(s, targets_of(s), like(s) > 0.5, like(s)[:, :2], 0.5, "code"),
    "meow": lambda s: losses.meow(s, targets_of(s), like(s).abs().round(), 0.4),
    "cacr": lambda s: losses.cacr(s, targets_of(s), prior=0.1),
    "hard_simple": lambda s: losses.hard_simple(s, targets_of(s), 0.4),
    "ngame": lambda s: losses.ngame(s, targets_of(s)),
    "adore": lambda s: losses.adore(s, targets_of(s), cut=4),
    "symmetric_kl": lambda s: losses.symmetric_kl(s, like(s).sigmoid(), 0.3, 0.3),
    "ar2_adversarial": lambda s: losses.ar2_adversarial(s, like(s), targets_of(s)),
    "ar2_distillation": lambda s: losses.ar2_distillation(s, like(s)),
    "dpo_margin": lambda s: losses.dpo_margin(s, like(s), targets_of(s)),
    "proto_nce": lambda s: losses.proto_nce(s, torch.arange(len(s)) % N, torch.full((N,), 0.1)),
}
# Losses whose weights are without gradient: only where nothing flows through them does the loss tell its gradient.
CUT = {"hasa", "ngame"}
# Losses of a whole batch: scores (B, N) to one number.
WHOLE = {
    "symmetric_info_nce": lambda s: losses.symmetric_info_nce(s, targets_of(s), COLD),
    "distil_kl": lambda s: losses.distil_kl(s, like(s), 0.5, 0.5),
    "margin_mse": lambda s: losses.margin_mse(s, like(s), targets_of(s)),
    "ar2": lambda s: losses.ar2(s, like(s), targets_of(s)),
    "sycl": lambda s: losses.sycl(s, like(s)),
}
# Losses of single pairs: (B, N) to (B, N), or one number.
PAIRS = {
    "nbpo": lambda s: losses.nbpo(s, like(s), targets_of(s)),
    "spml": lambda s: losses.spml(s, targets_of(s), like(s).sigmoid().masked_fill(like(s, 2) > 0, torch.nan)),
    "asl": lambda s: losses.asl(s, targets_of(s), through=True),
    "dice": lambda s: losses.dice(s, targets_of(s) > 0, alpha=1.0),
}
ALL = ROWS | WHOLE | PAIRS


def differentiated(loss, scores):
    """The value, and the gradient of its sum."""
    scores = scores.clone().requires_grad_()
    value = loss(scores)
    value.sum().backward()
    return value.detach(), scores.grad


@pytest.mark.parametrize("name", sorted(set(ALL) - CUT))
def test_gradients_are_those_of_finite_differences(name):
    scores = (0.5 * fixed(B, N, seed=3)).clamp(-0.95, 0.95).requires_grad_()
    assert gradcheck(ALL[name], (scores,), eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_removed_candidate_has_no_part(name):
    """Gradient 0, nothing NaN, and the rest as if it had never been there."""
    scores = fixed(B, N, seed=3)
    scores[:, -1] = -INF
    value, gradient = differentiated(ALL[name], scores)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()
    assert (gradient[:, -1] == 0).all()
    if name != "proto_nce":
        fewer = ALL[name](fixed(B, N, seed=3)[:, :-1])
        value = value[:, :-1] if value.dim() == 2 else value
        assert value.flatten().tolist() == pytest.approx(fewer.flatten().tolist(), abs=1e-12)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_without_negatives_costs_nothing(name):
    scores = fixed(B, N, seed=3)
    scores[0, 1:] = -INF
    value, gradient = differentiated(ROWS[name], scores)
    # Softmax over one candidate is 1, whatever is asked of it; some losses still pull or know noise.
    if name not in {"cacr", "dclr", "dclr code", "ar2_adversarial", "ar2_distillation", "proto_nce"}:
        assert value[0].item() == pytest.approx(0, abs=1e-12)
        assert gradient[0].tolist() == pytest.approx([0] * N, abs=1e-12)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()
    assert value[1:].tolist() == pytest.approx(ROWS[name](fixed(B, N, seed=3))[1:].tolist())


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_without_a_positive_teaches_no_nonsense(name):
    scores = fixed(B, N, seed=3)
    scores[0, 0] = -INF
    value, gradient = differentiated(ROWS[name], scores)
    if name not in {"cacr", "symmetric_kl", "ar2_distillation", "proto_nce", "soft_info_nce", "dclr code"}:
        assert value[0].item() == 0
        assert gradient[0].tolist() == [0] * N
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_row_of_nothing(name):
    scores = fixed(B, N, seed=3)
    scores[2] = -INF
    value, gradient = differentiated(ALL[name], scores)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()
    assert (gradient[2] == 0).all()
    if name in ROWS and name not in {"dclr", "dclr code"}:
        assert value[2].item() == 0


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_batch_of_nothing(name):
    value, gradient = differentiated(ALL[name], torch.full((B, N), -INF))
    assert torch.isfinite(value).all()
    assert (gradient == 0).all()


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_temperature_and_half_precision_stay_finite(name, dtype):
    scores = fixed(B, N, seed=3).clamp(-1, 1).to(dtype)
    scores[0], scores[1] = torch.tensor([-1.0] + [1.0] * (N - 1)), torch.tensor([1.0] + [-1.0] * (N - 1))
    value, gradient = differentiated(ALL[name], scores)
    assert value.dtype == torch.float32
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", sorted(ALL))
def test_float32_agrees_with_float64(name):
    scores = fixed(B, N, seed=3).clamp(-1, 1)
    exact, single = ALL[name](scores), ALL[name](scores.float())
    assert single.double().flatten().tolist() == pytest.approx(exact.flatten().tolist(), rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"ngame", "cacr", "hard_simple", "margin_mse"}))
def test_huge_dot_products_do_not_overflow(name):
    """Unnormalised scores of hundreds, where exp overflows; the linear and squared losses are merely large."""
    value, gradient = differentiated(ALL[name], fixed(B, N, seed=3, dtype=torch.float32) * 500)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_do_not_see_each_other(name):
    scores = fixed(B, N, seed=3)
    together = ROWS[name](scores)
    changed = scores.clone()
    changed[0] = -changed[0]
    assert ROWS[name](changed)[1:].tolist() == pytest.approx(together[1:].tolist())


@pytest.mark.parametrize("name", sorted(ALL))
def test_nan_is_not_hidden(name):
    """A broken score must reach the trainer, which stops and names the batch."""
    scores = fixed(B, N, seed=3)
    scores[0] = torch.nan
    assert torch.isnan(ALL[name](scores)).any()


@pytest.mark.parametrize("loss", [losses.pearson, losses.pro, losses.rank_kl, losses.codiemb_sts, losses.cosent])
def test_losses_of_graded_pairs(loss):
    gold = torch.tensor([3.0, 1.0, 1.0, 0.0, 2.0], dtype=torch.float64)
    scores = torch.tensor([0.9, 0.4, 0.3, 0.1, 0.35], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda s: loss(s, gold), (scores,), eps=1e-7, atol=1e-4)
    for extreme in (torch.full((5,), 0.5), torch.tensor([-1.0, 1, -1, 1, -1]), torch.tensor([1e4, -1e4, 0, 1, 2])):
        value, gradient = differentiated(lambda s: loss(s, gold), extreme)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [losses.pearson, losses.pro, losses.cosent])
def test_equal_grades_cost_nothing(loss):
    value, gradient = differentiated(lambda s: loss(s, torch.ones(5)), torch.rand(5))
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("loss", [losses.pearson, losses.pro, losses.rank_kl])
@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_cost_nothing(loss, n):
    value, gradient = differentiated(lambda s: loss(s, torch.ones(n)), torch.rand(n))
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize(
    "loss",
    [
        lambda s: losses.codiemb_ir(s, 2),
        lambda s: losses.bml(s[:, :, 0], torch.tensor([0, 0, 1])),
        lambda s: losses.cusa(s[:, :, 0], (s[:, :, 1], s[:, :, 2]), (fixed(3, 3), fixed(3, 3, seed=2))),
        lambda s: losses.conan(s[:, :, 0], torch.eye(3), s[0, 0], torch.tensor([1.0, 2.0, 0.0, 1.0])),
        lambda s: losses.nonnegative(s[:, :, 0], "relu"),
        lambda s: losses.gcse(s[0], s[0].detach() + 0.01, s[0] > 0),
    ],
)
def test_gradients_of_the_other_shapes(loss):
    scores = (0.5 * fixed(3, 3, 4, seed=5)).requires_grad_()
    if "gcse" in loss.__code__.co_names:
        # The term of GCSE is cut from the gradient, so only its slope of one can be compared.
        (gradient,) = torch.autograd.grad(loss(scores).sum(), scores)
        assert (gradient[0] == 1).all()
    else:
        assert gradcheck(loss, (scores,), eps=1e-7, atol=1e-4)


def test_gradients_of_the_cut_losses_are_those_with_frozen_weights():
    """HaSa and NGAME weigh by numbers without gradient: moving the score alone must give the gradient."""
    scores = torch.tensor([[0.9, 0.8, 0.1]], dtype=torch.float64, requires_grad=True)
    losses.ngame(scores, torch.tensor([[1, 0, 0]]), margin=0.3, top=2).sum().backward()
    assert scores.grad.tolist() == [pytest.approx([-1.0, 1.0, 0.0])]
    raw = torch.tensor([[2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    none = torch.full((1, 1), -INF, dtype=torch.float64)
    assert gradcheck(lambda s: losses.hasa(s, torch.tensor([[1, 0]]), none, 0.0), (raw,))


@pytest.mark.parametrize("logit", [-200.0, -30.0, 30.0, 200.0])
def test_focus_below_one_has_a_gradient_for_sure_pairs(logit):
    targets = torch.tensor([1.0, 0.0])
    for loss in (
        lambda s: losses.asl(s, targets, focus=(0.5, 0.5), through=True),
        lambda s: losses.dice(s, targets, alpha=0.5),
    ):
        _, gradient = differentiated(loss, torch.tensor([logit, 0.3]))
        assert torch.isfinite(gradient).all()


def test_a_list_of_one_has_nothing_to_imitate():
    value, gradient = differentiated(lambda s: losses.distil_kl(s, torch.rand(3, 1)), torch.rand(3, 1))
    assert value.item() == 0
    assert gradient.tolist() == [[0.0]] * 3


def test_gaps_in_a_list_are_no_reason_to_warn(caplog):
    teacher = torch.tensor([[3.0, 1.0, -INF], [-INF, -INF, -INF]])
    value, gradient = differentiated(lambda s: losses.distil_kl(s, teacher, 0.05), torch.rand(2, 3))
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert not caplog.records


def test_cusa_leaves_removed_candidates_out():
    own, scores = (fixed(B, B, seed=1), fixed(B, B, seed=2)), fixed(B, B, seed=3)
    scores[0, 1] = -INF
    value, gradient = differentiated(lambda s: losses.cusa(s, own, own), scores)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert gradient[0, 1] == 0


def test_temperatures_of_clusters_in_half_precision():
    clusters = torch.tensor([0, 0, 1])
    for kind in (torch.bfloat16, torch.float16):
        found = losses.prototype_temperatures(torch.tensor([0.25, 0.5, 1.0], dtype=kind), clusters, 2)
        assert found.tolist() == losses.prototype_temperatures(torch.tensor([0.25, 0.5, 1.0]), clusters, 2).tolist()


def test_pairs_of_a_wide_batch_fit_into_memory():
    scores = fixed(2, 100_000, dtype=torch.float32)
    targets = targets_of(scores)
    value = losses.pair_logistic(scores, targets)
    margins = scores[0, :1] - scores[0, 1:]
    assert value[0].item() == pytest.approx(-torch.nn.functional.logsigmoid(margins).mean().item(), rel=1e-5)


def test_shapes_and_temperatures_are_checked():
    with pytest.raises(DataError, match=r"targets has the shape \(1, 3\)"):
        losses.info_nce(torch.rand(1, 4), torch.ones(1, 3))
    with pytest.raises(DataError, match="temperature=0"):
        losses.info_nce(torch.rand(1, 4), torch.ones(1, 4), temperature=0)
    with pytest.raises(DataError, match="prior=1"):
        losses.dcl(torch.rand(1, 4), torch.ones(1, 4), prior=1)
    with pytest.raises(DataError, match="as many owners"):
        losses.only_own(torch.rand(1, 4), torch.zeros(3))
    with pytest.raises(DataError, match="0 < positives <= G"):
        losses.codiemb_ir(torch.rand(2, 2, 3), 4)
    with pytest.raises(DataError, match="suspects"):
        losses.hasa(torch.rand(2, 4), torch.ones(2, 4), torch.rand(3, 1))
