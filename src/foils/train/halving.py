"""Balanced 2-means, halved again and again: clusters of every size from one order of the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def blocks(n: int, count: int) -> NDArray[np.int64]:
    """Where the clusters begin in the order, for about ``count`` of them (rounded to a power of two), and its end.

    Args:
        n: rows.
        count: clusters wanted; more than n gives n.

    Returns:
        Ascending from 0 to n. Every halving gives the first half the extra row.

    Example:
        >>> blocks(10, 4).tolist()
        [0, 3, 5, 8, 10]
    """
    bounds = np.array([0, n], dtype=np.int64)
    for _ in range(round(np.log2(max(count, 1)))):
        sizes = np.diff(bounds)
        if sizes.max(initial=0) <= 1:
            break
        bounds = np.unique(np.concatenate((bounds, bounds[:-1] + (sizes + 1) // 2)))
    return bounds


def halving_order(vectors: NDArray[np.float32], seed: int = 0, tolerance: float = 1e-4) -> NDArray[np.int64]:
    """Order rows so that every cluster of NGAME's balanced hierarchical 2-means is a stretch of the order.

    arXiv:2207.04452, released code: two random members as seeds; sort by the difference of the cosines to both, cut in
    the middle, recompute both centres, until the mean cosine to the own centre gains less than 1e-4; then halve the
    halves. Halves of equal size are done at once. Cosines: rows are normalised here.

    Args:
        vectors: (n, d).
        seed: of the seeds.
        tolerance: of the mean cosine.

    Returns:
        (n,) row numbers; ``blocks`` says where the clusters of a size begin.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    order, rng = np.arange(len(unit), dtype=np.int64), np.random.default_rng(seed)
    bounds = np.array([0, len(unit)], dtype=np.int64)
    while np.diff(bounds).max(initial=0) > 1:
        sizes = np.diff(bounds)
        for size in np.unique(sizes[sizes > 1]):
            starts = bounds[:-1][sizes == size]
            # A gigabyte at most of vectors side by side.
            step = max(1, (1 << 28) // (int(size) * unit.shape[1]))
            for i in range(0, len(starts), step):
                places = starts[i : i + step, None] + np.arange(size)
                order[places] = _halve(unit, order[places], rng, tolerance)
        bounds = np.unique(np.concatenate((bounds, bounds[:-1] + (sizes + 1) // 2)))
    return order


def _halve(
    unit: NDArray[np.float32], members: NDArray[np.int64], rng: np.random.Generator, tolerance: float
) -> NDArray[np.int64]:
    """Sort each (g, s) group of rows so that its first half is one cluster and its second the other."""
    groups, size = members.shape
    half, points = (size + 1) // 2, unit[members]
    first = rng.integers(size, size=groups)
    second = (first + 1 + rng.integers(size - 1, size=groups)) % size
    which = np.arange(groups)
    centres = np.stack((points[which, first], points[which, second]), axis=1)
    gained = -np.inf
    for _ in range(100):
        cosines = points @ centres.transpose(0, 2, 1)
        ranked = np.argsort(cosines[:, :, 1] - cosines[:, :, 0], axis=1, kind="stable")
        inside = np.zeros((groups, size), dtype=np.float32)
        np.put_along_axis(inside, ranked[:, :half], 1.0, axis=1)
        value = float((cosines[:, :, 0] * inside + cosines[:, :, 1] * (1 - inside)).mean())
        if value - gained < tolerance:
            break
        gained = value
        sums = np.stack((inside[:, None, :] @ points, (1 - inside)[:, None, :] @ points), axis=1)[:, :, 0]
        length = np.linalg.norm(sums, axis=2, keepdims=True)
        centres = sums / np.where(length > 0, length, 1)
    return np.take_along_axis(members, ranked, axis=1)
