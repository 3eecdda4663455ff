"""From scores to probabilities, and how good either is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foils.detect.logistic import Array, fit, sigmoid

Method = Literal["isotonic", "platt"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """A map from logits to probabilities that never falls.

    Args:
        knots: (k,) ascending logits.
        values: (k,) probability at each, within (0, 1); between knots its logit is interpolated, outside it runs on
            with slope 1, so that no two scores tie.
        slope: of Platt's curve, which then takes the place of the knots; null: isotonic.
        intercept: of Platt's curve.
    """

    knots: Array = field(default_factory=lambda: np.zeros(0))
    values: Array = field(default_factory=lambda: np.zeros(0))
    slope: float | None = None
    intercept: float = 0.0

    def __call__(self, logits: NDArray[np.floating]) -> Array:
        """Probabilities (n,) of logits (n,)."""
        if self.slope is not None:
            return sigmoid(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept)
        x = np.asarray(logits, dtype=np.float64)
        inside = np.interp(x, self.knots, np.log(self.values / (1 - self.values)))
        return sigmoid(inside + (x - np.clip(x, self.knots[0], self.knots[-1])))


AS_IS = Calibration(slope=1.0)
PRIOR = 10.0  # pairs


def platt(
    logits: NDArray[np.floating], relevant: NDArray[np.floating], weights: NDArray[np.floating] | None = None
) -> Calibration:
    """A logistic curve of the logit: sigma(a * logit + b), a > 0.

    Platt (Advances in Large Margin Classifiers, 1999), equation 1; instead of the paper's smoothed targets a weak
    normal prior (mean a = 1, b = 0, standard deviations 0.25 and 0.5) keeps both finite. Fails where the error of the
    scores is not an S: isotonic regression then fits, given some hundred labels.

    Args:
        logits: (n,) of labelled pairs, not the ones that the scores were fitted on.
        relevant: (n,) labels or probabilities.
        weights: (n,) of the pairs; null: 1 each.
    """
    w = fit(np.asarray(logits)[:, None], relevant, np.array([1.0, 0.0]), np.array([16.0, 4.0]), weights)
    return Calibration(slope=max(float(w[0]), 1e-3), intercept=float(w[1]))


def isotonic(
    logits: NDArray[np.floating], relevant: NDArray[np.floating], weights: NDArray[np.floating] | None = None
) -> Calibration:
    """The non-decreasing step function nearest to the labels, its steps drawn towards Platt's curve and joined.

    Zadrozny and Elkan (KDD 2002), by pool adjacent violators. Plain steps tie pairs, which costs ranking, and end at 0
    and 1 on the word of a handful. Here each step counts as ``PRIOR`` more pairs of Platt's probability, stands at its
    mean logit, and the curve runs from step to step in logits, which keeps the order. Fails with few labels: below
    some hundred it is Platt's curve with noise.

    Args:
        logits: (n,) of labelled pairs, not the ones that the scores were fitted on.
        relevant: (n,) labels or probabilities.
        weights: (n,) of the pairs, above 0; null: 1 each.
    """
    each = np.ones(len(relevant)) if weights is None else np.asarray(weights, dtype=np.float64)
    smooth = platt(logits, relevant, each)
    order = np.argsort(logits, kind="stable")
    x, y, each = (np.asarray(v, dtype=np.float64)[order] for v in (logits, relevant, each))
    # Blocks as (sum of labels, sum of logits, weight); a block is merged while it does not lie above the one before.
    sums: list[tuple[float, float, float]] = []
    for label, logit, weight in zip((y * each).tolist(), (x * each).tolist(), each.tolist(), strict=True):
        block = (label, logit, weight)
        while sums and sums[-1][0] * block[2] >= block[0] * sums[-1][2]:
            last = sums.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        sums.append(block)
    labels, at, n = (np.array(column, dtype=np.float64) for column in zip(*sums, strict=True))
    drawn = (labels + PRIOR * smooth(at / n)) / (n + PRIOR)
    return Calibration(at / n, np.clip(np.maximum.accumulate(drawn), 1e-9, 1 - 1e-9))


def calibrate(
    logits: NDArray[np.floating],
    relevant: NDArray[np.floating],
    method: Method,
    weights: NDArray[np.floating] | None = None,
) -> Calibration:
    """Fit one of the two; without labels the logistic curve itself."""
    if len(logits) == 0:
        return AS_IS
    return isotonic(logits, relevant, weights) if method == "isotonic" else platt(logits, relevant, weights)


def calibration_error(probabilities: NDArray[np.floating], relevant: NDArray[np.floating], bins: int = 10) -> float:
    """Expected calibration error: mean |share relevant - mean probability| over bins of equal size, by bin size.

    Naeini, Cooper and Hauskrecht (AAAI 2015) with equally filled instead of equally wide bins, as most pairs lie near
    0 (Nguyen and O'Connor, EMNLP 2015).

    Args:
        probabilities: (n,).
        relevant: (n,) 0 or 1.
        bins: how many.

    >>> calibration_error(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 0, 1, 1]), bins=2)
    0.1
    """
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(float(np.mean(relevant[part]) - np.mean(probabilities[part]))) for part in parts]
    return round(float(sum(gaps) / max(len(order), 1)), 12)


def per_query_auc(
    queries: NDArray[np.integer], scores: NDArray[np.floating], relevant: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The share of (relevant, other) pairs of each query that the scores put in the right order; a tie counts half.

    Args:
        queries: (n,) in any order.
        scores: (n,).
        relevant: (n,) 0 or 1.

    Returns:
        One value per query, ascending by query; NaN where a query has only one class.

    >>> per_query_auc(np.array([0, 0, 0]), np.array([0.9, 0.5, 0.5]), np.array([0, 1, 0])).tolist()
    [0.25]
    """
    from scipy.stats import rankdata

    order = np.argsort(queries, kind="stable")
    cuts = np.flatnonzero(np.diff(np.asarray(queries)[order])) + 1
    found = []
    for part in np.split(order, cuts) if len(order) else []:
        one = np.asarray(relevant)[part] > 0
        positives, others = int(one.sum()), int((~one).sum())
        if positives == 0 or others == 0:
            found.append(float("nan"))
            continue
        ranks = rankdata(np.asarray(scores)[part])
        found.append((float(ranks[one].sum()) - positives * (positives + 1) / 2) / (positives * others))
    return np.array(found, dtype=np.float64)
