import numpy as np
import polars as pl
import pytest

from build import collection
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.models.vectors import Vectors
from foils.pairs import Pairs
from foils.sources.dense import Dense
from foils.steps import Recipe


def unit(n, d=12, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def given(unit_name="cos"):
    return Vectors(unit(4), unit(20, seed=1), unit=unit_name)


def test_nearest_documents_with_ranks_and_scores(engine):
    pairs = Pairs.start(collection(queries=4))
    found = Dense(depth=6, encoder=given()).find(pairs, engine)
    assert dict(found.schema) == {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "score": pl.Float32}
    scores = unit(4).astype(float) @ unit(20, seed=1).T.astype(float)
    assert found["doc"].to_numpy().reshape(4, 6).tolist() == np.argsort(-scores, axis=1)[:, :6].tolist()
    assert found["rank"].to_list() == [1, 2, 3, 4, 5, 6] * 4
    np.testing.assert_allclose(found["score"].to_numpy().reshape(4, 6), -np.sort(-scores, axis=1)[:, :6], rtol=1e-6)


def test_the_step_adds_rank_and_score(engine):
    pairs = Dense(depth=6, encoder=given())(Pairs.start(collection(queries=4)), engine)
    assert pairs.sources == ("dense",)
    assert pairs.scores == ("cos.dense",)


def test_unit_and_name_make_the_column(engine):
    source = Dense(name="mini", depth=3, encoder=given("dot"))
    assert source.score == "dot.mini"
    assert source.adds == {"rank.mini", "dot.mini"}
    assert "dot.mini" in source(Pairs.start(collection(queries=4)), engine).frame.columns


def test_only_queries_with_positives_are_asked(engine):
    pairs = Pairs.start(collection(queries=4, positives=[("q1", "d01"), ("q3", "d03")]))
    found = Dense(depth=2, encoder=given()).find(pairs, engine)
    assert found["query"].to_list() == [1, 1, 3, 3]
    scores = unit(4)[[1, 3]] @ unit(20, seed=1).T
    assert found["doc"].to_list() == np.argsort(-scores, axis=1)[:, :2].ravel().tolist()


def test_depth_beyond_the_corpus_gives_all(engine):
    assert Dense(depth=50, encoder=given()).find(Pairs.start(collection(queries=4)), engine).height == 80


def test_fill_scores_every_row_as_the_search_does(engine):
    source = Dense(depth=9, encoder=given())
    pairs = source(Pairs.start(collection(queries=4, positives=[("q0", "d19"), ("q2", "d04"), ("q3", "d07")])), engine)
    filled = pairs.with_column("cos.filled", source.fill(pairs, engine)).frame
    assert filled["cos.filled"].null_count() == 0
    both = filled.filter(pl.col("cos.dense").is_not_null())
    assert both.height == 27
    assert (both["cos.dense"] == both["cos.filled"]).all()


def test_precision_does_not_change_the_table(engine):
    pairs = Pairs.start(collection(queries=4))
    first = Dense(depth=5, encoder=given(), precision="float32").find(pairs, engine)
    pytest.importorskip("torch")
    assert Dense(depth=5, encoder=given(), precision="int8").find(pairs, engine).equals(first)


def test_facts_name_encoder_and_precision(engine):
    source = Dense(depth=5, encoder=given())
    assert "search" not in source.facts()
    source.find(Pairs.start(collection(queries=4)), engine)
    assert source.facts()["search"] == "exact, first pass in float32"
    assert source.facts()["encoder"] == "given vectors"
    assert source == Dense(depth=5, encoder=source.encoder)


def test_progress_counts_every_pair():
    told = []

    class Watched(Local):
        def track(self, title, total, unit=""):
            told.append((title, total, unit))
            return super().track(title, total, unit)

    Dense(depth=5, encoder=given()).find(Pairs.start(collection(queries=4)), Watched())
    assert told == [("search dense", 80, "pairs")]


def test_check_before_any_work(tmp_path):
    with pytest.raises(RecipeError, match="dense: encoder is missing"):
        Recipe((Dense(),)).check()
    with pytest.raises(RecipeError, match="precision='int4'"):
        Dense(encoder=given(), precision="int4").check()
    with pytest.raises(DataError, match="does not exist"):
        Dense(encoder=Vectors(tmp_path / "q.npy", tmp_path / "d.npy")).check()
    with pytest.raises(RecipeError, match="depth=0"):
        Dense(encoder=given(), depth=0).check()


def test_vectors_with_nan_are_refused(engine):
    documents = unit(20)
    documents[3] = np.nan
    with pytest.raises(DataError, match="1 of 20 document vectors hold NaN"):
        Dense(encoder=Vectors(unit(4), documents)).find(Pairs.start(collection(queries=4)), engine)
