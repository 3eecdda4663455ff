"""Weights by hand."""

import math

import polars as pl
import pytest

from build import collection, one_query, scored
from foils.errors import RecipeError
from foils.select import Top
from foils.weigh import Agreement, RankWeight, ScoreWeight, UniformWeight

FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
ALL = [UniformWeight(), Agreement(), RankWeight(), ScoreWeight()]


def two_sources():
    """Document 0 is the positive; 1 and 2 are found by both sources, 3 by the first, 4 by the second."""
    pairs = scored(collection(docs=8), {0: [(0, 0.9), (1, 0.8), (2, 0.5), (3, 0.4)]})
    other = pl.DataFrame([(0, 2, 1), (0, 1, 2), (0, 4, 3)], schema=FOUND, orient="row")
    return pairs.add("bm25", other)


def weights(step, pairs, engine):
    return step(pairs, engine).frame.filter(~pl.col("positive")).sort("doc")["weight"].to_list()


def test_uniform(engine):
    assert weights(UniformWeight(), two_sources(), engine) == [1, 1, 1, 1]


def test_agreement_is_the_share_of_sources(engine):
    assert weights(Agreement(), two_sources(), engine) == [1, 1, 0.5, 0.5]


def test_agreement_counts_at_least_one_source(engine):
    pairs = two_sources().with_column("rank.bm25", pl.lit(None, dtype=pl.Int32))
    assert weights(Agreement(), pairs, engine) == [0.5, 0.5, 0.5, 0.5]


def test_rank_weight_is_the_discount_of_dcg(engine):
    best = weights(RankWeight(), two_sources(), engine)
    assert best == pytest.approx([1 / math.log2(1 + r) for r in (2, 1, 4, 3)])
    dense = weights(RankWeight("rank.dense"), two_sources(), engine)
    assert dense == pytest.approx([1 / math.log2(1 + r) for r in (2, 3, 4, 5)])


def test_random_fills_were_found_by_no_source(engine):
    pairs = Top(n=5, short="random")(two_sources(), engine)
    assert pairs.negatives()["doc"][-1] > 4
    assert weights(Agreement(), pairs, engine) == [1, 1, 0.5, 0.5, 0.5]
    assert weights(RankWeight(), pairs, engine)[-1] == pytest.approx(1 / math.log2(1 + 5))


def test_score_weight_worked_numbers(engine):
    """The relative penalties of methods 34 (s = .5, .2, -.1), times three."""
    pairs = one_query(0.9, [0.5, 0.2, -0.1], "cos")
    for temperature, r in ((0.07, [0.986239, 0.013574, 0.000187]), (1.0, [0.436752, 0.323554, 0.239694])):
        assert weights(ScoreWeight(temperature), pairs, engine) == pytest.approx([3 * v for v in r], abs=3e-6)


def test_score_weight_has_mean_one_and_ignores_what_is_dropped(engine):
    pairs = two_sources().drop(pl.col("doc") == 1, "rule")
    found = weights(ScoreWeight(0.1), pairs, engine)
    share = 1 / (1 + math.exp(-1))
    assert found == pytest.approx([None, 2 * share, 2 * (1 - share), 1.0])


def test_score_weight_does_not_overflow(engine):
    pairs = one_query(9.0, [4000.0, 10.0, -4000.0])
    assert weights(ScoreWeight(0.01, "dot.dense"), pairs, engine) == pytest.approx([3, 0, 0])


def test_proven_negatives_without_rank_or_score_weigh_one(engine):
    pairs = two_sources().with_column("kind", pl.when(pl.col("doc") == 4).then(pl.lit("temporal")).cast(pl.Categorical))
    pairs = pairs.with_column("rank.bm25", pl.lit(None, dtype=pl.Int32))
    assert weights(RankWeight(), pairs, engine)[3] == 1
    assert weights(ScoreWeight(), pairs, engine)[3] == 1


@pytest.mark.parametrize("step", ALL, ids=repr)
def test_only_selected_negatives_have_a_weight(step, engine):
    pairs = step(two_sources().drop(pl.col("doc") == 2, "rule"), engine)
    weighed = pl.col("weight").is_not_null()
    assert pairs.frame.filter(weighed != pairs.live).height == 0


@pytest.mark.parametrize("step", ALL, ids=repr)
def test_no_negatives(step, engine):
    pairs = two_sources().drop(pl.lit(value=True), "rule")
    assert step(pairs, engine).frame["weight"].null_count() == pairs.frame.height


@pytest.mark.parametrize(
    "step", [ScoreWeight(0.0), ScoreWeight(float("nan")), ScoreWeight(score="x"), RankWeight("dense")], ids=repr
)
def test_options_that_cannot_work_are_refused(step):
    with pytest.raises(RecipeError, match=step.label):
        step.check()
