"""A selection with a promise: the bound holds, verdicts count, and what cannot be promised is not selected."""

import numpy as np
import pytest
from scipy.stats import binom

from foils.errors import DataError
from foils.risk.calibrate import calibrate, logit, sigmoid
from foils.risk.guarantee import Candidates, audit, family, first_rows, guarantee, least, next_rows, promise, prove
from foils.risk.sample import Sample


def world(seed, queries=120, rows=25, level=-3.0, slope=1.0):
    """Candidates whose odds of being relevant are not those of p: another level and slope; and the truth."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(queries, dtype=np.uint32), rows)
    ease = np.repeat(rng.normal(0, 0.7, queries), rows)
    hard = rng.normal(size=len(query))
    p = sigmoid(-2.0 + 1.2 * hard + ease + rng.normal(0, 0.7, len(query)))
    truth = (rng.random(len(query)) < sigmoid(level + slope * (logit(p) + 2.0) + 0.3 * hard)).astype(float)
    return Candidates(query, p, hard), truth


def test_calibration_finds_the_level_and_slope_of_a_collection():
    candidates, truth = world(0, queries=800, level=-1.5, slope=0.7)
    fit = calibrate(candidates.query, candidates.p, candidates.hardness, truth)
    # logit p' = -1.5 + .7 (logit p + 2) + .3 z
    assert fit.theta == pytest.approx([-0.1, 0.7, 0.3], abs=0.12)
    predicted = fit.probability(candidates.p, candidates.hardness)
    assert predicted.mean() == pytest.approx(truth.mean(), abs=0.002)


def test_without_verdicts_p_is_believed_and_nothing_is_sure():
    none = np.zeros(0)
    fit = calibrate(none.astype(np.uint32), none, none, none)
    p = np.array([0.01, 0.2, 0.7])
    assert fit.probability(p, np.zeros(3)) == pytest.approx(p)
    assert fit.upper(np.full(100, 0.01), np.zeros(100), 0.9) > 20
    assert fit.upper(none, none, 0.9) == 0
    with pytest.raises(DataError, match="leave such rows out"):
        calibrate(np.zeros(1, np.uint32), np.array([np.nan]), np.zeros(1), np.ones(1))


@pytest.mark.parametrize(("level", "risk"), [(-1.2, 0.1), (-3.0, 0.1), (-2.0, 0.2)])
def test_the_promise_holds_where_p_is_at_the_wrong_level(level, risk):
    """90 % confidence over 40 runs: more than 8 broken promises would be seen once in about sixty times."""
    broken, some = 0, 0
    for seed in range(40):
        candidates, truth = world(seed, queries=80, rows=20, level=level)
        done = guarantee(candidates, 6, risk, 150, lambda rows, t=truth: t[rows], seed=seed)
        assert done.bound <= risk or not done.rows.any()
        some += bool(done.rows.any())
        broken += bool(done.rows.any()) and truth[done.rows].mean() > risk
    assert broken <= 8
    assert some >= 35


def test_the_proof_holds_whatever_p_is_worth():
    broken = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        query = np.repeat(np.arange(120, dtype=np.uint32), 25)
        truth = (rng.random(3000) < 0.06).astype(float)
        candidates = Candidates(query, rng.random(3000) * 0.1, rng.random(3000))
        done = guarantee(candidates, 6, 0.1, 200, lambda rows, t=truth: t[rows], proof=True, seed=seed)
        broken += bool(done.rows.any()) and truth[done.rows].mean() > 0.1
    assert broken <= 6  # the sampled finds are taken out, so it is rarer than one in ten


def test_what_was_judged_relevant_is_never_selected():
    candidates, truth = world(3)
    done = guarantee(candidates, 6, 0.2, 150, lambda rows: truth[rows], seed=0)
    assert done.rows.any()
    assert not done.rows[done.judged[done.relevant == 1]].any()
    assert len(np.unique(done.judged)) == len(done.judged) <= 150


def test_an_abstention_is_no_acquittal():
    candidates, truth = world(3)
    first = first_rows(candidates, 60, 0)
    silent = promise(candidates, 6, 0.2, first, np.full(60, np.nan))
    spoken = promise(candidates, 6, 0.2, first, np.ones(60))
    assert (silent.rows == spoken.rows).all()
    assert truth[first].mean() < 1


def test_nothing_is_selected_where_nothing_can_be_promised():
    query = np.repeat(np.arange(40, dtype=np.uint32), 10)
    candidates = Candidates(query, np.full(400, 0.6), np.random.default_rng(0).random(400))
    done = guarantee(candidates, 5, 0.01, 100, lambda rows: np.ones(len(rows)))
    assert not done.rows.any()
    assert done.bound == 1
    empty = guarantee(
        Candidates(query, np.full(400, np.nan), np.ones(400)), 5, 0.1, 50, lambda rows: np.ones(len(rows))
    )
    assert not empty.rows.any()
    assert len(empty.judged) == 0


def test_rounds_ask_what_has_not_been_asked():
    candidates, truth = world(5)
    first = first_rows(candidates, 40, 0)
    second = next_rows(candidates, 6, 0.1, first, truth[first], 100, 1)
    assert len(second) == 100
    assert len(np.intersect1d(first, second)) == 0


def test_selections_are_tested_from_careful_to_bold_until_one_fails():
    selections = np.zeros((3, 400), dtype=bool)
    selections[0, :100] = selections[1, :200] = selections[2, :400] = True
    rows = np.arange(0, 400, 2, dtype=np.uint32)
    sample = Sample(rows, np.full(200, 0.5), np.zeros(200, dtype=np.int64))
    relevant = np.zeros(200)
    assert prove(selections, sample, relevant, 0.05)[0] == 2
    relevant[150:] = 1  # only the boldest is bad
    assert prove(selections, sample, relevant, 0.05)[0] == 1
    relevant[:5] = 1  # 5 of 50 in the careful one: nothing behind it is tested
    assert prove(selections, sample, relevant, 0.05)[0] == -1
    with pytest.raises(DataError, match="each needs a clear 0 or 1"):
        prove(selections, sample, np.full(200, 0.5), 0.05)


def test_the_careful_selection_is_one_that_a_sample_mostly_proves():
    candidates, _ = world(1)
    careful, bold = family(candidates, candidates.p, 6, 0.1, 150)
    # 150 verdicts allow 9 finds: Clopper-Pearson's one-sided 90 % bound of 9 of 150 is .0937, of 10 .1020.
    level = candidates.p[careful].mean()
    assert binom.cdf(9, 150, level) >= 0.8
    assert bold.sum() >= careful.sum()
    drawn = audit(np.stack([careful, bold]), 150, 0)
    assert (careful | bold)[drawn.rows].all()
    assert not family(candidates, candidates.p, 6, 0.01, 50)[0].any() or candidates.p.min() == 0


def test_the_least_number_of_verdicts_that_proves_a_risk():
    assert (least(0.05), least(0.02, 0.95), least(0.1)) == (45, 149, 22)
