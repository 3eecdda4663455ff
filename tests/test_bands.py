"""Rules relative to the positive, with the worked numbers of the papers."""

import polars as pl
import pytest

from build import collection, kept, one_query, scored
from foils.bands import Band, EcdfThreshold, MarginPos, PercPos, UniMe, UniMeV2
from foils.errors import RecipeError

NV = [0.86, 0.79, 0.77, 0.755, 0.70, 0.60, 0.40]
RELATIVE = [MarginPos(), PercPos(), Band(), UniMe(), UniMeV2(score="prob.dense"), EcdfThreshold()]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (MarginPos(0.05), [0.70, 0.60, 0.40]),
        (PercPos(0.95), [0.755, 0.70, 0.60, 0.40]),
        (Band(upper=-0.05), [0.70, 0.60, 0.40]),
        (Band(upper=-0.05, on="ratio"), [0.755, 0.70, 0.60, 0.40]),
        (Band(lower=-0.2, upper=0.0), [0.79, 0.77, 0.755, 0.70, 0.60]),
        (Band(lower=-0.25, upper=None, on="ratio"), NV[:6]),
        (Band(lower=None, upper=None), NV),
    ],
    ids=repr,
)
def test_nv_retriever_worked_numbers(step, expected, engine):
    assert kept(step(one_query(0.80, NV, "cos"), engine), "cos.dense") == expected


def test_unime_worked_numbers_keep_near_ties_above_the_positive(engine):
    pairs = one_query(0.60, [0.75, 0.69, 0.65, 0.40, 0.20], "cos")
    assert kept(UniMe(0.1)(pairs, engine), "cos.dense") == [0.69, 0.65, 0.40, 0.20]


def test_unime_v2_drops_what_the_judge_finds_as_relevant(engine):
    pairs = one_query(0.95, [0.96, 0.945, 0.93, 0.10], "prob")
    assert kept(UniMeV2(score="prob.dense")(pairs, engine), "prob.dense") == [0.93, 0.10]


def test_perc_pos_is_safe_for_negative_scores(engine):
    """With s+ = -1 the naive threshold is -0.95, which keeps -1.02; the safe one is -1.05."""
    pairs = one_query(-1.0, [-0.5, -0.96, -1.02, -1.06, -2.0])
    assert kept(PercPos(score="dot.dense")(pairs, engine), "dot.dense") == [-1.06, -2.0]
    band = Band(upper=-0.05, on="ratio", score="dot.dense")
    assert kept(band(pairs, engine), "dot.dense") == [-1.06, -2.0]


def test_perc_pos_with_a_positive_at_zero_keeps_what_is_below(engine):
    assert kept(PercPos(score="dot.dense")(one_query(0.0, [1.0, 0.0, -0.1]), engine), "dot.dense") == [-0.1]


def test_shares_of_logits_are_refused():
    for step in (PercPos(score="logit.ce"), Band(on="ratio", score="logit.ce")):
        with pytest.raises(RecipeError, match="logit"):
            step.check()
    Band(on="delta", score="logit.ce").check()
    EcdfThreshold(score="logit.ce").check()


def two_positives(low=0.6, high=0.9):
    where = collection(docs=12, positives=[("q0", "d00"), ("q0", "d01")])
    found = [(0, low), (1, high), *((d, round(1.0 - d / 10, 2)) for d in range(2, 10))]
    return scored(where, {0: found})


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (MarginPos(0.0, reference="min"), [0.5, 0.4, 0.3, 0.2, 0.1]),
        (MarginPos(0.0, reference="each"), [0.5, 0.4, 0.3, 0.2, 0.1]),
        (MarginPos(0.0, reference="mean"), [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (MarginPos(0.0, reference="max"), [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (Band(-0.35, -0.05, reference="min"), [0.5, 0.4, 0.3]),
        (Band(-0.35, -0.05, reference="max"), [0.8, 0.7, 0.6]),
        (Band(-0.65, -0.05, reference="each"), [0.5, 0.4, 0.3]),
    ],
    ids=repr,
)
def test_reference_positive(step, expected, engine):
    assert kept(step(two_positives(), engine), "cos.dense") == expected


def test_each_means_that_the_band_holds_against_every_positive(engine):
    pairs = two_positives()
    expected = [s for s in (0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1) if all(-0.55 <= s - p <= -0.05 for p in (0.6, 0.9))]
    assert kept(Band(-0.55, -0.05, reference="each")(pairs, engine), "cos.dense") == expected


@pytest.mark.parametrize("step", RELATIVE, ids=repr)
def test_no_positive_score_drops_the_candidates(step, engine):
    where = collection(queries=2, docs=10)
    pairs = scored(where, {0: [(0, 0.9), (2, 0.1)], 1: [(3, 0.1), (4, 0.05)]}, unit=step.score.split(".")[0])
    assert set(step(pairs, engine).negatives()["query"]) <= {0}


@pytest.mark.parametrize("step", RELATIVE, ids=repr)
def test_a_missing_score_drops_the_candidate(step, engine):
    unit = step.score.split(".")[0]
    pairs = scored(collection(docs=10), {0: [(0, 0.9), (2, 0.1), (3, 0.2)]}, unit=unit)
    pairs = pairs.with_column(step.score, pl.when(pl.col("doc") != 2).then(pl.col(step.score)))
    assert 2 not in step(pairs, engine).negatives()["doc"]


def ladder():
    """Five queries; the positives score 1 to 5, and each query has candidates at 0.5, 1.5, ..., 4.5."""
    found = {q: [(q, q + 1.0), *((5 + i, i + 0.5) for i in range(5))] for q in range(5)}
    return scored(collection(queries=5, docs=12), found, unit="logit")


@pytest.mark.parametrize(
    ("quantile", "ratio", "expected"),
    [
        (0.0, 0.0, [1, 1, 1, 1, 1]),  # the lowest positive, 1
        (0.5, 0.0, [3, 3, 3, 3, 3]),  # the median positive, 3
        (0.0, 1.0, [1, 2, 3, 4, 5]),  # the own positive
        (0.25, 0.5, [2, 2, 2, 2, 3]),  # half the own quantile (0, 1/8, 1/4, 3/8, 1/2), at least 1/4
    ],
)
def test_ecdf_threshold_by_hand(quantile, ratio, expected, engine):
    pairs = EcdfThreshold(quantile, ratio, "logit.dense")(ladder(), engine)
    assert pairs.live_per_query()["live"].to_list() == expected


def test_ecdf_threshold_with_one_positive_and_with_none(engine):
    one = EcdfThreshold(score="dot.dense")(one_query(2.0, [3.0, 2.0, 1.0]), engine)
    assert kept(one, "dot.dense") == [2.0, 1.0]
    none = scored(collection(docs=6), {0: [(2, 0.1)]})
    assert EcdfThreshold()(none, engine).negatives().height == 0


@pytest.mark.parametrize(
    "step",
    [
        MarginPos(reference="median"),
        MarginPos(score="cosine"),
        PercPos(1.5),
        Band(0.1, -0.1),
        Band(on="share"),
        UniMeV2(score="cos.dense"),
        EcdfThreshold(quantile=5),
        EcdfThreshold(ratio=-0.1),
        UniMe(float("inf")),
    ],
    ids=repr,
)
def test_options_that_cannot_work_are_refused(step):
    with pytest.raises(RecipeError, match=step.label):
        step.check()
