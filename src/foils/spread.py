"""How a set of vectors or scores is spread: uniformity, tolerance, variety, and what a loss makes of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Variety(NamedTuple):
    """How different the negatives of a query are.

    Args:
        distance: mean of 1 - cosine over their pairs; null for fewer than two.
        volume: log det(I + G) / (n log 2) with G their cosines: 1 if all are orthogonal, log2(1 + n) / n if all equal.
    """

    distance: float | None
    volume: float | None


def unit(vectors: ArrayLike) -> Floats:
    """Rows at length 1; a row of zeros stays."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return scaled


def penalty(scores: ArrayLike, temperature: float) -> Floats:
    """How a softmax loss shares its push among the negatives of a query: r_j = softmax(s_j / T).

    Wang and Liu, "Understanding the Behaviour of Contrastive Loss" (CVPR 2021), equation 7. Small T pushes the
    hardest only, large T all alike.

    Example:
        >>> penalty([0.5, 0.2, -0.1], 0.3).round(6).tolist()
        [0.665241, 0.244728, 0.090031]
    """
    scaled = np.asarray(scores, dtype=np.float64) / temperature
    mass = np.exp(scaled - scaled.max())
    shares: Floats = mass / mass.sum()
    return shares


def entropy(shares: ArrayLike) -> float:
    """Of shares that sum to 1, in nats; ``exp`` of it is how many negatives are pushed in effect."""
    p = np.asarray(shares, dtype=np.float64)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def uniformity(vectors: ArrayLike, t: float = 2.0) -> float | None:
    """Log of the mean of exp(-t |x - y|^2) over pairs of unit vectors; the lower, the more evenly spread.

    Wang and Isola (ICML 2020), t = 2. Null for fewer than two vectors.
    """
    rows = unit(vectors)
    if len(rows) < 2:
        return None
    cosines = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return float(np.log(np.mean(np.exp(-t * (2 - 2 * cosines)))))


def tolerance(vectors: ArrayLike, classes: ArrayLike) -> float | None:
    """Mean cosine of pairs of one class: how near things stay that belong together.

    Wang and Liu (CVPR 2021), section 4. Low temperatures give uniform, intolerant spaces, which push false negatives
    away. Null where no class has two members.

    Args:
        vectors: (n, d).
        classes: (n,) labels.
    """
    rows, labels = unit(vectors), np.asarray(classes)
    total, count = 0.0, 0
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        n = len(members)
        whole = rows[members].sum(axis=0)
        total += float((whole @ whole - (rows[members] ** 2).sum()) / 2)
        count += n * (n - 1) // 2
    return total / count if count else None


def variety(vectors: ArrayLike) -> Variety:
    """Mean pairwise distance and volume of the negatives of one query, (n, d)."""
    rows = unit(vectors)
    n = len(rows)
    if n < 2:
        return Variety(None, None)
    cosines = rows @ rows.T
    distance = 1 - float(cosines[np.triu_indices(n, 1)].mean())
    return Variety(distance, float(np.linalg.slogdet(np.eye(n) + cosines)[1]) / (n * float(np.log(2))))
