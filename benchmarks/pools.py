"""Candidates with the detector's probabilities and the hidden truth, as arrays; for risk.py and triage.py."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foils.detect.shipped import Shipped
from foils.risk.choose import standardised
from train_detector import TRAIN, candidates, encoder, load, predict, train

DATA = Path(os.environ.get("FOILS_DATA", "../shared/data"))
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """What a selection starts from: the union of the BM25 and MiniLM top 50, without the known positive.

    Args:
        query: (m,) ascending.
        p: (m,) of the detector at level 0, its coefficients from the other collections only.
        z: (m,) hardness: MiniLM's cosine, standardised over the query's candidates.
        truth: (m,) true for a hidden positive.
    """

    query: NDArray[np.uint32]
    p: Floats
    z: Floats
    truth: NDArray[np.bool_]

    @property
    def queries(self) -> int:
        """How many."""
        return len(np.unique(self.query))


@cache
def elsewhere(name: str) -> Shipped:
    """Coefficients from all training collections but this one."""
    others = [other for other in TRAIN if other != name]
    return train({other: [candidates(load(DATA, other), encoder())] for other in others})


def pool(name: str, draw: int | None) -> Pool:
    """One labelling: the known positive of each query redrawn among its relevant documents (null: the given one)."""
    sample = candidates(load(DATA, name, draw), encoder())
    scored = sample.labels >= 0
    frame = sample.pairs.frame
    query = frame["query"].to_numpy()[scored]
    z = standardised(query, frame["cos.dense"].to_numpy().astype(np.float64)[scored])
    return Pool(query, predict(elsewhere(name), sample)[scored], z, sample.labels[scored] == 1)
