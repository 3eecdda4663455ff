"""Samplers, with the worked numbers of the papers."""

import numpy as np
import polars as pl
import pytest

from build import collection, kept, one_query, scored
from foils.engine import Local
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.select import DebCse, Quota, SimAns, Stride, Top, TopOneSampled, Uniform
from foils.steps import Sampler

SIMANS = [12.0, 10.0, 9.0, 8.0, 5.0]


def probabilities(sampler: Sampler, pairs: Pairs) -> list[float]:
    frame = pairs.frame.select(p=pl.when(pairs.live).then(sampler.log_p(pairs)).exp(), doc="doc").drop_nulls()
    values = frame.sort("doc")["p"].to_numpy()
    return [round(float(v), 6) for v in values / values.sum()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.072094, 0.532707, 0.323103, 0.072094, 0.000002]),
        ({"offset": -1.0}, [0.004994, 0.272659, 0.449538, 0.272659, 0.000151]),
        ({"offset": 1.0}, [0.446141, 0.446141, 0.099547, 0.008171, 0.0]),
        ({"form": "absolute", "a": 3.0}, [0.002350, 0.948097, 0.047203, 0.002350, 0.0]),
    ],
    ids=["b=0", "code sign b=1", "paper sign b=1", "MS MARCO script"],
)
def test_simans_worked_numbers(options, expected):
    pairs = one_query(10.0, SIMANS)
    assert probabilities(SimAns(score="dot.dense", **options), pairs) == pytest.approx(expected, abs=2e-6)


def test_simans_standardised_does_not_depend_on_the_scale():
    small = one_query(1.0, [s / 10 for s in SIMANS])
    sampler = SimAns(score="dot.dense", standardise=True)
    assert probabilities(sampler, small) == pytest.approx(probabilities(sampler, one_query(10.0, SIMANS)), abs=1e-5)


@pytest.mark.parametrize("scores", [[5.0], [0.1] * 7], ids=["one", "ties"])
def test_simans_standardised_draws_where_nothing_can_be_told_apart(scores):
    drawn = SimAns(n=2, score="dot.dense", standardise=True)(one_query(10.0, scores), Local())
    assert drawn.negatives().height == min(2, len(scores))


def test_simans_draws_by_its_weights():
    queries = 20_000
    where = collection(queries, 6, [(f"q{i}", "d00") for i in range(queries)])
    scores = [(0, 10.0), *((i, s) for i, s in enumerate(SIMANS, 1))]
    pairs = scored(where, dict.fromkeys(range(queries), scores), unit="dot")
    drawn = SimAns(n=1, score="dot.dense")(pairs, Local()).negatives()
    shares = drawn.group_by("doc").len().sort("doc").with_columns(pl.col("len") / queries)
    share = dict(shares.iter_rows())
    for doc, p in enumerate([0.072094, 0.532707, 0.323103, 0.072094], 1):
        assert share[doc] == pytest.approx(p, abs=4 * (p * (1 - p) / queries) ** 0.5)


def test_top_takes_the_highest_scores_ties_by_document():
    pairs = one_query(0.9, [0.5, 0.7, 0.5, 0.6, 0.1], unit="cos")
    assert Top(n=3, by="cos.dense")(pairs, Local()).negatives()["doc"].to_list() == [1, 2, 4]


def test_top_by_rank_equals_top_by_score():
    pairs = one_query(0.9, [0.5, 0.7, 0.55, 0.6, 0.1], unit="cos")
    by_score, by_rank, by_any = (Top(n=3, by=b)(pairs, Local()) for b in ("cos.dense", "rank.dense", ""))
    assert kept(by_score, "cos.dense") == kept(by_rank, "cos.dense") == kept(by_any, "cos.dense") == [0.7, 0.55, 0.6]


def test_what_is_not_drawn_says_so():
    pairs = Top(n=2, by="cos.dense")(one_query(0.9, [0.5, 0.7, 0.55], unit="cos"), Local())
    assert pairs.counts() == {"not drawn": 1, "positive": 1, "selected": 2}


def test_uniform_draws_within_the_pool_only_and_evenly():
    queries = 5_000
    where = collection(queries, 12, [(f"q{i}", "d00") for i in range(queries)])
    ranked = [(i, 1 - i / 20) for i in range(12)]
    pairs = scored(where, dict.fromkeys(range(queries), ranked))
    drawn = Uniform(n=2, pool=5, by="cos.dense")(pairs, Local()).negatives()
    counts = dict(drawn.group_by("doc").len().iter_rows())
    assert set(counts) == {1, 2, 3, 4, 5}
    assert all(abs(n - 2_000) < 4 * (queries * 0.4 * 0.6) ** 0.5 for n in counts.values())


def test_top_one_sampled_always_keeps_the_hardest():
    queries = 300
    where = collection(queries, 15, [(f"q{i}", "d00") for i in range(queries)])
    pairs = scored(where, {q: [(i, 1 - i / 20) for i in range(15)] for q in range(queries)})
    drawn = TopOneSampled(n=3, pool=10, by="cos.dense")(pairs, Local()).negatives()
    assert drawn.filter(pl.col("doc") == 1).height == queries
    assert drawn.height == 3 * queries
    assert set(drawn["doc"].to_list()) == set(range(1, 11))


def test_stride_takes_every_fifth_then_cycles():
    pairs = one_query(0.99, [0.9 - i / 100 for i in range(12)], unit="cos")
    drawn = Stride(n=4, step=5, by="cos.dense")(pairs, Local()).negatives()
    assert sorted(drawn["rank.dense"].to_list()) == [2, 3, 7, 12]


def test_stride_with_fewer_than_asked_keeps_them_all_once():
    pairs = one_query(0.99, [0.9, 0.8, 0.7], unit="cos")
    assert Stride(n=10)(pairs, Local()).negatives().height == 3


def test_debcse_weight():
    pairs = one_query(0.9, [0.5, 0.2, 0.5], unit="cos")
    pairs = pairs.with_column("jaccard.words", pl.Series([1.0, 0.5, 0.5, 0.95], dtype=pl.Float32))
    weights = np.array([0.5 / 0.5, 0.8 / 0.5, 0.5 / 0.1])
    assert probabilities(DebCse(), pairs) == pytest.approx((weights / weights.sum()).tolist(), abs=1e-5)


def test_debcse_refuses_scores_without_an_upper_end():
    with pytest.raises(RecipeError, match="no upper end"):
        DebCse(score="bm25.bm25").check()


def two_sources() -> Pairs:
    pairs = one_query(0.9, [0.8, 0.7, 0.6, 0.5], unit="cos")
    found = pl.DataFrame(
        {"query": [0, 0, 0], "doc": [4, 1, 7], "rank": [1, 2, 3]},
        schema={"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32},
    )
    return pairs.add("bm25", found)


def test_quota_takes_each_share_then_the_rest():
    sampler = Quota(n=4, shares=(("dense", 2), ("bm25", 1)))
    # dense: its ranks 2 and 3 (rank 1 is the positive); bm25: its first; the rest: the best
    # rank of any source, document 7 (3rd of bm25) before document 3 (4th of dense).
    assert sampler(two_sources(), Local()).negatives()["doc"].to_list() == [1, 2, 4, 7]
    assert Quota(n=3, shares=(("dense", 1), ("bm25", 2)))(two_sources(), Local()).negatives()["doc"].to_list() == [
        1,
        4,
        7,
    ]


def test_quota_by_kind():
    pairs = two_sources()
    kind = pl.when(pl.col("doc") == 7).then(pl.lit("typed")).cast(pl.Categorical)
    pairs = Pairs(pairs.frame.with_columns(kind=kind), pairs.collection)
    drawn = Quota(n=2, of="kind", shares=(("typed", 1), ("mined", 1)))(pairs, Local()).negatives()
    assert drawn["doc"].to_list() == [4, 7]


def test_quota_shares_must_fit():
    with pytest.raises(RecipeError, match="add up to 9, more than n=8"):
        Quota(n=8, shares=(("a", 4), ("b", 5))).check()


@pytest.mark.parametrize("short", ["fewer", "drop query", "relax", "random"])
def test_short_rows_follow_their_policy(short):
    where = collection(2, 30)
    pairs = scored(where, {0: [(0, 0.9), *((i, 0.8 - i / 100) for i in range(2, 12))], 1: [(1, 0.9), (5, 0.8)]})
    pairs = pairs.drop((pl.col("query") == 0) & (pl.col("rank.dense") <= 8), "perc-pos", soft=True)
    drawn = Top(n=5, by="cos.dense", short=short)(pairs, Local())
    live = dict(drawn.live_per_query().iter_rows())
    filled = drawn.frame.filter(drawn.live & pl.col("filled").is_not_null())
    if short == "fewer":
        assert live == {0: 3, 1: 1}
    elif short == "drop query":
        assert live == {0: 0, 1: 0}
        assert drawn.counts()["short row"] == 4
    elif short == "relax":
        # The deepest of what a soft rule dropped; query 1 has nothing to take back.
        assert live == {0: 5, 1: 1}
        assert filled["rank.dense"].to_list() == [7, 8]
    else:
        assert live == {0: 5, 1: 5}
        assert filled["filled"].cast(pl.String).unique().to_list() == ["random"]
    if short in ("fewer", "drop query"):
        assert filled.height == 0


def test_random_fill_never_takes_a_positive_a_seen_document_or_a_copy():
    where = collection(1, 8)
    corpus = where.corpus.with_columns(
        text=pl.when(pl.col("id") == "d07").then(pl.lit("text number 0")).otherwise("text")
    )
    where = type(where)(corpus, where.queries, where.positives)
    pairs = scored(where, {0: [(0, 0.9), (1, 0.8)]}).drop(pl.col("doc") == 1, "near-duplicate")
    filled = Top(n=7, by="cos.dense", short="random")(pairs, Local()).negatives()
    assert filled["doc"].to_list() == [2, 3, 4, 5, 6]


def test_random_fill_never_takes_what_answers_the_same_question():
    where = collection(2, 8)
    corpus = where.corpus.with_columns(
        text=pl.when(pl.col("id") == "d07").then(pl.lit("text number 1")).otherwise("text")
    )
    where = type(where)(corpus, where.queries.with_columns(text=pl.Series(["who?", "Who? "])), where.positives)
    filled = Top(n=7, short="random")(scored(where, {0: [(2, 0.5)]}), Local()).negatives()
    assert filled.filter(pl.col("query") == 0)["doc"].to_list() == [2, 3, 4, 5, 6]
    assert filled.filter(pl.col("query") == 1)["doc"].to_list() == [2, 3, 4, 5, 6]


def test_relax_never_takes_back_what_a_hard_rule_dropped():
    pairs = one_query(0.9, [0.8, 0.7], unit="cos").drop(pl.lit(value=True), "known-positive")
    assert Top(n=2, short="relax")(pairs, Local()).negatives().height == 0


def test_draws_do_not_depend_on_other_queries():
    where = collection(40, 60)
    scores = {q: [(q, 0.95)] + [(d, 0.9 - d / 100) for d in range(60) if d != q] for q in range(40)}
    sampler = Uniform(n=5, seed=3)
    whole = sampler(scored(where, scores), Local()).negatives().select("query", "doc")
    part = scored(where, {q: scores[q] for q in (7, 31)})
    part = Pairs(part.frame.filter(pl.col("query").is_in([7, 31])), where)
    assert whole.filter(pl.col("query").is_in([7, 31])).equals(
        sampler(part, Local()).negatives().select("query", "doc")
    )


def test_another_seed_is_another_draw():
    pairs = one_query(0.99, [0.9 - i / 100 for i in range(40)], unit="cos")
    draws = {tuple(Uniform(n=5, seed=s)(pairs, Local()).negatives()["doc"].to_list()) for s in range(5)}
    assert len(draws) == 5


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (Top(n=0), "n=0 draws nothing"),
        (Top(short="silently"), "is not a policy"),  # type: ignore[arg-type]
        (SimAns(a=0), "must be positive"),
        (SimAns(form="cubic"), "one of squared, absolute"),  # type: ignore[arg-type]
        (Stride(step=0), "at least 1"),
        (Quota(draw="best"), "one of top, uniform"),  # type: ignore[arg-type]
    ],
)
def test_wrong_options_are_refused(sampler, message):
    with pytest.raises(RecipeError, match=message):
        sampler.check()
