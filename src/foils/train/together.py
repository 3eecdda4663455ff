"""Batches that hold both sides of a minimal pair: two rows of which each has the other's positive as a negative."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError
from foils.train.batches import Batches, Plan
from foils.train.examples import Examples
from foils.train.packing import Batch, Feed

Ints = NDArray[np.int64]


def mutual(examples: Examples) -> Ints:
    """The partner of each row: the row whose positive is one of its proven negatives, and the other way round.

    Args:
        examples: a training set.

    Returns:
        (n,) row numbers, -1 for a row without a partner.
    """
    partner = np.full(len(examples), -1, dtype=np.int64)
    owner = {int(d): row for row, docs in enumerate(examples.positives.tolist()) for d in docs if d >= 0}
    denied = [
        {int(d) for d, sure in zip(docs, proven, strict=True) if sure and d >= 0}
        for docs, proven in zip(examples.negatives.tolist(), examples.proven.tolist(), strict=True)
    ]
    for row, docs in enumerate(denied):
        for other in sorted(owner[d] for d in docs if d in owner):
            mine = set(examples.positives[row].tolist()) & denied[other]
            if other != row and mine and partner[row] < 0 and partner[other] < 0:
                partner[row], partner[other] = other, row
    return partner


@dataclass(frozen=True, eq=False)
class Together(Plan):
    """Both rows of a minimal pair in one batch, and as many pairs in each batch as in any other.

    Elsewhere the two would be kept apart, since each holds the other's positive. Here that is the point: the batch sees
    two queries and two documents and has to tell which belongs to which, a document that stands in both rows is encoded
    once, and what makes a document likeable whatever is asked is rewarded in one row and punished in the other. Masks
    keep known positives from being pushed away, as in every batch. Fails with losses that have no masks.

    Args:
        rows: see ``Plan``.
        partner: (n,) from ``mutual``.
    """

    partner: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def length(self) -> int:
        """One partner per row."""
        return len(self.partner)

    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """An equal share of the pairs first, then rows without a partner.

        Raises:
            DataError: a batch has no room for two rows.
        """
        if size < 2:
            raise DataError(f"a batch of {size} has no room for the two rows of a pair; at least 2 are needed")
        first = np.flatnonzero(np.arange(n) < self.partner)
        waiting = [(int(a), int(self.partner[a])) for a in rng.permutation(first)]
        others = Feed(rng.permutation(np.flatnonzero(self.partner < 0)))
        left, made = -(-n // size), []
        while waiting or not others.empty:
            batch = Batch(self.rows)
            room = min(size // 2, max(1, round(len(waiting) / max(1, left)))) if waiting else 0
            waiting = _take(batch, waiting, room)
            others.fill(batch, size)
            if others.empty:
                waiting = _take(batch, waiting, (size - len(batch.members)) // 2)
            made.append(np.array(batch.members, dtype=np.int64))
            left -= 1
        return made


def _take(batch: Batch, waiting: list[tuple[int, int]], room: int) -> list[tuple[int, int]]:
    """Put in so many pairs that clash with nothing but each other; the others go on waiting."""
    kept: list[tuple[int, int]] = []
    for number, pair in enumerate(waiting):
        if room <= 0:
            return kept + waiting[number:]
        if any(batch.clash(row) is not None for row in pair):
            kept.append(pair)
            continue
        for row in pair:
            batch.add(row)
        room -= 1
    return kept
