"""Near-copies within a row: the Jaccard index of runs of three words, exact for every pair."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.findings import Found
from foils.audit.table import Table
from foils.texts import shingle_sets

PART = 50_000
THRESHOLD = 0.9


class Shingles(NamedTuple):
    """Per text the sorted hashes of its word runs: text i has ``codes[starts[i] : starts[i + 1]]``."""

    starts: NDArray[np.int64]
    codes: NDArray[np.uint32]


def near(table: Table, threshold: float = THRESHOLD) -> list[Found]:
    """Negatives that nearly repeat a positive, the query or an earlier negative of their row.

    Equal texts are left to ``copies``. Word runs are compared by 32-bit hashes: two different runs of a pair are
    taken for one in about one of a million pairs.

    Args:
        table: the file.
        threshold: the least Jaccard index of near-copies (Broder 1997).
    """
    full = table.solid
    shingles = _shingles(pl.concat([_texts(table), table.queries["text"].alias("t")]))
    # Sorted by row, positives first: the first near-copy that a negative meets says what it is a copy of.
    full = full.sort("record", "side", "entry")
    records = full["record"].to_numpy()
    bounds = np.flatnonzero(np.diff(records, prepend=-1, append=-1)).astype(np.int64)
    asked = full["query"].to_numpy().astype(np.int64) + table.docs.height
    known = pl.select(pl.lit(table.queries["known"]).gather(full["query"])).to_series().to_numpy()
    kinds = _compare(
        bounds, full["side"].to_numpy(), full["doc"].to_numpy(), full["body"].to_numpy(), asked,
        full["asked"].to_numpy(), known, shingles.starts, shingles.codes, threshold,
    )  # fmt: skip
    entries = full["entry"].to_numpy().astype(np.int64)
    return [
        Found(key, np.sort(entries[kinds == kind]))
        for kind, key in ((1, "near-positive"), (2, "near-query"), (3, "near-repeated"))
    ]


def _texts(table: Table) -> pl.Series:
    blank = pl.col("text").str.strip_chars() == ""
    return table.docs.select(pl.when(blank).then("title").otherwise("text").alias("t")).to_series()


def _shingles(texts: pl.Series) -> Shingles:
    counts, parts = [np.zeros(1, dtype=np.int64)], [np.empty(0, dtype=np.uint32)]
    for start in range(0, texts.len(), PART):
        sets = shingle_sets(texts[start : start + PART])
        codes = (sets.indices & 0xFFFFFFFF).astype(np.uint32)
        _sort_rows(sets.indptr.astype(np.int64), codes)
        counts.append(np.diff(sets.indptr).astype(np.int64))
        parts.append(codes)
    return Shingles(np.cumsum(np.concatenate(counts)), np.concatenate(parts))


def _jit(function: Any) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


@_jit
def _sort_rows(starts, codes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(len(starts) - 1):
        codes[starts[row] : starts[row + 1]].sort()


@_jit
def _close(starts, codes, a, b, threshold):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    i, j, last, end = starts[a], starts[b], starts[a + 1], starts[b + 1]
    n, m = last - i, end - j
    if n == 0 or m == 0 or min(n, m) < threshold * max(n, m) - 1e-9:
        return False
    # What may still be missed before the index falls below the threshold.
    spare = (n + m) - 2 * threshold * (n + m) / (1 + threshold) + 1e-9
    both = 0
    while i < last and j < end:
        if codes[i] == codes[j]:
            both += 1
            i += 1
            j += 1
        else:
            spare -= 1
            if spare < 0:
                return False
            if codes[i] < codes[j]:
                i += 1
            else:
                j += 1
    return both >= threshold * (n + m - both) - 1e-9


@_jit
def _compare(bounds, side, doc, body, query, asked, known, starts, codes, threshold):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    kinds = np.zeros(len(doc), dtype=np.int8)
    for row in range(len(bounds) - 1):
        for at in range(bounds[row], bounds[row + 1]):
            if side[at] == 0:
                continue
            equal = False
            for other in range(bounds[row], at):
                equal = equal or body[other] == body[at]
            if equal or body[at] == asked[at]:
                continue
            for other in range(bounds[row], at):
                if _close(starts, codes, doc[at], doc[other], threshold):
                    kinds[at] = 1 if side[other] == 0 else 3
                    break
            if kinds[at] != 1 and known[at] and _close(starts, codes, doc[at], query[at], threshold):
                kinds[at] = 2
    return kinds
