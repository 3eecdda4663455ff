"""What a run teaches, as numbers: rows, batches, the order of steps, held-out queries."""

import numpy as np
import polars as pl
import pytest
import torch

from build import collection, scored
from foils.errors import DataError
from foils.outcome import promote
from foils.train.batches import Shuffled
from foils.train.dev import Dev, hold_out, ndcg
from foils.train.examples import Course, Examples
from foils.train.objective import TAUGHT, Objective, assemble
from foils.train.settings import Settings


def pairs(queries=3, positives=None):
    where = collection(queries=queries, docs=20, positives=positives)
    return scored(where, {q: [(d, 0.9 - d / 40) for d in range(10, 14)] for q in range(queries)})


def test_a_row_for_each_positive_or_a_row_for_all():
    table = pairs(2, [("q0", "d00"), ("q0", "d01"), ("q1", "d02")])
    each, together = (Examples.of(table, negatives=3, positives=n) for n in (1, 2))
    assert each.query.tolist() == [0, 0, 1]
    assert each.positives.tolist() == [[0], [1], [2]]
    assert together.query.tolist() == [0, 1]
    assert together.positives.tolist() == [[0, 1], [2, -1]]
    assert each.negatives.tolist() == [[10, 11, 12]] * 3


def test_found_positives_stand_beside_the_known_ones_the_likeliest_first():
    table = pairs(2, [("q0", "d00"), ("q0", "d01"), ("q1", "d02")])
    p = pl.when(pl.col("doc") == 12).then(0.9).when(pl.col("doc").is_in([10, 11])).then(0.6).otherwise(0.0)
    table = promote(table.with_column("p_relevant", p.cast(pl.Float32)), pl.col("p_relevant") > 0.5)
    beside, most, alone = (Examples.of(table, negatives=3, found=n) for n in (8, 1, 0))
    assert beside.query.tolist() == [0, 0, 1]
    assert beside.positives.tolist() == [[0, 12, 10, 11], [1, 12, 10, 11], [2, 12, 10, 11]]
    assert most.positives.tolist() == [[0, 12], [1, 12], [2, 12]]
    assert alone.positives.T.tolist() == [[0, 1, 10, 11, 12, 2, 10, 11, 12]]
    together = Examples.of(table, negatives=3, positives=4)
    assert together.positives.tolist() == [[0, 1, 12, 10, 11], [2, 12, 10, 11, -1]]
    assert assemble(beside, np.array([2]), "cpu").targets.tolist() == [[1, 1, 1, 1, 0]]


def test_a_query_without_negatives_stays_with_the_batch_as_its_negatives():
    table = pairs(3).drop(pl.col("query") == 1, "gone")
    examples = Examples.of(table, negatives=2)
    assert examples.negatives.tolist() == [[10, 11], [-1, -1], [10, 11]]


def test_a_document_stands_in_a_batch_once():
    examples = Examples.of(pairs(3), negatives=3)
    batch = assemble(examples, np.array([2, 0]), "cpu")
    assert batch.docs.tolist() == [0, 2, 10, 11, 12]
    assert batch.targets.tolist() == [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert batch.own.tolist() == [[False, True, True, True, True], [True, False, True, True, True]]
    assert batch.weights is None
    padded = assemble(examples, np.array([2, 0]), "cpu", width=8)
    assert padded.docs.tolist() == [0, 2, 10, 11, 12, -1, -1, -1]
    assert not padded.own[:, 5:].any()


def test_weights_and_proofs_hold_for_the_own_row_only():
    table = pairs(2)
    table = table.with_column("weight", pl.when(pl.col("query") == 0).then(0.25).otherwise(1.0))
    kind = pl.when(pl.col("query") == 1).then(pl.lit("polarity")).otherwise(None).cast(pl.Categorical)
    examples = Examples.of(table.with_column("kind", kind), negatives=2)
    batch = assemble(examples, np.arange(2), "cpu")
    assert batch.weights.tolist() == [[1, 1, 0.25, 0.25], [1, 1, 1, 1]]
    assert batch.proven.tolist() == [[False] * 4, [False, False, True, True]]


def test_other_negatives_bring_their_weights():
    table = pairs(2)
    examples = Examples.of(table.with_column("weight", pl.col("doc") / 20), negatives=2)
    assert examples.weights.tolist() == [[0.5, pytest.approx(0.55)]] * 2
    examples.put(1, np.array([13, 5]))
    assert examples.negatives.tolist() == [[10, 11], [13, 5]]
    assert examples.weights[1].tolist() == [pytest.approx(0.65), pytest.approx(0.575)], "5 has none: the mean"
    assert examples.weights[0].tolist() == [0.5, pytest.approx(0.55)]


def value(table, given, scores):
    examples = Examples.of(table, negatives=2)
    settings = Settings(**({"batch": 2} | given)).settled()
    objective = Objective(torch.nn.Identity(), examples, Course(examples, Shuffled(), 2, 0), settings, 1.0)
    objective.place("cpu")
    return objective.cost(torch.tensor(scores), assemble(examples, np.arange(2), "cpu")).item()


def test_the_loss_is_that_of_the_scores_that_are_left():
    """Row 0 against its 2 negatives and the other's positive; then the known second positive is masked; by hand."""
    even = [[0.0] * 4, [0.0] * 4]
    assert value(pairs(2), {}, even) == pytest.approx(np.log(4))
    both = pairs(2, [("q0", "d00"), ("q0", "d01"), ("q1", "d01")]).frame
    assert both.filter("positive").height == 3
    doubtful = pairs(2).with_column("prob.detector", pl.when(pl.col("doc") == 10).then(0.8).otherwise(0.1))
    assert value(doubtful, {}, even) == pytest.approx(np.log(3)), "document 10 is likely relevant and removed"
    assert value(doubtful, {"doubt": "keep"}, even) == pytest.approx(np.log(4))
    # 1 + (1 - 0.8) + (1 - 0.1) and the other's positive, of which nothing is known.
    assert value(doubtful, {"doubt": "weigh"}, even) == pytest.approx(np.log(1 + 0.2 + 0.9 + 1), abs=1e-5)
    assert value(doubtful, {"threshold": 0.05}, even) == pytest.approx(np.log(2)), "only the other's positive is left"


def test_meow_leaves_the_positive_out_of_its_denominator():
    assert value(pairs(2), {"loss": "meow"}, [[0.5, 0, 0, 0], [0, 0.5, 0, 0]]) == pytest.approx(np.log(3) - 0.5)


def test_ar2_compares_at_the_temperature_of_the_scores():
    scores, ranker = torch.tensor([[0.3, 0.2, 0.28]]), torch.tensor([[2.0, 1.0, 2.5]])
    found = TAUGHT["ar2"](scores, torch.tensor([[1, 0, 0]]), ranker, 0.1)
    assert found.item() == pytest.approx((2.057515 + 1.013614) / 2, abs=1e-5)


def test_nothing_left_is_zero():
    sure = pairs(2).with_column("prob.detector", pl.lit(0.9))
    examples = Examples.of(sure, negatives=2)
    settings = Settings(batch=2, loss="asl", kind="reranker").settled()
    objective = Objective(torch.nn.Identity(), examples, Course(examples, Shuffled(), 2, 0), settings, 1.0)
    objective.place("cpu")
    scores = torch.zeros(2, 4, requires_grad=True)
    settings_nce = Settings(batch=2, kind="reranker").settled()
    objective.settings = settings_nce
    batch = assemble(examples, np.arange(2), "cpu")
    cost = objective.cost(scores.masked_fill(~batch.own, -torch.inf), batch)
    cost.backward()
    assert cost.item() == 0
    assert scores.grad.eq(0).all()
    assert int(objective.emptied) == 2


def test_the_course_goes_through_every_row_each_epoch_and_continues():
    examples = Examples.of(pairs(7), negatives=2)
    course = Course(examples, Shuffled(examples.own), 2, seed=3)
    seen = [course.rows(step).tolist() for step in range(12)]
    assert course.per_epoch >= 4
    first = [r for batch in seen[: course.per_epoch] for r in batch]
    assert sorted(first) == list(range(7))
    half = Course(examples, Shuffled(examples.own), 2, seed=3)
    for step in range(5):
        half.rows(step)
    again = Course(examples, Shuffled(examples.own), 2, seed=3)
    again.load(half.state())
    assert [again.rows(step).tolist() for step in range(5, 12)] == seen[5:]
    assert again.epoch == course.epoch


def test_devices_leave_out_each_others_steps():
    examples = Examples.of(pairs(7), negatives=2)
    whole = Course(examples, Shuffled(examples.own), 2, seed=3)
    seen = [whole.rows(step).tolist() for step in range(8)]
    second = Course(examples, Shuffled(examples.own), 2, seed=3)
    assert [second.rows(step).tolist() for step in (1, 3, 5, 7)] == seen[1::2]


def test_equal_questions_are_held_out_together():
    where = collection(queries=60, docs=80)
    text = (
        pl.when(pl.int_range(pl.len()) % 2 == 1)
        .then(pl.col("text").shift(1))
        .otherwise(pl.col("text").str.to_uppercase())
    )
    double = type(where)(where.corpus, where.queries.with_columns(text=text), where.positives)
    table = scored(double, {q: [(70, 0.5)] for q in range(60)})
    train, held = hold_out(table, 0.4, seed=1)
    assert len(held) >= 24
    assert sorted([*train, *held]) == list(range(60))
    assert {q // 2 for q in held.tolist()}.isdisjoint({q // 2 for q in train.tolist()})
    few, none = hold_out(table, 0.2, seed=1)
    assert len(none) == 0
    assert len(few) == 60
    assert Dev.of(table, none, 10) is None


@pytest.mark.parametrize(
    ("scores", "relevant", "expected"),
    [
        ([3, 2, 1], [1, 0, 0], 1.0),
        ([1, 2, 3], [1, 0, 0], 0.5),
        ([1, 1, 1], [1, 0, 0], 0.5),
        ([3, 2, 1], [1, 0, 1], 1.5 / (1 + 1 / np.log2(3))),
    ],
)
def test_ndcg_by_hand(scores, relevant, expected):
    zero = np.zeros(3, dtype=np.int64)
    assert ndcg(zero, np.array(scores, dtype=float), np.array(relevant, dtype=bool)) == pytest.approx(expected)


def test_ndcg_of_several_queries_is_their_mean_and_stops_at_ten():
    query = np.repeat([0, 1], 12)
    scores = np.tile(np.arange(12, 0, -1.0), 2)
    relevant = np.zeros(24, dtype=bool)
    relevant[0] = relevant[12 + 11] = True
    assert ndcg(query, scores, relevant) == pytest.approx(0.5)


def test_an_unknown_teacher_is_named():
    with pytest.raises(DataError, match=r"no column 'logit\.x'; score columns: cos\.dense"):
        Examples.of(pairs(2), negatives=2, teacher="logit.x")
