"""Runs side by side: what each selected, and which query lost or gained which negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from foils.errors import DataError
from foils.outcome import promoted
from foils.run import Run

PAIR = ("query_id", "doc_id")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What differs between runs; the first is what the others are compared with.

    Args:
        runs: a row per run: ``run``, ``recipe``, ``queries``, ``negatives``, ``per_query``, ``without`` (queries),
            ``estimated_false`` (mean ``p_relevant`` of the selected; null: nobody estimated), ``promoted``.
        overlap: a row per other run: ``run``, ``shared`` negatives, ``gained``, ``lost``, ``jaccard`` (mean over the
            queries that either has).
        changes: a row per negative that one has and the other has not: ``run``, ``query_id``, ``doc_id``, ``change``
            (``gained`` or ``lost``, seen from the first run), ``why`` (its fate in the run that does not have it:
            the reason it was dropped for, "positive", or "not found").
    """

    runs: pl.DataFrame
    overlap: pl.DataFrame
    changes: pl.DataFrame

    def of(self, query_id: str) -> pl.DataFrame:
        """The changes of one query.

        Raises:
            DataError: no run changed anything for it, or there is no such query.
        """
        found = self.changes.filter(pl.col("query_id") == query_id)
        if found.height == 0:
            raise DataError(f"the runs do not differ in query {query_id!r}, or have no such query")
        return found

    def most_changed(self, n: int = 10) -> pl.DataFrame:
        """The queries with the most changes: ``run``, ``query_id``, ``gained``, ``lost``."""
        table = self.changes.group_by("run", "query_id", maintain_order=True).agg(
            gained=(pl.col("change") == "gained").sum(), lost=(pl.col("change") == "lost").sum()
        )
        total = pl.col("gained") + pl.col("lost")
        return table.sort(total, "query_id", descending=[True, False]).head(n)

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return {"runs": self.runs.to_dicts(), "overlap": self.overlap.to_dicts(), "changes": self.changes.to_dicts()}


def compare(runs: Sequence[Run], names: Sequence[str] = ()) -> Comparison:
    """Put runs side by side, by the ids of queries and documents.

    Args:
        runs: at least two; the first is what the others are compared with.
        names: of the runs; empty: their folders.

    Raises:
        DataError: fewer than two runs, or runs that share no query.

    Example:
        >>> from foils.collection import build
        >>> import polars as pl
        >>> from foils.run import mine
        >>> docs = pl.DataFrame({"id": list("abcd"), "text": ["red fox", "red dog", "blue fox", "blue sea"]})
        >>> asked = pl.DataFrame({"id": ["q"], "text": ["red fox"]})
        >>> known = pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]})
        >>> from foils import recipes
        >>> one, two = (mine(build(docs, asked, known), recipes.naive, negatives=n) for n in (1, 2))
        >>> compare([one, two], ["one", "two"]).overlap["gained"].to_list()
        [1]
    """
    if len(runs) < 2:
        raise DataError(f"{len(runs)} run was given; compare needs two or more")
    names = names or [str(run.folder or f"run {i}") for i, run in enumerate(runs, 1)]
    first, fates = runs[0], [_fates(run) for run in runs]
    mine = first.negatives.select(PAIR)
    overlap, changes = [], []
    for name, run, fate in zip(names[1:], runs[1:], fates[1:], strict=True):
        theirs = run.negatives.select(PAIR)
        if not set(fates[0]["query_id"].unique()) & set(fate["query_id"].unique()):
            raise DataError(f"{names[0]} and {name} share no query id, so nothing can be compared")
        gained = theirs.join(mine, on=PAIR, how="anti", maintain_order="left")
        lost = mine.join(theirs, on=PAIR, how="anti", maintain_order="left")
        overlap.append((name, theirs.height - gained.height, gained.height, lost.height, _jaccard(mine, theirs)))
        changes += [_told(name, gained, "gained", fates[0]), _told(name, lost, "lost", fate)]
    columns = {"run": pl.String(), "shared": pl.Int64(), "gained": pl.Int64(), "lost": pl.Int64()}
    return Comparison(
        pl.DataFrame([_line(n, r) for n, r in zip(names, runs, strict=True)], infer_schema_length=None),
        pl.DataFrame(overlap, schema={**columns, "jaccard": pl.Float64()}, orient="row"),
        pl.concat(changes),
    )


def _line(name: str, run: Run) -> dict[str, Any]:
    per_query = run.pairs.live_per_query()["live"]
    p = run.pairs.negatives()["p_relevant"]
    return {
        "run": name,
        "recipe": run.recipe.name,
        "queries": per_query.len(),
        "negatives": int(per_query.sum()),
        "per_query": float(per_query.mean() or 0),  # type: ignore[arg-type]
        "without": int((per_query == 0).sum()),
        "estimated_false": None if p.null_count() == p.len() else float(p.mean() or 0),  # type: ignore[arg-type]
        "promoted": int(run.pairs.frame.select(promoted().sum()).item()),
    }


def _fates(run: Run) -> pl.DataFrame:
    """``query_id``, ``doc_id``, ``why``: positive, the reason it was dropped for, or null for a selected negative."""
    frame, collection = run.pairs.frame, run.pairs.collection
    return frame.select(
        query_id=pl.lit(collection.queries["id"]).gather("query"),
        doc_id=pl.lit(collection.corpus["id"]).gather("doc"),
        why=pl.when("positive").then(pl.lit("positive")).otherwise(pl.col("dropped").cast(pl.String)),
    )


def _told(name: str, rows: pl.DataFrame, change: str, other: pl.DataFrame) -> pl.DataFrame:
    told = rows.join(other, on=PAIR, how="left", maintain_order="left")
    return told.select(
        *(pl.lit(name).alias("run"), "query_id", "doc_id"),
        change=pl.lit(change),
        why=pl.col("why").fill_null("not found"),
    )


def _jaccard(mine: pl.DataFrame, theirs: pl.DataFrame) -> float:
    """Mean over queries of shared over either's negatives."""
    both = mine.join(theirs, on=PAIR, how="inner").group_by("query_id").agg(shared=pl.len())
    every = pl.concat([mine, theirs]).unique().group_by("query_id").agg(either=pl.len())
    share = every.join(both, on="query_id", how="left").select(pl.col("shared").fill_null(0) / pl.col("either"))
    return float(share.to_series().mean() or 0.0)  # type: ignore[arg-type]
