"""What the exact search passes to its compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Asked(NamedTuple):
    """A block of queries.

    Args:
        rows: (B, d) as given, float32.
        scale: (B,) what a coded row is to be multiplied by.
        by_norm: (B,) what a product may be off by, per length of a document.
        by_error: (B,) the same, per rounding loss of a document.
    """

    rows: NDArray[np.float32]
    scale: NDArray[np.float32]
    by_norm: NDArray[np.float64]
    by_error: NDArray[np.float64]


class Tile(NamedTuple):
    """Documents that are multiplied at once.

    Args:
        rows: (T, d) as given, float32.
        scale: (T,) what a coded row is to be multiplied by.
        norm: (T,) lengths, rounded up.
        error: (T,) rounding losses, rounded up.
        first: row number of the first.
    """

    rows: NDArray[np.float32]
    scale: NDArray[np.float32]
    norm: NDArray[np.float64]
    error: NDArray[np.float64]
    first: int


class Found(NamedTuple):
    """The best documents of queries so far.

    Args:
        threshold: (B,) what scores less is dropped.
        scores: (B, C) exact scores of the kept documents, C > k.
        ids: (B, C) their rows, ascending.
        filled: (B,) entries in use.
    """

    threshold: NDArray[np.float64]
    scores: NDArray[np.float64]
    ids: NDArray[np.uint32]
    filled: NDArray[np.int64]

    @staticmethod
    def empty(threshold: NDArray[np.float64], room: int) -> Found:
        """Nothing yet; ``threshold`` (B,) is the least score that counts."""
        n = threshold.size
        return Found(
            threshold.copy(), np.empty((n, room)), np.empty((n, room), dtype=np.uint32), np.zeros(n, dtype=np.int64)
        )

    def put(self, rows: NDArray[np.int64], other: Found) -> None:
        """Replace what was found for some queries."""
        self.threshold[rows], self.scores[rows] = other.threshold, other.scores
        self.ids[rows], self.filled[rows] = other.ids, other.filled

    def part(self, rows: slice) -> Found:
        """A view of some queries."""
        return Found(self.threshold[rows], self.scores[rows], self.ids[rows], self.filled[rows])
