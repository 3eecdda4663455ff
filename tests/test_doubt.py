"""Weights, draws and targets under doubt, by hand and by the papers' numbers."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import collection, one_query, scored
from foils.doubt import Cet, Cusa, Dclr, Gcse, PuSar, Rrra, unlabelled
from foils.errors import RecipeError

LLM = "llm:a"


def table(**columns):
    """One query with positive 0 and as many candidates as values; each value list is for the candidates."""
    n = len(next(iter(columns.values())))
    pairs = one_query(0.9, [0.8 - 0.1 * i for i in range(n)], "cos")
    for name, values in columns.items():
        name = name.replace("__", ".")
        dtype = {"judged_by": pl.Categorical, "kind": pl.Categorical}.get(name, pl.Float32)
        first = [] if len(values) > n else [None]
        pairs = pairs.with_column(name, pl.Series([*first, *values], dtype=dtype))
    return pairs


def weights(step, pairs, engine):
    return step(pairs, engine).frame["weight"].to_list()[1:]


def posterior(f, e):
    return pl.select(unlabelled(pl.lit(f), pl.lit(e))).item()


def test_the_posterior_of_an_unlabelled_example():
    """Worked number of SAR-EM: f = .6, e = .4 give .473684."""
    assert posterior(0.6, 0.4) == pytest.approx(0.473684, abs=1e-6)
    assert posterior(0.6, 0.0) == pytest.approx(0.6)
    assert posterior(0.6, 1.0) == 0
    assert posterior(1.0, 0.4) == pytest.approx(1)
    assert posterior(1.0, 1.0) == 0


@given(f=st.floats(0, 1), e=st.floats(0, 1))
def test_the_posterior_is_a_probability_below_the_prior(f, e):
    assert 0 <= posterior(f, e) <= f + 1e-9


def test_pu_sar_weighs_by_what_is_left(engine):
    pairs = table(prob__pu=[0.6, 0.6, None, 0.6, 0.6], prob__propensity=[0.4, 0.0, 0.4, 0.4, None])
    assert weights(PuSar(), pairs, engine) == pytest.approx(
        [1 - 0.473684, 1 - 0.6 * 0.95 / (1 - 0.6 * 0.05), 1, 1 - 0.473684, 1]
    )
    judged = pairs.with_column("judged_by", pl.Series([None, LLM, None, None, None, None], dtype=pl.Categorical))
    judged = judged.with_column("p_relevant", pl.Series([None, 0.1, None, None, None, None], dtype=pl.Float32))
    assert weights(PuSar(), judged, engine)[0] == pytest.approx(0.9)
    typed = pairs.with_column("kind", pl.Series([None, "polarity", None, None, None, None], dtype=pl.Categorical))
    assert weights(PuSar(), typed, engine)[0] == 1


def test_cet_cuts_the_inverse_propensity_between_a_tenth_and_ten(engine):
    """The reference is the best-ranked candidate, here the first; gaps of ln 2 and beyond the cuts on both sides."""
    z = [0.0, -math.log(2), -5.0, 5.0, None]
    pairs = table(z__bm25=z, p_relevant=[0.5] * 5)
    inverse = pairs.frame.select(Cet().inverse(pairs)).to_series().to_list()[1:]
    assert inverse == pytest.approx([1, 2, 10, 0.1, 10])
    half, tenth = 1 - 0.5 * 0.5 / (1 - 0.25), 1 - 0.5 * 0.9 / (1 - 0.05)
    assert weights(Cet(), pairs, engine) == pytest.approx([1, half, tenth, 1, tenth])


def test_cet_does_not_depend_on_the_level_of_the_score(engine):
    pairs = table(z__bm25=[1.0, 0.5, -1.0], p_relevant=[0.5, 0.5, 0.5])
    moved = pairs.with_column("z.bm25", pl.col("z.bm25") + 1000)
    assert weights(Cet(), pairs, engine) == pytest.approx(weights(Cet(), moved, engine), abs=1e-3)


def test_cet_without_a_probability_changes_nothing(engine):
    assert weights(Cet(), table(z__bm25=[1.0, -5.0]), engine) == [1, 1]


def test_dclr_removes_what_is_much_like_the_positive(engine):
    pairs = table(cos__positive=[0.95, 0.9, 0.89, None, 0.99], kind=[None] * 4 + ["polarity"])
    # 0.9 as float32 lies below 0.9 as float64: what equals phi still counts.
    assert weights(Dclr(phi=0.9), pairs, engine) == [0, 1, 1, 0, 1]


def test_gcse_worked_numbers(engine):
    """tau .05, alpha .17, cosines (s, s0) of methods 24; what is left of the logit."""
    cases = [(0.70, 0.70, 0.0), (0.699, 0.70, 0.0964), (0.69, 0.70, 6.8924), (0.65, 0.70, 13.0), (0.71, 0.70, 14.2)]
    pairs = one_query(0.9, [s for s, _, _ in cases], "cos")
    frozen = pl.Series([0.9, *(s0 for _, s0, _ in cases)], dtype=pl.Float32)
    after = Gcse()(pairs.with_column("cos.frozen", frozen), engine).frame
    left = (after["cos.dense"].cast(pl.Float64) / 0.05 + after["logit.gcse"]).to_list()
    # The cosines are float32, so that 0.69 - 0.70 is exact to six places only.
    assert left[0] is None
    assert left[1:] == pytest.approx([c[2] for c in cases], abs=2e-3)


def test_gcse_needs_both_scores(engine):
    pairs = table(cos__frozen=[0.5, None])
    assert Gcse()(pairs, engine).frame["logit.gcse"].null_count() == 2


def test_cusa_is_the_softmax_over_the_positive_and_the_selected(engine):
    pairs = table(cos__positive=[1.0, 0.5, 0.0, 0.9]).drop(pl.col("doc") == 4, "rule")
    pairs = pairs.with_column("cos.positive", pl.when("positive").then(1.0).otherwise("cos.positive"))
    for temperature in (1.0, 0.1):
        found = Cusa(temperature=temperature)(pairs, engine).frame["prob.cusa"].to_list()
        raw = np.exp(np.array([1.0, 1.0, 0.5, 0.0]) / temperature)
        assert found[:4] == pytest.approx((raw / raw.sum()).tolist(), abs=1e-6)
        assert found[4] is None


def test_cusa_at_the_published_temperature_leaves_the_positive_a_sixth(engine):
    """The number of the docstring: 8 negatives at cosine 0.5."""
    pairs = table(cos__positive=[0.5] * 8)
    pairs = pairs.with_column("cos.positive", pl.when("positive").then(1.0).otherwise("cos.positive"))
    assert Cusa()(pairs, engine).frame["prob.cusa"][0] == pytest.approx(0.17, abs=0.005)


def rows(step, pairs):
    return pairs.frame.select(step.log_p(pairs)).to_series().to_list()[1:]


def test_rrra_is_the_product(engine):
    pairs = table(prob__ce=[0.8, 0.5, 0.8, None, 1.0], p_relevant=[0.5, 0.0, None, 0.1, 1.0])
    step = Rrra(score="prob.ce", gamma=2)
    found = rows(step, pairs)
    assert found[:2] == pytest.approx([math.log(0.8 * 0.25), math.log(0.5)], rel=1e-5)
    assert found[2:4] == [None, None]
    assert found[4] == pytest.approx(2 * math.log(1e-6)), "the floor"


def test_rrra_never_draws_what_it_cannot_weigh_and_trusts_proof(engine):
    pairs = table(p_relevant=[None, 0.1, 0.9], kind=["polarity", None, None])
    drawn = Rrra(n=3)(pairs, engine).negatives()
    assert drawn["doc"].to_list() == [1, 2, 3]
    assert rows(Rrra(), pairs)[0] == pytest.approx(math.log(0.8), rel=1e-6)


def test_rrra_draws_in_proportion_to_the_weight(engine):
    """One of two: s (1 - p) of .8 against .2, over many queries."""
    where = collection(queries=2000, docs=2002)
    pairs = scored(where, {q: [(2000, 0.8), (2001, 0.8)] for q in range(2000)})
    p = pl.when(pl.col("doc") == 2001).then(0.75).when(pl.col("doc") == 2000).then(0.0)
    drawn = Rrra(n=1)(pairs.with_column("p_relevant", p.cast(pl.Float32)), engine).negatives()
    assert (drawn["doc"] == 2000).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (Rrra(score="logit.ce"), "unit one of"),
        (Rrra(gamma=-1), "gamma=-1"),
        (Rrra(floor=0), "floor=0"),
        (Cet(low=10, high=1), "must lie below high"),
        (Cet(temperature=0), "temperature=0"),
        (PuSar(score="cos.dense"), "unit one of"),
        (PuSar(least=1), "least=1"),
        (Dclr(phi=2), "phi=2"),
        (Dclr(score="bm25.positive"), "unit one of"),
        (Gcse(alpha=0), "alpha=0"),
        (Gcse(name="a b"), "letters"),
        (Cusa(temperature=math.inf), "temperature=inf"),
        (Cusa(score="positive"), "unit one of"),
    ],
)
def test_options_that_make_no_sense(step, match):
    with pytest.raises(RecipeError, match=match):
        step.check()
