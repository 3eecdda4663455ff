"""Exact top-k by inner product: fast products in a low precision, exact scores for whatever may matter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError, RecipeError
from foils.protocols import Advance
from foils.sources.candidates import Asked, Found, Tile
from foils.sources.precision import Chosen, Codes, Precision, buffer_for, choose, encode, margins, multiply, workers

Vectors = NDArray[np.floating]

TILE = 1024  # documents multiplied at once
QUERIES = 1024  # queries multiplied at once; larger blocks gain nothing, smaller ones multiply more slowly
PANEL = 4 << 20  # bytes of documents loaded at once: they stay in a cache while every block of queries meets them
STATE = 96 << 20  # bytes kept per super-block of queries
SAMPLE = 2048  # documents that tell which scores are worth a look
LARGE = 32  # samples that a corpus must be as large as, before one is drawn

_Block = tuple[Codes, Asked]
_Coded = tuple[Codes, Tile]


def exact_topk(
    queries: Vectors, documents: Vectors, k: int, *, precision: Precision = "auto", advance: Advance | None = None
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Find the k documents of highest inner product for every query, exactly.

    A tile of documents is multiplied by a block of queries in a fast precision; one pass over the products keeps
    what reaches the query's k-th best score so far within the proven error bound of that precision, and scores it
    from the given vectors, summed in float64. In a large corpus a sample tells first which scores are worth a look;
    a query for which that was too high is searched again. So neither ids nor scores depend on the precision. Documents
    are read once per super-block of queries and may be a memory map larger than memory. Beyond inputs and outputs it
    needs less than 200 MB, for up to 16 cores. Slow only where very many documents score within the error bound of the
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
    # Per query: candidates (bounds and id), and the vector as given, scaled, and coded.
    most = max(1, STATE // (12 * _room(k) + 12 * queries.shape[1]))
    rows = -(-n_queries // -(-n_queries // most))
    with workers(chosen, _cores()) as pool:
        for start in range(0, n_queries, rows):
            part = slice(start, start + rows)
            found = _search(_rows(queries, part), documents, k, chosen, pool, advance)
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
    queries: NDArray[np.float32],
    documents: Vectors,
    k: int,
    precision: Chosen,
    pool: ThreadPoolExecutor,
    advance: Advance | None,
) -> Found:
    blocks = _blocks(queries, precision, pool)
    start = np.full(len(queries), -np.inf)
    if len(documents) >= LARGE * SAMPLE:
        start = _worth_a_look(blocks, documents, k, precision, pool)
    found = _pass(blocks, documents, k, start, precision, pool, advance)
    missed = np.flatnonzero(found.filled < k)
    if missed.size:
        whole = np.full(missed.size, -np.inf)
        again = _pass(_blocks(queries[missed], precision, pool), documents, k, whole, precision, pool, None)
        if (again.filled < k).any():
            raise RecipeError(
                f"products in {precision} broke their error bound on this machine; use precision='float32'"
            )
        found.put(missed, again)
    return found


def _blocks(queries: NDArray[np.float32], precision: Chosen, pool: ThreadPoolExecutor) -> list[_Block]:
    # As many blocks for each core.
    count = _cores() * -(-len(queries) // (_cores() * QUERIES))
    size = max(16, -(-len(queries) // count))

    def block(start: int) -> _Block:
        codes = encode(queries[start : start + size], precision)
        return codes, Asked(codes.rows, codes.scale, *margins(codes, precision))

    return list(pool.map(block, range(0, len(queries), size)))


def _worth_a_look(
    blocks: list[_Block], documents: Vectors, k: int, precision: Chosen, pool: ThreadPoolExecutor
) -> NDArray[np.float64]:
    """A score (Q,) that k documents reach but for bad luck, from documents spread evenly over the corpus.

    m = k SAMPLE / N of the k best are expected in the sample. If it held m + 5 sqrt(m) + 4 of them or more (one query
    in a million, were it drawn at random), the score would be too high, and the query is searched again.
    """
    spread = np.linspace(0, len(documents) - 1, SAMPLE).astype(np.int64)
    expected = k * SAMPLE / len(documents)
    enough = min(SAMPLE, int(expected + 5 * np.sqrt(expected)) + 4)
    nothing = np.full(sum(len(asked.rows) for _, asked in blocks), -np.inf)
    found = _pass(blocks, _rows(documents, spread), enough, nothing, precision, pool, None)
    return found.scores[:, :enough].min(axis=1)  # type: ignore[no-any-return]


def _pass(
    blocks: list[_Block],
    documents: Vectors,
    k: int,
    threshold: NDArray[np.float64],
    precision: Chosen,
    pool: ThreadPoolExecutor,
    advance: Advance | None,
) -> Found:
    """Compare every query with every document; ``threshold`` (Q,) is the least score that counts."""
    from foils.sources import scan

    found = Found.empty(threshold, _room(k))
    ends = np.cumsum([len(asked.rows) for _, asked in blocks])
    parts = [found.part(slice(end - len(asked.rows), end)) for (_, asked), end in zip(blocks, ends, strict=True)]
    for tiles in _tiles(documents, precision, pool):
        for done in pool.map(partial(_scan, tiles=tiles, k=k, precision=precision), blocks, parts):
            if advance:
                advance(done)
    list(pool.map(partial(scan.keep_best, k=k), parts))
    return found


def _tiles(documents: Vectors, precision: Chosen, pool: ThreadPoolExecutor) -> Iterator[list[_Coded]]:
    n, d = documents.shape
    size = TILE * max(1, PANEL // (4 * TILE * max(1, d)))

    def tile(start: int) -> _Coded:
        codes = encode(panel[start : start + TILE], precision)
        return codes, Tile(codes.rows, codes.scale, codes.norm, codes.error, first + start)

    for first in range(0, n, size):
        panel = _rows(documents, slice(first, min(first + size, n)))
        tiles = list(pool.map(tile, range(0, len(panel), TILE)))
        if not all(np.isfinite(codes.norm).all() for codes, _ in tiles):
            _refuse_unless_finite(documents, "document")
        yield tiles


def _scan(block: _Block, found: Found, tiles: list[_Coded], k: int, precision: Chosen) -> int:
    from foils.sources import scan

    codes, asked = block
    buffer = buffer_for(precision, codes.scale.size * TILE)
    for coded, tile in tiles:
        scan.scan(multiply(codes, coded, precision, buffer), asked, tile, k, found)
    return codes.scale.size * sum(tile.scale.size for _, tile in tiles)


def _room(k: int) -> int:
    return k + max(32, k // 4)


def _sorted(found: Found, k: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    scores = _float32(found.scores[:, :k])
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
