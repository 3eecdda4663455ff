"""The residual adapter of RRRA in arrays: forward, loss, gradient, and a fit by Adam on all rows at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CLASSES = ("true positive", "false negative", "false positive", "true negative")
EPS = 1e-8


class Adapter(NamedTuple):
    """Weights: a hidden layer on z, a residual from it, and four classes on what the residual makes of the document.

    Args:
        w1: (3d, h).
        b1: (h,).
        w2: (h, d).
        b2: (d,).
        w3: (d + 1, 4).
        b3: (4,).
    """

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats
    w3: Floats
    b3: Floats


class Weights(NamedTuple):
    """What the parts of the loss weigh.

    Args:
        classes: (4,) of the classes in the cross-entropy.
        similarity: of 1 - cos(q, c') over relevant rows.
        segment: of the squared distance of c' from the segment between q and c.
        decay: of the squares of all matrices.
    """

    classes: Floats
    similarity: float
    segment: float
    decay: float


def start(dims: int, hidden: int, seed: int) -> Adapter:
    """Random first layer, nothing else: at the beginning c' is c.

    Args:
        dims: d.
        hidden: h.
        seed: of the first layer.
    """
    rng = np.random.default_rng(seed)
    w1 = (rng.standard_normal((3 * dims, hidden)) / np.sqrt(dims)).astype(np.float32)
    shapes = ((hidden,), (hidden, dims), (dims,), (dims + 1, len(CLASSES)), (len(CLASSES),))
    return Adapter(w1, *(np.zeros(shape, dtype=np.float32) for shape in shapes))


def features(q: Floats, c: Floats) -> Floats:
    """What the hidden layer sees, z = [q - c, q * c, q + c], (n, 3d)."""
    return np.concatenate([q - c, q * c, q + c], axis=1)


def forward(a: Adapter, q: Floats, c: Floats, z: Floats | None = None) -> tuple[Floats, ...]:
    """Features z (n, 3d), hidden (n, h), adapted documents c' (n, d), cosine (n,), class probabilities (n, 4)."""
    z = features(q, c) if z is None else z
    hidden = np.maximum(z @ a.w1 + a.b1, 0)
    adapted = c + hidden @ a.w2 + a.b2
    cosine = (q * adapted).sum(axis=1) / (_norm(q) * _norm(adapted))
    logits = np.concatenate([q * adapted, cosine[:, None]], axis=1) @ a.w3 + a.b3
    logits = logits - logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    return z, hidden, adapted, cosine, chances / chances.sum(axis=1, keepdims=True)


def loss(
    a: Adapter, q: Floats, c: Floats, labels: NDArray[np.int64], w: Weights, z: Floats | None = None
) -> tuple[float, Adapter]:
    """The loss and its gradient.

    L = mean of w_y * -log p_y + similarity * mean over relevant rows of (1 - cos(q, c')) + segment * mean of
    min over alpha in [0, 1] of |c' - (alpha q + (1 - alpha) c)|^2 + decay * sum of squares of the matrices.

    Args:
        a: weights.
        q: (n, d) queries.
        c: (n, d) documents.
        labels: (n,) numbers of CLASSES.
        w: of the parts.
        z: of ``features``, if at hand.
    """
    n = len(labels)
    z, hidden, adapted, cosine, chances = forward(a, q, c, z)
    row_weight = w.classes[labels]
    relevant = (labels < 2).astype(np.float32)
    share = w.similarity / max(float(relevant.sum()), 1.0)
    alpha = ((adapted - c) * (q - c)).sum(axis=1) / (((q - c) ** 2).sum(axis=1) + EPS)
    alpha = np.clip(alpha, 0.0, 1.0)[:, None]
    off = adapted - (alpha * q + (1 - alpha) * c)
    value = float(-(row_weight * np.log(chances[np.arange(n), labels] + EPS)).sum() / n)
    value += share * float((relevant * (1 - cosine)).sum()) + w.segment * float((off**2).sum()) / n
    value += w.decay * sum(float((m**2).sum()) for m in (a.w1, a.w2, a.w3))

    d_logits = chances.copy()
    d_logits[np.arange(n), labels] -= 1
    d_logits *= row_weight[:, None] / n
    seen = np.concatenate([q * adapted, cosine[:, None]], axis=1)
    d_seen = d_logits @ a.w3.T
    d_cosine = d_seen[:, -1] - share * relevant
    length = _norm(adapted)[:, None]
    toward = q / (_norm(q)[:, None] * length) - (cosine / _norm(adapted) ** 2)[:, None] * adapted
    d_adapted = d_seen[:, :-1] * q + d_cosine[:, None] * toward + (2 * w.segment / n) * off
    d_hidden = (d_adapted @ a.w2.T) * (hidden > 0)
    gradient = Adapter(
        z.T @ d_hidden + 2 * w.decay * a.w1,
        d_hidden.sum(axis=0),
        hidden.T @ d_adapted + 2 * w.decay * a.w2,
        d_adapted.sum(axis=0),
        seen.T @ d_logits + 2 * w.decay * a.w3,
        d_logits.sum(axis=0),
    )
    return value, gradient


def fit(
    q: Floats, c: Floats, labels: NDArray[np.int64], *, hidden: int, steps: int, rate: float, segment: float, seed: int
) -> Adapter:
    """Train on all rows at once by Adam (Kingma and Ba, arXiv:1412.6980); classes weigh alike, whatever their size.

    Args:
        q: (n, d) queries.
        c: (n, d) documents.
        labels: (n,) numbers of CLASSES; a class may be empty.
        hidden: units.
        steps: of Adam.
        rate: of learning.
        segment: weight of the distance from the segment.
        seed: of the first layer.
    """
    counts = np.bincount(labels, minlength=len(CLASSES))
    there = (counts > 0).sum()
    classes = np.where(counts > 0, len(labels) / (there * np.maximum(counts, 1)), 0.0).astype(np.float32)
    weights = Weights(classes, similarity=0.1, segment=segment, decay=1e-4)
    found, z = start(q.shape[1], hidden, seed), features(q, c)
    mean = [np.zeros_like(m) for m in found]
    square = [np.zeros_like(m) for m in found]
    for step in range(1, steps + 1):
        _, gradient = loss(found, q, c, labels, weights, z)
        moved = []
        for i, (value, slope) in enumerate(zip(found, gradient, strict=True)):
            mean[i] = 0.9 * mean[i] + 0.1 * slope
            square[i] = 0.999 * square[i] + 0.001 * slope**2
            size = np.sqrt(square[i] / (1 - 0.999**step)) + EPS
            moved.append((value - rate * mean[i] / (1 - 0.9**step) / size).astype(np.float32))
        found = Adapter(*moved)
    return found


def relevance(a: Adapter, q: Floats, c: Floats, share: float) -> NDArray[np.float64]:
    """Probability (n,) of the two relevant classes, moved from classes of like size to a share of relevant rows.

    Args:
        a: weights, trained with classes that weigh alike.
        q: (n, d) queries.
        c: (n, d) documents.
        share: of relevant rows among candidates.
    """
    parts = [forward(a, q[i : i + 8192], c[i : i + 8192])[-1] for i in range(0, len(q), 8192)]
    chances = np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, 4))
    yes, no = share * chances[:, :2].sum(axis=1), (1 - share) * chances[:, 2:].sum(axis=1)
    found: NDArray[np.float64] = yes / np.maximum(yes + no, 1e-12)
    return found


def _norm(rows: Floats) -> Floats:
    found: Floats = np.linalg.norm(rows, axis=1) + np.float32(EPS)
    return found
