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
def prune(
    lower: NDArray[np.float64], upper: NDArray[np.float64], ids: NDArray[np.uint32], filled: int, bar: float
) -> int:
    """Keep the entries whose upper bound reaches ``bar``, in place and in order; gives how many."""
    kept = 0
    for i in range(filled):
        if upper[i] >= bar:
            lower[kept], upper[kept], ids[kept] = lower[i], upper[i], ids[i]
            kept += 1
    return kept


@_compiled
def settle(
    query: NDArray[np.float32],
    panel: NDArray[np.float32],
    first: int,
    k: int,
    threshold: float,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    ids: NDArray[np.uint32],
    filled: int,
    work: NDArray[np.float64],
) -> tuple[float, int]:
    """Score exactly what may still be among the k best, and keep the k best; gives the threshold and how many.

    Entries of documents before ``first`` are exact already; the others are rows of ``panel``.
    """
    # A few candidates are scored faster than they are sorted out.
    if filled > k + 32:
        threshold = max(threshold, kth_best(lower[:filled].copy(), k))
        filled = prune(lower, upper, ids, filled, threshold)
    for i in range(filled):
        if ids[i] >= first:
            lower[i] = dot(query, panel[ids[i] - first], work)
            upper[i] = lower[i]
    if filled > k or (filled == k and threshold == -np.inf):
        threshold = max(threshold, shrink(lower, ids, filled, k))
        filled = k
        upper[:k] = lower[:k]
    return threshold, filled


@_compiled
def settle_all(
    queries: NDArray[np.float32],
    panel: NDArray[np.float32],
    first: int,
    k: int,
    threshold: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    ids: NDArray[np.uint32],
    filled: NDArray[np.int64],
) -> None:
    """``settle`` every query of a block: afterwards every entry is exact."""
    work = np.empty(queries.shape[1] // 4 + 1)
    for q in range(queries.shape[0]):
        threshold[q], filled[q] = settle(
            queries[q], panel, first, k, threshold[q], lower[q], upper[q], ids[q], filled[q], work
        )


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
    panel: NDArray[np.float32],
    first: int,
    offset: int,
    k: int,
    threshold: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    ids: NDArray[np.uint32],
    filled: NDArray[np.int64],
) -> None:
    """Pass once over a tile of products (B, T) and keep what can still be among the k best of a query.

    A product times both scales is within ``by_norm * norm + by_error * error`` of the true score: these are the
    bounds of an entry. What cannot reach the k-th best lower bound is dropped; what is left at the end of a panel of
    tiles, or when there is no room, is scored exactly.

    Args:
        products: (B, T) int32 or float32, of scaled queries and documents.
        query_scale: (B,).
        by_norm: (B,) margin per length of a document.
        by_error: (B,) margin per rounding loss of a document.
        scale: (T,) of the documents.
        norm: (T,) their lengths, rounded up.
        error: (T,) their rounding losses, rounded up.
        queries: (B, d) as given.
        panel: (P, d) the documents that are in memory, as given.
        first: row number of the panel's first document.
        offset: where in the panel the tile begins.
        k: how many to find.
        threshold: (B,) score to reach, updated.
        lower: (B, C) lower bounds of the kept scores, C >= k + T, updated.
        upper: (B, C) upper bounds, equal to ``lower`` where the score is exact, updated.
        ids: (B, C) kept document rows, ascending, updated.
        filled: (B,) entries in use, updated.
    """
    n = scale.shape[0]
    work = np.empty(queries.shape[1] // 4 + 1)
    top_norm, top_error = _block_maxima(norm), _block_maxima(error)
    for q in range(products.shape[0]):
        row, low, high, rows, held = products[q], lower[q], upper[q], ids[q], filled[q]
        unit, bar = np.float64(query_scale[q]), threshold[q]
        if held > 2 * k + 64:
            bar = max(bar, kth_best(low[:held].copy(), k))
            held = prune(low, high, rows, held, bar)
        if held + n > low.shape[0]:
            bar, held = settle(queries[q], panel, first, k, bar, low, high, rows, held, work)
        for b in range(top_norm.shape[0]):
            start, stop = b * BLOCK, min((b + 1) * BLOCK, n)
            need = (bar - by_norm[q] * top_norm[b] - by_error[q] * top_error[b]) / unit
            least = np.float32(need - abs(need) * 2e-7 - 1e-37)
            near, step = row[start:stop], scale[start:stop]
            if not _any_above(near, step, least):
                continue
            for i in range(near.shape[0]):
                if np.float32(near[i]) * step[i] < least:
                    continue
                j = start + i
                about = np.float64(near[i]) * np.float64(step[i]) * unit
                # The last factor covers the rounding of this line itself.
                margin = (by_norm[q] * norm[j] + by_error[q] * error[j]) * (1 + 1e-9) + abs(about) * 1e-12
                if not about + margin < bar:
                    # Where a product overflowed (NaN), nothing is known.
                    low[held] = about - margin if about - margin > -np.inf else -np.inf
                    high[held] = about + margin if about + margin < np.inf else np.inf
                    rows[held] = first + offset + j
                    held += 1
        threshold[q], filled[q] = bar, held
