"""Rates with intervals, samples with known chances, and the draw within a risk."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build import collection, scored
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.risk.choose import places, standardised, within_risk
from foils.risk.estimate import (
    clopper_pearson,
    cluster_robust,
    conformal_cut,
    hajek,
    prediction_powered,
    rogan_gladen,
    stratified,
    upper,
)
from foils.risk.sample import by_strata, simple, spread, whole_queries
from foils.risk.select import WithinRisk


def test_clopper_pearson_is_the_exact_binomial_interval():
    none = clopper_pearson(0, 150)
    assert none.low == 0
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 150))
    some = clopper_pearson(5, 20)
    assert (some.low, some.high) == pytest.approx((0.0866, 0.4910), abs=5e-4)
    assert clopper_pearson(3, 3).high == 1
    with pytest.raises(DataError, match="no more finds"):
        clopper_pearson(4, 3)


@pytest.mark.parametrize(
    ("false", "n", "confidence", "low", "high"),
    [
        (0, 10, 0.95, 0.0, 0.3085),
        (1, 10, 0.95, 0.0025, 0.4450),
        (5, 10, 0.95, 0.1871, 0.8129),
        (10, 100, 0.95, 0.0490, 0.1762),
        (3, 100, 0.95, 0.0062, 0.0852),
        (1, 20, 0.90, 0.0026, 0.2161),
        (0, 20, 0.99, 0.0, 0.2327),
    ],
)
def test_clopper_pearson_agrees_with_the_tables(false, n, confidence, low, high):
    found = clopper_pearson(false, n, confidence)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("n", "rate"), [(20, 0.03), (60, 0.1), (200, 0.02), (200, 0.3)])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(n, rate):
    from scipy.stats import binom

    counts = np.arange(n + 1)
    inside = [f.low <= rate <= f.high for f in (clopper_pearson(int(k), n) for k in counts)]
    assert binom.pmf(counts, n, rate)[inside].sum() >= 0.95


def test_an_interval_reads_as_a_sentence():
    assert str(clopper_pearson(10, 100)) == "10.0 % (95 %: 4.9-17.6 %, Clopper-Pearson, 100 verdicts)"
    with pytest.raises(DataError, match="between 0 and 1"):
        clopper_pearson(1, 10, confidence=95)


def test_the_upper_bound_knows_the_size_of_the_population():
    assert upper(2, 10, 10) == pytest.approx(0.2)
    assert upper(0, 0, 10) == 1
    assert upper(0, 45, 10**6) == pytest.approx(1 - 0.1 ** (1 / 45), abs=1e-3)
    assert upper(0, 45, 100) < upper(0, 45, 10**6)
    # 5 of 20 rows drawn, none found: with 7 false ones that has a chance of C(13,5)/C(20,5) = .083, with 6 of .129.
    assert upper(0, 5, 20) == pytest.approx(6 / 20)
    with pytest.raises(DataError, match="cannot come from"):
        upper(0, 11, 10)


def test_strata_weigh_by_their_size():
    found = stratified(np.array([1, 0]), np.array([10, 10]), np.array([100, 900]))
    assert found.rate == pytest.approx(0.01)
    assert found.low < 0.01 < found.high
    whole = stratified(np.array([3, 0]), np.array([10, 10]), np.array([10, 10]))
    assert (whole.rate, whole.low, whole.high) == pytest.approx((0.15, 0.15, 0.15))


def test_strata_are_refused_where_they_cannot_speak():
    with pytest.raises(DataError, match="every stratum"):
        stratified(np.array([0, 0]), np.array([0, 10]), np.array([5, 100]))
    with pytest.raises(DataError, match="every stratum"):
        stratified(np.array([0]), np.array([10]), np.array([5]))


def test_strata_have_the_variance_of_the_textbook():
    """Cochran 5.12 with 2 strata of 100 and 300 rows, 20 verdicts each: 5 and 2 found."""
    found = stratified(np.array([5, 2]), np.array([20, 20]), np.array([100, 300]))
    assert found.rate == pytest.approx(0.25 * 0.25 + 0.75 * 0.1)
    pulled = (np.array([5, 2]) + found.rate) / 21
    variance = (np.array([1, 9]) / 16) @ (np.array([0.8, 1 - 1 / 15]) * pulled * (1 - pulled) / 20)
    spread_ = found.rate * (1 - found.rate)
    from scipy.stats import t

    effective = spread_ / variance * (t.ppf(0.975, 39) / t.ppf(0.975, 38)) ** 2
    exact = clopper_pearson(found.rate * effective, effective)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_known_chances_are_undone():
    assert hajek(np.array([1, 0, 0]), np.array([1.0, 0.1, 0.1])).rate == pytest.approx(1 / 21)
    equal = hajek(np.array([1, 0, 0, 0]), np.full(4, 0.5))
    assert equal.rate == pytest.approx(0.25)
    # Half of each kind was drawn: 2 in 10 of the one, 0 in 10 of the other, 10 and 90 rows each.
    known = hajek(np.array([1, 1] + [0] * 18), np.repeat([1.0, 1 / 9], 10))
    assert known.rate == pytest.approx(2 / 100)
    nothing = hajek(np.zeros(50), np.full(50, 0.1))
    assert (nothing.rate, nothing.low) == (0, 0)
    assert nothing.high == pytest.approx(clopper_pearson(0, 50).high)
    with pytest.raises(DataError, match="chances"):
        hajek(np.array([1.0]), np.array([0.0]))
    with pytest.raises(DataError, match="chances"):
        hajek(np.array([]), np.array([]))


def test_prediction_powered_inference_uses_a_good_p_and_ignores_a_useless_one():
    rng = np.random.default_rng(0)
    p = rng.random(4000) * 0.4
    truth = (rng.random(4000) < p).astype(float)
    rows = rng.choice(4000, 400, replace=False)
    good = prediction_powered(p, p[rows], truth[rows])
    assert good.low < truth.mean() < good.high
    flat = prediction_powered(np.full(4000, 0.2), np.full(400, 0.2), truth[rows])
    assert flat.rate == pytest.approx(truth[rows].mean())
    assert good.high - good.low < flat.high - flat.low


def test_prediction_powered_inference_is_the_formula_of_the_paper():
    p = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.2, 0.4, 0.0])
    judged, truth = p[:4], np.array([0.0, 0.0, 1.0, 1.0])
    # cov = .4 / 3, var = .2 / 3, n / N = 1 / 2: 2 / 1.5, held at 1; mean(p) = .325, of the judged .3.
    assert prediction_powered(p, judged, truth).rate == pytest.approx(0.5 + 1.0 * (0.325 - 0.3))
    weak = np.array([0.0, 1.0, 0.0, 1.0])
    # cov = .2 / 3 / 2 ... by hand: sum of (p - .3)(y - .5) = .2, over 3; over (1.5 * .2 / 3) = 2 / 3.
    assert prediction_powered(p, judged, weak).rate == pytest.approx(0.5 + (2 / 3) * 0.025)
    opposed = prediction_powered(p, judged, 1 - truth)
    assert opposed.rate == pytest.approx(0.5)  # a p that is worse than none gets no weight
    with pytest.raises(DataError, match="at least 2"):
        prediction_powered(p, judged[:1], truth[:1])


def test_queries_judged_whole_give_a_wider_interval():
    false, n = np.array([8, 0, 0, 0, 8, 0, 0, 0, 0, 0]), np.full(10, 10)
    robust, naive = cluster_robust(false, n), clopper_pearson(16, 100)
    assert robust.rate == naive.rate == pytest.approx(0.16)
    assert robust.high - robust.low > naive.high - naive.low
    every = cluster_robust(false, n, queries=10)
    assert every.low == every.high == pytest.approx(0.16)
    assert cluster_robust(np.zeros(10), n).high == pytest.approx(clopper_pearson(0, 10).high, rel=0.3)
    with pytest.raises(DataError, match="at least 2"):
        cluster_robust(np.array([1]), np.array([8]))


def test_a_judge_that_errs_is_corrected_with_a_warning():
    found = rogan_gladen(18, 100, 0.9, 0.9)
    assert found.rate == pytest.approx((0.18 - 0.1) / 0.8)
    assert "rests on the stated" in found.note
    assert (found.low, found.high) == pytest.approx(
        tuple((x - 0.1) / 0.8 for x in (clopper_pearson(18, 100).low, clopper_pearson(18, 100).high))
    )
    # Rogan and Gladen's point: less is called positive than the error rate alone would give.
    assert rogan_gladen(3, 100, 0.9, 0.95).rate == 0
    assert "judge a sample by a person" in rogan_gladen(8, 100, 0.9, 0.95).note
    with pytest.raises(DataError, match="tells nothing"):
        rogan_gladen(1, 10, 0.5, 0.5)
    with pytest.raises(DataError, match="tells nothing"):
        rogan_gladen(1, 10, 1.2, 0.9)


def test_conformal_control_takes_the_boldest_cut_within_the_risk():
    losses = np.tile([0.0, 0.05, 0.3], (99, 1))
    assert conformal_cut(losses, 0.1) == 1
    assert conformal_cut(losses, 0.001) is None
    # Equation 4 with n = 9: (9 * .05 + 1) / 10 = .145.
    nine = np.tile([0.0, 0.05], (9, 1))
    assert conformal_cut(nine, 0.145) == 1
    assert conformal_cut(nine, 0.144) == 0
    assert conformal_cut(nine, 0.099) is None
    # A loss that falls again is held at its maximum.
    assert conformal_cut(np.tile([0.0, 0.4, 0.0], (99, 1)), 0.2) == 0


def test_the_draw_takes_the_hardest_whose_mean_is_within_the_risk():
    query = np.zeros(4, dtype=np.uint32)
    p, hard = np.array([0.3, 0.1, 0.05, 0.0]), np.array([4.0, 3.0, 2.0, 1.0])
    assert within_risk(query, p, hard, 2, 0.2).tolist() == [True, True, False, False]
    assert within_risk(query, p, hard, 2, 0.1).tolist() == [False, True, True, False]
    assert within_risk(query, p, hard, 2, 0.0).tolist() == [False, False, False, True]
    assert not within_risk(query, np.full(4, np.nan), hard, 2, 1.0).any()


def test_the_sampler_reads_the_table_and_refuses_to_relax():
    pairs = scored(collection(docs=10), {0: [(0, 0.9), (1, 0.8), (2, 0.7), (3, 0.6)]})
    p = {0: None, 1: 0.5, 2: 0.08, 3: 0.0}
    values = np.array([p[d] if p[d] is not None else np.nan for d in pairs.frame["doc"].to_list()])
    pairs = pairs.with_column("p_relevant", pl.Series(values, dtype=pl.Float32).fill_nan(None))
    drawn = WithinRisk(n=2, risk=0.05, by="cos.dense")(pairs, Local())
    assert drawn.negatives()["doc"].to_list() == [2, 3]
    with pytest.raises(RecipeError, match="take back what the risk forbids"):
        WithinRisk(short="relax").check()
    with pytest.raises(RecipeError, match="is no share"):
        WithinRisk(risk=1.5).check()


@pytest.mark.parametrize(("by", "taken"), [("llm:big@1", [3, 4]), ("human:ann", [1, 3])])
def test_a_models_no_makes_nothing_safer_than_the_detector_finds_it(by, taken):
    pairs = scored(collection(docs=10), {0: [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)]})
    judged = pl.col("doc") == 1
    pairs = pairs.with_column("prob.detector", pl.when(pl.col("doc") > 2).then(0.0).otherwise(0.4).cast(pl.Float32))
    pairs = pairs.with_column("p_relevant", pl.when(judged).then(0.0).otherwise("prob.detector"))
    pairs = pairs.with_column("judged_by", pl.when(judged).then(pl.lit(by, dtype=pl.Categorical)))
    assert WithinRisk(n=2, risk=0.05, by="cos.dense")(pairs, Local()).negatives()["doc"].to_list() == taken


def test_samples_have_the_size_and_the_chance_that_they_state():
    query = np.repeat(np.arange(50, dtype=np.uint32), 8)
    drawn = spread(query, np.random.default_rng(0).random(400), 40, seed=1)
    assert len(drawn.rows) == 40
    assert len(np.unique(query[drawn.rows])) == 40
    assert (drawn.chance == 0.1).all()
    assert simple(10, 25, 0).chance.tolist() == [1.0] * 10


def test_samples_cover_what_they_stand_for():
    p = np.concatenate([np.full(900, 0.01), np.full(100, 0.5)])
    drawn = by_strata(p, 100, seed=0)
    assert len(drawn.rows) == 100
    assert (drawn.rows >= 900).sum() > 20  # twice what a simple sample would spend where the finds are
    assert (1 / drawn.chance).sum() == pytest.approx(1000)
    query = np.repeat(np.arange(20, dtype=np.uint32), 5)
    whole = whole_queries(query, 4, seed=0)
    assert np.bincount(query[whole.rows], minlength=20).tolist().count(5) == 4
    assert len(spread(query, np.zeros(100), 0, 0).rows) == len(by_strata(np.zeros(0), 5, 0).rows) == 0
    with pytest.raises(DataError, match="cannot be drawn"):
        simple(10, -1, 0)


def test_every_row_is_drawn_as_often_as_its_chance_says():
    rng = np.random.default_rng(0)
    query, p = np.repeat(np.arange(30, dtype=np.uint32), 4), rng.random(120)
    drawn = {"spread": np.zeros(120), "strata": np.zeros(120)}
    expected = np.zeros(120)
    for seed in range(600):
        drawn["spread"][spread(query, p, 24, seed).rows] += 1
        strata = by_strata(p, 24, seed)
        drawn["strata"][strata.rows] += 1
        expected[strata.rows] = strata.chance
    assert np.abs(drawn["spread"] / 600 - 0.2).max() < 5 * np.sqrt(0.16 / 600)
    error = drawn["strata"] / 600 - expected
    assert np.abs(error / np.sqrt(np.maximum(expected * (1 - expected), 1e-3) / 600)).max() < 5


@pytest.fixture(scope="module")
def selection():
    """300 queries of 8 negatives, 6 % false, gathered in queries, with probabilities that know some of it."""
    rng = np.random.default_rng(1)
    query = np.repeat(np.arange(300, dtype=np.uint32), 8)
    hard = np.repeat(rng.normal(-3.6, 1.4, 300), 8)
    truth = (rng.random(2400) < 1 / (1 + np.exp(-hard))).astype(float)
    p = 1 / (1 + np.exp(-(hard + 2 * truth + rng.normal(-0.3, 1.0, 2400))))
    return query, p, truth


@pytest.mark.parametrize("design", ["one per query", "prediction-powered", "strata", "chances", "whole queries"])
def test_every_interval_covers_the_truth(selection, design):
    """95 % are promised; in 300 draws fewer than 93 % would be seen once in about fifteen times."""
    query, p, truth = selection
    rate, hits = truth.mean(), 0
    for seed in range(300):
        if design == "one per query":
            rows = spread(query, p, 150, seed).rows
            found = clopper_pearson(truth[rows].sum(), 150)
        elif design == "prediction-powered":
            rows = spread(query, p, 150, seed).rows
            found = prediction_powered(p, p[rows], truth[rows])
        elif design == "whole queries":
            rows = whole_queries(query, 40, seed).rows
            groups = np.unique(query[rows], return_inverse=True)[1]
            found = cluster_robust(np.bincount(groups, truth[rows]), np.bincount(groups), 300)
        else:
            drawn = by_strata(p, 150, seed)
            size = np.bincount(drawn.stratum)
            found = (
                hajek(truth[drawn.rows], drawn.chance)
                if design == "chances"
                else stratified(
                    np.bincount(drawn.stratum, truth[drawn.rows]), size, np.bincount(drawn.stratum, 1 / drawn.chance)
                )
            )
        hits += found.low <= rate <= found.high
    assert hits >= 0.93 * 300


def test_whole_queries_with_a_binomial_interval_cover_too_little(selection):
    """The trap that ``cluster_robust`` is for: this selection makes it visible."""
    query, p, truth = selection
    del p
    misses = 0
    for seed in range(300):
        rows = whole_queries(query, 40, seed).rows
        found = clopper_pearson(truth[rows].sum(), len(rows))
        misses += not found.low <= truth.mean() <= found.high
    assert misses > 0.05 * 300


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_draw_never_breaks_the_risk(data):
    sizes = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=5))
    query = np.repeat(np.arange(len(sizes), dtype=np.uint32), sizes)
    unit = st.floats(0, 1, allow_nan=False)
    p = np.array(data.draw(st.lists(unit | st.just(float("nan")), min_size=len(query), max_size=len(query))))
    hard = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=len(query), max_size=len(query))))
    n, risk = data.draw(st.integers(1, 8)), data.draw(unit)
    taken = within_risk(query, p, hard, n, risk)
    assert not np.isnan(p[taken]).any()
    for q in np.unique(query):
        mine = taken & (query == q)
        assert mine.sum() <= n
        if mine.any():
            assert p[mine].mean() <= risk + 1e-6
        elif (query == q).any():
            assert not (p[query == q] <= risk - 1e-6).any()


def test_places_and_standard_scores_are_per_query():
    query = np.array([0, 0, 0, 1, 1], dtype=np.uint32)
    keys = np.array([1.0, 3.0, np.nan, 2.0, 2.0])
    assert places(query, keys).tolist()[:2] == [1, 0]
    assert places(query, keys)[2] > 100
    z = standardised(query, keys)
    assert z[:2].tolist() == [-1.0, 1.0]
    assert np.isnan(z[2])
    assert z[3:].tolist() == [0.0, 0.0]
