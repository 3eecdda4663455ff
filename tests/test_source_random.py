"""Random documents: distribution, independence of order, nothing twice."""

import numpy as np
import polars as pl
import pytest

from build import collection
from foils.collection import build
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.sources.random import Random, unigram_power


def test_unigram_power_is_word2vec():
    """Oracle: counts (100, 10, 1) to the power 0.75."""
    assert unigram_power(np.array([100.0, 10.0, 1.0])).tolist() == pytest.approx(
        [0.826822, 0.147032, 0.026146], abs=1e-6
    )
    assert unigram_power(np.array([100.0, 10.0, 1.0]), 0.0).tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("docs", [30, 5000])
def test_every_query_gets_its_depth_and_never_a_positive(docs, engine):
    pairs = Pairs.start(collection(queries=20, docs=docs))
    found = Random(depth=25).find(pairs, engine)
    assert found.group_by("query").len()["len"].to_list() == [25] * 20
    assert found.select("query", "doc").is_unique().all()
    assert found.join(pairs.frame, on=["query", "doc"]).height == 0
    assert found.filter(pl.col("query") == 3)["rank"].to_list() == list(range(1, 26))


def test_a_small_corpus_gives_all_others(engine):
    found = Random(depth=50).find(Pairs.start(collection(queries=2, docs=5)), engine)
    assert sorted(found.filter(pl.col("query") == 0)["doc"]) == [1, 2, 3, 4]


def test_popular_documents_come_more_often(engine):
    """3,000 first draws over 1,000 documents; document 0 is a positive of 500 other queries."""
    labels = [(f"q{i}", "d00" if i < 500 else "d01") for i in range(3500)]
    pairs = Pairs.start(collection(queries=3500, docs=1000, positives=labels))
    counts = np.ones(1000)
    counts[0] += 500
    counts[1] += 3000
    found = Random(depth=1, power=0.75, seed=4).find(pairs, engine).filter(pl.col("query") >= 500)
    # Without document 1, which is the positive of these queries.
    expected = counts[0] ** 0.75 / (counts**0.75).sum() / (1 - counts[1] ** 0.75 / (counts**0.75).sum())
    share = (found["doc"] == 0).mean()
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 3000))


def test_uniform_draws_are_uniform(engine):
    found = Random(depth=50).find(Pairs.start(collection(queries=400, docs=400)), engine)
    times = np.bincount(found["doc"].to_numpy(), minlength=400)
    # Chi-square with 399 degrees of freedom: mean 399, standard deviation 28; less without replacement.
    assert ((times - 50) ** 2 / 50).sum() < 399 + 5 * 28
    first = np.bincount(found.filter(pl.col("rank") == 1)["doc"].to_numpy(), minlength=400)
    assert first.max() < 9


def test_another_seed_draws_others_and_the_same_seed_the_same(engine):
    pairs = Pairs.start(collection(queries=5, docs=3000))
    one = Random(depth=20).find(pairs, engine)
    assert one.equals(Random(depth=20).find(pairs, engine))
    assert not one.equals(Random(depth=20, seed=1).find(pairs, engine))


@pytest.mark.parametrize("docs", [15, 2000])
def test_the_order_of_the_tables_does_not_matter(docs, engine):
    here = collection(queries=6, docs=docs)
    rng = np.random.default_rng(0)
    names = here.positives.select(
        query_id=here.queries["id"].gather(here.positives["query"]),
        doc_id=here.corpus["id"].gather(here.positives["doc"]),
        grade="grade",
    )
    there = build(here.corpus[rng.permutation(docs)], here.queries[rng.permutation(6)], names)
    drawn = []
    for c in (here, there):
        found = Random(depth=9, power=0.75).find(Pairs.start(c), engine)
        query, doc = c.queries["id"].gather(found["query"]), c.corpus["id"].gather(found["doc"])
        drawn.append(sorted(zip(query, found["rank"], doc, strict=True)))
    assert drawn[0] == drawn[1]


def test_bad_power():
    with pytest.raises(RecipeError, match="power=-1"):
        Random(power=-1.0).check()
