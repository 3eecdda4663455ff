"""An inverted index with one score per posting, and exact search over it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

# Documents are scored a window at a time, so that the running sums stay in the processor's fast cache.
WINDOW = 1 << 14
BLOCK = 64


class Postings(NamedTuple):
    """Postings of each word, by ascending document.

    Args:
        starts: (words + 1,) where each word's postings begin.
        docs: (postings,) document rows.
        scores: (postings,) what one occurrence of the word in a query adds.
        documents: how many documents were indexed.
    """

    starts: NDArray[np.int64]
    docs: NDArray[np.int32]
    scores: NDArray[np.float32]
    documents: int


def build(
    bounds: NDArray[np.int64], numbers: NDArray[np.int32], words: int, k1: float, b: float, method: str
) -> Postings:
    """Count the words of each document and score every posting by BM25.

    Args:
        bounds: (documents + 1,) and
        numbers: as given by ``Vocabulary.number``.
        words: size of the vocabulary.
        k1: how late a repeated word stops to count.
        b: how far the length of a document counts, from 0 to 1.
        method: ``lucene``, ``robertson`` or ``atire``.
    """
    documents = len(bounds) - 1
    lengths = np.diff(bounds)
    frequencies = _document_frequencies(bounds, numbers, words)
    starts = np.concatenate(([0], np.cumsum(frequencies)))
    docs, counts = _fill(bounds, numbers, starts)
    n = frequencies.astype(np.float64)
    if method == "atire":
        idf = np.log(documents / np.maximum(n, 1))
    else:
        odds = (documents - n + 0.5) / (n + 0.5)
        idf = np.log1p(odds) if method == "lucene" else np.log(np.maximum(odds, 1.0))
    norms = k1 * (1 - b + b * lengths / max(lengths.mean(), 1e-9))
    scores = np.empty(len(docs), dtype=np.float32)
    _score(starts, docs, counts, idf * (k1 + 1 if method == "atire" else 1.0), norms, scores)
    return Postings(starts, docs, scores, documents)


def search(
    index: Postings, bounds: NDArray[np.int64], numbers: NDArray[np.int32], depths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """The best documents of each query by the sum of its words' scores, ties by document row.

    Args:
        index: the postings.
        bounds: (queries + 1,) and
        numbers: the words of the queries, repeated words repeated.
        depths: (queries,) how many documents are wanted of each.

    Returns:
        How many documents each query found (only those with a score above 0), and for all queries in one array
        the documents and their scores, best first.
    """
    offsets = np.concatenate(([0], np.cumsum(np.minimum(depths, index.documents))))
    docs = np.empty(offsets[-1], dtype=np.int32)
    scores = np.empty(offsets[-1], dtype=np.float32)
    found = np.zeros(len(depths), dtype=np.int64)
    _search(*index, bounds, numbers, offsets, docs, scores, found, 4 * numba.get_num_threads())
    kept = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets)) < np.repeat(found, np.diff(offsets))
    return found, docs[kept], scores[kept]


def score(
    index: Postings,
    bounds: NDArray[np.int64],
    numbers: NDArray[np.int32],
    queries: NDArray[np.int64],
    docs: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The score of given pairs, to the bit what ``search`` gives.

    Args:
        index: the postings.
        bounds: (queries + 1,) and
        numbers: the words of the queries.
        queries: (pairs,) positions within ``bounds``.
        docs: (pairs,) document rows.
    """
    scores = np.zeros(len(docs), dtype=np.float32)
    _score_pairs(index.starts, index.docs, index.scores, bounds, numbers, queries, docs, scores)
    return scores


def _jit(function: Any, parallel: bool = False) -> Any:
    return numba.njit(cache=True, nogil=True, parallel=parallel)(function)


@_jit
def _document_frequencies(bounds, numbers, words):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    frequencies = np.zeros(words, dtype=np.int64)
    last = np.full(words, -1, dtype=np.int64)
    for doc in range(len(bounds) - 1):
        for i in range(bounds[doc], bounds[doc + 1]):
            word = numbers[i]
            if last[word] != doc:
                last[word] = doc
                frequencies[word] += 1
    return frequencies


@_jit
def _fill(bounds, numbers, starts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    docs = np.empty(starts[-1], dtype=np.int32)
    counts = np.empty(starts[-1], dtype=np.int32)
    heads = starts[:-1].copy()
    for doc in range(len(bounds) - 1):
        for i in range(bounds[doc], bounds[doc + 1]):
            word = numbers[i]
            at = heads[word]
            # The documents come in ascending order: the newest posting of a word tells if this one had it before.
            if at > starts[word] and docs[at - 1] == doc:
                counts[at - 1] += 1
            else:
                docs[at] = doc
                counts[at] = 1
                heads[word] = at + 1
    return docs, counts


@_jit
def _score(starts, docs, counts, idf, norms, scores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for word in range(len(starts) - 1):
        for i in range(starts[word], starts[word + 1]):
            scores[i] = idf[word] * counts[i] / (counts[i] + norms[docs[i]])


@_jit
def _worse(score, doc, other_score, other_doc):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return score < other_score or (score == other_score and doc > other_doc)


@_jit
def _sink(scores, docs, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Restore the heap (worst on top) after its top was replaced."""
    score, doc, at = scores[0], docs[0], 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _worse(scores[right], docs[right], scores[child], docs[child]):
            child = right
        if not _worse(scores[child], docs[child], score, doc):
            break
        scores[at], docs[at] = scores[child], docs[child]
        at = child
    scores[at], docs[at] = score, doc


@_jit
def _rise(scores, docs, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    score, doc = scores[at], docs[at]
    while at > 0:
        parent = (at - 1) >> 1
        if not _worse(score, doc, scores[parent], docs[parent]):
            break
        scores[at], docs[at] = scores[parent], docs[parent]
        at = parent
    scores[at], docs[at] = score, doc


@_jit
def _push(scores, docs, size, depth, score, doc):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put a document into the heap, in place of the worst if it is full; gives the new size."""
    if size < depth:
        scores[size], docs[size] = score, doc
        _rise(scores, docs, size)
        return size + 1
    scores[0], docs[0] = score, doc
    _sink(scores, docs, size)
    return size


@_jit
def _unheap(scores, docs, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn the heap into a list, best first."""
    while size > 1:
        size -= 1
        scores[0], scores[size] = scores[size], scores[0]
        docs[0], docs[size] = docs[size], docs[0]
        _sink(scores, docs, size)


@_jit
def _add(docs, scores, start, end, first, sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add a word's postings in the window that begins at ``first``; gives where the next window begins."""
    stop = start + np.searchsorted(docs[start:end], first + WINDOW)
    for i in range(start, stop):
        sums[np.uint32(docs[i] - first)] += scores[i]
    return stop


@_jit
def _any_above(bits, worst):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    above = np.uint32(0)
    for k in range(BLOCK):
        above |= np.uint32(bits[k] > worst)
    return above > 0


@_jit
def _one(starts, docs, scores, documents, words, sums, cursors, top_docs, top_scores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Search one query; gives how many documents were found."""
    depth, size = len(top_docs), 0
    # Sums are never negative, so they compare as integers too: the compiler makes that into vector code.
    bits, worst = sums.view(np.uint32), np.zeros(1, dtype=np.float32)
    worst_bits = worst.view(np.uint32)
    for j in range(len(words)):
        cursors[j] = starts[words[j]]
    for first in range(0, documents, WINDOW):
        for j in range(len(words)):
            cursors[j] = _add(docs, scores, cursors[j], starts[words[j] + 1], first, sums)
        for block in range(0, WINDOW, BLOCK):
            if not _any_above(bits[block : block + BLOCK], worst_bits[0]):
                continue
            for k in range(block, block + BLOCK):
                if sums[k] > worst[0]:
                    size = _push(top_scores, top_docs, size, depth, sums[k], first + k)
                    worst[0] = top_scores[0] if size == depth else 0.0
        sums[:] = 0.0
    _unheap(top_scores, top_docs, size)
    return size


def _search_all(starts, docs, scores, documents, bounds, numbers, offsets, top_docs, top_scores, found, shares):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    longest = 0
    for q in range(len(found)):
        longest = max(longest, bounds[q + 1] - bounds[q])
    for share in numba.prange(shares):
        sums = np.zeros(WINDOW, dtype=np.float32)
        cursors = np.empty(longest, dtype=np.int64)
        for q in range(share, len(found), shares):
            words = numbers[bounds[q] : bounds[q + 1]]
            into = slice(offsets[q], offsets[q + 1])
            if len(words) and offsets[q + 1] > offsets[q]:
                found[q] = _one(starts, docs, scores, documents, words, sums, cursors, top_docs[into], top_scores[into])


_search = _jit(_search_all, parallel=True)


def _score_all(starts, docs, scores, bounds, numbers, queries, pair_docs, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for pair in numba.prange(len(out)):
        total = np.float32(0.0)
        for j in range(bounds[queries[pair]], bounds[queries[pair] + 1]):
            first, after = starts[numbers[j]], starts[numbers[j] + 1]
            i = first + np.searchsorted(docs[first:after], pair_docs[pair])
            if i < after and docs[i] == pair_docs[pair]:
                total += scores[i]
        out[pair] = total


_score_pairs = _jit(_score_all, parallel=True)
