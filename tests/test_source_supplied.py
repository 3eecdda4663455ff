"""Negatives that came with the data."""

from dataclasses import replace

import polars as pl

from foils.collection import build
from foils.pairs import Pairs
from foils.sources.supplied import Supplied

IDS = ["a", "b", "c", "d", "e"]


def world(given=None):
    rows = [("q", "a", 1), ("q", "d", None), ("q", "b", 0), ("q", "c", None), ("r", "e", None), ("s", "a", 2)]
    labels = pl.DataFrame(rows, schema={"query_id": pl.String, "doc_id": pl.String, "grade": pl.Int32}, orient="row")
    asked = ["q", "r", "s"]
    return Pairs.start(
        build(
            pl.DataFrame({"id": IDS, "text": [f"text {i}" for i in IDS]}),
            pl.DataFrame({"id": asked, "text": [f"question {i}" for i in asked]}),
            labels,
            given=given,
        )
    )


def test_judged_and_unjudged_negatives_of_the_queries_with_a_positive(engine):
    pairs = world()
    found = Supplied().find(pairs, engine)
    assert found.select("query", "doc", "rank").rows() == [(0, 1, 1), (0, 2, 2), (0, 3, 3)]
    after = Supplied()(pairs, engine).frame
    assert after.filter(pl.col("kind").is_not_null())["doc"].to_list() == [1]
    assert Supplied(depth=2).find(pairs, engine).height == 2


def test_the_order_of_the_file_is_the_rank(engine):
    given = pl.DataFrame(
        {"query_id": ["q"] * 3, "doc_id": ["d", "a", "c"], "position": [1, None, 2]},
        schema_overrides={"position": pl.Int32},
    )
    found = Supplied().find(world(given), engine)
    assert found.sort("rank")["doc"].to_list() == [3, 2, 1]


def test_a_grade_below_zero_is_no_judgment(engine):
    pairs = world()
    grade = pl.when(pl.col("grade") == 0).then(pl.lit(-1, dtype=pl.Int32)).otherwise("grade")
    pool = pairs.collection.negatives.with_columns(grade=grade)
    after = Supplied()(replace(pairs, collection=replace(pairs.collection, negatives=pool)), engine).frame
    assert after.filter(pl.col("rank.supplied").is_not_null())["doc"].to_list() == [1, 2, 3]
    assert after.select(pl.col("kind", "judged_by", "p_relevant").is_null().all()).row(0) == (True, True, True)


def test_nothing_supplied(engine):
    pairs = world()
    none = Pairs(
        pairs.frame,
        pairs.collection.__class__(*(getattr(pairs.collection, f) for f in ("corpus", "queries", "positives"))),
    )
    assert Supplied().find(none, engine).height == 0
