"""The hardest negatives of each query whose mean probability of being relevant stays within a risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def within_risk(query: NDArray[np.uint32], p: Floats, hardness: Floats, n: int, risk: float) -> NDArray[np.bool_]:
    """The rows taken: per query the ``n`` hardest below the highest cut on p at which their mean p is within the risk.

    A cut uses the order of p and a check on its mean. Weighing hardness against p row by row (a price on p, or an
    exact search for the hardest set) reaches the same front of hardness against realised false negatives, but spends
    the whole risk on single rows of high p, and so suffers more where p is off (``benchmarks/risk.py --selections``).

    Args:
        query: (m,) ascending.
        p: (m,) probability of being relevant; NaN or outside [0, 1]: the row is never taken.
        hardness: (m,) the larger the harder, in any unit; not finite: never taken.
        n: rows per query at most; fewer, or none, where the risk cannot be met.
        risk: the largest allowed mean of p, per query and so over all.
    """
    from foils.risk.walk import boldest

    usable = np.isfinite(hardness) & (p >= 0) & (p <= 1)
    starts = np.flatnonzero(np.diff(query.astype(np.int64), prepend=-1, append=-1))
    return boldest(starts, np.where(usable, p, np.nan), hardness, n, risk)


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
