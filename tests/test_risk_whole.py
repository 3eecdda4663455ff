"""Conformal risk control over whole queries."""

import numpy as np
import pytest

from foils.errors import DataError
from foils.risk.guarantee import Candidates
from foils.risk.whole import conformal


def world(seed, queries=200, rows=30, bias=1.0):
    """Candidates whose probability is off by a factor, and their truth."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(queries, dtype=np.uint32), rows)
    p = rng.beta(0.5, 4, len(query))
    truth = rng.random(len(query)) < np.clip(bias * p, 0, 1)
    return Candidates(query, p, p + rng.normal(0, 0.2, len(query))), truth.astype(np.float64)


@pytest.mark.parametrize("bias", [0.5, 1.0, 2.5])
def test_the_mean_loss_is_within_the_risk_whatever_p_says(bias):
    rates = []
    for seed in range(30):
        candidates, truth = world(seed, bias=bias)
        chosen = conformal(candidates, 5, 0.15, 400, lambda rows, truth=truth: truth[rows], seed=seed)
        per_query = np.bincount(candidates.query, chosen.rows * truth) / np.maximum(
            np.bincount(candidates.query, chosen.rows), 1
        )
        rates.append(per_query.mean())
    assert np.mean(rates) <= 0.15 + 2 * np.std(rates) / np.sqrt(30)


def test_whole_queries_are_judged_within_the_budget():
    candidates, truth = world(1)
    asked = []
    chosen = conformal(candidates, 5, 0.2, 300, lambda rows: (asked.append(rows), truth[rows])[1])
    assert len(asked[0]) <= 300
    assert not (chosen.rows & (truth > 0))[asked[0]].any()
    assert chosen.bound <= 0.2


def test_too_few_queries_promise_nothing():
    candidates, truth = world(2)
    assert not conformal(candidates, 5, 0.01, 200, lambda rows: truth[rows]).rows.any()


def test_an_abstention_counts_as_relevant():
    candidates, _ = world(3)
    assert not conformal(candidates, 5, 0.2, 300, lambda rows: np.full(len(rows), np.nan)).rows.any()


def test_a_budget_below_one_query_is_refused():
    candidates, truth = world(4)
    with pytest.raises(DataError, match="judges no whole query"):
        conformal(candidates, 5, 0.2, 1, lambda rows: truth[rows])
