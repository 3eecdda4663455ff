"""The training set as numbers: what a run folder teaches, row by row, and which batch comes at which step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.collection import Collection
from foils.errors import DataError
from foils.outcome import given, human, likely, promote
from foils.pairs import Pairs
from foils.train.batches import Plan, PlannedBatches
from foils.train.masks import PairTable, text_groups
from foils.train.packing import Rows
from foils.writers.selection import select

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
# Kinds of a negative that come from mining; any other kind rests on a person's word or on an edit's proof.
MINED = ("mined", "random", "")


@dataclass(frozen=True, eq=False)
class Candidates:
    """All that a run found for its queries, best first: what schedules draw other negatives from.

    Args:
        starts: (Q + 1,) where each query's part begins.
        docs: (m,) documents that no rule has dropped, by best rank.
        p: (m,) probability of being relevant, NaN where nothing is known.
        weights: (m,) of the run, the mean of the query's where it says nothing; null: all 1.
    """

    starts: Ints
    docs: Ints
    p: Floats
    weights: Floats | None = None

    def of(self, query: int) -> slice:
        """A query's part."""
        return slice(int(self.starts[query]), int(self.starts[query + 1]))


@dataclass(frozen=True, eq=False)
class Examples:
    """A training set: a row per query and known positive, or per query with several; found positives stand beside.

    Args:
        collection: what the numbers stand for.
        query: (n,) of each row.
        positives: (n, P), those that were found behind those that were known, -1 where there are fewer.
        negatives: (n, K), hardest first, -1 where there are fewer. Schedules change them in place.
        weights: (n, K) of the negatives, 1 where the run says nothing.
        proven: (n, K) true for curated and typed negatives: never masked.
        known: every known positive, copies included.
        doubt: the detector's probabilities.
        teacher: scores of a teacher; empty without one.
        candidates: what else was found.
    """

    collection: Collection
    query: Ints
    positives: Ints
    negatives: Ints
    weights: Floats
    proven: NDArray[np.bool_]
    known: PairTable
    doubt: PairTable
    teacher: PairTable
    candidates: Candidates
    groups: Ints = field(repr=False)

    def __len__(self) -> int:
        return len(self.query)

    @staticmethod
    def of(
        pairs: Pairs,
        *,
        negatives: int = 4,
        positives: int = 1,
        found: int = 8,
        likely_from: float = 0.5,
        queries: NDArray[np.uint32] | None = None,
        teacher: str = "",
    ) -> Examples:
        """Read the training set out of a run's table.

        Args:
            pairs: the table.
            negatives: at most so many per row, the hardest; 0: none, the batch's other documents are the negatives.
            positives: known ones per row; 1: a row for each, more: a row per query.
            found: of those that a judge or the detector found, at most so many beside the known ones, the likeliest
                first. In rows of their own they would crowd out other queries: rows that share a query never stand in
                one batch, so batches of what few queries have in plenty are small. 0: rows of their own.
            likely_from: what the recipe dropped as relevant counts as found from this probability on
                (``foils.outcome.likely``); 1: only what it promoted.
            queries: rows of the queries to train on; null: all.
            teacher: a score column that the loss imitates.

        Raises:
            DataError: nothing is selected, or only one query is left.
        """
        chosen = pairs.queries if queries is None else queries
        if likely_from < 1:
            pairs = promote(pairs, likely(pairs, likely_from))
        lists = _positives(pairs, pl.Series("q", chosen, dtype=pl.UInt32), positives, found)
        if (several := len({q for q, _ in lists})) < 2:
            raise DataError(
                f"training needs at least 2 queries with a positive, {several} found; a model cannot "
                "learn to tell documents apart from one question: add queries to the run"
            )
        query = np.array([q for q, _ in lists], dtype=np.int64)
        groups = text_groups(pairs.collection.passages)
        table = _negatives(pairs, negatives) if negatives else ({}, 0)
        rows = [table[0].get(int(q), ()) for q in query]
        if negatives and not any(len(r) for r in rows):
            raise DataError("the run has no selected negative for the queries to train on; see foils report")
        width = max((len(r) for r in rows), default=0)
        return Examples(
            pairs.collection,
            query,
            _pad([docs for _, docs in lists], -1).astype(np.int64),
            _pad([[d for d, _, _ in r] for r in rows], -1, width).astype(np.int64),
            _pad([[w for _, w, _ in r] for r in rows], 1.0, width).astype(np.float32),
            _pad([[t for _, _, t in r] for r in rows], 0, width).astype(np.bool_),
            PairTable.positives(pairs, groups),
            _values(pairs, _probability(pairs), groups, doubt=True),
            _values(pairs, teacher, groups),
            _candidates(pairs),
            groups,
        )

    @property
    def own(self) -> Rows:
        """What the rows ask and hold, for batches without conflicting positives."""
        docs = np.concatenate((self.positives, self.negatives), axis=1)
        asked = text_groups(self.collection.queries["text"])
        keys = self.known.keys.numpy()
        held = np.where(docs >= 0, self.groups[np.maximum(docs, 0)], -1)
        return Rows(asked[self.query], held, keys // self.known.width, keys % self.known.width)

    def texts(self, docs: Ints) -> list[str]:
        """Documents as models see them."""
        found: list[str] = self.collection.passages.gather(docs).to_list()
        return found

    def questions(self, queries: Ints) -> list[str]:
        """The texts of queries."""
        found: list[str] = self.collection.queries["text"].gather(queries).to_list()
        return found

    def named(self, rows: Ints) -> list[str]:
        """The query ids of rows, for messages."""
        found: list[str] = self.collection.queries["id"].gather(self.query[rows]).to_list()
        return found

    def state(self) -> dict[str, Any]:
        """What schedules have changed."""
        return {"negatives": self.negatives.copy(), "weights": self.weights.copy(), "proven": self.proven.copy()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on with the negatives of a checkpoint."""
        for name, values in state.items():
            getattr(self, name)[...] = values

    def put(self, row: int, docs: Ints) -> None:
        """Give a row other mined negatives, with their weights in the run; proven ones stay where they are."""
        free = np.flatnonzero(~self.proven[row])
        docs = docs[~np.isin(docs, self.negatives[row][self.proven[row]])][: len(free)]
        self.negatives[row, free] = -1
        self.negatives[row, free[: len(docs)]] = docs
        self.weights[row, free] = 1.0
        if self.candidates.weights is not None:
            part = self.candidates.of(int(self.query[row]))
            weights = self.candidates.weights[part]
            told = dict(zip(self.candidates.docs[part].tolist(), weights.tolist(), strict=True))
            usual = float(weights.mean()) if len(weights) else 1.0
            self.weights[row, free[: len(docs)]] = [told.get(doc, usual) for doc in docs.tolist()]

    def widened(self, negatives: int) -> Examples:
        """Room for so many negatives a row, for schedules that bring their own."""
        more = max(0, negatives - self.negatives.shape[1])
        return replace(
            self,
            negatives=np.pad(self.negatives, ((0, 0), (0, more)), constant_values=-1),
            weights=np.pad(self.weights, ((0, 0), (0, more)), constant_values=1.0),
            proven=np.pad(self.proven, ((0, 0), (0, more)), constant_values=False),
        )


class Course:
    """Which rows come at which step, epoch after epoch; asked in order, so that its state is exact in a checkpoint.

    Args:
        examples: the training set.
        plan: how an epoch is cut into batches.
        batch: rows per batch.
        seed: of the plan.
        drop_last: leave out batches that are not full; several devices need batches of one size.
    """

    def __init__(self, examples: Examples, plan: Plan, batch: int, seed: int, *, drop_last: bool = False) -> None:
        self.sampler = PlannedBatches(examples, plan, min(batch, len(examples)), drop_last, seed=seed)
        self.last: Ints = np.empty(0, dtype=np.int64)
        self._step, self._epoch = -1, 0
        self._stream: Iterator[list[int]] = iter(())

    @property
    def per_epoch(self) -> int:
        """Batches of the current epoch."""
        return len(self.sampler)

    @property
    def epoch(self) -> int:
        """The epoch of the last batch."""
        return self._epoch

    def rows(self, step: int) -> Ints:
        """The rows of a step; steps may be left out (other devices have them), but not go back."""
        while self._step < step:
            batch = next(self._stream, None)
            if batch is None:
                if not len(self.sampler):
                    raise DataError(
                        "no batch can be filled for several devices: rows of one query never share a batch, and there "
                        "are too few queries for this size; lower --batch, or train on one device"
                    )
                if self._step >= 0 and self.sampler.position >= len(self.sampler):
                    self._epoch += 1
                    self.sampler.set_epoch(self._epoch)
                self._stream = iter(self.sampler)
                continue
            self._step, self.last = self._step + 1, np.array(batch, dtype=np.int64)
        return self.last

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"step": self._step, "epoch": self._epoch, "sampler": self.sampler.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on after the batch at which the state was taken."""
        self.sampler.load_state_dict(state["sampler"])
        self._step, self._epoch = state["step"], state["epoch"]
        self._stream = iter(self.sampler)


def _positives(pairs: Pairs, asked: pl.Series, each: int, beside: int) -> list[tuple[int, list[int]]]:
    """Query and positives of every row."""
    own = pl.lit(value=True) if beside == 0 else given()
    table = pairs.frame.filter(pl.col("positive") & pl.col("query").is_in(asked.implode()))
    table = table.select(q="query", doc="doc", own=own, p="p_relevant").unique(["q", "doc"], maintain_order=True)
    table = table.sort("q", pl.when(~pl.col("own")).then(-pl.col("p").fill_null(0.0)), "doc")
    known, new = pl.col("doc").filter("own"), pl.col("doc").filter(~pl.col("own"))
    rows = table.group_by("q", maintain_order=True).agg(known=known, new=new.head(beside))
    return [
        (int(q), [*docs[i : i + each], *more])
        for q, docs, more in rows.iter_rows()
        for i in range(0, max(1, len(docs)) if each == 1 else 1, each)
    ]


def _negatives(pairs: Pairs, most: int) -> tuple[dict[int, list[tuple[int, float, bool]]], int]:
    found = select(pairs, None, whole=True).first(most).negatives
    kinds = found["neg_kind"] if "neg_kind" in found.columns else pl.repeat("mined", found.height, eager=True)
    weights = found["neg_weight"] if "neg_weight" in found.columns else pl.repeat(1.0, found.height, eager=True)
    refused = pairs.frame.filter(~pl.col("positive") & human() & (pl.col("p_relevant") < 0.5))
    sure = set(refused.select("query", "doc").iter_rows())
    by_query: dict[int, list[tuple[int, float, bool]]] = {}
    for q, d, w, k in zip(found["q"], found["neg"], weights, kinds, strict=True):
        by_query.setdefault(q, []).append((d, w, k not in MINED or (q, d) in sure))
    return by_query, found.height


def _probability(pairs: Pairs) -> str:
    return "prob.detector" if "prob.detector" in pairs.frame.columns else "p_relevant"


def _values(pairs: Pairs, column: str, groups: Ints, *, doubt: bool = False) -> PairTable:
    size = (pairs.collection.queries.height, pairs.collection.corpus.height)
    if column and column not in pairs.frame.columns:
        raise DataError(f"the run has no column {column!r}; score columns: {', '.join(pairs.scores) or 'none'}")
    told = pl.col(column) if column else pl.lit(None, dtype=pl.Float32)
    if doubt and column:  # a person's word outweighs the detector's
        told = pl.when(human()).then("p_relevant").otherwise(column)
    rows = pairs.frame.select("query", "doc", told=told).drop_nulls("told")
    values = rows["told"].to_numpy() if column else None
    asked = text_groups(pairs.collection.queries["text"])
    return PairTable.of(
        rows["query"].to_numpy(), rows["doc"].to_numpy(), values, queries=asked, groups=groups, size=size
    )


def _candidates(pairs: Pairs) -> Candidates:
    """What no rule has dropped, selected or not, by best rank."""
    open_ = pl.col("dropped").is_null() | (pl.col("dropped").cast(pl.String) == "not drawn")
    rows = (
        pairs.frame.filter(~pl.col("positive") & open_)
        .with_columns(best=pairs.best_rank)
        .sort("query", "best", "doc", nulls_last=True)
    )
    sizes = np.bincount(rows["query"].to_numpy(), minlength=pairs.collection.queries.height)
    p = rows[_probability(pairs)].cast(pl.Float32).fill_null(float("nan")).to_numpy()
    # What was not selected has no weight of its own: as much as the query's selected ones have on average.
    told = pl.col("weight").cast(pl.Float32)
    weights = rows.select(told.fill_null(told.mean().over("query")).fill_null(1.0)).to_series().to_numpy()
    starts = np.concatenate(([0], np.cumsum(sizes)))
    docs = rows["doc"].to_numpy().astype(np.int64)
    return Candidates(starts.astype(np.int64), docs, p, weights if (weights != 1).any() else None)


def _pad(lists: list[Any], fill: float, width: int | None = None) -> NDArray[Any]:
    width = max((len(row) for row in lists), default=0) if width is None else width
    table = np.full((len(lists), width), fill)
    for i, row in enumerate(lists):
        table[i, : len(row)] = row
    return table
