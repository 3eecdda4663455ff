"""What is exported: the positives and the selected negatives, checked, in order, by query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from foils.collection import Collection, Finding, note
from foils.errors import DataError, RecipeError
from foils.pairs import Pairs

SOFT = "p_relevant"
EXTRAS = ("neg_weight", "neg_kind", "neg_filled", "neg_origin")


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows of an export; a column that starts with ``pos`` or ``neg`` says whose it is.

    Args:
        collection: what the numbers ``q``, ``pos`` and ``neg`` stand for.
        positives: ``q`` u32, ``pos`` u32, ``pos_id``, ``pos_text`` (title and text); ``pos_score`` f32 if a score
            was asked for. The highest grade first, ties by document id.
        negatives: ``q`` u32, ``neg`` u32, ``neg_id``, ``neg_text``, ``place`` (1 = first), ``main`` (the source that
            ranks it best); ``neg_score`` if a score was asked for; of ``EXTRAS`` those that a negative has. Hardest
            first: by score, without one by best rank; ties by document id.
        score: the column the scores are from.
        skipped: what is in the pairs and not in the export, and why.
    """

    collection: Collection
    positives: pl.DataFrame
    negatives: pl.DataFrame
    score: str | None = None
    skipped: tuple[Finding, ...] = ()

    @property
    def extras(self) -> list[str]:
        """The columns of foils that these negatives have."""
        return [c for c in EXTRAS if c in self.negatives.columns]

    @property
    def titled(self) -> bool:
        """Whether documents have titles."""
        return "title" in self.collection.corpus.columns

    @cached_property
    def by_query(self) -> pl.DataFrame:
        """A row per query: ``q``, ``query_id``, ``query``, and a list of every column of positives and negatives."""
        positives = self.positives.group_by("q", maintain_order=True).agg(pl.all())
        negatives = self.negatives.group_by("q", maintain_order=True).agg(pl.all())
        return self.with_query(positives.join(negatives, on="q", how="inner", maintain_order="left"))

    @cached_property
    def by_positive(self) -> pl.DataFrame:
        """A row per positive: ``pos`` columns are values, ``neg`` columns lists."""
        negatives = self.negatives.group_by("q", maintain_order=True).agg(pl.all())
        return self.with_query(self.positives.join(negatives, on="q", how="inner", maintain_order="left"))

    @cached_property
    def by_triple(self) -> pl.DataFrame:
        """A row per positive and negative of the same query."""
        joined = self.positives.join(self.negatives, on="q", how="inner", maintain_order="left_right")
        return self.with_query(joined)

    def with_query(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add ``query_id`` and ``query`` for the row number ``q``."""
        queries = self.collection.queries
        return frame.with_columns(query_id=look_up(queries["id"], "q"), query=look_up(queries["text"], "q"))

    def used(self) -> pl.DataFrame:
        """The documents that occur, in the order of the corpus: ``id``, ``text`` with the title before it."""
        docs = pl.concat([self.positives["pos"], self.negatives["neg"]]).unique().sort()
        return self.collection.corpus.select("id", text=self.collection.passages)[docs]

    def first(self, n: int) -> Selection:
        """At most the first ``n`` negatives of every query."""
        return replace(self, negatives=self.negatives.filter(pl.col("place") <= n))

    def exactly(self, n: int | None) -> Selection:
        """The first ``n`` negatives of every query that has so many; null: the ``n`` that keeps the most negatives."""
        counts = self.negatives.group_by("q", maintain_order=True).len()
        sizes = counts["len"].to_numpy()
        if n is None:
            # Kept are n negatives of each query with at least n; ties go to the smaller n, so to more queries.
            kept = [size * int((sizes >= size).sum()) for size in range(1, int(sizes.max()) + 1)]
            n = 1 + int(np.argmax(kept))
        few = counts.filter(pl.col("len") < n)
        if few.height == counts.height:
            raise DataError(f"no query has {n} negatives, the most is {sizes.max()}; ask for fewer negatives")
        skipped = [*self.skipped]
        ids = self.collection.queries["id"].gather(few["q"]).to_list()
        note(skipped, f"queries with fewer than {n} negatives", few.height, "left out: every row has as many", ids)
        rest = self.first(n)
        return replace(
            rest,
            positives=self.positives.join(few, on="q", how="anti", maintain_order="left"),
            negatives=rest.negatives.join(few, on="q", how="anti", maintain_order="left"),
            skipped=tuple(skipped),
        )


def select(pairs: Pairs, score: str | None, *, whole: bool = False) -> Selection:
    """Take positives and selected negatives out of the pairs, and check that they can be exported.

    Args:
        pairs: the table.
        score: a score column; ``p_relevant`` for soft labels (a known positive has 1); or null.
        whole: the format lists negatives only; queries without a positive stay.

    Raises:
        RecipeError: there is no such score.
        DataError: nothing is selected, or a score or weight is missing or not finite.
    """
    if score == SOFT:
        # As soft labels: what is known to answer has 1, a negative the probability that it does.
        pairs = pairs.with_column(SOFT, pl.when("positive").then(1.0).otherwise(SOFT).cast(pl.Float32))
    elif score is not None and score not in pairs.scores:
        found = ", ".join(pairs.scores) or "none"
        raise RecipeError(f"there is no score {score!r}; score columns of these pairs: {found}")
    skipped: list[Finding] = []
    positives = _scored(pairs, _positives(pairs, score), "pos", skipped)
    negatives = _scored(pairs, _distinct(pairs, _negatives(pairs, score), skipped), "neg", skipped)
    if not whole:
        lonely = positives.join(negatives, on="q", how="anti")["q"].unique().sort()
        ids = pairs.collection.queries["id"].gather(lonely).to_list()
        note(skipped, "queries without a selected negative", lonely.len(), "left out", ids)
        orphans = negatives.join(positives, on="q", how="anti")["q"].unique().sort()
        ids = pairs.collection.queries["id"].gather(orphans).to_list()
        note(skipped, "queries without a positive", orphans.len(), "left out", ids)
        positives = positives.join(negatives, on="q", how="semi", maintain_order="left")
        negatives = negatives.join(positives, on="q", how="semi", maintain_order="left")
    if negatives.height == 0:
        raise DataError(
            f"there is nothing to export: of {pairs.frame.height:,} pairs no negative is selected "
            "for a query that has a positive; see the report for what dropped them"
        )
    _check(negatives, "neg", score)
    if not whole:
        _check(positives, "pos", score)
    place = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("q")
    return Selection(pairs.collection, positives, negatives.with_columns(place=place), score, tuple(skipped))


def look_up(values: pl.Series, column: str) -> pl.Expr:
    """The values at the row numbers in a column."""
    return pl.lit(values).gather(pl.col(column))


def _positives(pairs: Pairs, score: str | None) -> pl.DataFrame:
    columns = {"query": "q", "doc": "pos"} | ({score: "pos_score"} if score else {})
    rows = pairs.frame.filter("positive").select(*columns).rename(columns).unique(["q", "pos"], keep="first")
    grades = pairs.collection.positives.select(q="query", pos="doc", grade="grade")
    rows = rows.join(grades, on=["q", "pos"], how="left").with_columns(
        pos_id=look_up(pairs.collection.corpus["id"], "pos"), pos_text=look_up(pairs.collection.passages, "pos")
    )
    order = ["q", "grade", "pos_id"]
    return rows.sort(order, descending=[False, True, False], nulls_last=True).drop("grade")


def _negatives(pairs: Pairs, score: str | None) -> pl.DataFrame:
    ranks = {name: pl.col(f"rank.{name}") for name in pairs.sources}
    best = pl.min_horizontal(*ranks.values()) if ranks else pl.lit(None, dtype=pl.Int32)
    named = [pl.when(rank == best).then(pl.lit(name)) for name, rank in ranks.items()]
    found = [pl.when(rank.is_not_null()).then(pl.lit(name)) for name, rank in ranks.items()]
    origin = pl.concat_list(found).list.drop_nulls() if ranks else pl.lit(None, dtype=pl.List(pl.String))
    rows = pairs.frame.filter(pairs.live).select(
        pl.col("query").alias("q"),
        pl.col("doc").alias("neg"),
        look_up(pairs.collection.corpus["id"], "doc").alias("neg_id"),
        look_up(pairs.collection.passages, "doc").alias("neg_text"),
        *([pl.col(score).alias("neg_score")] if score else []),
        pl.col("weight").alias("neg_weight"),
        pl.col("kind").cast(pl.String).alias("neg_kind"),
        pl.col("filled").cast(pl.String).alias("neg_filled"),
        origin.alias("neg_origin"),
        (pl.coalesce(named) if named else pl.lit(None, dtype=pl.String)).alias("main"),
        best.alias("best"),
    )
    by = ["q", "neg_score", "neg_id"] if score else ["q", "best", "neg_id"]
    rows = rows.sort(by, descending=[False, score is not None, False], nulls_last=True).drop("best")
    return _fill(rows, bool(ranks))


def _fill(rows: pl.DataFrame, sourced: bool) -> pl.DataFrame:
    """A column that no negative has is left out; in the others a gap gets its plain meaning, never a null.

    Readers infer a column's type from its first rows: a column that begins with nulls would not load.
    """
    meaning = {"neg_weight": 1.0, "neg_kind": "mined", "neg_filled": "no"}
    empty = [c for c in meaning if rows[c].null_count() == rows.height]
    if not sourced or rows["neg_origin"].list.len().sum() == 0:
        empty.append("neg_origin")
    return rows.drop(empty).with_columns(pl.col(c).fill_null(v) for c, v in meaning.items() if c not in empty)


def _distinct(pairs: Pairs, rows: pl.DataFrame, skipped: list[Finding]) -> pl.DataFrame:
    """No negative twice, none that is a positive of its query: neither by id nor by text."""
    collection = pairs.collection
    known = pl.concat(
        [pairs.frame.filter("positive").select(q="query", neg="doc"), collection.positives.select(q="query", neg="doc")]
    ).unique()
    labels = rows.join(known, on=["q", "neg"], how="anti", maintain_order="left")
    note(skipped, "negatives that are positives of their query", rows.height - labels.height, "left out")
    told = known.select("q", neg_text=look_up(collection.passages, "neg")).unique()
    others = labels.join(told, on=["q", "neg_text"], how="anti", maintain_order="left")
    note(skipped, "negatives with the text of a positive", labels.height - others.height, "left out")
    once = others.unique(["q", "neg_text"], keep="first", maintain_order=True)
    note(skipped, "negatives with the text of another negative", others.height - once.height, "the first is kept")
    return once


def _scored(pairs: Pairs, rows: pl.DataFrame, side: str, skipped: list[Finding]) -> pl.DataFrame:
    """Made texts came after the scoring: an export with scores goes on without those that have none."""
    tables = ((pairs.collection.corpus, side), (pairs.collection.queries, "q"))
    # A corpus or queries of the user's own may have a column of this name too.
    made = [look_up(table["made"], column).is_not_null() for table, column in tables if "made" in table.columns]
    if f"{side}_score" not in rows.columns or not made:
        return rows
    kept = rows.filter(~pl.any_horizontal(made) | pl.col(f"{side}_score").is_not_null())
    what = {"neg": "made negatives", "pos": "made positives"}[side]
    note(skipped, f"{what} without a score", rows.height - kept.height, "left out; an export without scores has them")
    return kept


def _check(rows: pl.DataFrame, side: str, score: str | None) -> None:
    what = {"neg": "selected negatives", "pos": "positives"}[side]
    for name, column in ((score, f"{side}_score"), ("weight", f"{side}_weight")):
        if column in rows.columns:
            bad = rows.height - int(rows[column].is_finite().fill_null(value=False).sum())
            if bad:
                raise DataError(
                    f"{bad:,} of {rows.height:,} {what} have no finite {name}; trainers need a number on every row: "
                    "score all pairs first, or export without it"
                )
