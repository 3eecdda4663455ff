"""Documents of the positive's cluster and of the one next to it."""

import numpy as np
import polars as pl
import pytest

from foils.collection import build
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.sources.clusters import Clusters, cluster
from vectors import Given

# Three groups on the circle: at 0, at 1 and at 3 radians.
ANGLES = {f"{group}{i}": at + i / 50 for group, at in (("a", 0.0), ("b", 1.0), ("c", 3.0)) for i in range(8)}


def world(positives):
    ids = list(ANGLES)
    rows = [(f"q{i}", p) for i, found in enumerate(positives) for p in found]
    labels = pl.DataFrame(rows, schema=["query_id", "doc_id"], orient="row").with_columns(grade=1)
    asked = [f"q{i}" for i in range(len(positives))]
    return Pairs.start(
        build(pl.DataFrame({"id": ids, "text": ids}), pl.DataFrame({"id": asked, "text": asked}), labels)
    )


ENCODER = Given({k: (np.cos(a), np.sin(a)) for k, a in ANGLES.items()})


def names(pairs, found, query=0):
    rows = found.filter(pl.col("query") == query).sort("rank")
    return pairs.collection.corpus["id"].gather(rows["doc"]).to_list()


def test_members_of_the_same_cluster_most_alike_first(engine):
    pairs = world([["a0"], ["b3", "c7"]])
    source = Clusters(encoder=ENCODER, k=3)
    found = source.find(pairs, engine)
    assert names(pairs, found) == [f"a{i}" for i in range(1, 8)]
    assert {n[0] for n in names(pairs, found, 1)} == {"b", "c"}
    assert len(names(pairs, found, 1)) == 14
    assert source.facts() == {"clusters": "3", "smallest": "8", "largest": "8", "encoder": "given"}
    assert names(pairs, Clusters(encoder=ENCODER, k=3, depth=2).find(pairs, engine)) == ["a1", "a2"]


def test_members_of_the_next_cluster(engine):
    pairs = world([["a0"], ["c0"]])
    found = Clusters(encoder=ENCODER, k=3, near="second").find(pairs, engine)
    assert names(pairs, found) == [f"b{i}" for i in range(8)]
    assert names(pairs, found, 1) == [f"b{i}" for i in range(7, -1, -1)]


def test_clusters_are_the_same_every_time_and_number_sqrt_of_half():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((500, 8)).astype(np.float32)
    first, second = cluster(vectors, 16, 0)
    again = cluster(vectors, 16, 0)
    assert (first == again[0]).all()
    assert (second == again[1]).all()
    assert (first != second).all()


def test_more_clusters_than_documents(engine):
    pairs = world([["a0"]])
    assert Clusters(encoder=ENCODER, k=500).find(pairs, engine).height < 8
    assert Clusters(encoder=ENCODER).find(pairs, engine).height > 0


def test_bad_options_are_refused():
    with pytest.raises(RecipeError, match="encoder is missing"):
        Clusters().check()
    with pytest.raises(RecipeError, match="k=1"):
        Clusters(encoder=ENCODER, k=1).check()
    with pytest.raises(RecipeError, match="near='third'"):
        Clusters(encoder=ENCODER, near="third").check()
