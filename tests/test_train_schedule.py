"""Schedules by hand: the papers' numbers, and what each does to a training set."""

import numpy as np
import polars as pl
import pytest
import torch

from build import collection, scored
from foils.errors import RecipeError
from foils.train import schedules
from foils.train.batches import Shuffled
from foils.train.examples import Course, Examples
from foils.train.objective import Objective, assemble
from foils.train.remine import Remine
from foils.train.schedule import Conan, Dbpm, Hardness, Risk, bad_pairs, too_easy
from foils.train.settings import Settings


def ready(kind, steps=100, p=None, columns=None, **options):
    """Two queries with 12 ranked candidates each, 2 negatives a row, a schedule bound to them."""
    where = collection(queries=2, docs=20)
    pairs = scored(where, {q: [(d, 1 - d / 20) for d in range(2, 14)] for q in (0, 1)})
    pairs = pairs.drop(pl.col("rank.dense") > 2, "not drawn")
    if p is not None:
        pairs = pairs.with_column("prob.detector", p)
    for name, values in (columns or {}).items():
        pairs = pairs.with_column(name, values)
    examples = Examples.of(pairs, negatives=2)
    settings = Settings(batch=2, epochs=4).settled()
    objective = Objective(torch.nn.Identity(), examples, Course(examples, Shuffled(), 2, 0), settings, 0.05)
    objective.place("cpu")
    made = kind(**options)
    made.bind(objective, steps, lambda line: None)
    return made, examples


def look(made, examples, value):
    """A batch of both rows in which every document scores the same."""
    batch = assemble(examples, np.arange(2), "cpu")
    made.sees(batch, torch.full(batch.own.shape, value), None)


def test_conan_by_the_papers_numbers():
    assert too_easy(0.60, 0.72)
    assert not too_easy(0.65, 0.72)
    assert not too_easy(0.85, 0.99), "above the cap of 0.8 they are hard enough"
    assert not too_easy(-0.9, 0.5)


def test_conan_takes_the_papers_ranks():
    made, examples = ready(Conan, every=2, skip=3)
    part = examples.candidates.docs[examples.candidates.of(0)]
    assert examples.negatives[0].tolist() == part[:2].tolist()
    look(made, examples, 0.72)
    made.step(1)
    look(made, examples, 0.60)
    assert examples.negatives[0].tolist() == part[:2].tolist(), "looked at too early"
    made.step(2)
    look(made, examples, 0.60)
    assert examples.negatives[0].tolist() == part[3:5].tolist(), "the first replacement begins after the skipped ranks"
    made.step(4)
    look(made, examples, 0.50)
    made.step(6)
    look(made, examples, 0.40)
    assert examples.negatives[0].tolist() == part[5:7].tolist(), "the new ones set a new first score, then go too"


def test_conan_keeps_what_it_has_at_the_end_of_the_list():
    made, examples = ready(Conan, every=1, skip=50)
    before = examples.negatives.copy()
    look(made, examples, 0.7)
    made.step(1)
    look(made, examples, 0.1)
    assert (examples.negatives == before).all()


def test_conan_goes_on_from_its_state():
    made, examples = ready(Conan, every=2, skip=3)
    look(made, examples, 0.72)
    other, more = ready(Conan, every=2, skip=3)
    other.load(made.state())
    other.step(2)
    look(other, more, 0.60)
    assert more.negatives[0].tolist() == more.candidates.docs[3:5].tolist()


def test_dbpm_flags_both_tails():
    """One row far above, one far below; the weights of epochs are (1 + j) / E."""
    losses = np.full((100, 2), 1.0) + np.linspace(-0.01, 0.01, 100)[:, None]
    losses[3], losses[4] = 9.0, -7.0
    flagged, mean, sd = bad_pairs(losses, 4)
    assert np.flatnonzero(flagged).tolist() == [3, 4]
    assert mean == pytest.approx(3 / 8, abs=1e-3)
    expected = losses.mean(0) @ np.array([0.25, 0.5]) / 2
    assert mean == pytest.approx(expected)
    assert sd > 0


def test_dbpm_flags_nothing_where_all_are_alike():
    flagged, _, sd = bad_pairs(np.ones((5, 1)), 4)
    assert not flagged.any()
    assert sd == 0


def test_dbpm_weighs_by_the_density_relative_to_its_top():
    made, examples = ready(Dbpm)
    made.flagged, made.mean, made.sd, made.epoch = np.array([True, False]), 1.0, 0.5, 0
    batch = assemble(examples, np.arange(2), "cpu")
    factors = made.factors(batch, torch.tensor([2.0, 2.0]))
    assert factors.tolist() == pytest.approx([float(np.exp(-2.0)), 1.0])
    made.normalised = False
    assert made.factors(batch, torch.tensor([1.0, 1.0]))[0].item() == pytest.approx(1 / (0.5 * np.sqrt(2 * np.pi)))


def test_hardness_ends_with_the_selected_negatives():
    made, examples = ready(Hardness, steps=100, every=10, span=3.0, until=0.5)
    own = examples.negatives.copy()
    part = examples.candidates.docs[examples.candidates.of(0)]
    made.begin()
    assert examples.negatives[0].tolist() == part[6:8].tolist()
    made.step(25)
    assert examples.negatives[0].tolist() == part[6:8].tolist(), "moves at multiples of every only"
    made.step(30)
    assert examples.negatives[0].tolist() == part[2:4].tolist()
    made.step(50)
    assert (examples.negatives == own).all()


def test_hardness_ends_in_time_however_rarely_it_moves():
    made, examples = ready(Hardness, steps=20, every=50, until=0.7)
    own = examples.negatives.copy()
    made.begin()
    for step in range(1, 14):
        made.step(step)
    assert (examples.negatives[0] != own[0]).all()
    made.step(14)
    assert (examples.negatives == own).all()


def test_hardness_gives_a_row_no_more_than_was_selected():
    made, examples = ready(Hardness, steps=10, every=1, until=1.0)
    examples.negatives[0, 1] = -1
    made.bind(made.objective, 10, lambda line: None)
    for step in (0, 5, 10):
        made.step(step)
        assert (examples.negatives >= 0).sum(1).tolist() == [1, 2]
    assert examples.negatives[0].tolist() == [2, -1]


def test_hardness_keeps_the_weights_of_the_run():
    weight = pl.when(pl.col("dropped").is_null()).then(0.5 / pl.col("rank.dense"))
    made, examples = ready(Hardness, columns={"weight": weight}, steps=10, every=1)
    assert examples.weights.tolist() == [[0.5, 0.25]] * 2
    made.begin()
    assert examples.weights.tolist() == [[0.375, 0.375]] * 2, "what was not selected weighs as the selected do"
    made.step(10)
    assert examples.weights.tolist() == [[0.5, 0.25]] * 2


def test_mining_again_from_nothing_draws_nothing():
    examples = ready(Conan)[1]
    made = Remine(draw="simans")
    hashes, nothing = examples.collection.query_hash[:2], np.empty((2, 0), dtype=np.float32)
    assert made._keys(nothing, nothing.max(1, initial=0.5)[:, None], hashes, nothing.astype(int), examples, 1).size == 0


def test_risk_lets_doubtful_ones_in_later():
    p = pl.when(pl.col("rank.dense") == 1).then(0.2).otherwise(0.05)
    made, examples = ready(Risk, steps=10, p=p, start=0.0, end=0.4)
    batch = assemble(examples, np.arange(2), "cpu")
    shares = []
    for step in (0, 4, 10):
        made.step(step)
        shares.append(float(made.removes(batch)[batch.own & ~(batch.targets > 0)].float().mean()))
    assert shares == [1.0, 0.5, 0.0]


def test_proven_negatives_are_never_replaced():
    made, examples = ready(Hardness, every=1)
    examples.proven[:, 0] = True
    first = examples.negatives[:, 0].copy()
    made.begin()
    assert (examples.negatives[:, 0] == first).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("annealing", {}, "no schedule is called 'annealing'"),
        ("conan", {"often": "1"}, "no option 'often'"),
        ("conan", {"every": "soon"}, "not of the type"),
        ("conan", {"skip": "-5"}, "skip >= 0"),
        ("remine", {"draw": "best"}, "remine.draw='best'"),
        ("risk", {"start": "0.5", "end": "0.1"}, "start <= end"),
        ("dbpm", {"warmup": "0"}, "records nothing"),
        ("hardness", {"until": "0"}, "0 < until"),
        ("ar2", {}, "needs a ranker"),
    ],
)
def test_options_that_cannot_work(name, options, message):
    with pytest.raises(RecipeError, match=message):
        schedules.named(name, options)
