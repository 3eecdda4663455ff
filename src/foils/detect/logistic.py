"""Logistic regression that is drawn towards coefficients known before, and folds that keep queries whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foils.pairs import hash_uniform

Array = NDArray[np.float64]


def sigmoid(logits: NDArray[np.floating]) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    half: Array = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))
    return half


def fit(
    matrix: NDArray[np.floating],
    relevant: NDArray[np.floating],
    prior: Array,
    precision: Array,
    weights: NDArray[np.floating] | None = None,
) -> Array:
    """The most probable coefficients under a normal prior (maximum a posteriori; ridge around ``prior``).

    Minimises sum_i weight_i * logloss_i + sum_j precision_j / 2 * (w_j - prior_j)^2 by Newton steps with halving.

    Args:
        matrix: (n, d) features.
        relevant: (n,) labels, or probabilities in [0, 1] (a judge may be unsure).
        prior: (d + 1,) means of the coefficients, the intercept last.
        precision: (d + 1,) 1 / variance of each; must be above 0.
        weights: (n,) of the rows; null: 1 each.

    Returns:
        (d + 1,) coefficients, the intercept last; ``prior`` itself if there are no rows.
    """
    x = np.column_stack([np.asarray(matrix, dtype=np.float64), np.ones(len(matrix))])
    y = np.asarray(relevant, dtype=np.float64)
    each = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    w = prior.astype(np.float64).copy()
    loss = _loss(x, y, each, w, prior, precision)
    for _ in range(100):
        p = sigmoid(x @ w)
        gradient = x.T @ (each * (p - y)) + precision * (w - prior)
        hessian = (x * (each * p * (1 - p))[:, None]).T @ x + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6 and (new := _loss(x, y, each, w - size * step, prior, precision)) > loss:
            size /= 2
        if size <= 1e-6:
            break
        w = w - size * step
        done, loss = loss - new < 1e-9 * (1 + abs(loss)), new
        if done:
            break
    return w


def logits(matrix: NDArray[np.floating], w: Array) -> Array:
    """The linear predictor, (n,) float64, a slice at a time so that no large copy is made."""
    out = np.empty(len(matrix), dtype=np.float64)
    for start in range(0, len(matrix), 1 << 18):
        part = slice(start, start + (1 << 18))
        out[part] = matrix[part].astype(np.float64) @ w[:-1] + w[-1]
    return out


def folds_of(hashes: NDArray[np.uint64], count: int, seed: int) -> NDArray[np.int64]:
    """A fold for each query, from 0, as equal in size as can be, the same in any order of the queries.

    Args:
        hashes: (q,) of distinct queries, as ``Collection.query_hash`` has.
        count: folds.
        seed: of the draw.
    """
    order = np.argsort(hash_uniform(hashes, hashes, seed), kind="stable")
    folds = np.empty(len(hashes), dtype=np.int64)
    folds[order] = np.arange(len(hashes)) % count
    return folds


def log_loss(relevant: NDArray[np.floating], scores: NDArray[np.floating]) -> float:
    """Mean of -y log p - (1 - y) log(1 - p), from logits."""
    y, s = np.asarray(relevant, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    return float(np.mean(np.logaddexp(0.0, s) - y * s)) if len(y) else 0.0


def _loss(x: Array, y: Array, each: Array, w: Array, prior: Array, precision: Array) -> float:
    s = x @ w
    return float(each @ (np.logaddexp(0.0, s) - y * s) + 0.5 * precision @ (w - prior) ** 2)
