"""Reuse cap and adaptive deepening."""

from dataclasses import dataclass

import polars as pl
import pytest

from build import collection, one_query, scored
from foils.engine import Local
from foils.errors import RecipeError
from foils.limits import Deepen, ReuseCap
from foils.run import mine
from foils.select import Top
from foils.steps import Recipe, Rule, Source


def hub_pairs(order=(0, 1, 2, 3)):
    """Document 10 is everybody's hardest; documents 11.. come next."""
    where = collection(4, 30)
    scores = {q: [(q, 0.95), (10, 0.9 - q / 100)] + [(11 + i, 0.5 - i / 100) for i in range(8)] for q in order}
    return scored(where, scores)


def test_no_document_is_used_more_often_than_the_cap():
    drawn = ReuseCap(sampler=Top(n=2, by="cos.dense"), cap=2)(hub_pairs(), Local())
    uses = drawn.negatives().group_by("doc").len()["len"]
    assert uses.max() == 2
    assert drawn.live_per_query()["live"].to_list() == [2, 2, 2, 2]
    assert drawn.counts()["reuse cap"] > 0


def test_the_cap_does_not_depend_on_the_order_of_queries():
    cap = ReuseCap(sampler=Top(n=2, by="cos.dense"), cap=1)
    assert cap(hub_pairs(), Local()).frame.equals(cap(hub_pairs((3, 1, 0, 2)), Local()).frame)


def test_rows_run_short_when_documents_run_out():
    drawn = ReuseCap(sampler=Top(n=8, by="cos.dense"), cap=1)(hub_pairs(), Local())
    assert drawn.negatives()["doc"].is_duplicated().any() is False
    assert drawn.negatives().height == 9


def test_a_sampler_is_needed():
    with pytest.raises(RecipeError, match="needs a sampler"):
        ReuseCap().check()


@dataclass(frozen=True)
class Ladder(Source):
    """Finds documents 1, 2, 3, ... in this order, with falling scores."""

    name: str = "dense"
    depth: int = 4

    @property
    def score(self):
        return "cos.dense"

    def find(self, pairs, engine):
        docs = list(range(min(self.depth, pairs.collection.corpus.height)))
        rows = [(int(q), d, i, 0.99 - i / 100) for q in pairs.queries for i, d in enumerate(docs, 1)]
        schema = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "score": pl.Float32}
        return pl.DataFrame(rows, schema=schema, orient="row")


@dataclass(frozen=True)
class SkipTen(Rule):
    """Drops the first ten ranks of query 0 only."""

    def drops(self, pairs):
        return (pl.col("query") == 0) & (pl.col("rank.dense") <= 10)


def test_deepen_searches_deeper_for_starved_queries_only():
    where = collection(2, 60)
    steps = (Ladder(depth=4), SkipTen(), Deepen(want=3, factor=4, rounds=2), Top(n=3, by="cos.dense"))
    run = mine(where, Recipe(steps))
    assert run.pairs.live_per_query()["live"].to_list() == [3, 3]
    ranks = run.pairs.frame.group_by("query").agg(pl.col("rank.dense").max()).sort("query")
    assert ranks["rank.dense"].to_list() == [16, 4]


def test_deepen_stops_after_its_rounds():
    steps = (Ladder(depth=2), SkipTen(), Deepen(want=3, factor=2, rounds=2), Top(n=3, by="cos.dense"))
    run = mine(collection(2, 60), Recipe(steps))
    assert run.pairs.live_per_query()["live"].to_list() == [0, 3]


def test_deepen_refuses_steps_that_need_all_queries():
    before = (Ladder(), ReuseCap(sampler=Top()))
    with pytest.raises(RecipeError, match="needs all of them"):
        Deepen().deeper(before, 1)


def test_deepen_must_mean_deeper():
    with pytest.raises(RecipeError, match="factor=1"):
        Deepen(factor=1).check()


def test_deepen_leaves_satisfied_queries_alone():
    pairs = one_query(0.9, [0.8, 0.7, 0.6], unit="cos")
    assert Deepen(want=3).short(pairs).len() == 0
