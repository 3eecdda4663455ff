"""Similarity to the known positives, on vectors whose geometry is known."""

import numpy as np
import pytest

from build import collection, scored
from foils.engine import Local
from foils.errors import RecipeError
from foils.neighbours import PositiveSimilarity
from test_diverse import Plane


def test_each_candidate_is_compared_with_its_nearest_positive():
    where = collection(docs=5, positives=[("q0", "d00"), ("q0", "d04")])
    encoder = Plane((0.0, 30.0, 50.0, 180.0, 60.0))
    pairs = scored(where, {0: [(i, 0.5) for i in range(5)]})
    found = PositiveSimilarity(encoder=encoder)(pairs, Local()).frame["cos.positive"].to_list()
    # Documents 0 and 4 are positives at 0 and 60 degrees: each is compared with the other.
    assert found == pytest.approx(np.cos(np.deg2rad([60, 30, 10, 120, 60])).tolist(), abs=1e-6)


def test_the_only_positive_is_compared_with_itself():
    pairs = scored(collection(docs=2), {0: [(0, 0.9), (1, 0.5)]})
    found = PositiveSimilarity(encoder=Plane((20.0, 80.0)))(pairs, Local()).frame["cos.positive"].to_list()
    assert found == pytest.approx([1.0, 0.5], abs=1e-6)


def test_an_encoder_is_needed():
    with pytest.raises(RecipeError, match="encoder is missing"):
        PositiveSimilarity().check()
