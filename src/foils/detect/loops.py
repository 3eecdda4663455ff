"""Fast loops over the candidates of each query."""

from __future__ import annotations

from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray


def starts_of(queries: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Where each query's rows begin, and the end of the last: (queries + 1,).

    Args:
        queries: (n,) ascending.
    """
    if len(queries) == 0:
        return np.zeros(1, dtype=np.int64)
    return np.concatenate(([0], np.flatnonzero(np.diff(queries)) + 1, [len(queries)])).astype(np.int64)


def standardise(
    starts: NDArray[np.int64], values: NDArray[np.float32], among: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each value's z and place among the candidates of its query.

    Mean and population standard deviation are those of the rows ``among`` that have a value; where all are equal, z
    is 0. The place is 1 + the number of such rows with a higher value. Both are NaN for a row without a value, and
    for every row of a query where no row among has one.

    Args:
        starts: as ``starts_of`` gives.
        values: (n,) NaN where missing.
        among: (n,) which rows are candidates.
    """
    z = np.full(len(values), np.nan, dtype=np.float32)
    place = np.full(len(values), np.nan, dtype=np.float32)
    _standardise(starts, values, among, z, place)
    return z, place


@numba.njit(cache=True, parallel=True, nogil=True)
def _standardise(starts, values, among, z, place):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for group in numba.prange(len(starts) - 1):
        first, last = starts[group], starts[group + 1]
        kept = np.empty(last - first, dtype=np.float64)
        n = 0
        for i in range(first, last):
            if among[i] and not np.isnan(values[i]):
                kept[n] = values[i]
                n += 1
        if n == 0:
            continue
        ordered = np.sort(kept[:n])
        mean = ordered.mean()
        spread = np.sqrt(((ordered - mean) ** 2).mean())
        # Equal scores do not always average to themselves in floating point, so a spread of 0 is seen by the ends.
        flat = ordered[0] == ordered[n - 1]
        for i in range(first, last):
            if not np.isnan(values[i]):
                z[i] = 0.0 if flat else (values[i] - mean) / spread
                place[i] = n - np.searchsorted(ordered, np.float64(values[i]), side="right") + 1


def fill_lowest(starts: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values with the missing ones replaced by the lowest of their query; NaN stays where a query has none."""
    filled = values.copy()
    _fill_lowest(starts, filled)
    return filled


@numba.njit(cache=True, parallel=True, nogil=True)
def _fill_lowest(starts, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for group in numba.prange(len(starts) - 1):
        first, last = starts[group], starts[group + 1]
        lowest = np.nan
        for i in range(first, last):
            if not np.isnan(values[i]) and not values[i] >= lowest:
                lowest = values[i]
        for i in range(first, last):
            if np.isnan(values[i]):
                values[i] = lowest


def agree(
    starts: NDArray[np.int64],
    vectors: NDArray[np.float32],
    places: NDArray[np.int64],
    evidence: NDArray[np.float32],
    among: NDArray[np.bool_],
    k: int,
    power: float,
) -> NDArray[np.float32]:
    """The evidence of each row's ``k`` nearest candidates of the same query, weighted by similarity to a power.

    Args:
        starts: as ``starts_of`` gives.
        vectors: (documents, d) of distinct documents.
        places: (n,) the row of ``vectors`` of each row.
        evidence: (n,) float32, finite.
        among: (n,) which rows are candidates; only they lend their evidence.
        k: neighbours.
        power: of the similarity (not below 0.001) as weight.

    Returns:
        (n,) float32, NaN where a query has no other candidate.
    """
    result = np.full(len(evidence), np.nan, dtype=np.float32)
    for first, last in pairwise(starts):
        lenders = np.flatnonzero(among[first:last])
        if len(lenders) == 0:
            continue
        mine = vectors[places[first:last]]
        near = mine @ mine[lenders].T
        near[lenders, np.arange(len(lenders))] = -np.inf
        _lend(near, evidence[first:last][lenders], min(k, len(lenders)), power, result[first:last])
    return result


@numba.njit(cache=True, parallel=True, nogil=True)
def _lend(near, evidence, k, power, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in numba.prange(near.shape[0]):
        best = np.full(k, -np.inf, dtype=np.float32)
        who = np.full(k, -1, dtype=np.int64)
        for j in range(near.shape[1]):
            value = near[i, j]
            if value > best[k - 1]:
                at = k - 1
                while at > 0 and best[at - 1] < value:
                    best[at], who[at] = best[at - 1], who[at - 1]
                    at -= 1
                best[at], who[at] = value, j
        total, weights = 0.0, 0.0
        for at in range(k):
            if who[at] >= 0:
                weight = max(best[at], 1e-3) ** power
                total += weight * evidence[who[at]]
                weights += weight
        if weights > 0:
            out[i] = total / weights
