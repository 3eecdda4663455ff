"""Fast loops over the rows of each query, for what a table expression does too slowly."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

LAST = np.iinfo(np.int32).max


def positions(queries: NDArray[np.uint32], keys: NDArray[np.float64]) -> NDArray[np.int32]:
    """Each row's place (from 0) within its query by descending key; ties keep the row order.

    Args:
        queries: (n,) ascending.
        keys: (n,) NaN rows get no place (the largest int32).
    """
    places = np.full(len(queries), LAST, dtype=np.int32)
    if len(queries):
        starts = np.concatenate(([0], np.flatnonzero(np.diff(queries)) + 1, [len(queries)]))
        _positions(starts, keys, places)
    return places


@numba.njit(cache=True, parallel=True, nogil=True)
def _positions(starts, keys, places):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for group in numba.prange(len(starts) - 1):
        first, last = starts[group], starts[group + 1]
        ranked = np.argsort(-keys[first:last], kind="mergesort")
        place = 0
        for i in ranked:
            if not np.isnan(keys[first + i]):
                places[first + i] = place
                place += 1


def hash_rows(
    queries: NDArray[np.uint32],
    docs: NDArray[np.uint32],
    query_hash: NDArray[np.uint64],
    doc_hash: NDArray[np.uint64],
    seed: int,
) -> NDArray[np.float64]:
    """``hash_uniform`` of foils.pairs for the rows of a table, without arrays in between.

    Args:
        queries: (n,) rows of ``query_hash``.
        docs: (n,) rows of ``doc_hash``.
        query_hash: of every query.
        doc_hash: of every document.
        seed: of the draw.
    """
    numbers = np.empty(len(queries), dtype=np.float64)
    _hash_rows(queries, docs, query_hash, doc_hash, np.uint64(seed & (2**64 - 1)), numbers)
    return numbers


@numba.njit(cache=True, parallel=True, nogil=True)
def _hash_rows(queries, docs, query_hash, doc_hash, seed, numbers):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    golden = np.uint64(0x9E3779B97F4A7C15)
    shift = seed * golden + golden
    for i in numba.prange(len(queries)):
        b = doc_hash[docs[i]]
        x = (query_hash[queries[i]] ^ ((b << np.uint64(31)) | (b >> np.uint64(33)))) + shift
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
        numbers[i] = (np.float64(x >> np.uint64(11)) + 0.5) * 2.0**-53


def gumbel(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard Gumbel noise from numbers in (0, 1): -log(-log(u)), on all cores."""
    noise = np.empty_like(uniform)
    _gumbel(uniform, noise)
    return noise


@numba.njit(cache=True, parallel=True, nogil=True)
def _gumbel(uniform, noise):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in numba.prange(len(uniform)):
        noise[i] = -np.log(-np.log(uniform[i]))
