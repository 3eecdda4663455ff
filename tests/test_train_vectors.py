"""Negatives made of vectors: ranges, hand values, no gradient, the same by the same generator."""

import pytest
import torch
from torch.nn import functional

from foils.errors import DataError
from foils.train import vectors


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def unit(*shape, seed=0):
    return functional.normalize(torch.randn(*shape, generator=seeded(seed)), dim=-1)


DRAWN = {
    "mochi": lambda g: vectors.mochi(unit(3, 8), unit(20, 8, seed=1), 4, 4, top=5, generator=g),
    "extrapolated": lambda g: torch.stack(vectors.extrapolated(unit(3, 8), unit(3, 8, seed=1), generator=g)),
    "interpolated": lambda g: vectors.interpolated(unit(20, 8), generator=g),
    "supremix": lambda g: vectors.supremix_negatives(unit(4, 8), torch.arange(4), generator=g)[0],
    "dclr": lambda g: vectors.dclr_noise(lambda z: (z @ unit(3, 8).T).exp().sum(), 5, 8, generator=g),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_the_same_generator_gives_the_same_vectors(name):
    assert torch.equal(DRAWN[name](seeded(1)), DRAWN[name](seeded(1)))
    assert not torch.equal(DRAWN[name](seeded(1)), DRAWN[name](seeded(2)))


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_global_randomness_is_left_alone(name):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    DRAWN[name](seeded(1))
    assert torch.equal(before, torch.get_rng_state())


def test_mochi_mixes_the_hardest_and_pulls_less_than_half_way():
    query = torch.tensor([[1.0, 0, 0, 0]])
    pool = functional.normalize(
        torch.tensor([[0.5, 1, 0, 0], [0.5, 0, 1, 0], [-1, 0, 0, 0.1], [-1, 0, 0, -0.1]]), dim=-1
    )
    made = vectors.mochi(query, pool, 200, 200, top=2, generator=seeded())[0]
    assert made.norm(dim=-1).tolist() == pytest.approx([1.0] * 400, abs=1e-6)
    # The two easy ones are the only vectors with a fourth coordinate.
    assert (made[:, 3] == 0).all()
    cosines = made @ query[0]
    hardest, middle = (pool @ query[0]).max(), functional.normalize(query + pool[:1], dim=-1)[0] @ query[0]
    assert (cosines[200:] >= hardest - 1e-6).all()
    assert (cosines[200:] < middle).all()
    assert cosines[200:].std() > 0.02


def test_mochi_gives_no_gradient_and_needs_a_pool():
    query = unit(2, 8).requires_grad_()
    assert not vectors.mochi(query, unit(9, 8), 2, 2).requires_grad
    with pytest.raises(DataError, match="pool is empty"):
        vectors.mochi(query, torch.empty(0, 8), 2, 2)


def test_mochi_takes_a_pool_smaller_than_top():
    made = vectors.mochi(unit(2, 8), unit(1, 8, seed=1), 3, 0, generator=seeded())
    assert torch.allclose(made, unit(1, 8, seed=1).expand(2, 3, 8), atol=1e-6)


def test_half_precision_draws_from_the_whole_pool():
    places = torch.arange(1024)
    for kind in (torch.float32, torch.bfloat16, torch.float16):
        pool = torch.stack((places // 32, places % 32), 1).to(kind)
        drawn = vectors._drawn(places[None], 20_000, pool, seeded())[0]
        assert drawn.dtype == kind
        assert len(drawn.unique(dim=0)) == 1024


def test_extrapolated_pairs_follow_the_worked_identity():
    query, key = unit(4, 8).double(), unit(4, 8, seed=1).double()
    share = 1.3
    moved = share * query + (1 - share) * key, share * key + (1 - share) * query
    cosine = (query * key).sum(-1)
    assert torch.allclose((moved[0] * moved[1]).sum(-1), cosine - 2 * share * (share - 1) * (1 - cosine))
    found = vectors.extrapolated(query, key, generator=seeded())
    assert torch.allclose(found[0] + found[1], query + key)
    ratio = (found[0] - key) / (query - key)
    assert ((ratio > 1) & (ratio < 2)).all()
    assert ((found[0] * found[1]).sum(-1) < cosine).all()


def test_extrapolated_pairs_keep_their_gradient():
    query = unit(2, 8).requires_grad_()
    vectors.extrapolated(query, unit(2, 8, seed=1), generator=seeded())[0].sum().backward()
    assert torch.isfinite(query.grad).all()


def test_interpolated_negatives_lie_between_two():
    pool = torch.arange(10.0).unsqueeze(1).expand(10, 3).clone().requires_grad_()
    found = vectors.interpolated(pool, generator=seeded())
    assert not found.requires_grad
    assert ((found >= 0) & (found <= 9)).all()
    assert not torch.equal(found, pool)


def test_beta_draws_have_the_mean_and_variance_of_beta():
    draws = vectors._beta(2.0, 8.0, (200_000,), torch.empty(0), seeded())
    assert draws.mean().item() == pytest.approx(0.2, abs=2e-3)
    assert draws.var().item() == pytest.approx(0.2 * 0.8 / 11, abs=3e-4)


def test_supremix_negatives_mix_vectors_and_grades_alike():
    points, labels = torch.eye(3, requires_grad=True), torch.tensor([0, 0, 3])
    mixed, grades, different = vectors.supremix_negatives(points, labels, generator=seeded())
    assert not mixed.requires_grad
    assert different.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    share = mixed[0, 2, 0]
    assert grades[0, 2].item() == pytest.approx(3 * (1 - share.item()))
    assert mixed[0, 2].tolist() == pytest.approx([share.item(), 0.0, 1 - share.item()])


def test_supremix_positives_are_the_worked_number():
    points, labels = torch.eye(3), torch.tensor([25.0, 27.0, 30.0])
    mixed, anchor, share = vectors.supremix_positives(points, labels)
    assert anchor.tolist() == [1]
    assert share.tolist() == pytest.approx([0.6])
    assert mixed[0].tolist() == pytest.approx([0.6, 0.0, 0.4])
    assert len(vectors.supremix_positives(points, labels, window=3.0)[0]) == 0


def test_supremix_loss_by_hand():
    """Denominator weights |t - t_i| + 1 for negatives, 1 for positives, one shared maximum."""
    from foils.train import losses

    scores = torch.tensor([[0.9, 0.4, 0.1]])
    targets, gaps = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 1.0, 3.0]])
    found = losses.soft_info_nce(losses.weigh(scores, gaps + 1, 0.3), targets, 0.3)
    e = torch.exp(scores[0] / 0.3)
    assert found.item() == pytest.approx(-torch.log(e[0] / (e[0] + 2 * e[1] + 4 * e[2])).item(), abs=1e-6)


def test_noise_climbs_the_loss():
    centre = unit(1, 8)

    def loss(noise):
        return (noise @ centre.T).sum()

    start = vectors.dclr_noise(loss, 6, 8, steps=0, generator=seeded())
    moved = vectors.dclr_noise(loss, 6, 8, generator=seeded())
    assert not moved.requires_grad
    assert (moved - start).norm(dim=-1).tolist() == pytest.approx([4e-3] * 6, abs=1e-5)
    assert torch.allclose(moved - start, 4e-3 * centre.expand(6, 8), atol=1e-6)
    assert vectors.dclr_noise(loss, 2, 8, like=torch.empty(0, dtype=torch.float64), steps=0).dtype == torch.float64


def test_claps_negative_steps_uphill_by_epsilon():
    hidden = unit(2, 3, 8).requires_grad_()
    goal = unit(1, 8, seed=3)
    found = vectors.claps_negative(hidden, lambda h: (h * goal).sum(), epsilon=0.5)
    assert not found.requires_grad
    assert torch.allclose(found - hidden, 0.5 * goal.expand(2, 3, 8), atol=1e-6)
    for kind in (torch.float32, torch.float16):
        flat = vectors.claps_negative(hidden.to(kind), lambda h: (h * 0).sum())
        assert torch.equal(flat, hidden.detach().to(kind))


def test_claps_positive_goes_off_and_comes_back():
    hidden = unit(4, 8)
    away = unit(4, 8, seed=4)
    found = vectors.claps_positive(hidden, lambda h: (h * away).sum(), lambda h: ((h - hidden) ** 2).sum(), epsilon=0.5)
    # The way back along the divergence leads to where it began.
    assert torch.allclose(found, hidden, atol=1e-6)
    other = vectors.claps_positive(hidden, lambda h: (h * away).sum(), lambda h: h[:, 0].sum(), epsilon=0.5)
    assert (other - hidden).norm(dim=-1).min() > 0.1


def test_perturbation_works_without_gradients_around_it():
    with torch.no_grad():
        found = vectors.claps_negative(unit(2, 8), lambda h: (h**2).sum(), epsilon=0.1)
    assert found.norm(dim=-1).tolist() == pytest.approx([1.1, 1.1])
