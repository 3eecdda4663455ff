"""The compiled inner loops of the exact search; imported only when a search runs, because numba loads slowly.

Sums that decide a score have a fixed order, written out, so that a pair has the same score in every loop and on
every machine (the product of two float32 numbers is exact in float64; only sums round). Rows are sliced before a
loop runs over them, because otherwise the compiler does not vectorise it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

BLOCK = 64  # documents that share one threshold


def _compiled(function: F) -> F:
    return cast(F, njit(nogil=True, cache=True, error_model="numpy")(function))


def _reordered(function: F) -> F:
    # For bounds only: they are rounded up afterwards, so the order of their sums does not matter.
    return cast(F, njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})(function))


@_compiled
def dot(a: NDArray[np.float32], b: NDArray[np.float32], work: NDArray[np.float64]) -> float:
    """Inner product in float64: four quarters side by side, then halves onto halves, so that it is vectorised.

    ``work`` has room for a quarter of the length, at least 1.
    """
    n, h = a.shape[0], a.shape[0] // 4
    a0, a1, a2, a3 = a[:h], a[h : 2 * h], a[2 * h : 3 * h], a[3 * h : 4 * h]
    b0, b1, b2, b3 = b[:h], b[h : 2 * h], b[2 * h : 3 * h], b[3 * h : 4 * h]
    for i in range(h):
        work[i] = (np.float64(a0[i]) * np.float64(b0[i]) + np.float64(a1[i]) * np.float64(b1[i])) + (
            np.float64(a2[i]) * np.float64(b2[i]) + np.float64(a3[i]) * np.float64(b3[i])
        )
    while h > 16:
        rest = (h + 1) // 2
        low, high = work[: h - rest], work[rest:h]
        for i in range(h - rest):
            low[i] += high[i]
        h = rest
    total = 0.0
    for i in range(h):
        total += work[i]
    for i in range(n - n % 4, n):
        total += np.float64(a[i]) * np.float64(b[i])
    return total


@_compiled
def dot_rows(a: NDArray[np.float32], b: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """Inner product of each row of ``a`` (n, d) with the same row of ``b`` into ``out`` (n,)."""
    work = np.empty(a.shape[1] // 4 + 1)
    for i in range(out.shape[0]):
        out[i] = dot(a[i], b[i], work)


@_reordered
def norms(rows: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """Lengths of the rows (n, d) into ``out`` (n,); NaN or infinite where a row is."""
    for i in range(rows.shape[0]):
        row = rows[i]
        total = 0.0
        for j in range(row.shape[0]):
            total += np.float64(row[j]) * np.float64(row[j])
        out[i] = np.sqrt(total)


@_compiled
def scaled(rows: NDArray[np.float32], scale: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Divide each row by its scale, a power of two: exact, but for numbers too small to matter."""
    for i in range(rows.shape[0]):
        row, to = rows[i], out[i]
        inverse = 1.0 / np.float64(scale[i])
        for j in range(row.shape[0]):
            to[j] = np.float32(np.float64(row[j]) * inverse)


@_reordered
def to_int8(
    rows: NDArray[np.float32], scale: NDArray[np.float32], out: NDArray[np.int8], error: NDArray[np.float64]
) -> None:
    """Round each row to ``scale`` times integers; ``error`` (n,) is the length of what is lost.

    ``scale`` must bring every value into -127..127.
    """
    for i in range(rows.shape[0]):
        row, to, step = rows[i], out[i], scale[i]
        inverse = np.float32(1) / step
        lost = 0.0
        for j in range(row.shape[0]):
            code = np.rint(row[j] * inverse)
            to[j] = np.int8(code)
            rest = np.float64(row[j]) - np.float64(code) * np.float64(step)
            lost += rest * rest
        error[i] = np.sqrt(lost)


@_compiled
def largest(bits: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """The largest magnitude in each row of float32 numbers, both given as their bits: integers are vectorised."""
    for i in range(bits.shape[0]):
        row = bits[i]
        top = np.int32(0)
        for j in range(row.shape[0]):
            value = np.int32(row[j] & np.int32(0x7FFFFFFF))
            top = value if value > top else top
        out[i] = top


@_compiled
def kth_best(values: NDArray[np.float64], k: int) -> float:
    """The k-th greatest value by quickselect (Hoare); reorders ``values``."""
    # Written out, because numba takes fifteen seconds to compile np.partition.
    low, high, want = 0, values.shape[0] - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if want <= j:
            high = j
        elif want >= i:
            low = i
        else:
            break
    return float(values[want])


@_compiled
def shrink(scores: NDArray[np.float64], ids: NDArray[np.uint32], filled: int, k: int) -> float:
    """Keep the k best of the first ``filled`` entries, in place; gives the k-th best score.

    Entries stand in ascending order of id and stay so; of equal scores the lowest ids are kept.
    """
    least = kth_best(scores[:filled].copy(), k)
    room = k
    for i in range(filled):
        if scores[i] > least:
            room -= 1
    kept = 0
    for i in range(filled):
        equal = scores[i] == least
        if scores[i] > least or (equal and room > 0):
            if equal:
                room -= 1
            scores[kept] = scores[i]
            ids[kept] = ids[i]
            kept += 1
    return least


@_compiled
def prime(
    products: NDArray[Any],
    unit: float,
    by_norm: float,
    by_error: float,
    scale: NDArray[np.float32],
    norm: NDArray[np.float64],
    error: NDArray[np.float64],
    k: int,
) -> float:
    """A threshold that at least k of the documents exceed: the k-th best of their scores' lower bounds."""
    low = np.empty(products.shape[0])
    for j in range(products.shape[0]):
        low[j] = np.float64(products[j]) * np.float64(scale[j]) * unit - by_norm * norm[j] - by_error * error[j]
        if np.isnan(low[j]):
            low[j] = -np.inf
    least = kth_best(low, k)
    return least - abs(least) * 1e-12 - 1e-300


@_compiled
def _block_maxima(values: NDArray[np.float64]) -> NDArray[np.float64]:
    top = np.zeros((values.shape[0] + BLOCK - 1) // BLOCK)
    for j in range(values.shape[0]):
        top[j // BLOCK] = max(top[j // BLOCK], values[j])
    return top


@_compiled
def _any_above(row: NDArray[Any], scale: NDArray[np.float32], bar: np.float32) -> bool:
    hit = False
    for j in range(row.shape[0]):
        # Negated, so that an overflow to NaN counts.
        hit |= not (np.float32(row[j]) * scale[j] < bar)
    return hit


@_compiled
def scan(
    products: NDArray[Any],
    query_scale: NDArray[np.float32],
    by_norm: NDArray[np.float64],
    by_error: NDArray[np.float64],
    scale: NDArray[np.float32],
    norm: NDArray[np.float64],
    error: NDArray[np.float64],
    queries: NDArray[np.float32],
    documents: NDArray[np.float32],
    first: int,
    k: int,
    threshold: NDArray[np.float64],
    scores: NDArray[np.float64],
    ids: NDArray[np.uint32],
    filled: NDArray[np.int64],
) -> None:
    """Pass once over a tile of products (B, T) and keep what can still be among the k best of a query.

    A product times both scales is within ``by_norm * norm + by_error * error`` of the true score. What reaches the
    query's threshold by that margin is scored exactly, and kept if it exceeds the threshold: documents come in
    ascending order, so on equal scores the earlier one stays.

    Args:
        products: (B, T) int32 or float32, of scaled queries and documents.
        query_scale: (B,).
        by_norm: (B,) margin per length of a document.
        by_error: (B,) margin per rounding loss of a document.
        scale: (T,) of the documents.
        norm: (T,) their lengths, rounded up.
        error: (T,) their rounding losses, rounded up.
        queries: (B, d) as given.
        documents: (T, d) as given.
        first: row number of the first document.
        k: how many to find.
        threshold: (B,) score to exceed, updated.
        scores: (B, C) kept scores, C > k, updated.
        ids: (B, C) kept document rows, ascending, updated.
        filled: (B,) entries in use, updated.
    """
    n = scale.shape[0]
    work = np.empty(queries.shape[1] // 4 + 1)
    top_norm, top_error = _block_maxima(norm), _block_maxima(error)
    for q in range(products.shape[0]):
        row = products[q]
        unit = np.float64(query_scale[q])
        if filled[q] == 0 and n >= k and threshold[q] == -np.inf:
            threshold[q] = prime(row, unit, by_norm[q], by_error[q], scale, norm, error, k)
        for b in range(top_norm.shape[0]):
            start, stop = b * BLOCK, min((b + 1) * BLOCK, n)
            need = (threshold[q] - by_norm[q] * top_norm[b] - by_error[q] * top_error[b]) / unit
            bar = np.float32(need - abs(need) * 2e-7 - 1e-37)
            near, step = row[start:stop], scale[start:stop]
            if not _any_above(near, step, bar):
                continue
            for i in range(near.shape[0]):
                if np.float32(near[i]) * step[i] < bar:
                    continue
                j = start + i
                about = np.float64(near[i]) * np.float64(step[i]) * unit
                if about + by_norm[q] * norm[j] + by_error[q] * error[j] < threshold[q]:
                    continue
                score = dot(queries[q], documents[j], work)
                if score > threshold[q]:
                    scores[q, filled[q]] = score
                    ids[q, filled[q]] = first + j
                    filled[q] += 1
                    if filled[q] == scores.shape[1]:
                        threshold[q] = shrink(scores[q], ids[q], filled[q], k)
                        filled[q] = k
