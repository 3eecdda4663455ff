"""Which pairs to judge so that their verdicts speak for all: rows with known chances, from a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError

Floats = NDArray[np.float64]
Rows = NDArray[np.uint32]


class Sample(NamedTuple):
    """Rows drawn, ascending.

    Args:
        rows: (n,) u32 places in the arrays given.
        chance: (n,) the probability with which each of them was drawn.
        stratum: (n,) which stratum it is from; zeros without strata.
    """

    rows: Rows
    chance: Floats
    stratum: NDArray[np.int64]


def simple(population: int, size: int, seed: int) -> Sample:
    """``size`` of ``population`` rows, each set as likely as any other.

    Verdicts of any subset chosen without looking at them are again such a sample of it, which ``guarantee`` rests on.
    """
    size = _fits(size, population)
    rows = np.sort(np.random.default_rng(seed).permutation(population)[:size]).astype(np.uint32)
    return Sample(rows, np.full(size, size / max(population, 1)), np.zeros(size, dtype=np.int64))


def spread(query: NDArray[np.uint32], p: Floats, size: int, seed: int) -> Sample:
    """One pair per query as far as possible, every row with the same chance, spread over easy and hard queries.

    Systematic sampling (Madow, 1949): queries stand in order of their mean probability, which stratifies them, the
    rows of a query in random order, and every (rows / size)-th row is taken from a random start. Where that step is
    not shorter than the longest query, no query gives two. The sample is uniform: use ``clopper_pearson`` and
    ``prediction_powered``; with several pairs per query it stays at least as even as a simple one.

    Args:
        query: (m,) of each selected row.
        p: (m,) probability of being relevant; equal values make the order of queries random.
        size: verdicts.
        seed: of the draw.
    """
    size = _fits(size, len(query))
    if size == 0:
        return Sample(np.zeros(0, dtype=np.uint32), np.zeros(0), np.zeros(0, dtype=np.int64))
    rng = np.random.default_rng(seed)
    _, group = np.unique(query, return_inverse=True)
    mean = np.bincount(group, p) / np.bincount(group)
    turn = np.lexsort((rng.random(len(mean)), mean))
    place = np.empty_like(turn)
    place[turn] = np.arange(len(turn))
    line = np.lexsort((rng.random(len(query)), place[group]))
    step = len(query) / size
    taken = np.minimum((rng.random() * step + step * np.arange(size)).astype(np.int64), len(query) - 1)
    rows = np.sort(line[taken]).astype(np.uint32)
    return Sample(rows, np.full(size, size / len(query)), np.zeros(size, dtype=np.int64))


def whole_queries(query: NDArray[np.uint32], count: int, seed: int) -> Sample:
    """All rows of ``count`` random queries; only ``cluster_robust`` reads it rightly."""
    queries = np.unique(query)
    count = _fits(count, len(queries))
    drawn = np.random.default_rng(seed).permutation(queries)[:count]
    rows = np.flatnonzero(np.isin(query, drawn)).astype(np.uint32)
    return Sample(rows, np.full(len(rows), count / max(len(queries), 1)), np.zeros(len(rows), dtype=np.int64))


def by_strata(p: Floats, size: int, seed: int, strata: int = 4) -> Sample:
    """More verdicts where the probability says that false negatives are: strata of p with Neyman's allocation.

    Strata hold equal shares of sum(sqrt(p (1 - p))) (Dalenius and Hodges, 1959), so that an equal number of verdicts
    in each is nearly optimal; each gets at least 2, at most its rows. Use ``stratified``.

    Args:
        p: (m,) probability of being relevant.
        size: verdicts.
        seed: of the draw.
        strata: how many.
    """
    size = _fits(size, len(p))
    if size == 0:
        return Sample(np.zeros(0, dtype=np.uint32), np.zeros(0), np.zeros(0, dtype=np.int64))
    strata = max(1, min(strata, size // 2))
    rng = np.random.default_rng(seed)
    ranked = np.lexsort((rng.random(len(p)), p))
    mass = np.cumsum(np.sqrt(np.clip(p[ranked] * (1 - p[ranked]), 1e-4, None)))
    stratum = np.empty(len(p), dtype=np.int64)
    stratum[ranked] = np.minimum((strata * mass / mass[-1] - 1e-9).astype(np.int64), strata - 1)
    rows_in = np.bincount(stratum, minlength=strata)
    quota = np.minimum(2, rows_in)
    while quota.sum() < size:  # one at a time to the stratum sampled least so far, while it has rows
        quota[np.argmin(np.where(quota < rows_in, quota, len(p) + 1))] += 1
    order = rng.permutation(len(p))
    order = order[np.argsort(stratum[order], kind="stable")]
    place = np.arange(len(p)) - np.searchsorted(stratum[order], stratum[order])
    rows = np.sort(order[place < quota[stratum[order]]])
    chance = (quota / np.maximum(rows_in, 1))[stratum[rows]]
    return Sample(rows.astype(np.uint32), chance, stratum[rows])


def _fits(size: int, population: int) -> int:
    if size < 0:
        raise DataError(f"{size} verdicts cannot be drawn; give a number of at least 0")
    return min(size, population)
