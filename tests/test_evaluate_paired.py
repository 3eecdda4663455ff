"""Paired tests: numbers by hand, scipy, and what noise must be called."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils.errors import DataError, RecipeError
from foils.evaluate.paired import compare, detectable, holm, interval, sign_flip


def table(values, name="AP"):
    return pl.DataFrame(
        {"query_id": [f"{i:04}" for i in range(len(values))], name: values}, schema_overrides={name: pl.Float64}
    )


def test_holm_by_hand():
    # 0.005 * 4, 0.011 * 3, 0.02 * 2, 0.04 * 1; the third may not fall below the second.
    assert holm([0.04, 0.005, 0.02, 0.011]) == pytest.approx([0.04, 0.02, 0.04, 0.033])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_never_smaller_and_keeps_the_order(p):
    corrected = holm(p)
    assert all(c >= min(v, 1.0) for c, v in zip(corrected, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff([corrected[i] for i in order]) >= 0).all()


def test_sign_flip_by_hand():
    # 16 sign patterns of (1, 2, 3, 4): |sum| >= 8 for sums 10, 8 and their mirror images.
    assert sign_flip(np.array([1.0, 2.0, 3.0, 4.0])) == 2 / 16
    assert sign_flip(np.array([-1.0, 2.0, 3.0, 4.0])) == 4 / 16
    assert sign_flip(np.zeros(5)) == 1.0


def test_sign_flip_agrees_with_scipy():
    from scipy.stats import permutation_test

    differences = np.random.default_rng(5).normal(0.3, 1, 12)
    theirs = permutation_test(
        (differences, np.zeros(12)), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=1e5
    )
    assert sign_flip(differences) == pytest.approx(theirs.pvalue, abs=1e-9)


def test_drawn_sign_flips_are_near_the_exact_ones_and_repeat():
    from scipy.stats import ttest_1samp

    differences = np.random.default_rng(3).normal(0.15, 1, 200)
    p = sign_flip(differences, draws=20_000, seed=1)
    assert p == sign_flip(differences, draws=20_000, seed=1)
    assert p == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.01)
    assert sign_flip(np.ones(50), draws=99) == 1 / 100


def test_the_t_test_is_scipys():
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(30)
    row = compare({"b": table(b), "a": table(a)}, test="t").row(0, named=True)
    assert row["p"] == pytest.approx(ttest_rel(a, b).pvalue)
    assert row["difference"] == pytest.approx((a - b).mean())


def test_the_detectable_difference_has_the_power_it_claims():
    rng = np.random.default_rng(1)
    least = detectable(rng.normal(0, 1, 40))
    draws = rng.normal(least, 1, (4000, 40))
    error = draws.std(axis=1, ddof=1) / np.sqrt(40)
    # The spread of the first sample stands in for the true one.
    found = (np.abs(draws.mean(axis=1)) / error > 2.0227).mean()
    assert found == pytest.approx(0.8, abs=0.12)
    assert detectable(np.array([1.0])) is None


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    for i in range(200):
        found = interval(rng.beta(2, 2, 60), draws=400, seed=i)
        hits += found.low <= 0.5 <= found.high
    assert hits / 200 == pytest.approx(0.95, abs=0.05)


def test_intervals_of_nothing_and_of_one():
    assert interval([]) == (None, None, None, 0)
    assert interval([float("nan"), 0.25]) == (0.25, 0.25, 0.25, 1)


def test_the_family_is_every_pair_and_measure():
    rng = np.random.default_rng(4)
    base = rng.random(60)
    systems = {
        name: table(np.clip(base + shift, 0, 1)).with_columns(RR=pl.col("AP") * 0.5)
        for name, shift in (("a", 0.0), ("b", 0.2), ("c", 0.0))
    }
    found = compare(systems)
    assert found.select("system", "against", "measure").rows() == [
        ("b", "a", "AP"), ("b", "a", "RR"), ("c", "a", "AP"), ("c", "a", "RR"),
    ]  # fmt: skip
    assert found["p_holm"].to_list() == holm(found["p"].to_list())
    assert found["verdict"].to_list() == ["better", "better", "noise", "noise"]
    turned = compare(systems, [("a", "b")], measures=["AP"])
    assert turned["verdict"].to_list() == ["worse"]
    assert turned["difference"][0] == pytest.approx(-found["difference"][0])


def test_significant_but_below_what_the_set_detects_is_noise():
    # t = 2.3 on 100 queries: p < .05, but 80 % power needs 2.8 standard errors.
    values = np.tile([1.0, -1.0], 50)
    values = values / values.std(ddof=1) + 0.23
    row = compare({"b": table(np.zeros(100)), "a": table(values)}, test="t").row(0, named=True)
    assert row["p_holm"] < 0.05
    assert row["difference"] < row["detectable"]
    assert row["verdict"] == "noise"


def test_few_queries_and_undefined_ones():
    a, b = table([0.5, None, 0.7]), table([0.4, 0.1, None])
    row = compare({"b": b, "a": a}).row(0, named=True)
    assert (row["queries"], row["p"], row["verdict"]) == (1, None, "too few queries")
    empty = compare({"b": table([None]), "a": table([None])}).row(0, named=True)
    assert (empty["queries"], empty["mean"], empty["verdict"]) == (0, None, "too few queries")
    nan = compare({"b": table([0.4, 0.5, 0.6]), "a": table([0.5, 0.4, float("nan")])}).row(0, named=True)
    assert (nan["queries"], nan["p"], nan["verdict"]) == (2, 1.0, "noise")


def test_equal_systems_do_not_differ():
    for test in ("permutation", "t"):
        row = compare({"a": table([0.1] * 20), "b": table([0.1] * 20)}, test=test).row(0, named=True)
        assert (row["p"], row["verdict"]) == (1.0, "noise")


def test_only_common_queries_are_paired():
    a = table([0.5, 0.6, 0.7])
    row = compare({"b": a.head(2), "a": a.with_columns(pl.col("AP") + 0.1)}).row(0, named=True)
    assert row["queries"] == 2
    assert row["difference"] == pytest.approx(0.1)


def test_wrong_requests():
    a = table([0.5, 0.6])
    with pytest.raises(DataError, match="two are needed"):
        compare({"a": a})
    with pytest.raises(DataError, match="z is not among them"):
        compare({"a": a, "b": a}, [("a", "z")])
    with pytest.raises(DataError, match="no measure 'RR'; shared are AP"):
        compare({"a": a, "b": a}, measures=["RR"])
    with pytest.raises(DataError, match="b has the query '0000' more than once"):
        compare({"a": a, "b": pl.concat([a, a])})
    with pytest.raises(RecipeError, match="test='z'"):
        compare({"a": a, "b": a}, test="z")
    with pytest.raises(RecipeError, match="alpha"):
        compare({"a": a, "b": a}, alpha=1.0)
