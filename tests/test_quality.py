"""Quality of a set: by hand on small tables, and by order on the almanac."""

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from build import collection, one_query, scored
from foils import recipes
from foils.collection import Collection
from foils.errors import RecipeError
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.quality import hardness, measure, origins, safety, without
from foils.relabel import Promote
from foils.risk.estimate import clopper_pearson
from foils.rules import SkipBest
from foils.run import mine
from foils.score import Rrf
from foils.select import Top
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.sources.random import Random
from foils.steps import Recipe
from vectors import Given

ALMANAC = Path(__file__).parents[1] / "examples" / "almanac"
FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}


def column(pairs, values, dtype=pl.Float32):
    return pl.Series([None] * (pairs.frame.height - len(values)) + values, dtype=dtype)


def selected(scores, taken, positive=0.6):
    """One query; the candidates with these scores, of which some are selected."""
    pairs = one_query(positive, scores, "cos")
    return pairs.drop(~pl.col("doc").is_in(taken), "rule")


def test_hardness_by_hand():
    """Scores .9 .5 .3 .3: mean .5, deviation .244949; taken are .9 and .3, the positive has .6."""
    found = hardness(selected([0.9, 0.5, 0.3, 0.3], [1, 3]), "cos.dense", temperature=0.3)
    assert found.z == pytest.approx((0.4 - 0.2) / 2 / math.sqrt(0.06), rel=1e-5)
    assert found.above == 0.5
    p = 1 / (1 + math.exp(-2))
    assert found.pushed == pytest.approx(math.exp(-(p * math.log(p) + (1 - p) * math.log(1 - p))), rel=1e-5)
    assert found.judged is None
    assert found.net is None


def test_net_hardness_counts_false_negatives_for_nothing():
    """Places from below of .9 .5 .3 .1: 1, 2/3, 1/3, 0."""
    pairs = selected([0.9, 0.5, 0.3, 0.1], [1, 2, 3])
    pairs = pairs.with_column("p_relevant", column(pairs, [1.0, 0.5, None, None]))
    assert hardness(pairs, "cos.dense").net == pytest.approx((0 + 0.5 * 2 / 3) / 2)
    pairs = pairs.with_column("p_relevant", column(pairs, [0.0, 0.0, 0.0, 0.0]))
    assert hardness(pairs, "cos.dense").net == pytest.approx((1 + 2 / 3 + 1 / 3) / 3)


def test_the_hardness_of_judged_negatives_leaves_estimates_and_finds_out():
    pairs = selected([0.9, 0.5, 0.3, 0.3], [1, 2, 3])
    pairs = pairs.with_column("p_relevant", column(pairs, [0.9, 0.1, 0.1, None]))
    pairs = pairs.with_column("judged_by", column(pairs, ["llm:a", "llm:a", None, None], pl.Categorical))
    assert hardness(pairs, "cos.dense").judged == pytest.approx(0, abs=1e-6)


def test_equal_scores_have_no_spread():
    assert hardness(selected([0.5, 0.5], [1]), "cos.dense").z == 0


def test_hardness_is_a_mean_over_queries_not_rows():
    pairs = scored(
        collection(queries=2, docs=9), {0: [(0, 0.9), (2, 0.8), (3, 0.2)], 1: [(1, 0.9), (4, 0.8), (5, 0.2)]}
    )
    pairs = pairs.drop((pl.col("query") == 1) & (pl.col("doc") == 5), "rule")
    assert hardness(pairs, "cos.dense").z == pytest.approx((0 + 1) / 2)


def test_safety_is_a_plug_in_and_says_what_it_rests_on():
    pairs = selected([0.9, 0.8, 0.7, 0.6, 0.5], [1, 2, 3, 4])
    pairs = pairs.with_column("p_relevant", column(pairs, [0.2, 0.4, 0.0, None, 1.0]))
    pairs = pairs.with_column("judged_by", column(pairs, [None, None, "llm:a", None, "llm:a"], pl.Categorical))
    found = safety(pairs, clopper_pearson(1, 20))
    assert (found.rate, found.known, found.verdicts) == (pytest.approx(0.2), 0.75, 1)
    assert found.interval.low < 0.05 < found.interval.high
    assert safety(selected([0.9], [1])) == (None, 0.0, 0, None)


def two_sources():
    pairs = scored(collection(docs=8), {0: [(0, 0.9), (1, 0.8), (2, 0.5), (3, 0.2)]})
    other = pl.DataFrame([(0, 2, 1), (0, 4, 2)], schema=FOUND, orient="row")
    pairs = pairs.add("bm25", other)
    return pairs.with_column("p_relevant", column(pairs, [0.9, 0.1, 0.1, 0.1]))


def test_origins_and_what_would_be_lost():
    """z of .8 .5 .2 is 1.22, 0, -1.22; document 4 has no score."""
    found = origins(two_sources(), "cos.dense")
    assert found["dense"][:2] == (0.75, 0.5)
    assert found["bm25"][:2] == (0.5, 0.25)
    assert found["dense"].z == pytest.approx(0, abs=1e-6)
    assert found["dense"].rate == pytest.approx(0.1 - 0.3)
    assert found["bm25"].rate == pytest.approx(1.1 / 3 - 0.3)
    assert origins(Pairs.start(collection())) == {}


def test_without_a_source_its_own_finds_are_gone():
    left = without(two_sources(), "dense")
    assert left.negatives()["doc"].to_list() == [2, 4]
    assert left.sources == ("bm25",)
    assert "cos.dense" not in left.frame.columns
    with pytest.raises(RecipeError, match="no source is called 'x'; there are: dense, bm25"):
        without(two_sources(), "x")


def test_vectors_by_hand():
    """Query and positive at 0 and 60 degrees, negatives orthogonal to one another."""
    angles = {"d00": 60, "d01": 0, "d02": 90}
    documents = {k: [math.cos(math.radians(a)), math.sin(math.radians(a))] for k, a in angles.items()}
    pairs = scored(collection(docs=8), {0: [(0, 0.5), (1, 0.9), (2, 0.1)]})
    found = measure(pairs, encoder=Given(documents=documents, queries={"q0": [1.0, 0.0]}))
    assert found.score == "cos.yardstick"
    assert found.hardness.above == 0.5
    assert found.shape.distance == pytest.approx(1, abs=1e-6)
    assert found.shape.volume == pytest.approx(1, abs=1e-6)
    assert found.shape.tolerance == pytest.approx(0.5, abs=1e-6)
    squares = np.array([1.0, 2.0, 2 - math.sqrt(3)])
    assert found.shape.uniformity == pytest.approx(math.log(np.exp(-2 * squares).mean()), abs=1e-5)
    assert found.eci.unsafe == 1
    assert found.eci.first == 0


def test_counts_and_the_report_in_words():
    pairs = scored(collection(queries=3, docs=12), {0: [(3, 0.9), (4, 0.8)], 1: [(5, 0.7)]})
    pairs = pairs.with_column("p_relevant", pl.when(pl.col("doc") == 3).then(0.9).cast(pl.Float32))
    by = pl.when(pl.col("doc") == 3).then(pl.lit("llm:a", dtype=pl.Categorical))
    pairs = Promote()(pairs.with_column("judged_by", by), None)
    found = measure(pairs, interval=clopper_pearson(2, 100))
    assert (found.queries, found.kept, found.negatives, found.promoted, found.per_query) == (3, 2, 2, 1, 1)
    text = found.text()
    assert "2 of 3 keep negatives, 1.0 each" in text
    assert "2.0 % (95 %: 0.2-7.0 %, Clopper-Pearson, 100 verdicts)" in text
    assert "1 candidates became positives" in text
    told = json.loads(json.dumps(found.data()))
    assert told["safety"]["interval"]["n"] == 100
    assert told["origins"]["dense"]["found"] == 1


def test_an_empty_set_is_measured_too():
    pairs = one_query(0.9, [0.5], "cos").drop(pl.lit(value=True), "rule")
    found = measure(pairs, encoder=Given(documents={"d00": [1, 0], "d01": [0, 1]}, queries={"q0": [1, 0]}))
    assert (found.kept, found.per_query, found.shape, found.eci) == (0, 0, None, None)
    assert found.hardness == (None,) * 5
    assert "0 of 1 keep negatives" in found.text()
    assert measure(Pairs.start(collection())).score is None


def test_an_unknown_score_is_refused():
    for name in ("cos.x", "rank.dense"):
        with pytest.raises(RecipeError, match=f"no score '{name}'; score columns: cos.dense"):
            measure(one_query(0.9, [0.5], "cos"), score=name)
    with pytest.raises(RecipeError, match="temperature=0"):
        measure(one_query(0.9, [0.5], "cos"), temperature=0)


@cache
def almanac():
    return Collection.read(ALMANAC)


@cache
def truth():
    where = almanac()
    rows = pl.read_csv(ALMANAC / "truth.tsv", separator="\t", columns=["query-id", "corpus-id"])
    queries = where.queries.select(pl.col("id").alias("query-id"), query=pl.int_range(pl.len(), dtype=pl.UInt32))
    docs = where.corpus.select(pl.col("id").alias("corpus-id"), doc=pl.int_range(pl.len(), dtype=pl.UInt32))
    return rows.join(queries, on="query-id").join(docs, on="corpus-id").select("query", "doc", said=pl.lit(1.0))


@cache
def sets():
    """Mined, random, and the mined with one negative of each query exchanged for a hidden positive; verdicts known."""
    sources, fused = (Bm25(), Dense(name="lsa", encoder=Lsa())), Rrf(ranks=("bm25.bm25", "cos.lsa"))
    recipe = Recipe((*sources, *recipes.CLEAN, fused, SkipBest(skip=20), Top(n=4, by="cos.lsa")))
    mined = mine(almanac(), recipe).pairs
    chance = mine(almanac(), Recipe((Random(depth=12), *recipes.CLEAN, Top(n=4, by="rank.random")))).pairs
    taken = {name: p.negatives().select("query", "doc") for name, p in (("mined", mined), ("random", chance))}
    fresh = truth().select("query", "doc").join(mined.frame.filter("positive"), on=["query", "doc"], how="anti")
    fresh = fresh.join(taken["mined"], on=["query", "doc"], how="anti").unique(
        "query", keep="first", maintain_order=True
    )
    kept = taken["mined"].filter(
        (pl.int_range(pl.len()).over("query") > 0) | ~pl.col("query").is_in(fresh["query"].implode())
    )
    taken["spiked"] = pl.concat([kept, fresh])
    return {name: verdicts(mined, chosen) for name, chosen in taken.items()}


def verdicts(background, chosen):
    pairs = background.add("set", chosen.with_columns(rank=pl.lit(1, dtype=pl.Int32)))
    out = pl.when(~pl.col("positive") & pl.col("rank.set").is_null()).then(pl.lit("out", dtype=pl.Categorical))
    pairs = replace(pairs, frame=pairs.frame.with_columns(dropped=out))
    said = pairs.frame.join(truth(), on=["query", "doc"], how="left", maintain_order="left")["said"].fill_null(0.0)
    return pairs.with_column("p_relevant", said.cast(pl.Float32))


@cache
def figures():
    """The yardstick is another encoder than the miner's."""
    return {name: measure(pairs, encoder=Lsa(dims=64)) for name, pairs in sets().items()}


def test_the_mined_set_is_harder_than_a_random_one_and_safer_than_a_spiked_one():
    found = figures()
    assert found["mined"].hardness.z > found["random"].hardness.z
    assert found["mined"].safety.rate < found["spiked"].safety.rate


def test_net_hardness_puts_the_mined_set_first():
    found = figures()
    assert found["mined"].hardness.net > found["random"].hardness.net
    assert found["mined"].hardness.net > found["spiked"].hardness.net


def test_the_spiked_set_has_one_false_negative_more_per_query():
    found = figures()
    assert found["spiked"].negatives == found["mined"].negatives
    assert found["spiked"].safety.rate > found["mined"].safety.rate + 0.1
