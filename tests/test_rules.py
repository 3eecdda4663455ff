"""Rules on ranks and fixed scores, with the worked numbers of the papers."""

import polars as pl
import pytest

from build import collection, kept, one_query, scored
from foils.errors import RecipeError
from foils.rules import MmEmbed, RankWindow, ScoreRange, Shift, TopkAbs

NV = [0.86, 0.79, 0.77, 0.755, 0.70, 0.60, 0.40]


def ranks(pairs, column="rank.dense"):
    return sorted(pairs.negatives()[column].to_list())


def three_positives():
    """Twelve ranked documents; the positives stand at ranks 1, 3 and 9."""
    where = collection(docs=15, positives=[("q0", "d00"), ("q0", "d02"), ("q0", "d08")])
    return scored(where, {0: [(d, 1 - d / 20) for d in range(12)]})


def test_shift_counts_search_ranks_without_the_labelled_positives(engine):
    assert ranks(Shift(skip=3)(three_positives(), engine)) == [6, 7, 8, 10, 11, 12]


def test_shift_does_not_depend_on_what_was_dropped_before(engine):
    before = three_positives().drop(pl.col("rank.dense").is_in([2, 4, 7]), "other rule")
    assert ranks(Shift(skip=3)(before, engine)) == [6, 8, 10, 11, 12]


def test_shift_by_nothing_keeps_all_and_by_more_than_there_is_drops_all(engine):
    assert len(ranks(Shift(skip=0)(three_positives(), engine))) == 9
    assert ranks(Shift(skip=99)(three_positives(), engine)) == []


def both_sources():
    """Dense found documents 1 to 4, BM25 documents 3 to 6."""
    pairs = scored(collection(docs=9), {0: [(d, 1 - d / 10) for d in range(1, 5)]})
    other = pl.DataFrame(
        {"query": [0] * 4, "doc": [3, 4, 5, 6], "rank": [1, 2, 3, 4]},
        schema={"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32},
    )
    return pairs.add("bm25", other)


@pytest.mark.parametrize(
    ("step", "docs"),
    [
        (Shift(skip=2), [3, 4]),
        (Shift(skip=2, missing="keep"), [3, 4, 5, 6]),
        (RankWindow(first=2, last=3), [2, 3]),
        (RankWindow(first=2, last=3, missing="keep"), [2, 3, 5, 6]),
        (Shift(skip=2, rank="rank.bm25"), [5, 6]),
        (MmEmbed(below=3), [4]),
        (MmEmbed(below=3, wrong="rank.bm25"), [3, 4, 5, 6]),
    ],
    ids=repr,
)
def test_documents_that_the_source_did_not_find(step, docs, engine):
    assert step(both_sources(), engine).negatives()["doc"].to_list() == docs


def test_rank_window_counts_positives_and_includes_its_ends(engine):
    assert ranks(RankWindow(first=3, last=10)(three_positives(), engine)) == [4, 5, 6, 7, 8, 10]


def test_mm_embed_window_keeps_ranks_below_45(engine):
    pairs = scored(collection(docs=60), {0: [(d, 1 - d / 60) for d in range(50)]})
    assert ranks(MmEmbed()(pairs, engine)) == [46, 47, 48, 49, 50]


def test_topk_abs_worked_numbers(engine):
    assert kept(TopkAbs(0.7, "cos.dense")(one_query(0.80, NV, "cos"), engine), "cos.dense") == [0.70, 0.60, 0.40]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(None, None, NV), (0.6, None, NV[:6]), (None, 0.77, NV[2:]), (0.6, 0.77, [0.77, 0.755, 0.70, 0.60])],
)
def test_score_range_includes_its_ends(low, high, expected, engine):
    assert kept(ScoreRange(low, high)(one_query(0.80, NV, "cos"), engine), "cos.dense") == expected


def test_a_candidate_without_a_score_is_dropped(engine):
    unscored = both_sources().with_column("cos.dense", pl.col("cos.dense"))
    for step in (TopkAbs(2.0), ScoreRange()):
        assert step(unscored, engine).negatives()["doc"].to_list() == [1, 2, 3, 4]


def test_candidates_that_rest_on_proof_pass(engine):
    pairs = one_query(0.80, NV, "cos")
    proven = pl.when(pl.col("doc") == 1).then(pl.lit("polarity")).cast(pl.Categorical)
    pairs = pairs.with_column("kind", proven)
    for step in (TopkAbs(0.1), ScoreRange(high=0.1), MmEmbed(), Shift(99), RankWindow(90, 99)):
        assert step(pairs, engine).negatives()["doc"].to_list() == [1]


@pytest.mark.parametrize(
    "step",
    [
        Shift(-1),
        Shift(rank="dense"),
        Shift(missing="maybe"),
        MmEmbed(wrong="bm25"),
        RankWindow(0, 5),
        RankWindow(9, 5),
        TopkAbs(score="dense"),
        TopkAbs(score="euclid.dense"),
        TopkAbs(float("nan")),
        ScoreRange(0.9, 0.1),
    ],
    ids=repr,
)
def test_options_that_cannot_work_are_refused(step):
    with pytest.raises(RecipeError, match=step.label):
        step.check()


def test_rules_name_what_they_read():
    assert TopkAbs(score="z.ce").needs == {"z.ce"}
    assert Shift(rank="rank.bm25").needs == {"rank.bm25"}
    assert MmEmbed(wrong="rank.wrong").needs == {"rank.dense", "rank.wrong"}
