"""Both reconstructions of Effective Contrastive Information, by their own formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils.eci import information, overlaps, residual_information
from foils.errors import RecipeError
from foils.spread import unit


def test_version_one_by_hand():
    """p = .8, s = (.6, .4): capacity log 3, signal .625, margin (.8 - .6) / .8 = .25, harmonic mean .357143."""
    found = information(0.8, [0.6, 0.4])
    assert found == pytest.approx((math.log(3) * 2 * 0.625 * 0.25 / 0.875, math.log(3), 0.625, 0.25))
    assert information(0.8, [0.6, 0.77, 0.4, 0.2], "share").safety == 0.75


def test_one_negative_at_the_positive_makes_the_margin_zero():
    assert information(0.8, [0.8, 0.1]).value == 0
    assert information(0.8, [0.9, 0.1]).safety == 0
    assert information(0.8, [0.9, 0.1], "share").value > 0


def test_the_margin_prefers_easy_negatives_to_hard_ones_below_the_positive():
    """Why version 1 with a margin rates random documents above mined ones (docs/quality.md); the share does not."""
    hard, easy = [0.7, 0.72, 0.75], [0.1, 0.15, 0.2]
    assert information(0.8, easy).value > information(0.8, hard).value
    assert information(0.8, easy, "share").value < information(0.8, hard, "share").value


@pytest.mark.parametrize("scores", [[], [0.0, 0.0], [-0.5]])
def test_nothing_or_nothing_alike_is_worth_nothing(scores):
    assert information(0.8, scores).value == 0


def test_a_positive_without_score_is_no_division_by_zero():
    assert information(0.0, [0.5]).value == 0
    assert math.isfinite(information(-0.2, [0.1], "share").value)


def test_an_unknown_safety_is_refused():
    with pytest.raises(RecipeError, match="one of margin, share"):
        information(0.8, [0.5], "max")


@given(st.floats(0, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=10), st.sampled_from(["margin", "share"]))
def test_version_one_lies_between_nothing_and_its_capacity(positive, scores, safety):
    found = information(positive, scores, safety)
    assert 0 <= found.value <= found.capacity + 1e-12


def naive(query, positive, negatives, overlap, locality, consistency, floor):
    """The formula written out, with d by d determinants."""
    u, good, rows = unit(query)[0], unit(positive)[0], unit(negatives)
    m = floor * np.eye(len(u))
    for row, share in zip(rows, overlap, strict=True):
        s = float(row @ u)
        r = row - s * u
        a = math.exp((s - 1) / locality) / (1 + math.exp(-(float(good @ u) - s) / consistency)) * (1 - share)
        m += a * np.outer(r, r)
    return (np.linalg.slogdet(m)[1] - len(u) * math.log(floor)) / 2


@given(st.integers(0, 2**32 - 1))
def test_version_three_is_the_determinant_written_out(seed):
    rng = np.random.default_rng(seed)
    query, positive, negatives = rng.standard_normal(6), rng.standard_normal(6), rng.standard_normal((4, 6))
    overlap = rng.random(4)
    found = residual_information(query, positive, negatives, overlap)
    assert found == pytest.approx(naive(query, positive, negatives, overlap, 0.1, 0.05, 0.01), abs=1e-8)


def test_version_three_gives_copies_nothing_new():
    query, positive = [1, 0, 0], [1, 0.1, 0]
    one = residual_information(query, positive, [[1, 1, 0]], [0.0])
    copy = residual_information(query, positive, [[1, 1, 0], [1, 1, 0]], [0.0, 0.0])
    other = residual_information(query, positive, [[1, 1, 0], [1, 0, 1]], [0.0, 0.0])
    assert one < copy < other


def test_words_shared_with_the_positive_count_by_their_rarity():
    words = [{"red", "lamp"}, {"red", "chair"}, {"blue"}, set(), {"lamp", "red"}]
    red, lamp, chair = math.log1p(5 / 3), math.log1p(5 / 2), math.log1p(5)
    assert lamp < chair
    found = overlaps(words, [([0], [1, 2, 3, 4]), ([2, 1], [0])])
    assert found[0].tolist() == pytest.approx([red / (red + chair), 0, 0, 1])
    assert found[1].tolist() == pytest.approx([red / (red + lamp)])
