"""Filling batches in which no candidate of one row is a known positive of another."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError

Key = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Rows:
    """What the rows of a training set ask and hold, by number, in the order of the dataset.

    Args:
        query: (n,) query of each row; queries with the same text share a number.
        docs: (n, C) documents of each row, positives and negatives, -1 where there are fewer; near-duplicates share a
            number.
        known_query: (m,) query of each known positive.
        known_doc: (m,) its document: from all qrels, not only from the rows.
    """

    query: NDArray[np.int64]
    docs: NDArray[np.int64]
    known_query: NDArray[np.int64]
    known_doc: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.docs.ndim != 2 or self.docs.shape[0] != len(self.query) or len(self.known_query) != len(self.known_doc):
            raise DataError(
                f"{len(self.query)} rows need as many rows of documents, {self.docs.shape} found; and "
                f"{len(self.known_query)} known queries as many documents, {len(self.known_doc)} found"
            )

    @cached_property
    def wanted(self) -> dict[int, frozenset[int]]:
        """The known positives of each query."""
        order = np.argsort(self.known_query, kind="stable")
        queries, starts = np.unique(self.known_query[order], return_index=True)
        parts = np.split(self.known_doc[order], starts[1:])
        return {int(q): frozenset(part.tolist()) for q, part in zip(queries, parts, strict=bool(len(queries)))}

    @cached_property
    def held(self) -> list[list[int]]:
        """The documents of each row."""
        return [[d for d in row if d >= 0] for row in self.docs.tolist()]


class Batch:
    """A batch while it is filled.

    Args:
        rows: what the rows hold; null: only the same row twice is a clash.
    """

    def __init__(self, rows: Rows | None) -> None:
        self.rows = rows
        self.members: list[int] = []
        self._taken: set[int] = set()
        self._queries: set[int] = set()
        self._held: set[int] = set()
        self._wanted: set[int] = set()

    def clash(self, row: int) -> Key | None:
        """Why a row cannot come in; null if it can."""
        if row in self._taken:
            return ("row", row)
        if self.rows is None:
            return None
        query = int(self.rows.query[row])
        if query in self._queries:
            return ("query", query)
        for doc in self.rows.held[row]:
            if doc in self._wanted:
                return ("doc", doc)
        shared = self.rows.wanted.get(query, frozenset()) & self._held
        return ("doc", min(shared)) if shared else None

    def add(self, row: int) -> None:
        """Take a row in."""
        self.members.append(row)
        self._taken.add(row)
        if self.rows is not None:
            query = int(self.rows.query[row])
            self._queries.add(query)
            self._held.update(self.rows.held[row])
            self._wanted |= self.rows.wanted.get(query, frozenset())


class Feed:
    """Rows in an order, of which those that clash wait for a later batch.

    Waiting rows are kept by what they clashed with, and of each such queue the first is tried: where a thousand rows
    share a query or a document, one test per batch is enough.

    Args:
        order: rows.
        again: null: each row comes once; else draws a new order when this one is used up, without end.
    """

    def __init__(self, order: NDArray[np.int64], again: np.random.Generator | None = None) -> None:
        self._order, self._next, self._again = order.tolist(), 0, again
        self._waiting: dict[Key, deque[int]] = {}

    @property
    def empty(self) -> bool:
        """Nothing left to give."""
        return self._next >= len(self._order) and not self._waiting

    def fill(self, batch: Batch, size: int) -> None:
        """Add rows until the batch has ``size`` members or nothing more fits."""
        self._fill_from_waiting(batch, size)
        turns = len(self._order)
        while len(batch.members) < size and turns:
            if self._next >= len(self._order):
                if self._again is None:
                    return
                self._order, self._next = self._again.permutation(self._order).tolist(), 0
            row, turns = self._order[self._next], turns - 1
            self._next += 1
            self._try(batch, row)

    def _try(self, batch: Batch, row: int) -> None:
        clash = batch.clash(row)
        if clash is None:
            batch.add(row)
        elif self._again is None:
            self._waiting.setdefault(clash, deque()).append(row)

    def _fill_from_waiting(self, batch: Batch, size: int) -> None:
        for key in list(self._waiting):
            queue = self._waiting.pop(key)
            while queue and len(batch.members) < size:
                clash = batch.clash(queue[0])
                if clash == key:
                    break
                self._try(batch, queue.popleft())
            if queue:
                self._waiting.setdefault(key, deque()).extendleft(reversed(queue))
            if len(batch.members) >= size:
                return


def pack(order: NDArray[np.int64], size: int, rows: Rows | None) -> list[NDArray[np.int64]]:
    """Cut an order of rows into batches without a clash; every row comes once, only the last batches are smaller.

    Args:
        order: (n,) rows.
        size: rows per batch.
        rows: what they hold; null: nothing clashes.
    """
    if rows is None:
        return [order[i : i + size] for i in range(0, len(order), size)]
    feed, batches = Feed(order), []
    while not feed.empty:
        batch = Batch(rows)
        feed.fill(batch, size)
        batches.append(np.array(batch.members, dtype=np.int64))
    return batches
