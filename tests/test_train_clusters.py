"""ClusterNS's centroids: when they begin, how they move, what they give."""

import pytest
import torch
from torch.nn import functional

from foils.errors import DataError
from foils.train.clusters import OnlineClusters


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def spread(n=32, d=8, seed=0):
    return functional.normalize(torch.randn(n, d, generator=seeded(seed)), dim=-1)


def test_it_waits_until_the_batch_is_spread():
    clusters = OnlineClusters(k=4)
    assert not clusters.update(torch.ones(16, 8))
    assert clusters.centroids is None
    with pytest.raises(DataError, match="centroids"):
        clusters.assign(torch.ones(16, 8))
    assert clusters.update(spread(), seeded())
    assert clusters.centroids.shape == (4, 8)


def test_it_starts_from_samples_that_are_least_alike():
    points = functional.normalize(torch.tensor([[1.0, 0.1], [0.9, 0.2], [-1.0, 0.1], [-0.9, -0.2]]), dim=-1)
    clusters = OnlineClusters(k=2, start=1.0)
    clusters.update(points, seeded(3))
    first, second = clusters.centroids
    assert any(torch.allclose(first, p) for p in points)
    assert torch.allclose(second, points[(points @ first).argmin()])


def test_the_second_nearest_is_the_virtual_negative():
    clusters = OnlineClusters(k=3, centroids=torch.eye(3))
    own, negatives = clusters.assign(torch.tensor([[0.9, 0.5, 0.1], [0.1, 0.3, 2.0]], requires_grad=True))
    assert own.tolist() == [0, 2]
    assert negatives.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert not negatives.requires_grad


def test_a_batch_moves_the_centroids_of_its_members_only():
    clusters = OnlineClusters(k=3, rate=0.1, centroids=torch.eye(3))
    points = functional.normalize(torch.tensor([[1.0, 0.2, 0], [1.0, 0, 0.2]]), dim=-1)
    clusters.update(points)
    assert torch.allclose(clusters.centroids[0], 0.1 * points.sum(0) + 0.9 * torch.tensor([1.0, 0, 0]))
    assert torch.equal(clusters.centroids[1:], torch.eye(3)[1:])


def test_half_precision_moves_the_centroids_as_far():
    moved = []
    for kind in (torch.float32, torch.bfloat16):
        clusters = OnlineClusters(k=4, rate=1e-4, start=1.0)
        clusters.update(spread().to(kind), seeded())
        begun = clusters.centroids.float().clone()
        for seed in range(20):
            clusters.update(spread(seed=seed).to(kind))
        moved.append((clusters.centroids.float() - begun).norm())
        assert clusters.assign(spread().to(kind))[1].dtype == kind
    assert moved[1].item() == pytest.approx(moved[0].item(), rel=0.1)


def test_centroids_settle_on_clusters():
    rng = seeded(1)
    clusters = OnlineClusters(k=3, rate=0.05, start=0.6)
    for _ in range(60):
        label = torch.randint(3, (48,), generator=rng)
        batch = functional.normalize(torch.eye(6)[label] + 0.2 * torch.randn(48, 6, generator=rng), dim=-1)
        clusters.update(batch, rng)
    own, _ = clusters.assign(batch)
    assert {tuple(sorted(set(label[own == c].tolist()))) for c in range(3)} == {(0,), (1,), (2,)}


def test_a_checkpoint_goes_on():
    first = OnlineClusters(k=4)
    first.update(spread(), seeded())
    second = OnlineClusters(k=4)
    second.load_state_dict(first.state_dict())
    for clusters in (first, second):
        clusters.update(spread(seed=2))
    assert torch.equal(first.centroids, second.centroids)
    with pytest.raises(DataError, match="4 clusters, but k=5"):
        OnlineClusters(k=5).load_state_dict(first.state_dict())
    OnlineClusters(k=5).load_state_dict({"centroids": None})


def test_a_small_batch_cannot_begin():
    with pytest.raises(DataError, match="cannot start from a batch of 32"):
        OnlineClusters(k=64).update(spread())
