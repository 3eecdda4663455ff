"""Batches by a plan, for the trainers of sentence-transformers: which rows stand together decides the negatives.

A plan is given as ``batch_sampler`` of the training arguments. The batches depend on the seed and the epoch alone, so
skipping to a step, as the trainer does when it resumes, gives the same ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.sampler import DefaultBatchSampler

from foils.errors import DataError
from foils.train.halving import blocks, halving_order
from foils.train.packing import Batch, Feed, Rows, pack

Batches = list[NDArray[np.int64]]
# Epochs at which NGAME doubles the size of its clusters.
DOUBLINGS = (10, 20, 25, 50, 75, 100, 125, 150, 200)


@dataclass(frozen=True, eq=False)
class Plan:
    """Which rows make up the batches of an epoch.

    Args:
        rows: what the rows ask and hold; with it no batch has a document of one row that is a known positive of
            another. Null: that is left to masks.
    """

    rows: Rows | None = None

    @abstractmethod
    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """The batches of an epoch, in any order.

        Args:
            n: rows of the dataset.
            size: rows per batch.
            epoch: from 0.
            rng: of all draws.
        """

    def length(self) -> int | None:
        """How many rows the dataset must have; null: any number."""
        return None if self.rows is None else len(self.rows.query)

    def state(self) -> dict[str, Any]:
        """What was learnt during training and is needed to go on."""
        return {}

    def __call__(
        self,
        dataset: Sized,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ) -> PlannedBatches:
        """The batch sampler: the signature that sentence-transformers' trainers call."""
        return PlannedBatches(dataset, self, batch_size, drop_last, valid_label_columns, generator, seed)


class PlannedBatches(DefaultBatchSampler):
    """A batch sampler of sentence-transformers that follows a plan.

    Args:
        dataset: the training set; only its length is used.
        plan: which rows stand together.
        batch_size: rows per batch.
        drop_last: leave out batches that are not full.
        valid_label_columns: as sentence-transformers gives it; not used.
        generator: not used: the draws are from seed and epoch, so that they do not depend on what was drawn before.
        seed: of all draws.

    Raises:
        DataError: the plan was made for another number of rows.
    """

    def __init__(
        self,
        dataset: Sized,
        plan: Plan,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self.dataset, self.position, self._start = dataset, 0, 0
        self.plan = plan
        self._coming: Plan | None = None
        self._planned: tuple[int, Batches] = (-1, [])
        self.refresh(plan)

    def refresh(self, plan: Plan) -> None:
        """Follow another plan, for instance one with new vectors, from the next epoch that begins.

        An epoch that has begun keeps its plan, so that a checkpoint within it can be gone on from.

        Raises:
            DataError: the plan was made for another number of rows.
        """
        length = plan.length()
        if length is not None and length != len(self.dataset):
            raise DataError(f"the plan of the batches is for {length} rows, but the dataset has {len(self.dataset)}")
        self._coming = plan
        if self.position == 0:
            self._turn()

    def _turn(self) -> None:
        """Begin with the plan that was asked for."""
        if self._coming is not None:
            self.plan, self._coming, self._planned = self._coming, None, (-1, [])

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of each epoch."""
        if epoch != self.epoch:
            self._start = self.position = 0
            self._turn()
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches of the current epoch; plans that avoid clashes may need more in one epoch than in another."""
        return len(self._batches())

    def __iter__(self) -> Iterator[list[int]]:
        start, self._start = self._start, 0
        if start == 0:
            self._turn()
        for number, batch in enumerate(self._batches()[start:], start + 1):
            self.position = number
            yield batch.tolist()

    def _batches(self) -> Batches:
        if self._planned[0] != self.epoch:
            rng = np.random.default_rng([self.seed % 2**63, self.epoch])
            made = self.plan.batches(len(self.dataset), self.batch_size, self.epoch, rng)
            if self.drop_last:
                made = [b for b in made if len(b) == self.batch_size]
            # Rows that clashed come last: without a shuffle every epoch would end on them.
            self._planned = (self.epoch, [made[i] for i in rng.permutation(len(made))])
        return self._planned[1]

    def state_dict(self, position: int | None = None) -> dict[str, Any]:
        """What a checkpoint keeps.

        Args:
            position: batches of this epoch that were trained on; null: those handed out, which is more if the data
                loader reads ahead.
        """
        at = self.position if position is None else position
        coming = None if self._coming is None else self._coming.state()
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "position": at,
            "plan": self.plan.state(),
            "coming": coming,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the batch at which the state was taken. Not together with the trainer's own skipping.

        Raises:
            DataError: the state is of another seed.
        """
        if state["seed"] != self.seed:
            raise DataError(f"the checkpoint's batches were drawn with seed {state['seed']}, not {self.seed}")
        self.position = 0
        self.refresh(replace(self.plan, **state["plan"]))
        self.epoch, self.position, self._start = state["epoch"], state["position"], state["position"]
        if state["coming"] is not None:
            self.refresh(replace(self.plan, **state["coming"]))


@dataclass(frozen=True, eq=False)
class Shuffled(Plan):
    """Random batches without conflicting positives.

    sentence-transformers' NO_DUPLICATES compares texts; here the qrels decide: two rows clash when a document of one is
    any known positive of the other's query, listed in its row or not. Clashing rows wait for a later batch, each row
    comes once an epoch. Fails where most queries share positives: batches then run short; look at ``len``.
    """

    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """Shuffle and pack."""
        return pack(rng.permutation(n), size, self.rows)


@dataclass(frozen=True, eq=False)
class OneSource(Plan):
    """Batches of one source, language or task each: in-batch negatives then differ in content, not in kind.

    CoDiEmb (arXiv:2508.11442) and most multi-task embedders. For separate datasets sentence-transformers has
    multi-dataset samplers; this is for one dataset with a column. Fails with many small sources: each ends on a batch
    that is not full.

    Args:
        rows: see ``Plan``.
        source: (n,) number or name of each row's source.
    """

    source: NDArray[Any] = field(default_factory=lambda: np.empty(0))

    def length(self) -> int:
        """One source per row."""
        return len(self.source)

    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """Shuffle and pack within each source."""
        members = (np.flatnonzero(self.source == s) for s in np.unique(self.source))
        return [b for rows in members for b in pack(rng.permutation(rows), size, self.rows)]


@dataclass(frozen=True, eq=False)
class Ngame(Plan):
    """Batches out of clusters of similar rows; the clusters double in size by epoch: hard in-batch negatives for free.

    NGAME (arXiv:2207.04452): balanced 2-means, halved until clusters have the size of the epoch, clusters shuffled,
    concatenated and cut. Size 1 (random) at first, doubled at epochs 10, 20, 25, 50, 75, 100, 125, 150, 200 of 300. The
    authors embed anew every 5 epochs: ``sampler.refresh(Ngame.of(...))``. For the few epochs of fine-tuning give other
    epochs, such as (1, 1, 1, 2, 2). Fails with an incomplete qrels: what stands together is alike, so unlabelled
    positives meet; mask with a detector.

    Args:
        rows: see ``Plan``.
        tree: (n,) rows in the order of ``halving_order``; the clusters of every size are stretches of it.
        doublings: epochs, ascending; an epoch that is named twice doubles twice.
    """

    tree: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    doublings: tuple[int, ...] = DOUBLINGS

    @staticmethod
    def of(
        vectors: NDArray[np.float32], rows: Rows | None = None, doublings: tuple[int, ...] = DOUBLINGS, seed: int = 0
    ) -> Ngame:
        """Cluster the rows.

        Args:
            vectors: (n, d) of each row, for instance of its query.
            rows: see ``Plan``.
            doublings: epochs.
            seed: of the clustering.
        """
        return Ngame(rows, halving_order(vectors, seed), doublings)

    def length(self) -> int:
        """One place in the tree per row."""
        return len(self.tree)

    def state(self) -> dict[str, Any]:
        """The tree: its vectors may have come from a model that is gone."""
        return {"tree": self.tree}

    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """Shuffle the clusters of the epoch's size, concatenate, pack."""
        wanted = 2 ** sum(e <= epoch for e in self.doublings)
        if wanted == 1:
            return pack(rng.permutation(n), size, self.rows)
        stretches = blocks(n, max(1, round(n / wanted)))
        parts = [self.tree[stretches[i] : stretches[i + 1]] for i in rng.permutation(len(stretches) - 1)]
        return pack(np.concatenate(parts) if parts else self.tree, size, self.rows)


@dataclass(frozen=True, eq=False)
class Hard(Plan):
    """Batches of rows that are alike, gathered greedily: the hardest in-batch negatives that the rows can give.

    From a random row, of its nearest unused rows the one that is most like the batch so far comes next. (Topic-aware
    sampling, TAS-B, arXiv:2104.06967, takes clusters instead.) Time n^2 d / size. Fails as NGAME does, from the
    first epoch on: do not use it without ``rows`` and masks.

    Args:
        rows: see ``Plan``.
        vectors: (n, d) unit rows, for instance of the queries.
        pool: how many times the batch size is looked at around the first row.
    """

    vectors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 1), dtype=np.float32))
    pool: int = 4

    def length(self) -> int:
        """One vector per row."""
        return len(self.vectors)

    def state(self) -> dict[str, Any]:
        """The vectors: they may have come from a model that is gone."""
        return {"vectors": self.vectors}

    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """Start from the first unused row of a random order until none is left."""
        free, made = np.ones(n, dtype=np.bool_), []
        for first in rng.permutation(n):
            if free[first]:
                members = self._around(int(first), free, size)
                free[members] = False
                made.append(np.array(members, dtype=np.int64))
        return made

    def _around(self, first: int, free: NDArray[np.bool_], size: int) -> list[int]:
        left = np.flatnonzero(free)
        left = left[left != first]
        like = self.vectors[left] @ self.vectors[first]
        near = left[np.argsort(-like, kind="stable")[: self.pool * size]]
        total = self.vectors[near] @ self.vectors[first]
        batch = Batch(self.rows)
        batch.add(first)
        while len(batch.members) < size and np.isfinite(total).any():
            best = int(total.argmax())
            if batch.clash(int(near[best])) is None:
                batch.add(int(near[best]))
                total = total + self.vectors[near] @ self.vectors[near[best]]
            total[best] = -np.inf
        return batch.members


@dataclass(frozen=True, eq=False)
class TypedQuota(Plan):
    """Every batch holds the same share of rows of given kinds, however rare they are: a steady diet of typed negatives.

    An epoch ends when the rows without a quota are used up; rows of a kind that is too rare for its share come again,
    of a kind that is too frequent some wait for another epoch. Fails with a large share of few rows: they are learnt by
    heart; see ``repeats``.

    Args:
        rows: see ``Plan``.
        kind: (n,) kind of each row, "" for none.
        shares: of a batch, by kind; kinds that are not named count as rows without a quota.
    """

    kind: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.str_))
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [k for k in self.shares if not (self.kind == k).any()]
        total = sum(self.shares.values())
        if missing or not 0 < total < 1 or min(self.shares.values()) <= 0:
            raise DataError(
                f"shares {dict(self.shares)} must be above 0, below 1 in all, and of kinds that occur; found "
                f"{', '.join(sorted({str(k) for k in self.kind.tolist()} - {''})) or 'none'}"
            )
        if np.isin(self.kind, list(self.shares)).all():
            raise DataError(
                "every row has a kind with a quota; at least one must have none, it sets the epoch's length"
            )

    def length(self) -> int:
        """One kind per row."""
        return len(self.kind)

    def repeats(self, size: int) -> dict[str, float]:
        """How often a row of each kind comes in an epoch, on average."""
        counts = {k: max(1, round(v * size)) for k, v in self.shares.items()}
        others = int((~np.isin(self.kind, list(self.shares))).sum())
        number = others / max(1, size - sum(counts.values()))
        return {k: number * count / int((self.kind == k).sum()) for k, count in counts.items()}

    def batches(self, n: int, size: int, epoch: int, rng: np.random.Generator) -> Batches:
        """Quotas first, then the others."""
        counts = {k: max(1, round(v * size)) for k, v in self.shares.items()}
        if sum(counts.values()) >= size:
            raise DataError(f"a batch of {size} has no room for others beside {counts}; raise the batch size")
        rare = {k: Feed(rng.permutation(np.flatnonzero(self.kind == k)), rng) for k in counts}
        others = Feed(rng.permutation(np.flatnonzero(~np.isin(self.kind, list(counts)))))
        made = []
        while not others.empty:
            batch = Batch(self.rows)
            for name, feed in rare.items():
                feed.fill(batch, len(batch.members) + counts[name])
            before = len(batch.members)
            others.fill(batch, size)
            if len(batch.members) == before:
                # The quota alone keeps every other row out: let one of them in first.
                batch = Batch(self.rows)
                others.fill(batch, size)
            made.append(np.array(batch.members, dtype=np.int64))
        return made
