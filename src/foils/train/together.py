"""Batches that hold both sides of a minimal pair: two rows of which each has the other's positive as a negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foils.counterparts import FILE, add_both, belong, read
from foils.errors import DataError, RecipeError
from foils.make.twosided import TwoSided
from foils.pairs import Pairs
from foils.run import Run
from foils.train.batches import Batches, Plan
from foils.train.examples import Examples
from foils.train.packing import Batch, Feed
from foils.train.settings import Batches as Way
from foils.train.settings import Settings

Ints = NDArray[np.int64]


def beside(run: Run, settings: Settings) -> list[TwoSided]:
    """The two-sided pairs that lie beside a run and are to be trained on.

    Args:
        run: with a folder; a run in memory has its pairs in its table, if any.
        settings: settled.

    Raises:
        DataError: the file is damaged, or was made from another run.
        RecipeError: there are pairs, and the settings leave them without a negative.
    """
    found = read(run.folder) if settings.both and run.folder is not None else []
    if found and (settings.loss == "adore" or not settings.negatives):
        why = "loss adore finds its own negatives" if settings.loss == "adore" else "negatives=0 leaves none"
        raise RecipeError(
            f"{FILE} holds {len(found):,} two-sided pairs, each with its own negative, and {why}; add --set both=false"
        )
    if not belong(run.pairs, found):
        raise DataError(
            f"{run.folder}/{FILE} was made from other documents than this run's; run foils make --two-sided again, "
            "delete it, or add --set both=false"
        )
    return found


def usual(settings: Settings, found: Sequence[TwoSided]) -> Way:
    """The batches of a training whose settings name none."""
    return "together" if found and settings.kind == "retriever" else "shuffled"


def joined(pairs: Pairs, queries: NDArray[np.uint32], found: Sequence[TwoSided]) -> tuple[Pairs, NDArray[np.uint32]]:
    """A run's table with two-sided pairs in it, and the queries to train on with theirs behind.

    They come in after some queries were held out: those are the same with pairs and without, so that both trainings
    are measured on the same.

    Args:
        pairs: of the run.
        queries: to train on.
        found: from ``beside``.
    """
    larger = add_both(pairs, found)
    sides = np.arange(pairs.collection.queries.height, larger.collection.queries.height, dtype=np.uint32)
    return larger, np.concatenate((queries, sides))


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


def check_contest(settings: Settings, examples: Examples) -> None:
    """Raise unless a contest, if one is wanted, finds both rows of minimal pairs in one batch.

    Args:
        settings: with the batches of the training.
        examples: a training set.

    Raises:
        RecipeError: the setting would do nothing.
    """
    if settings.contest and (settings.batches != "together" or (mutual(examples) < 0).all()):
        raise RecipeError(
            f"contest={settings.contest:g} compares the two rows of minimal pairs, and batches={settings.batches} of "
            "this run hold none together; make some (foils make RUN --two-sided N), or leave contest out"
        )


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
