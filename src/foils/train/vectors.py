"""Negatives made of vectors: mixed, moved or perturbed. They have no text, so they serve embedding losses only.

Everything is cut from the gradient where its paper does so, and every draw comes from the generator that is given.
Mixtures of a false negative are false negatives: filter first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.rows import wide

Measure = Callable[[Tensor], Tensor]


def mochi(
    queries: Tensor, pool: Tensor, mixed: int, pulled: int, top: int = 1024, generator: Generator | None = None
) -> Tensor:
    """Hard negatives mixed of the pool's hardest ones, and of those with the query (MoCHi).

    NeurIPS 2020 (arXiv:2010.01028). Of the ``top`` best by cosine: ``mixed`` vectors norm(a n_i + (1 - a) n_j), a in
    (0, 1), and ``pulled`` vectors norm(b q + (1 - b) n_j), b in (0, 0.5). All without gradient. Published (top, mixed,
    pulled) (1024, 512, 256) of a queue of 16k to 65k, after a warm-up of a tenth of the epochs. Fails on false
    negatives: the pulled ones lie next to the query.

    Args:
        queries: (B, d) unit rows.
        pool: (K, d) unit rows.
        mixed: vectors of two negatives, per query.
        pulled: vectors of query and negative, per query.
        top: how many of the pool count as hard; fewer if the pool is smaller.
        generator: of the draws.

    Returns:
        (B, mixed + pulled, d) unit rows, without gradient.

    Raises:
        DataError: the pool is empty.
    """
    if not len(pool):
        raise DataError("no negatives to mix: the pool is empty")
    queries, pool = queries.detach(), pool.detach()
    hard = (queries @ pool.T).topk(min(top, len(pool)), -1).indices
    first, second = (_drawn(hard, mixed, pool, generator) for _ in range(2))
    share = _uniform((len(queries), mixed, 1), queries, generator)
    near = _uniform((len(queries), pulled, 1), queries, generator) / 2
    blends = share * first + (1 - share) * second
    pulls = near * queries.unsqueeze(1) + (1 - near) * _drawn(hard, pulled, pool, generator)
    return functional.normalize(torch.cat((blends, pulls), 1), dim=-1)


def extrapolated(
    queries: Tensor, keys: Tensor, beta: float = 2.0, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Pushes a query and its positive apart on their line: harder positives (feature transformation).

    ICCV 2021 (arXiv:2108.02982): per dimension l = 1 + Beta(2, 2), q' = l q + (1 - l) k and k' = l k + (1 - l) q; not
    normalised again. With one l for all dimensions of unit vectors, q'k' = qk - 2 l (l - 1)(1 - qk). With gradient:
    both are views that are trained. Fails on weak positives: they are pushed further off.

    Args:
        queries: (B, d).
        keys: (B, d), their positives.
        beta: both parameters of the Beta distribution.
        generator: of the draws.

    Returns:
        The moved queries and positives, (B, d) each.
    """
    share = 1 + _beta(beta, beta, tuple(queries.shape), queries, generator)
    return share * queries + (1 - share) * keys, share * keys + (1 - share) * queries


def interpolated(pool: Tensor, beta: float = 1.6, generator: Generator | None = None) -> Tensor:
    """Mixes every negative with another of the pool, per dimension: more diverse negatives (feature transformation).

    ICCV 2021 (arXiv:2108.02982): mu n + (1 - mu) n_perm, mu ~ Beta(1.6, 1.6) per dimension; not normalised again.

    Args:
        pool: (K, d).
        beta: both parameters of the Beta distribution.
        generator: of the draws.

    Returns:
        (K, d), without gradient.
    """
    pool = pool.detach()
    share = _beta(beta, beta, tuple(pool.shape), pool, generator)
    place = torch.randperm(len(pool), generator=generator, device=_device(generator)).to(pool.device)
    return share * pool + (1 - share) * pool[place]


def supremix_negatives(
    vectors: Tensor, labels: Tensor, beta: tuple[float, float] = (2.0, 8.0), generator: Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Each anchor mixed with every item of another grade: harder negatives (SupReMix).

    arXiv:2309.16633, released code: h = a z_i + (1 - a) z_k and the grade a t_i + (1 - a) t_k, a ~ Beta(2, 8) in code
    (its help says Beta(5, 5)). Not normalised. Memory n^2 d: give it part of a batch.

    Args:
        vectors: (n, d).
        labels: (n,) grades or any ordered number.
        beta: parameters of the Beta distribution.
        generator: of the draws.

    Returns:
        (n, n, d) mixtures of anchor and item, without gradient; (n, n) their grades; (n, n) true where the item's
        grade differs, which is where the mixture is a negative.
    """
    vectors, n = vectors.detach(), len(labels)
    share = _beta(*beta, (n, n), vectors, generator)
    mixed = share.unsqueeze(-1) * vectors.unsqueeze(1) + (1 - share).unsqueeze(-1) * vectors.unsqueeze(0)
    grades = labels.to(vectors.dtype)
    return mixed, share * grades[:, None] + (1 - share) * grades[None, :], labels[:, None] != labels[None, :]


def supremix_positives(vectors: Tensor, labels: Tensor, window: float = 5.0) -> tuple[Tensor, Tensor, Tensor]:
    """Two items on either side of an anchor's grade, mixed so that the grade is the anchor's: harder positives.

    SupReMix (arXiv:2309.16633): for t_j < t_i < t_k with both gaps below ``window``, a = (t_k - t_i) / (t_k - t_j) and
    h = a z_j + (1 - a) z_k. Published window 5 (years of age). Grades 0 to 3 need 4. Not normalised.

    Args:
        vectors: (n, d).
        labels: (n,) grades.
        window: largest gap, exclusive, in grades.

    Returns:
        (m, d) mixtures without gradient, (m,) the anchor of each, (m,) the share a of the lower item.

    Example:
        >>> supremix_positives(torch.eye(3), torch.tensor([25.0, 27.0, 30.0]))[2]
        tensor([0.6000])
    """
    vectors, t = vectors.detach(), labels.to(vectors.dtype)
    below, above = t[:, None] - t[None, :], t[None, :] - t[:, None]
    lower, higher = (below > 0) & (below < window), (above > 0) & (above < window)
    anchor, j, k = (lower.unsqueeze(2) & higher.unsqueeze(1)).nonzero(as_tuple=True)
    share = (t[k] - t[anchor]) / (t[k] - t[j])
    return share.unsqueeze(-1) * vectors[j] + (1 - share).unsqueeze(-1) * vectors[k], anchor, share


def dclr_noise(
    loss: Measure,
    count: int,
    width: int,
    steps: int = 4,
    step: float = 1e-3,
    generator: Generator | None = None,
    like: Tensor | None = None,
) -> Tensor:
    """Gaussian vectors moved uphill on the contrastive loss: noise negatives for uniformity (DCLR).

    arXiv:2205.00656, released code: z ~ N(0, I), four steps z + 1e-3 g / |g| of each vector; published count 1 to 5
    times the batch. Fails to be hard: so small a step hardly moves it; it is meant to fill empty space.

    Args:
        loss: of the noise, (count, width) to one number; the model's vectors should be detached in it.
        count: vectors.
        width: d.
        steps: of ascent.
        step: length of each.
        generator: of the draw.
        like: a tensor whose type and device the noise takes.

    Returns:
        (count, width), without gradient.
    """
    like = torch.empty(0) if like is None else like
    noise = torch.randn((count, width), generator=generator, device=_device(generator)).to(like)
    for _ in range(steps):
        noise = noise + step * _direction(loss, noise)
    return noise


def claps_negative(hidden: Tensor, loss: Measure, epsilon: float = 3.0) -> Tensor:
    """A small step that raises the loss: a vector close by that means something else (CLAPS).

    ICLR 2021 (arXiv:2012.07280): H + eps g/|g| per token (per row), g the gradient of the task's loss. Published eps
    3.0 on decoder states of T5; on unit vectors take 0.1 to 0.5 and normalise. Fails where the loss is flat: without a
    gradient the vector stays where it is, and would be a copy of the positive.

    Args:
        hidden: (..., d).
        loss: of a tensor of that shape, to one number.
        epsilon: length of the step per row.

    Returns:
        (..., d), without gradient.
    """
    start = hidden.detach()
    return start + epsilon * _direction(loss, start)


def claps_positive(hidden: Tensor, contrast: Measure, divergence: Measure, epsilon: float = 3.0) -> Tensor:
    """A step far off, then back until the meaning is the same: a distant vector that is still right (CLAPS).

    ICLR 2021 (arXiv:2012.07280): a step uphill on the contrastive loss, then one downhill on the divergence from what
    the unmoved vector predicts, each of length eps per row.

    Args:
        hidden: (..., d).
        contrast: contrastive loss of a tensor of that shape, to one number.
        divergence: from the prediction of ``hidden``, of a tensor of that shape, to one number.
        epsilon: length of each step per row.

    Returns:
        (..., d), without gradient.
    """
    far = hidden.detach()
    far = far + epsilon * _direction(contrast, far)
    return far - epsilon * _direction(divergence, far)


def _direction(measure: Measure, at: Tensor) -> Tensor:
    """The gradient of a measure, of length 1 per row (0 where there is none)."""
    with torch.enable_grad():
        point = at.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(measure(point), point)
    # In float16 the least length that is divided by would be 0.
    return functional.normalize(wide(gradient), dim=-1).to(at)


def _drawn(places: Tensor, count: int, pool: Tensor, generator: Generator | None) -> Tensor:
    """(B, count, d) rows of the pool, drawn evenly with replacement from each row of places."""
    # Not in the pool's type: half precision has too few numbers to reach every place.
    draw = _uniform((len(places), count), wide(places), generator) * places.shape[1]
    return pool[places.gather(1, draw.long().clamp(max=places.shape[1] - 1))]


def _uniform(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(shape, generator=generator, device=_device(generator)).to(like)


def _beta(a: float, b: float, shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    """Draws of Beta(a, b), from two draws of the gamma distribution: torch.distributions takes no generator."""
    device = _device(generator)
    x, y = (torch._standard_gamma(torch.full(shape, p, device=device), generator=generator) for p in (a, b))
    return (x / (x + y)).to(like)


def _device(generator: Generator | None) -> torch.device:
    """Where the generator draws, so that the same seed gives the same numbers wherever the vectors are."""
    return torch.device("cpu") if generator is None else generator.device
