"""Spread of vectors and scores: the papers' worked numbers, extremes, invariances."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils.spread import entropy, penalty, tolerance, uniformity, unit, variety

SCORES = (0.5, 0.2, -0.1)


@pytest.mark.parametrize(
    ("temperature", "shares", "nats"),
    [
        (0.07, (0.986239, 0.013574, 0.000187), 0.0736),
        (0.3, (0.665241, 0.244728, 0.090031), 0.8324),
        (1.0, (0.436752, 0.323554, 0.239694), 1.0693),
    ],
)
def test_relative_penalty_worked_numbers(temperature, shares, nats):
    found = penalty(SCORES, temperature)
    assert found.tolist() == pytest.approx(shares, abs=1e-6)
    assert entropy(found) == pytest.approx(nats, abs=5e-5)


def test_entropy_runs_from_one_to_all():
    assert entropy([1.0, 0.0]) == 0
    assert math.exp(entropy(penalty([0.3] * 7, 0.02))) == pytest.approx(7)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.floats(0.01, 1))
def test_penalty_is_a_distribution_that_sharpens_as_temperature_falls(scores, temperature):
    shares = penalty(scores, temperature)
    assert shares.sum() == pytest.approx(1)
    assert entropy(shares) <= entropy(penalty(scores, 2 * temperature)) + 1e-9


def test_uniformity_by_hand():
    """Squared distances 0, 2 and 4 at t = 2."""
    assert uniformity([[1, 0], [1, 0]]) == pytest.approx(0)
    assert uniformity([[1, 0], [0, 1]]) == pytest.approx(-4)
    assert uniformity([[1, 0], [-3, 0]]) == pytest.approx(-8)
    three = math.log((math.exp(-4) + math.exp(-4) + math.exp(-8)) / 3)
    assert uniformity([[1, 0], [0, 1], [-1, 0]]) == pytest.approx(three)
    assert uniformity([[1, 0]]) is None


def test_tolerance_by_hand():
    vectors = [[1, 0], [0, 1], [1, 0], [0, 1], [-1, 0]]
    assert tolerance(vectors, [0, 1, 0, 1, 1]) == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert tolerance(vectors, [0, 1, 2, 3, 4]) is None


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_tolerance_is_the_mean_over_pairs(seed, n):
    rng = np.random.default_rng(seed)
    vectors, classes = rng.standard_normal((n, 3)), rng.integers(0, 3, n)
    rows = unit(vectors)
    pairs = [rows[i] @ rows[j] for i in range(n) for j in range(i) if classes[i] == classes[j]]
    assert tolerance(vectors, classes) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_variety_of_equal_and_of_orthogonal_negatives():
    same, apart = variety([[1, 0, 0]] * 3), variety(np.eye(3))
    assert same.distance == pytest.approx(0)
    assert same.volume == pytest.approx(math.log2(4) / 3)
    assert apart.distance == pytest.approx(1)
    assert apart.volume == pytest.approx(1)
    assert variety([[1, 0]]) == (None, None)


def test_a_vector_of_zeros_stays():
    assert unit([[0, 0], [3, 4]]).tolist() == [[0, 0], [0.6, 0.8]]
