"""The hardest negatives of each query whose mean probability of being relevant stays within a risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def within_risk(query: NDArray[np.uint32], p: Floats, hardness: Floats, n: int, risk: float) -> NDArray[np.bool_]:
    """The rows taken: per query as many as the risk allows, at most ``n``, and of such sets nearly the hardest.

    Maximises the sum of hardness over k rows under mean(p) <= risk by Lagrange's method: the top k of
    hardness - price * p at the least price that meets the risk (Everett, Operations Research 11, 1963; at most one row
    short of the best set). k is n, or, where even the n least probable rows break the risk, as many of those as do
    not. At equal realised false negatives it is harder than a cut on p (``benchmarks/risk.py --part fronts``).

    Args:
        query: (m,) ascending.
        p: (m,) probability of being relevant; NaN or outside [0, 1]: the row is never taken.
        hardness: (m,) the larger the harder, in any unit; not finite: never taken.
        n: rows per query at most; fewer, or none, where the risk cannot be met.
        risk: the largest allowed mean of p, per query and so over all.
    """
    from foils.risk.walk import hardest

    usable = np.isfinite(hardness) & (p >= 0) & (p <= 1)
    starts = np.flatnonzero(np.diff(query.astype(np.int64), prepend=-1, append=-1))
    return hardest(starts, np.where(usable, p, np.nan), hardness, n, risk)


def standardised(query: NDArray[np.uint32], values: Floats) -> Floats:
    """Values minus the query's mean, over its standard deviation; NaN stays, equal values become 0.

    Args:
        query: (m,) in any order.
        values: (m,).
    """
    _, group = np.unique(query, return_inverse=True)
    there = np.isfinite(values)
    count = np.maximum(np.bincount(group, there), 1)
    mean = np.bincount(group, np.where(there, values, 0.0)) / count
    centred = np.where(there, values, 0.0) - mean[group]
    spread = np.sqrt(np.bincount(group, np.where(there, centred**2, 0.0)) / count)
    result: Floats = np.where(there, centred / np.where(spread > 0, spread, 1.0)[group], np.nan)
    return result


def places(query: NDArray[np.uint32], keys: Floats) -> NDArray[np.int32]:
    """Each row's place (from 0) in its query by descending key, ties by row; NaN gets the largest int32."""
    from foils.grouped import positions

    return positions(query, keys)
