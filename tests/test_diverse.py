"""MMR and k-means on vectors whose geometry is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from build import collection, scored
from foils.diverse import KMeans, Mmr
from foils.engine import Local
from foils.errors import RecipeError


@dataclass(frozen=True)
class Plane:
    """Documents on the unit circle; document i at ``angles[i]`` degrees."""

    angles: tuple[float, ...]
    unit: str = "cos"

    def check(self):
        return None

    def facts(self):
        return {"encoder": "plane"}

    def vectors(self, collection, role, rows, engine):
        chosen = np.deg2rad(np.array(self.angles))[rows if rows is not None else slice(None)]
        return np.stack([np.cos(chosen), np.sin(chosen)], axis=1).astype(np.float32)


# Document 0 is the positive; 1, 2, 3 lie together, 4 apart, 5 opposite.
ENCODER = Plane((0.0, 10.0, 11.0, 12.0, 80.0, 170.0))
SCORES = [(0, 0.99), (1, 0.9), (2, 0.89), (3, 0.88), (4, 0.5), (5, 0.2)]


def pairs():
    return scored(collection(docs=6), {0: SCORES})


def test_mmr_by_hand():
    # After document 1: 2 gains .5*.89 - .5*cos(1) = -.055, 4 gains .5*.5 - .5*cos(70) = .079, 5 gains .57.
    chosen = Mmr(n=2, balance=0.5, encoder=ENCODER)(pairs(), Local()).negatives()
    assert chosen["doc"].to_list() == [1, 5]


def test_mmr_with_balance_one_is_top():
    chosen = Mmr(n=3, balance=1.0, encoder=ENCODER)(pairs(), Local()).negatives()
    assert chosen["doc"].to_list() == [1, 2, 3]


def test_k_means_takes_the_hardest_of_each_cluster():
    chosen = KMeans(n=3, encoder=ENCODER)(pairs(), Local()).negatives()
    assert chosen["doc"].to_list() == [1, 4, 5]


def test_k_means_of_copies_fills_up_by_hardness():
    same = Plane((0.0, 10.0, 10.0, 10.0, 10.0, 10.0))
    chosen = KMeans(n=3, encoder=same)(pairs(), Local()).negatives()
    assert chosen["doc"].to_list() == [1, 2, 3]


def test_fewer_candidates_than_asked_are_all_kept():
    for sampler in (Mmr(n=9, encoder=ENCODER), KMeans(n=9, encoder=ENCODER)):
        assert sampler(pairs(), Local()).negatives().height == 5


def test_an_encoder_is_needed():
    with pytest.raises(RecipeError, match="encoder is missing"):
        Mmr().check()


def test_mmr_refuses_scores_that_are_no_cosines():
    with pytest.raises(RecipeError, match="cannot be weighed against cosines"):
        Mmr(encoder=ENCODER, score="bm25.bm25").check()
