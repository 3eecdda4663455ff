"""Rates with intervals, samples with known chances, and the draw within a risk."""

import numpy as np
import pytest

from build import collection, scored
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.risk.choose import within_risk
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
from foils.risk.guarantee import guarantee, least
from foils.risk.sample import simple, spread
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


def test_the_upper_bound_knows_the_size_of_the_population():
    assert upper(2, 10, 10) == pytest.approx(0.2)
    assert upper(0, 0, 10) == 1
    assert upper(0, 45, 10**6) == pytest.approx(1 - 0.1 ** (1 / 45), abs=1e-3)
    assert upper(0, 45, 100) < upper(0, 45, 10**6)


def test_strata_weigh_by_their_size():
    found = stratified(np.array([1, 0]), np.array([10, 10]), np.array([100, 900]))
    assert found.rate == pytest.approx(0.01)
    assert found.low < 0.01 < found.high
    whole = stratified(np.array([3, 0]), np.array([10, 10]), np.array([10, 10]))
    assert (whole.rate, whole.low, whole.high) == pytest.approx((0.15, 0.15, 0.15))


def test_known_chances_are_undone():
    assert hajek(np.array([1, 0, 0]), np.array([1.0, 0.1, 0.1])).rate == pytest.approx(1 / 21)
    with pytest.raises(DataError, match="chances"):
        hajek(np.array([1.0]), np.array([0.0]))


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


def test_queries_judged_whole_give_a_wider_interval():
    false, n = np.array([8, 0, 0, 0, 8, 0, 0, 0, 0, 0]), np.full(10, 10)
    robust, naive = cluster_robust(false, n), clopper_pearson(16, 100)
    assert robust.rate == naive.rate == pytest.approx(0.16)
    assert robust.high - robust.low > naive.high - naive.low


def test_a_judge_that_errs_is_corrected_with_a_warning():
    found = rogan_gladen(18, 100, 0.9, 0.9)
    assert found.rate == pytest.approx((0.18 - 0.1) / 0.8)
    assert "rests on the stated" in found.note
    with pytest.raises(DataError, match="tells nothing"):
        rogan_gladen(1, 10, 0.5, 0.5)


def test_conformal_control_takes_the_boldest_cut_within_the_risk():
    losses = np.tile([0.0, 0.05, 0.3], (99, 1))
    assert conformal_cut(losses, 0.1) == 1
    assert conformal_cut(losses, 0.001) is None


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
    import polars as pl

    pairs = pairs.with_column("p_relevant", pl.Series(values, dtype=pl.Float32).fill_nan(None))
    drawn = WithinRisk(n=2, risk=0.05, by="cos.dense")(pairs, Local())
    assert drawn.negatives()["doc"].to_list() == [2, 3]
    with pytest.raises(RecipeError, match="take back what the risk forbids"):
        WithinRisk(short="relax").check()
    with pytest.raises(RecipeError, match="is no share"):
        WithinRisk(risk=1.5).check()


def test_samples_have_the_size_and_the_chance_that_they_state():
    query = np.repeat(np.arange(50, dtype=np.uint32), 8)
    drawn = spread(query, np.random.default_rng(0).random(400), 40, seed=1)
    assert len(drawn.rows) == 40
    assert len(np.unique(query[drawn.rows])) == 40
    assert (drawn.chance == 0.1).all()
    assert simple(10, 25, 0).chance.tolist() == [1.0] * 10


def test_the_promise_holds_whatever_p_says():
    """A useless p costs negatives, not the promise: at 90 % confidence at most about one in ten runs may break it."""
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(150, dtype=np.uint32), 20)
    broken = 0
    for seed in range(40):
        hard = rng.random(3000)
        truth = rng.random(3000) < 0.25 * hard
        p = np.clip(0.25 * hard + 0.05 * rng.standard_normal(3000), 0.001, 0.99)
        done = guarantee(query, p, hard, 5, 0.1, 200, lambda rows, t=truth: t[rows].astype(float), seed=seed)
        broken += bool(done.chosen.any()) and truth[done.chosen].mean() > 0.1
    assert broken <= 9
    assert least(0.05) == 45
