"""Which verdicts are asked for next, by whom, and what a risk costs."""

import numpy as np
import polars as pl
import pytest

from foils.errors import DataError, RecipeError
from foils.risk.calibrate import logit, sigmoid
from foils.risk.estimate import hajek
from foils.risk.independent import independent
from foils.risk.price import prices
from foils.risk.triage import Answers, Triage, measured, yes_no

NONE = -1


def ask(triage, query, p, hardness, said, budget=10**6):
    """Judge until nothing is open or the budget is spent; the answers and the number of calls."""
    answer = np.full(len(p), NONE)
    while budget and len(rows := triage.batch(query, p, hardness, answer, budget).rows):
        answer[rows] = said[rows]
        budget -= len(rows)
    return answer


def test_an_answer_moves_the_probability_by_bayes_rule():
    judge = yes_no(0.9, 0.8)
    p = np.array([0.2, 0.2, 0.2])
    after = judge.posterior(p, np.array([0, 1, NONE]))
    assert after == pytest.approx([0.02 / 0.66, 0.18 / 0.34, 0.2])
    assert judge.posterior(np.array([0.0, 1.0]), np.array([1, 0])).tolist() == [0.0, 1.0]
    # Only "no" clears .2 at a target of .05; it comes with .2 * .1 + .8 * .8.
    assert judge.cleared(np.array([0.2, 0.9]), 0.05) == pytest.approx([0.66, 0.0])


def test_a_table_of_answers_must_be_two_distributions():
    with pytest.raises(RecipeError, match="add up to 1"):
        Answers((0.5, 0.4), (0.5, 0.5))
    with pytest.raises(RecipeError, match="add up to 1"):
        Answers((0.5, 0.5), (1.0,))
    with pytest.raises(RecipeError, match="one number for each answer"):
        Answers((0.5, 0.5), (0.5, 0.5), bend=(1.0, 0.0))


def test_a_judge_is_measured_with_one_answer_of_each_kind_added():
    judge = measured(np.array([0, 0, 1, 1, 1]), np.array([0.0, 0.0, 0.0, 1.0, 1.0]), 2)
    assert judge.relevant == pytest.approx((1 / 4, 3 / 4))
    assert judge.irrelevant == pytest.approx((3 / 5, 2 / 5))
    with pytest.raises(DataError, match="from 0 to 1"):
        measured(np.array([2]), np.array([1.0]), 2)


def test_a_judge_that_errs_with_the_detector_is_believed_less():
    """Both see the same evidence: Bayes' rule is far too sure, the fitted rule is not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=20000)
    p = sigmoid(-1.5 + 1.5 * x)
    truth = (rng.random(20000) < p).astype(float)
    said = (x + 0.5 * rng.normal(size=20000) > 1).astype(int)  # a judge that looks at x alone
    first = slice(0, 2000)
    naive, fitted = (measured(said[first], truth[first], 2, known) for known in (None, p[first]))
    rest = slice(2000, None)
    for judge, low, high in ((naive, 0.05, 0.5), (fitted, 0.0, 0.02)):
        after = judge.posterior(p[rest], said[rest])
        error = max(abs(after[said[rest] == k].mean() - truth[rest][said[rest] == k].mean()) for k in (0, 1))
        assert low <= error <= high
    assert fitted.posterior(np.array([0.3]), np.array([NONE]))[0] == 0.3
    assert fitted.posterior(np.array([0.0, 1.0]), np.array([1, 0])).tolist() == [0.0, 1.0]


def test_with_few_verdicts_the_fitted_rule_stays_near_bayes():
    judge = measured(np.array([0, 1]), np.array([0.0, 1.0]), 2, np.array([0.5, 0.5]))
    bayes = Answers(judge.relevant, judge.irrelevant)
    p, answer = np.array([0.1, 0.1]), np.array([0, 1])
    assert logit(judge.posterior(p, answer)) == pytest.approx(logit(bayes.posterior(p, answer)), abs=0.3)


def test_what_no_answer_can_save_and_what_is_safe_are_not_asked():
    query = np.zeros(4, dtype=np.uint32)
    p, hard = np.array([0.95, 0.3, 0.02, 0.01]), np.array([4.0, 3.0, 2.0, 1.0])
    triage = Triage(n=2, target=0.05, answers=yes_no(0.9, 0.9))
    first = triage.batch(query, p, hard, np.full(4, NONE), 10)
    assert first.rows.tolist() == [1]  # .95 stays above .05 after a "no"; .02 and .01 are safe
    assert first.draw.tolist() == ["chosen"]
    assert np.isnan(first.chance).all()
    assert triage.selected(query, p, hard, np.array([NONE, 0, NONE, NONE])).tolist() == [False, True, True, False]
    assert triage.selected(query, p, hard, np.array([NONE, 1, NONE, NONE])).tolist() == [False, False, True, True]


def test_the_budget_goes_where_a_verdict_is_worth_most():
    query = np.array([0, 0, 1, 1], dtype=np.uint32)
    hard = np.array([1.0, 0.0, 1.0, 0.0])
    p = np.array([0.2, 0.01, 0.4, 0.01])
    triage = Triage(n=1, target=0.05, answers=yes_no(0.95, 0.95))
    value = triage.value(query, p, hard, np.full(4, NONE))
    # Cleared with .2 * .05 + .8 * .95 and .4 * .05 + .6 * .95; z is +1 and -1, so 2 are gained.
    assert value == pytest.approx([2 * 0.77, 0, 2 * 0.59, 0])
    assert triage.batch(query, p, hard, np.full(4, NONE), 1).rows.tolist() == [0]
    assert triage.batch(query, p, hard, np.full(4, NONE), 0).rows.tolist() == []


def test_a_verdict_that_costs_more_than_it_brings_is_not_asked():
    query = np.zeros(2, dtype=np.uint32)
    p, hard = np.array([0.3, 0.01]), np.array([1.0, 0.9])
    judge = yes_no(0.95, 0.95)
    free, dear = (Triage(n=1, target=0.05, answers=judge, cost=c) for c in (0.0, 1.5))
    assert free.batch(query, p, hard, np.full(2, NONE), 5).rows.tolist() == [0]
    assert dear.batch(query, p, hard, np.full(2, NONE), 5).rows.tolist() == []


def test_triage_needs_fewer_calls_than_a_walk_and_leaves_no_more_false_negatives():
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(200, dtype=np.uint32), 30)
    hard = rng.normal(size=6000)
    p = sigmoid(-2.5 + 1.2 * hard + rng.normal(size=6000))
    truth = rng.random(6000) < p
    said = np.where(truth, rng.random(6000) < 0.9, rng.random(6000) < 0.1).astype(int)
    triage = Triage(n=5, target=0.08, answers=yes_no(0.9, 0.9), cost=0.2)
    answer = ask(triage, query, p, hard, said)
    chosen = triage.selected(query, p, hard, answer)
    calls, kept = 0, np.zeros(6000, dtype=bool)
    for q in range(200):
        rows = np.flatnonzero(query == q)
        rows = rows[np.argsort(-hard[rows])]
        read = rows[: np.flatnonzero(np.cumsum(said[rows] == 0) >= 5)[0] + 1]
        kept[read[said[read] == 0]] = True
        calls += len(read)
    assert truth[chosen].mean() <= truth[kept].mean()
    assert (answer >= 0).sum() <= 2 / 3 * calls


def test_the_random_part_keeps_the_estimate_honest():
    """Verdicts chosen for their value mislead by far; the random rows that end up selected do not."""
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(150, dtype=np.uint32), 20)
    hard = rng.normal(size=3000)
    p = sigmoid(-2.0 + 0.8 * hard + rng.normal(size=3000))
    truth = rng.random(3000) < np.minimum(2 * p, 1)  # the detector is at half the level
    said = truth.astype(int)
    hits, rates = 0, []
    for seed in range(60):
        triage = Triage(n=5, target=0.1, answers=yes_no(0.9, 0.9), random_share=0.5, seed=seed)
        first = triage.batch(query, p, hard, np.full(3000, NONE), 400)
        drawn = first.draw == "random"
        assert drawn.sum() == 200
        assert np.isnan(first.chance[~drawn]).all()
        assert len(np.unique(first.rows)) == 400
        # What is selected must not depend on the very verdicts that estimate its rate.
        chosen = triage.selected(query, p, hard, np.full(3000, NONE))
        rows, chance = first.rows[drawn], first.chance[drawn]
        found = hajek(truth[rows][chosen[rows]], chance[chosen[rows]])
        hits += found.low <= truth[chosen].mean() <= found.high
        rates.append(found.rate - truth[chosen].mean())
        assert (said[rows] == truth[rows]).all()
    assert hits >= 0.88 * 60
    assert abs(np.mean(rates)) < 0.01


def test_random_rows_come_with_their_stated_chances():
    rng = np.random.default_rng(1)
    query = np.repeat(np.arange(10, dtype=np.uint32), 12)
    p, hard = rng.random(120) * 0.5, rng.random(120)
    seen, stated = np.zeros(120), np.zeros(120)
    for seed in range(800):
        triage = Triage(n=2, target=0.05, answers=yes_no(0.9, 0.9), random_share=1.0, seed=seed)
        drawn = triage.batch(query, p, hard, np.full(120, NONE), 20)
        seen[drawn.rows] += 1
        stated[drawn.rows] = drawn.chance
    error = (seen / 800 - stated) / np.sqrt(np.maximum(stated * (1 - stated), 1e-3) / 800)
    assert np.abs(error).max() < 5
    assert stated.max() <= 1


def test_rows_without_a_probability_and_unequal_arrays():
    triage = Triage(n=2, target=0.05, answers=yes_no(0.9, 0.9), random_share=0.5)
    query = np.zeros(3, dtype=np.uint32)
    p = np.array([np.nan, 0.2, np.nan])
    rows = triage.batch(query, p, np.arange(3.0), np.full(3, NONE), 4).rows
    assert rows.tolist() == [1]
    assert triage.batch(query[:0], p[:0], p[:0], np.zeros(0, dtype=np.int64), 4).rows.tolist() == []
    with pytest.raises(DataError, match="one value per row"):
        triage.batch(query, p[:2], p, np.full(3, NONE), 4)


def verdicts(*families):
    return pl.DataFrame({"family": list(families), "probability": [0.0] * len(families)})


def test_the_judge_that_filtered_may_not_say_what_is_left():
    with pytest.raises(DataError, match=r"all 2 verdicts come from llm:gpt-4o, which took part in the filtering"):
        independent(verdicts("llm:gpt-4o", "llm:gpt-4o"), ["llm:gpt-4o"])
    mixed = independent(verdicts("llm:gpt-4o", "human", "cross-encoder:bge"), ["llm:gpt-4o+retrieval"])
    assert mixed.verdicts["family"].to_list() == ["human", "cross-encoder:bge"]
    assert mixed.note.startswith("1 verdicts left out: llm:gpt-4o")
    with pytest.raises(DataError, match="judge that left it"):
        independent(verdicts("llm:a+llm:b"), ["llm:b"])


def test_a_judge_of_the_same_kind_gives_a_lower_bound_and_persons_are_always_free():
    alike = independent(verdicts("llm:llama"), ["llm:gpt-4o"])
    assert alike.verdicts.height == 1
    assert "read the rate as a lower bound" in alike.note
    assert independent(verdicts("human", "human"), ["human", "qrels"]).note == ""
    assert independent(verdicts(), []).verdicts.height == 0


def test_a_price_list_says_what_each_risk_costs():
    query = np.repeat(np.arange(2, dtype=np.uint32), 4)
    p = np.tile([0.4, 0.1, 0.02, 0.0], 2)
    hard = np.tile([4.0, 3.0, 2.0, 1.0], 2)
    table = prices(query, p, hard, 2, (0.0, 0.06, 0.25))
    assert table["per_query"].to_list() == [1.0, 2.0, 2.0]
    assert table["expected"].to_list() == pytest.approx([0.0, 0.06, 0.25])
    assert table["hardness"].is_sorted()
    assert table["kept"].to_list() == [1.0, 1.0, 1.0]
    assert table["rate"].null_count() == 3
    assert table["verdicts"].to_list() == [0, 0, 0]
    nothing = prices(query, np.full(8, 0.5), hard, 2, (0.1,))
    assert nothing["expected"].to_list() == [None]
    assert nothing["kept"].to_list() == [0.0]


def test_judged_rows_put_a_measured_rate_beside_the_estimate():
    query = np.repeat(np.arange(50, dtype=np.uint32), 4)
    p, hard = np.tile([0.4, 0.1, 0.02, 0.0], 50), np.tile([4.0, 3.0, 2.0, 1.0], 50)
    rows = np.arange(200, dtype=np.uint32)[::2]  # the two places .4 and .02 of every query
    judged = (rows, (p[rows] > 0.3).astype(float), np.full(100, 0.5))
    table = prices(query, p, hard, 2, (0.05, 0.25), judged=judged)
    line = table.row(1, named=True)
    assert (line["rate"], line["verdicts"]) == (1.0, 50)  # the .4 of every query was chosen, and is relevant
    assert table.row(0, named=True)["rate"] < 0.5
