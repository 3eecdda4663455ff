import math

import numpy as np
import polars as pl
import pytest

from build import collection, scored
from foils.collection import Collection
from foils.engine import Local
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.score import Rerank, Rrf, Similarity, ZScore
from foils.steps import Recipe


class Table:
    """An encoder and scorer that reads numbers from the texts themselves."""

    unit = "dot"

    def __init__(self, unit="dot"):
        self.unit, self.asked = unit, []

    def check(self):
        return

    def facts(self):
        return {"model": "table"}

    def vectors(self, collection, role, rows, engine):
        texts = (collection.queries["text"] if role == "query" else collection.passages).gather(rows)
        self.asked.append((role, rows.tolist()))
        return np.array([[float(v) for v in t.split()] for t in texts], dtype=np.float32)

    def scores(self, queries, documents, engine):
        self.asked.append(list(zip(queries, documents, strict=True)))
        return np.array([float(d.split()[0]) for d in documents], dtype=np.float32)


@pytest.fixture
def pairs():
    corpus = pl.DataFrame({"id": list("abcde"), "text": ["1 0", "0 1", "2 3", "4 5", "9 9"]})
    queries = pl.DataFrame({"id": ["q", "r", "s"], "text": ["1 2", "3 4", "5 6"]})
    positives = pl.DataFrame(
        {"query": [0, 1], "doc": [0, 1], "grade": [1, 1]},
        schema={"query": pl.UInt32, "doc": pl.UInt32, "grade": pl.Int32},
    )
    start = Pairs.start(Collection(corpus, queries, positives))
    schema = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "score": pl.Float32}
    one = {"query": [0, 0, 0, 1], "doc": [1, 2, 3, 2], "rank": [1, 2, 3, 1], "score": [0.5, 0.3, 0.1, 0.4]}
    two = {"query": [0, 0, 1], "doc": [2, 0, 2], "rank": [1, 2, 7], "score": [8.0, 6.0, 5.0]}
    return start.add("dense", pl.DataFrame(one, schema=schema), "cos.dense").add(
        "bm25", pl.DataFrame(two, schema=schema), "bm25.bm25"
    )


def test_similarity_scores_every_row_and_encodes_what_the_table_mentions(pairs):
    encoder = Table()
    step = Similarity(encoder, "toy")
    dropped = pairs.drop(pl.col("doc") == 3, "gone")
    scored = step(dropped, Local())
    # rows (0,0) (0,1) (0,2) (0,3) (1,1) (1,2); 1*a + 2*b and 3*a + 4*b by hand
    assert scored.frame["dot.toy"].to_list() == [1.0, 2.0, 8.0, 14.0, 4.0, 18.0]
    assert encoder.asked == [("query", [0, 1]), ("document", [0, 1, 2, 3])]
    assert step.adds == {"dot.toy"}
    assert step.needs == frozenset()
    assert step.facts() == {"model": "table"}


def test_similarity_of_an_empty_table(pairs):
    empty = Pairs(pairs.frame.clear(), pairs.collection)
    assert Similarity(Table("cos"), "toy")(empty, Local()).frame.schema["cos.toy"] == pl.Float32


def test_rerank_scores_positives_and_live_rows_only(pairs):
    scorer = Table("logit")
    scored = Rerank(scorer, "ce")(pairs.drop(pl.col("doc") == 3, "gone"), Local())
    assert scored.frame["logit.ce"].to_list() == [1.0, 0.0, 2.0, None, 0.0, 2.0]
    assert scorer.asked[0][0] == ("1 2", "1 0")


def test_rerank_top_follows_the_best_rank_a_rank_or_a_score(pairs):
    def scored(**options):
        frame = Rerank(Table("logit"), "ce", **options)(pairs, Local()).frame
        return frame.filter(pl.col("logit.ce").is_not_null() & ~pl.col("positive")).select("query", "doc").rows()

    # Query 0: documents 1 and 2 are both first somewhere: the lower row wins.
    assert scored(top=1) == [(0, 1), (1, 2)]
    assert scored(top=1, by="rank.bm25") == [(0, 2), (1, 2)]
    assert scored(top=2, by="cos.dense") == [(0, 1), (0, 2), (1, 2)]
    assert len(scored()) == 4


def test_rerank_needs_its_order_and_refuses_options_that_do_nothing(pairs):
    assert Rerank(Table("logit"), "ce", top=1, by="rank.bm25").needs == {"rank.bm25"}
    with pytest.raises(RecipeError, match="at least 1"):
        Rerank(Table("logit"), "ce", top=0).check()
    unranked = Pairs(pairs.frame.drop("rank.dense", "rank.bm25"), pairs.collection)
    with pytest.raises(RecipeError, match="needs an order"):
        Rerank(Table("logit"), "ce", top=1)(unranked, Local())


def test_rrf_by_hand(pairs):
    # Oracle: Cormack et al. 2009, sum of 1 / (60 + rank); rows (0,0): 2nd of bm25; (0,2): 2nd and 1st; (1,1): in none.
    fused = Rrf()(pairs, Local()).frame["rrf.rrf"].to_list()
    hand = [1 / 62, 1 / 61, 1 / 62 + 1 / 61, 1 / 63, 0.0, 1 / 61 + 1 / 67]
    assert fused == pytest.approx(hand, rel=1e-6)
    one = Rrf(ranks=("rank.bm25",), k=0, name="one")(pairs, Local()).frame["rrf.one"].to_list()
    assert one == pytest.approx([1 / 2, 0, 1, 0, 0, 1 / 7])


def test_rrf_takes_scores_by_their_places_so_that_units_never_mix(pairs):
    table = scored(collection(docs=4), {0: [(0, 99.0), (1, 4.0), (2, 9.0), (3, 2.0)]}, "bm25", "bm25")
    table = table.with_column("cos.dense", pl.Series([1.0, 0.1, 0.3, 0.2]))
    fused = Rrf(ranks=("bm25.bm25", "cos.dense"))(table, Local()).frame["rrf.rrf"].to_list()
    assert fused[1:] == pytest.approx([1 / 62 + 1 / 63, 1 / 61 + 1 / 61, 1 / 63 + 1 / 62], rel=1e-6)


def test_rrf_refuses_columns_without_an_order(pairs):
    step = Rrf(ranks=("rank.dense", "weight"))
    with pytest.raises(RecipeError, match="'weight' has no order"):
        step.check()
    assert Rrf(ranks=("rank.dense",)).needs == {"rank.dense"}
    with pytest.raises(RecipeError, match="k=-1"):
        Rrf(k=-1).check()
    bare = Pairs(pairs.frame.drop("rank.dense", "rank.bm25"), pairs.collection)
    with pytest.raises(RecipeError, match="no ranks"):
        Rrf()(bare, Local())


def test_z_score_by_hand(pairs):
    # Query 0: candidates .5 .3 .1: mean .3, population deviation .1633; the positive has no cos. score.
    frame = ZScore("cos.dense")(pairs, Local()).frame
    sd = math.sqrt(0.08 / 3)
    assert frame["z.dense"].to_list() == [
        None,
        pytest.approx(0.2 / sd),
        pytest.approx(0.0, abs=1e-6),
        pytest.approx(-0.2 / sd),
        None,
        0.0,
    ]
    # Positives are put on the scale of the candidates: query 0 has one candidate, 8, so all is flat.
    assert ZScore("bm25.bm25")(pairs, Local()).frame["z.bm25"].to_list() == [0.0, None, 0.0, None, None, 0.0]


def test_z_score_of_the_positive_uses_the_candidates_and_dropped_rows_count(pairs):
    scored = pairs.with_column("dot.x", pl.Series([7.0, 1.0, 2.0, 3.0, 5.0, None], dtype=pl.Float32))
    z = ZScore("dot.x")(scored.drop(pl.col("doc") == 3, "gone"), Local()).frame["z.x"].to_list()
    assert z[0] == pytest.approx(5 / math.sqrt(2 / 3))
    # Query 1 has no candidate with a score: nothing to compare with.
    assert z[4] is None
    assert z[5] is None


def test_z_score_sees_equal_scores_as_equal(pairs):
    scored = pairs.with_column("dot.x", pl.lit(0.1))
    assert set(ZScore("dot.x")(scored, Local()).frame["z.x"].to_list()) == {0.0}


def test_z_score_columns_and_scope():
    step = ZScore("cos.dense")
    assert (step.needs, step.adds, step.scope) == ({"cos.dense"}, {"z.dense"}, "query")
    with pytest.raises(RecipeError, match="no score column"):
        ZScore("rank.dense").check()


@pytest.mark.parametrize("step", [Similarity(Table(), "a b"), Rerank(Table(), ""), Rrf(name="x.y")])
def test_names_are_plain_words(step):
    with pytest.raises(RecipeError, match="letters, digits"):
        step.check()


def test_columns_are_checked_over_the_recipe():
    from foils.sources.random import Random

    with pytest.raises(RecipeError, match=r"rank\.nowhere"):
        Recipe((Random(), Rrf(ranks=("rank.nowhere",)))).check()
