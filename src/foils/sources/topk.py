"""Exact top-k by inner product: fast products in a low precision, exact scores for whatever may matter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError, RecipeError
from foils.protocols import Advance
from foils.sources.precision import Chosen, Codes, Precision, buffer_for, choose, encode, margins, multiply, workers

Vectors = NDArray[np.floating]

TILE = 1024  # documents multiplied at once: with 256 queries, the products fit a core's second-level cache
QUERIES = 256  # queries multiplied at once
PANEL = 16 << 20  # bytes of documents loaded at once
STATE = 112 << 20  # bytes kept per super-block of queries


@dataclass(frozen=True, eq=False)
class _Found:
    """What a super-block of queries has found so far: the arguments of ``scan`` that it updates."""

    threshold: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    ids: NDArray[np.uint32]
    filled: NDArray[np.int64]

    @staticmethod
    def empty(n: int, room: int) -> _Found:
        lower, upper = np.empty((n, room)), np.empty((n, room))
        return _Found(np.full(n, -np.inf), lower, upper, np.empty((n, room), dtype=np.uint32), np.zeros(n, int))

    def part(self, rows: slice) -> _Found:
        return _Found(self.threshold[rows], self.lower[rows], self.upper[rows], self.ids[rows], self.filled[rows])


def exact_topk(
    queries: Vectors, documents: Vectors, k: int, *, precision: Precision = "auto", advance: Advance | None = None
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Find the k documents of highest inner product for every query, exactly.

    A tile of documents is multiplied by a block of queries in a fast precision; one pass over the products keeps
    what reaches the query's k-th best score so far within the proven error bound of that precision, and scores it
    from the given vectors, summed in float64. So neither ids nor scores depend on the precision. Documents are read
    once per super-block of queries and may be a memory map larger than memory. Beyond inputs and outputs it needs
    less than 200 MB, for up to 16 cores. Slow only where very many documents score within the error bound of the
    k-th best, for instance if all are equal.

    Args:
        queries: (Q, d) float32.
        documents: (N, d) float32, or a memory map of such; other float types are converted tile by tile.
        k: how many; with more than N, all N are returned.
        precision: of the first pass: ``float32``, ``float16``, ``bfloat16``, ``int8`` or ``auto``.
        advance: told how many (query, document) pairs are done.

    Returns:
        ids (Q, min(k, N)) uint32 and scores float32, by descending score, then ascending id. Which documents are
        among the k is decided by the float64 scores, ties by the lowest id.

    Raises:
        DataError: a vector holds NaN or infinite values, or the shapes do not fit.
        RecipeError: the precision is not known, or this machine's products break its error bound.

    >>> import numpy as np
    >>> ids, scores = exact_topk(np.eye(2, dtype=np.float32), np.float32([[1, 0], [0, 2], [3, 0]]), k=2)
    >>> ids.tolist(), scores.tolist()
    ([[2, 0], [1, 0]], [[3.0, 1.0], [2.0, 0.0]])
    """
    _check(queries, documents, k)
    n_queries, n_documents, k = queries.shape[0], documents.shape[0], min(k, documents.shape[0])
    ids = np.empty((n_queries, k), dtype=np.uint32)
    scores = np.empty((n_queries, k), dtype=np.float32)
    if n_queries == 0 or k == 0:
        return ids, scores
    chosen = choose(precision, 2.0 * n_queries * n_documents * queries.shape[1])
    room = 2 * k + TILE
    # Per query: candidates (bounds and id), and the vector as given, scaled, and coded.
    rows = max(1, STATE // (20 * room + 12 * queries.shape[1]))
    with workers(chosen, _cores()) as pool:
        for start in range(0, n_queries, rows):
            part = slice(start, start + rows)
            found = _Found.empty(len(queries[part]), room)
            _search(_rows(queries, part), documents, k, chosen, found, pool, advance)
            ids[part], scores[part] = _sorted(found, k)
    return ids, scores


def pair_scores(
    queries: Vectors, documents: Vectors, query_rows: NDArray[np.integer], document_rows: NDArray[np.integer]
) -> NDArray[np.float32]:
    """The score of every given pair (n,), equal to the last bit to what the search gives that pair.

    Raises:
        DataError: the two sides differ in dimension.
    """
    from foils.sources import scan

    _check_shapes(queries, documents)
    out = np.empty(len(query_rows))
    step = max(1, PANEL // (4 * max(1, queries.shape[1])))
    for start in range(0, len(out), step):
        part = slice(start, start + step)
        scan.dot_rows(_rows(queries, query_rows[part]), _rows(documents, document_rows[part]), out[part])
    return _float32(out)


def _search(
    queries: Vectors,
    documents: Vectors,
    k: int,
    precision: Chosen,
    found: _Found,
    pool: ThreadPoolExecutor,
    advance: Advance | None,
) -> None:
    n_workers = _cores()
    size = min(QUERIES, max(16, -(-len(queries) // n_workers)))
    parts = [slice(start, start + size) for start in range(0, len(queries), size)]
    blocks = list(pool.map(lambda part: encode(_rows(queries, part), precision), parts))
    for first, panel, tiles in _panels(documents, precision, pool):
        work = partial(_scan_panel, panel=panel, tiles=tiles, first=first, k=k, precision=precision)
        for block in pool.map(work, blocks, map(found.part, parts)):
            if advance:
                advance(block * sum(tile.scale.size for tile in tiles))
    if (found.filled < k).any():
        raise RecipeError(f"products in {precision} broke their error bound on this machine; use precision='float32'")


def _panels(
    documents: Vectors, precision: Chosen, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, NDArray[np.float32], list[Codes]]]:
    n, d = documents.shape
    size = TILE * max(1, PANEL // (4 * TILE * max(1, d)))
    for first in range(0, n, size):
        panel = _rows(documents, slice(first, min(first + size, n)))
        parts = [panel[start : start + TILE] for start in range(0, len(panel), TILE)]
        tiles = list(pool.map(partial(encode, precision=precision), parts))
        if not all(np.isfinite(tile.norm).all() for tile in tiles):
            _refuse_unless_finite(documents, "document")
        yield first, panel, tiles


def _scan_panel(
    block: Codes,
    found: _Found,
    panel: NDArray[np.float32],
    tiles: list[Codes],
    first: int,
    k: int,
    precision: Chosen,
) -> int:
    from foils.sources import scan

    by_norm, by_error = margins(block, precision)
    buffer = buffer_for(precision, block.scale.size * TILE)
    state = (found.threshold, found.lower, found.upper, found.ids, found.filled)
    offset = 0
    for tile in tiles:
        products = multiply(block, tile, precision, buffer)
        bounds = (block.scale, by_norm, by_error, tile.scale, tile.norm, tile.error)
        scan.scan(products, *bounds, block.rows, panel, first, offset, k, *state)
        offset += tile.scale.size
    scan.settle_all(block.rows, panel, first, k, *state)
    return block.scale.size


def _sorted(found: _Found, k: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    scores = _float32(found.lower[:, :k])
    # Ids stand in ascending order, so a stable sort by score leaves ties in that order.
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(found.ids[:, :k], order, axis=1), np.take_along_axis(scores, order, axis=1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _rows(vectors: Vectors, part: slice | NDArray[np.integer]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(vectors[part], dtype=np.float32)


def _float32(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return scores.astype(np.float32)


def _check(queries: Vectors, documents: Vectors, k: int) -> None:
    if k < 1:
        raise DataError(f"k={k} finds nothing; it must be at least 1")
    _check_shapes(queries, documents)
    _refuse_unless_finite(queries, "query")


def _check_shapes(queries: Vectors, documents: Vectors) -> None:
    for vectors, what in ((queries, "query"), (documents, "document")):
        if vectors.ndim != 2:
            raise DataError(f"{what} vectors have shape {vectors.shape}; a row per {what}, (n, d), is needed")
    if queries.shape[1] != documents.shape[1]:
        raise DataError(
            f"query vectors have {queries.shape[1]:,} dimensions and document vectors {documents.shape[1]:,}; "
            "both must come from the same model"
        )


def _refuse_unless_finite(vectors: Vectors, what: str) -> None:
    """Raise a DataError that counts the rows with NaN or infinite values."""
    step = max(1, PANEL // (4 * max(1, vectors.shape[1])))
    bad = [
        start + int(row)
        for start in range(0, len(vectors), step)
        for row in np.flatnonzero(~np.isfinite(_rows(vectors, slice(start, start + step))).all(axis=1))
    ]
    if bad:
        raise DataError(
            f"{len(bad):,} of {len(vectors):,} {what} vectors hold NaN or infinite values (first: row {bad[0]:,}); "
            "encode those texts again"
        )
