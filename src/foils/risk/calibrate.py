"""A detector's probabilities put on the scale of one collection, with what verdicts leave uncertain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError

Floats = NDArray[np.float64]

PRIOR = np.array([0.0, 1.0, 0.0])
PRECISION = np.array([0.1, 1.0, 2.0])
FREEDOM = 8


@dataclass(frozen=True, eq=False)
class Calibration:
    """logit p' = a + b logit p + c z(hardness).

    Args:
        theta: (3,) a, b, c.
        covariance: (3, 3) of theta, over queries.
        n: verdicts.
    """

    theta: Floats
    covariance: Floats
    n: int

    def probability(self, p: Floats, hardness: Floats) -> Floats:
        """Calibrated probabilities (m,), for p (m,) and hardness (m,) standardised per query."""
        return sigmoid(_design(p, hardness) @ self.theta)

    def upper(self, p: Floats, hardness: Floats, confidence: float, draws: int = 400, seed: int = 0) -> float:
        """The quantile of the number of relevant rows among m: parameters and rows both uncertain.

        Parameters are drawn from Student's t, as a few finds decide them (8 degrees of freedom; the normal's bound held
        in 89 % instead of 90 on the collection of the two that it was chosen on).

        Args:
            p: (m,) uncalibrated.
            hardness: (m,) standardised per query.
            confidence: of the one-sided bound.
            draws: of the parameters.
            seed: of the draws.
        """
        if len(p) == 0:
            return 0.0
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        rng = np.random.default_rng(seed)
        heavy = rng.standard_normal((draws, len(self.theta)))
        heavy *= np.sqrt(FREEDOM / rng.chisquare(FREEDOM, (draws, 1)))
        chances = sigmoid(_design(p, hardness) @ (self.theta[:, None] + root @ heavy.T))
        sums = chances.sum(axis=0) + rng.standard_normal(draws) * np.sqrt((chances * (1 - chances)).sum(axis=0))
        return max(float(np.quantile(sums, confidence)), 0.0)


def calibrate(query: NDArray[np.uint32], p: Floats, hardness: Floats, relevant: Floats) -> Calibration:
    """Fit the three numbers to verdicts.

    Platt scaling (1999) with a term for hardness, as what is chosen is chosen by it; Newton's method, drawn towards
    "p is right" by a weak normal prior. A probability learned elsewhere keeps its order from one collection to the
    next, not its level (here: 3.4 times too high on one, 2.3 times too low on another). The covariance is the
    sandwich over queries (Liang and Zeger, 1986), since verdicts of one query are alike.

    Args:
        query: (n,) of each judged row.
        p: (n,) probability before any verdict.
        hardness: (n,) standardised per query.
        relevant: (n,) verdicts in [0, 1].

    Raises:
        DataError: a probability, hardness or verdict is missing.
    """
    design = _design(p, hardness)
    if not (np.isfinite(design).all() and np.isfinite(relevant).all()):
        raise DataError("a judged row has no probability, no hardness or no verdict; leave such rows out")
    theta = towards(PRIOR, PRECISION, design, relevant)
    fitted = sigmoid(design @ theta)
    inverse = np.linalg.inv(_curvature(design, fitted, PRECISION))
    queries, group = np.unique(query, return_inverse=True)
    scores = np.zeros((len(queries), len(theta)))
    np.add.at(scores, group, (relevant - fitted)[:, None] * design)
    middle = scores.T @ scores * (len(queries) / max(len(queries) - 1, 1)) + np.diag(PRECISION)
    return Calibration(theta, inverse @ middle @ inverse, len(relevant))


def towards(prior: Floats, precision: Floats, design: Floats, relevant: Floats) -> Floats:
    """The coefficients (k,) of a logistic regression that is drawn towards a prior; Newton's method with damped steps.

    Args:
        prior: (k,) where the coefficients stay without verdicts.
        precision: (k,) one over the variance of the normal prior around it.
        design: (n, k).
        relevant: (n,) in [0, 1].
    """
    theta = prior.astype(np.float64)
    for _ in range(60):
        fitted = sigmoid(design @ theta)
        gradient = design.T @ (relevant - fitted) - precision * (theta - prior)
        step = np.linalg.solve(_curvature(design, fitted, precision), gradient)
        largest = float(np.abs(step).max())
        theta = theta + step / max(1.0, largest)
        if largest < 1e-9:
            break
    return theta


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    value: Floats = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return value


def logit(p: Floats) -> Floats:
    """log(p / (1 - p)), with p held within 1e-4 of 0 and 1."""
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds


def _design(p: Floats, hardness: Floats) -> Floats:
    return np.stack([np.ones(len(p)), logit(p), hardness], axis=1)


def _curvature(design: Floats, fitted: Floats, precision: Floats) -> Floats:
    matrix: Floats = (design.T * (fitted * (1 - fitted))) @ design + np.diag(precision)
    return matrix
