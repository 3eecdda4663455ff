"""Learning from known positives and unlabelled candidates alone, when only some positives were ever labelled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.detect.logistic import Array, fit, logits, sigmoid

LEAST = 0.05  # of a propensity


class SarEm(NamedTuple):
    """What SAR-EM learned.

    Args:
        relevance: coefficients of P(relevant | features), the intercept last.
        propensity: coefficients of P(labelled | relevant, features), the intercept last.
        rounds: until it stood still.
    """

    relevance: Array
    propensity: Array
    rounds: int


def posterior(relevance: Array, propensity: Array, labelled: NDArray[np.bool_]) -> Array:
    """P(relevant) given whether it was labelled: 1 if so, else f (1 - e) / (1 - f e).

    >>> posterior(np.array([0.6]), np.array([0.4]), np.array([False])).round(6).tolist()
    [0.473684]
    """
    hidden = relevance * (1 - propensity) / np.maximum(1 - relevance * propensity, 1e-12)
    return np.where(labelled, 1.0, hidden)


def sar_em(matrix: Array, selection: Array, labelled: NDArray[np.bool_], rounds: int = 500) -> SarEm:
    """Relevance and propensity together, by expectation maximisation.

    Bekker, Robberechts and Davis (ECML 2019), section 5: start with unlabelled = negative and balanced classes; take
    P(relevant) as ``posterior``; fit the propensity on labelled against not, weighted by it, and the relevance on both
    outcomes of each example; stop when the mean slope of the propensities over 10 rounds and the gain of the likelihood
    are below 1e-4; last, fit the relevance to the unbiased risk: a labelled example counts 1 / e as relevant and
    1 - 1 / e as not, which for the logistic loss is a target of 1 / e. The propensity is cut at 0.05. Without features
    that only one of the two sees it cannot tell rarely relevant from rarely labelled.

    Args:
        matrix: (n, d) features of the relevance.
        selection: (n, s) features of the propensity, a different set.
        labelled: (n,) the known positives.
        rounds: at most.
    """
    share = max(float(labelled.mean()), 1e-9)
    balanced = np.where(labelled, 0.5 / share, 0.5 / max(1 - share, 1e-9))
    f_zero, e_zero = np.zeros(matrix.shape[1] + 1), np.zeros(selection.shape[1] + 1)
    loose_f, loose_e = np.full(len(f_zero), 0.1), np.full(len(e_zero), 0.1)
    w_f = fit(matrix, labelled.astype(np.float64), f_zero, loose_f, balanced)
    w_e, history, likelihood = e_zero, [], -np.inf
    done = 0
    while done < rounds:
        done += 1
        f = sigmoid(logits(matrix, w_f))
        e = np.maximum(sigmoid(logits(selection, w_e)), LEAST)
        now = _likelihood(f, e, labelled)
        gain, likelihood = now - likelihood, now
        history.append(e)
        if len(history) > 10:
            slope = float(np.abs(history[-1] - history.pop(0)).mean()) / 10
            if slope < 1e-4 and gain < 1e-4:
                break
        relevant = posterior(f, e, labelled)
        w_e = fit(selection, labelled.astype(np.float64), e_zero, loose_e, relevant)
        w_f = fit(matrix, relevant, f_zero, loose_f)
    e = np.maximum(sigmoid(logits(selection, w_e)), LEAST)
    return SarEm(fit(matrix, np.where(labelled, 1 / e, 0.0), f_zero, loose_f), w_e, done)


def dual(
    matrix: Array, selection: Array, labelled: NDArray[np.bool_], starts: NDArray[np.int64], rounds: int = 20
) -> tuple[Array, Array]:
    """Relevance and selection over each query's list, each weighing the other's loss by inverse propensity.

    CET (arXiv:2209.05072); a reconstruction, as only the abstract could be read, after dual learning for click models:
    with R and S the softmax of two linear scores over a query's list, L_rel = -sum w_sel log R over the labelled,
    w_sel = clip(S(d*) / S(d), 0.1, 10), and L_sel with the roles exchanged; d* is the list's best by the other score.
    Only orders within a query are learned.

    Args:
        matrix: (n, d) features of the relevance.
        selection: (n, s) features of the selection, a different set.
        labelled: (n,) the known positives.
        starts: (queries + 1,) where each query's list begins.
        rounds: of exchange; each is a Newton step for both.

    Returns:
        Coefficients of relevance (d,) and selection (s,); a softmax has no intercept.
    """
    rel, sel = np.zeros(matrix.shape[1]), np.zeros(selection.shape[1])
    for _ in range(rounds):
        w_sel = _inverse(selection @ sel, starts)
        w_rel = _inverse(matrix @ rel, starts)
        rel = rel + _newton(matrix, rel, labelled * w_sel, starts)
        sel = sel + _newton(selection, sel, labelled * w_rel, starts)
    return rel, sel


def _likelihood(f: Array, e: Array, labelled: NDArray[np.bool_]) -> float:
    chance = np.clip(f * e, 1e-12, 1 - 1e-12)
    return float(np.log(np.where(labelled, chance, 1 - chance)).sum())


def _inverse(scores: Array, starts: NDArray[np.int64]) -> Array:
    """clip(P(best) / P(d), 0.1, 10) of a softmax over each query's list."""
    best = np.repeat(np.maximum.reduceat(scores, starts[:-1]), np.diff(starts))
    return np.clip(np.exp(np.minimum(best - scores, 50.0)), 0.1, 10.0)


def _newton(x: Array, w: Array, weights: Array, starts: NDArray[np.int64]) -> Array:
    """A step of -sum weight log softmax + 0.05 |w|^2."""
    scores = x @ w
    best = np.repeat(np.maximum.reduceat(scores, starts[:-1]), np.diff(starts))
    odds = np.exp(scores - best)
    p = odds / np.repeat(np.add.reduceat(odds, starts[:-1]), np.diff(starts))
    mean = np.add.reduceat(p[:, None] * x, starts[:-1], axis=0)
    mass = np.add.reduceat(weights, starts[:-1])
    gradient = weights @ x - mass @ mean - 0.1 * w
    hessian = (x * (p * np.repeat(mass, np.diff(starts)))[:, None]).T @ x - (mean * mass[:, None]).T @ mean
    step: Array = np.linalg.solve(hessian + 0.1 * np.eye(len(w)), gradient)
    return step / max(1.0, float(np.abs(step).max()))
