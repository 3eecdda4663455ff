"""Statistics with intervals: arrays in, numbers out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def auc(positives: Floats, negatives: Floats) -> tuple[float, float]:
    """The probability that a negative's value is above a positive's, ties half, and its variance.

    Mann-Whitney with the variance of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988).

    >>> value, variance = auc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    >>> round(value, 3)
    0.875
    """
    n, m = len(positives), len(negatives)
    below = _placed(positives, negatives) / n  # share of positives below each negative
    above = 1 - _placed(negatives, positives) / m  # share of negatives above each positive
    value = float(below.mean())
    variance = float(above.var(ddof=1) / n if n > 1 else 0.25) + float(below.var(ddof=1) / m if m > 1 else 0.25)
    return value, variance


def _placed(known: Floats, values: Floats) -> Floats:
    ordered = np.sort(known)
    placed: Floats = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    return placed


def over_folds(parts: list[tuple[float, float]]) -> Estimate:
    """The mean of cross-validated values (value, variance within its fold), with a 95 % interval, within [0, 1].

    Folds share most of their training rows, so their mean varies more than the mean of independent ones: the variance
    is that of a fold times 1 / K + 1 / (K - 1) (Nadeau and Bengio, Machine Learning 52, 2003), not 1 / K.
    """
    value, k = float(np.mean([v for v, _ in parts])), len(parts)
    within = float(np.mean([v for _, v in parts]))
    half = 1.96 * float(np.sqrt(within * (1 / k + 1 / max(k - 1, 1))))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def one_sided_words(positive: Floats, negative: Floats) -> tuple[Floats, float]:
    """Z of each word: how far its share of negatives is from a half, in standard errors; and the critical value.

    z = (p - p0) / sqrt(p0 (1 - p0) / n), with p the share of negatives among the n documents that hold the word and
    p0 = 1/2 (Gardner et al., EMNLP 2021, equation 3; used by Wu et al., ACL 2022, for generated data). The critical
    value is two-sided at .01, divided by the number of words (Bonferroni).

    Args:
        positive: (words,) positives that hold the word.
        negative: (words,) negatives that hold it.
    """
    from scipy.stats import norm

    n = positive + negative
    z = (negative / n - 0.5) / np.sqrt(0.25 / n)
    return z, float(norm.isf(0.01 / 2 / max(len(n), 1)))


def cramer(counts: Floats) -> float:
    """Cramér's V of a table, with the bias correction of Bergsma (J. Korean Stat. Soc. 42, 2013); 0 of a single row.

    >>> round(cramer(np.array([[100.0, 0.0], [0.0, 100.0]])), 2), cramer(np.array([[50.0, 50.0], [50.0, 50.0]]))
    (1.0, 0.0)
    """
    counts = counts[counts.sum(axis=1) > 0]
    n, (rows, columns) = counts.sum(), counts.shape
    if rows < 2 or columns < 2 or (counts.sum(axis=0) == 0).any():
        return 0.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    phi = float(((counts - expected) ** 2 / expected).sum() / n)
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    rows_, columns_ = rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    return float(np.sqrt(phi / max(min(rows_, columns_) - 1, 1e-9)))
