"""Fit the detector to verdicts: drawn towards the shipped coefficients, held out by query, calibrated."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.detect.calibrate import AS_IS, Calibration, calibrate
from foils.detect.logistic import Array, fit, folds_of, logits

Method = Literal["isotonic", "platt", "none"]

# Standard deviations tried, around the shipped coefficients and around 0 for features that nothing is known about.
NEAR = (0.03, 0.1, 0.3, 1.0)
FAR = (0.01, 0.03, 0.1, 0.3)
# Of the intercept: how far off the shipped one was, in logits, on collections left out.
INTERCEPT = 0.4
# Pairs of one query resemble each other: m of them tell as much as m / (1 + (m - 1) * ALIKE) of different queries.
ALIKE = 0.1
AT_MOST = 20_000  # pairs that the standard deviations are chosen on


class Verdicts(NamedTuple):
    """What was judged.

    Args:
        matrix: (n, d) features; those without a shipped coefficient standardised.
        relevant: (n,) probabilities given by the judge.
        queries: (n,) row of each pair's query.
        hashes: of all queries of the collection.
    """

    matrix: NDArray[np.float32]
    relevant: Array
    queries: NDArray[np.uint32]
    hashes: NDArray[np.uint64]

    def weights(self) -> Array:
        """(n,) one over the design effect (Kish, 1965) of the number of verdicts on the query."""
        _, at, counts = np.unique(self.queries, return_inverse=True, return_counts=True)
        weights: Array = (1.0 / (1.0 + (counts.astype(np.float64) - 1) * ALIKE))[at].astype(np.float64)
        return weights

    def part(self, rows: NDArray[np.bool_]) -> Verdicts:
        """Some of them."""
        return Verdicts(self.matrix[rows], self.relevant[rows], self.queries[rows], self.hashes)


class Learned(NamedTuple):
    """A fitted detector.

    Args:
        coefficients: (d + 1,), the intercept last.
        calibration: from its logits to probabilities.
        held_out: (n,) probabilities of the judged pairs by models and calibrations that saw no verdict on their query.
        near: the standard deviation chosen around the shipped coefficients.
        far: the one around 0.
    """

    coefficients: Array
    calibration: Calibration
    held_out: Array
    near: float
    far: float


def learn(given: Verdicts, prior: Array, method: Method, folds: int, seed: int) -> Learned:
    """Fit, choose how far to leave the prior by whole queries held out, and calibrate on held-out logits.

    Args:
        given: the verdicts; at least two queries.
        prior: (d + 1,) shipped coefficients, 0 for features without, the intercept last.
        method: of calibration.
        folds: at most as many as there are judged queries are used.
        seed: of the folds.
    """
    judged, at = np.unique(given.queries, return_inverse=True)
    fold = folds_of(given.hashes[judged], min(folds, len(judged)), seed)[at]
    weights = given.weights()
    near, far = _choose(given, weights, prior, fold)
    precision = _precision(prior, near, far)
    held = _held_out(given, weights, prior, precision, fold)
    out = np.empty(len(fold))
    for f in np.unique(fold).tolist():
        inside = fold == f
        curve = AS_IS
        if method != "none" and inside.sum() < len(fold):
            # Held out twice: the scores that this curve is fitted to come from models without this fold too.
            rest, lighter = given.part(~inside), weights[~inside]
            again = _held_out(rest, lighter, prior, precision, fold[~inside])
            curve = calibrate(again, rest.relevant, method, lighter)
        out[inside] = curve(held[inside])
    w = fit(given.matrix, given.relevant, prior, precision, weights)
    final = AS_IS if method == "none" else calibrate(held, given.relevant, method, weights)
    return Learned(w, final, out, near, far)


def _precision(prior: Array, near: float, far: float) -> Array:
    return np.append(np.where(prior[:-1] != 0, near**-2.0, far**-2.0), INTERCEPT**-2.0)


def _held_out(given: Verdicts, weights: Array, prior: Array, precision: Array, fold: NDArray[np.int64]) -> Array:
    held = np.empty(len(fold))
    for f in np.unique(fold).tolist():
        train = fold != f
        w = fit(given.matrix[train], given.relevant[train], prior, precision, weights[train])
        held[~train] = logits(given.matrix[~train], w)
    return held


def _choose(given: Verdicts, weights: Array, prior: Array, fold: NDArray[np.int64]) -> tuple[float, float]:
    """The pair of standard deviations nearest to the prior whose log loss is within one standard error of the least.

    The one-standard-error rule of Breiman et al. (1984), over queries held out.
    """
    step = max(1, -(-len(fold) // AT_MOST))
    rows = given.queries % step == 0
    if step > 1 and len(np.unique(given.queries[rows])) > 1 and len(np.unique(fold[rows])) > 1:
        given, weights, fold = given.part(rows), weights[rows], fold[rows]
    _, at, counts = np.unique(given.queries, return_inverse=True, return_counts=True)
    tried = []
    for near in NEAR:
        for far in FAR if (prior[:-1] == 0).any() else FAR[:1]:
            held = _held_out(given, weights, prior, _precision(prior, near, far), fold)
            loss = np.logaddexp(0.0, held) - given.relevant * held
            tried.append((near, far, np.bincount(at, weights=loss) / counts))
    best = min(tried, key=lambda one: float(one[2].mean()))[2]
    for near, far, loss in tried:
        worse = loss - best
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return near, far
    return NEAR[0], FAR[0]
