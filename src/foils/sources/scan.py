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

from foils.sources.candidates import Asked, Found, Tile

BLOCK = 64  # documents that share a bound; here, because what is compiled is kept until this file changes

F = TypeVar("F", bound=Callable[..., Any])


def _compiled(function: F) -> F:
    return cast(F, njit(nogil=True, cache=True, error_model="numpy")(function))


def _reordered(function: F) -> F:
    # For bounds only: they are rounded up afterwards, so the order of their sums does not matter.
    return cast(F, njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})(function))


@_compiled
def dot(a: NDArray[np.float64], b: NDArray[np.float32], work: NDArray[np.float64]) -> float:
    """Inner product in float64: four quarters side by side, then halves onto halves, so that it is vectorised.

    ``a`` holds float32 numbers; ``work`` has room for a quarter of the length, at least 1.
    """
    n, h = a.shape[0], a.shape[0] // 4
    a0, a1, a2, a3 = a[:h], a[h : 2 * h], a[2 * h : 3 * h], a[3 * h : 4 * h]
    b0, b1, b2, b3 = b[:h], b[h : 2 * h], b[2 * h : 3 * h], b[3 * h : 4 * h]
    for i in range(h):
        work[i] = (a0[i] * np.float64(b0[i]) + a1[i] * np.float64(b1[i])) + (
            a2[i] * np.float64(b2[i]) + a3[i] * np.float64(b3[i])
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
        total += a[i] * np.float64(b[i])
    return total


@_compiled
def _widen(row: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    for j in range(row.shape[0]):
        out[j] = row[j]


@_compiled
def dot_rows(a: NDArray[np.float32], b: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """Inner product of each row of ``a`` (n, d) with the same row of ``b`` into ``out`` (n,)."""
    work, wide = np.empty(a.shape[1] // 4 + 1), np.empty(a.shape[1])
    for i in range(out.shape[0]):
        _widen(a[i], wide)
        out[i] = dot(wide, b[i], work)


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
def keep_best(found: Found, k: int) -> None:
    """Cut every query to its k best entries."""
    for q in range(found.filled.shape[0]):
        if found.filled[q] > k:
            shrink(found.scores[q], found.ids[q], found.filled[q], k)
            found.filled[q] = k


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
def _kth_bound(row: NDArray[Any], unit: float, by_norm: float, by_error: float, tile: Tile, k: int) -> float:
    """What the k best of a tile score at least; -inf if it holds fewer."""
    if row.shape[0] < k:
        return -np.inf
    bounds = np.empty(row.shape[0])
    for j in range(row.shape[0]):
        about = np.float64(row[j]) * np.float64(tile.scale[j]) * unit
        # The last factor and term cover the rounding of this line itself.
        least = about - (by_norm * tile.norm[j] + by_error * tile.error[j]) * (1 + 1e-9) - abs(about) * 1e-12
        bounds[j] = least if least > -np.inf else -np.inf  # nothing is known where a product overflowed (NaN)
    return kth_best(bounds, k)


@_compiled
def scan(products: NDArray[Any], asked: Asked, tile: Tile, k: int, found: Found) -> None:
    """Pass once over a tile of products, and score exactly what can be among the k best of a query.

    A product times both scales is within ``by_norm * norm + by_error * error`` of the true score; what cannot reach
    the query's threshold by that is dropped.

    Args:
        products: (B, T) int32 or float32, of coded queries and documents.
        asked: the B queries.
        tile: the T documents.
        k: how many to find.
        found: updated.
    """
    n, room = tile.scale.shape[0], found.ids.shape[1]
    wide, work = np.empty(asked.rows.shape[1]), np.empty(asked.rows.shape[1] // 4 + 1)
    top_norm, top_error = _block_maxima(tile.norm), _block_maxima(tile.error)
    for q in range(products.shape[0]):
        row, unit, by_norm, by_error = products[q], np.float64(asked.scale[q]), asked.by_norm[q], asked.by_error[q]
        bar, held, inverse, ready = found.threshold[q], found.filled[q], 1 / unit, False
        if bar == -np.inf:
            bar = _kth_bound(row, unit, by_norm, by_error, tile, k)
        for b in range(top_norm.shape[0]):
            first, last = b * BLOCK, min((b + 1) * BLOCK, n)
            need = (bar - by_norm * top_norm[b] - by_error * top_error[b]) * inverse
            least = np.float32(need - abs(need) * 3e-7 - 1e-37)
            near, scale = row[first:last], tile.scale[first:last]
            if not _any_above(near, scale, least):
                continue
            if not ready:
                _widen(asked.rows[q], wide)
                ready = True
            for i in range(near.shape[0]):
                if np.float32(near[i]) * scale[i] < least:
                    continue
                score = dot(wide, tile.rows[first + i], work)
                if score >= bar:
                    found.scores[q, held], found.ids[q, held] = score, tile.first + first + i
                    held += 1
                if held == room:
                    bar, held = max(bar, shrink(found.scores[q], found.ids[q], held, k)), k
        found.threshold[q], found.filled[q] = bar, held
