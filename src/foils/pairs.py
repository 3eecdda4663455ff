"""Pairs: the one table that flows through every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils import texts
from foils.collection import Collection
from foils.errors import DataError, RecipeError

Reference = Literal["min", "max", "mean"]

BASE: dict[str, pl.DataType] = {
    "query": pl.UInt32(),
    "doc": pl.UInt32(),
    "positive": pl.Boolean(),
    "dropped": pl.Categorical(),
    "kind": pl.Categorical(),
    "judged_by": pl.Categorical(),
    "p_relevant": pl.Float32(),
    "weight": pl.Float32(),
    "filled": pl.Categorical(),
}
UNITS = ("cos", "dot", "bm25", "logit", "prob", "z", "rrf", "jaccard")
MADE, MADE_RANK = "made", "rank.made"  # what marks a made text of the collection, and its row
BOUNDS = {"cos": (-1.0, 1.0), "prob": (0.0, 1.0), "jaccard": (0.0, 1.0)}


@dataclass(frozen=True, eq=False)
class Pairs:
    """A row per (query, document), sorted by both; rows are never deleted, a row that is out keeps the reason.

    Args:
        frame: columns of ``BASE``; ``rank.<source>`` i32 (1 = best, null = not found by that source);
            ``<unit>.<name>`` f32 scores, the unit one of ``UNITS``.
        collection: what the row numbers ``query`` and ``doc`` stand for.
        soft: the reasons that a sampler may relax when too few candidates survive.
        fills: when a run is selected again, its random fills (``query``, ``doc``, ``rank``, ``wrong``: a verdict says
            that it is relevant); they are taken before others are drawn, the wrong ones never.
    """

    frame: pl.DataFrame
    collection: Collection
    soft: frozenset[str] = frozenset()
    fills: pl.DataFrame | None = None

    @staticmethod
    def start(collection: Collection) -> Pairs:
        """The known positives of every query that has one."""
        frame = collection.positives.select("query", "doc", positive=pl.lit(True))
        return Pairs(_complete(frame), collection)

    @property
    def live(self) -> pl.Expr:
        """True for negatives that no step has dropped."""
        return ~pl.col("positive") & pl.col("dropped").is_null()

    @property
    def queries(self) -> NDArray[np.uint32]:
        """The rows of the queries being mined, ascending."""
        return self.frame["query"].unique().sort().to_numpy()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that have contributed, in order."""
        return tuple(c.removeprefix("rank.") for c in self.frame.columns if c.startswith("rank."))

    @property
    def best_rank(self) -> pl.Expr:
        """The best rank that any source gave."""
        ranks = [f"rank.{s}" for s in self.sources]
        return pl.min_horizontal(ranks) if ranks else pl.lit(None, dtype=pl.Int32)

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the score columns, in order."""
        return tuple(c for c in self.frame.columns if c.split(".", 1)[0] in UNITS and "." in c)

    @property
    def made(self) -> pl.Series:
        """The documents that were made for this table; a column of that name in the user's corpus marks none."""
        corpus = self.collection.corpus
        if MADE not in corpus.columns or MADE_RANK not in self.frame.columns:
            return pl.Series([], dtype=pl.UInt32)
        return corpus[MADE].is_not_null().arg_true()

    def add(self, source: str, found: pl.DataFrame, score: str | None = None) -> Pairs:
        """Merge the candidates of one source; a pair found before gains this source's rank and score.

        Args:
            source: its name; the rank goes to ``rank.<source>``.
            found: ``query`` u32, ``doc`` u32, ``rank`` i32 and, where ``score`` is given, ``score`` f32.
            score: the column for the scores, ``<unit>.<name>``.

        Raises:
            DataError: a score is not finite or outside the range of its unit.
        """
        columns = {"rank": f"rank.{source}"} | ({"score": score} if score else {})
        found = found.select("query", "doc", *columns).rename(columns)
        if score:
            check_scores(found[score], score)
        frame = self.frame.drop([c for c in columns.values() if c in self.frame.columns])
        merged = frame.join(found, on=["query", "doc"], how="full", coalesce=True).sort("query", "doc")
        merged = merged.with_columns(pl.col("positive").fill_null(value=False))
        return replace(self, frame=self._mark_judged(merged))

    def with_column(self, name: str, values: pl.Series | pl.Expr) -> Pairs:
        """Add or replace a column; scores must be finite and within the range of their unit."""
        frame = self.frame.with_columns(values.alias(name))
        if name.split(".", 1)[0] in UNITS:
            frame = frame.with_columns(pl.col(name).cast(pl.Float32))
            check_scores(frame[name], name)
        return replace(self, frame=frame)

    def drop(self, where: pl.Expr, reason: str, *, soft: bool = False) -> Pairs:
        """Take live negatives out for a stated reason; a comparison that cannot be made (null) drops too.

        Args:
            where: true for the rows that go.
            reason: written to ``dropped``.
            soft: a sampler may take these rows back under its policy ``relax``.
        """
        out = self.live & where.fill_null(value=True)
        dropped = pl.when(out).then(pl.lit(reason, dtype=pl.Categorical)).otherwise(pl.col("dropped"))
        frame = self.frame.with_columns(dropped=dropped)
        return replace(self, frame=frame, soft=self.soft | {reason} if soft else self.soft)

    def take_back(self, rows: NDArray[np.uint32], how: str) -> Pairs:
        """Bring dropped rows back, marked in ``filled``."""
        back = np.zeros(self.frame.height, dtype=np.bool_)
        back[rows] = True
        mask = pl.lit(pl.Series(back))
        mark = pl.when(mask).then(pl.lit(how, dtype=pl.Categorical)).otherwise(pl.col("filled"))
        frame = self.frame.with_columns(dropped=pl.when(~mask).then(pl.col("dropped")), filled=mark)
        return replace(self, frame=frame)

    def positive(self, column: str, reference: Reference = "min") -> pl.Expr:
        """The query's reference positive score, for every row: ``min``, ``max`` or ``mean`` over its positives.

        Null where no positive of the query has a score.
        """
        how = {"min": pl.col(column).min(), "max": pl.col(column).max(), "mean": pl.col(column).mean()}
        if reference not in how:
            raise RecipeError(f"reference={reference!r} is not known; one of {', '.join(how)}")
        table = self.frame.filter("positive").group_by("query").agg(how[reference])
        return self.per_query(table, column)

    def per_query(self, table: pl.DataFrame, column: str) -> pl.Expr:
        """Spread one value per query (columns ``query`` and ``column``) over the rows: a lookup, not a join."""
        dense = pl.DataFrame({"query": pl.int_range(self.collection.queries.height, dtype=pl.UInt32, eager=True)})
        values = dense.join(table.select("query", column), on="query", how="left", maintain_order="left")[column]
        return pl.lit(values).gather(pl.col("query"))

    def uniform(self, seed: int) -> NDArray[np.float64]:
        """A number in (0, 1) per row: a hash of query id, document id and seed."""
        from foils.grouped import hash_rows

        queries, docs = self.frame["query"].to_numpy(), self.frame["doc"].to_numpy()
        return hash_rows(queries, docs, self.collection.query_hash, self.collection.doc_hash, seed)

    def map_queries(self, choose: Callable[[pl.DataFrame], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Let ``choose`` say per query which of its live rows stay; for what is no expression (MMR, k-means).

        Args:
            choose: gets the live rows of one query, gives one boolean per row.
        """
        index = self.frame.select(row=pl.int_range(pl.len(), dtype=pl.UInt32), live=self.live)
        rows = index.filter("live")["row"].to_numpy()
        keep = np.zeros(self.frame.height, dtype=np.bool_)
        live = self.frame[rows]
        queries = live["query"].to_numpy().astype(np.int64)
        bounds = np.flatnonzero(np.diff(queries, prepend=-1, append=-1)).tolist()
        for start, stop in pairwise(bounds):
            keep[rows[start:stop]] = choose(live[start:stop])
        return keep

    def negatives(self) -> pl.DataFrame:
        """The selected negatives."""
        return self.frame.filter(self.live)

    def live_per_query(self) -> pl.DataFrame:
        """Columns ``query``, ``live``: how many negatives each mined query still has, 0 included."""
        return self.frame.group_by("query", maintain_order=True).agg(live=self.live.sum())

    def counts(self) -> dict[str, int]:
        """Rows by fate: positives, selected, and each reason."""
        table = self.frame.group_by("positive", "dropped").len()
        fates: dict[str, int] = {}
        for positive, dropped, n in table.iter_rows():
            fates["positive" if positive else dropped or "selected"] = n
        return dict(sorted(fates.items()))

    def _mark_judged(self, frame: pl.DataFrame) -> pl.DataFrame:
        # A grade below 0 says "in the pool, not judged", as in evaluation.
        judged = self.collection.negatives.filter(pl.col("grade") >= 0).select("query", "doc")
        if judged.height:
            marked = judged.with_columns(_judged=pl.lit(value=True))
            frame = frame.join(marked, on=["query", "doc"], how="left", maintain_order="left")
            known = pl.col("_judged").fill_null(value=False) & ~pl.col("positive")
            frame = frame.with_columns(
                kind=pl.when(known).then(pl.lit("judged", dtype=pl.Categorical)).otherwise(pl.col("kind")),
                judged_by=pl.when(known).then(pl.lit("qrels", dtype=pl.Categorical)).otherwise(pl.col("judged_by")),
                p_relevant=pl.when(known).then(pl.lit(0, dtype=pl.Float32)).otherwise(pl.col("p_relevant")),
            ).drop("_judged")
        return frame


def known_positives(pairs: Pairs) -> pl.DataFrame:
    """``query``, ``doc``: all positives of every mined query, those of queries with the same text included."""
    collection = pairs.collection
    asked = pl.DataFrame({"key": texts.fold(collection.queries["text"]).hash()}).with_columns(
        query=pl.int_range(pl.len(), dtype=pl.UInt32)
    )
    mined = asked.join(pl.DataFrame({"query": pairs.queries}), on="query", how="semi")
    same = mined.join(asked, on="key", suffix="_same").select("query", same="query_same")
    labelled = same.join(collection.positives, left_on="same", right_on="query").select("query", "doc")
    return pl.concat([labelled, pairs.frame.filter("positive").select("query", "doc")]).unique()


def hash_uniform(a: NDArray[np.uint64], b: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Mix two hashes and a seed into (0, 1) (the finaliser of splitmix64, 53 bits kept)."""
    with np.errstate(over="ignore"):
        x = a ^ ((b << np.uint64(31)) | (b >> np.uint64(33)))
        x = x + np.uint64(seed & (2**64 - 1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    mixed: NDArray[np.float64] = ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return mixed


def check_scores(values: pl.Series, name: str) -> None:
    """Refuse scores that are not finite, or outside the range that their unit has."""
    bad = values.filter(~values.is_finite() & values.is_not_null())
    if bad.len():
        raise DataError(
            f"{name} holds {bad.len():,} scores that are NaN or infinite; only finite scores can be compared"
        )
    unit = name.split(".", 1)[0]
    if unit in BOUNDS and values.count():
        low, high = BOUNDS[unit]
        least, most = float(values.min()), float(values.max())  # type: ignore[arg-type]
        if least < low - 1e-3 or most > high + 1e-3:
            raise DataError(
                f"{name} runs from {least:.4g} to {most:.4g}, but {unit} lies within [{low:g}, {high:g}]; "
                f"the scores have another unit (one of {', '.join(UNITS)})"
            )


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    missing = [pl.lit(None, dtype=t).alias(c) for c, t in BASE.items() if c not in frame.columns]
    return frame.with_columns(missing).select(*BASE, *(c for c in frame.columns if c not in BASE)).sort("query", "doc")
