"""Effective Contrastive Information: two scores of a set of negatives before training, both reconstructions.

The paper (arXiv:2603.20990) exists in two versions that contradict each other, and only their abstracts could be
read: what follows is the most natural reading of each, not the authors' formula. Measured (docs/quality.md), neither
is fit to choose between sets: a diagnostic, never a headline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foils.errors import RecipeError
from foils.spread import unit

Safety = Literal["margin", "share"]


class Information(NamedTuple):
    """Version 1, of one query.

    Args:
        value: capacity times efficiency.
        capacity: log(1 + n).
        signal: mean score of the negatives over that of the positive, at most 1.
        safety: see ``information``.
    """

    value: float
    capacity: float
    signal: float
    safety: float


def information(positive: float, negatives: ArrayLike, safety: Safety = "margin", ratio: float = 0.95) -> Information:
    """ECI of March 2026 for one query: log(1 + n) times the harmonic mean of signal and safety. Reconstruction.

    Signal is mean_j s_j / p, cut to [0, 1]. Safety is "max-margin" in the abstract: (p - max_j s_j) / p, 0 as soon as
    one negative reaches the positive; or, softer, the share of negatives below ``ratio`` times p. Fails with the
    miner's own score (every mined set is then hard), and with the margin on dense cosines: signal and safety then sum
    to about 1, and a random set beats a mined one.

    Args:
        positive: p, on a scale from 0 to 1.
        negatives: (n,) scores of distinct negatives on the same scale.
        safety: ``margin`` or ``share``.
        ratio: for ``share``.

    Raises:
        RecipeError: there is no such safety.

    Example:
        >>> round(information(0.8, [0.6, 0.4]).value, 6)
        0.392362
    """
    if safety not in get_args(Safety):
        raise RecipeError(f"safety={safety!r} is not known; one of {', '.join(get_args(Safety))}")
    scores = np.clip(np.asarray(negatives, dtype=np.float64), 0, 1)
    p = max(float(positive), 1e-6)
    if not scores.size:
        return Information(0.0, 0.0, 0.0, 1.0)
    signal = float(np.clip(scores.mean() / p, 0, 1))
    margin = float(np.clip(p - scores.max(), 0, 1)) / p
    safe = margin if safety == "margin" else float((scores < ratio * p).mean())
    efficiency = 2 * signal * safe / (signal + safe) if signal > 0 and safe > 0 else 0.0
    capacity = float(np.log1p(scores.size))
    return Information(capacity * efficiency, capacity, signal, safe)


def residual_information(
    query: ArrayLike,
    positive: ArrayLike,
    negatives: ArrayLike,
    overlap: ArrayLike,
    *,
    locality: float = 0.1,
    consistency: float = 0.05,
    floor: float = 0.01,
) -> float:
    """ECI of June 2026 for one query: half the log determinant of a weighted residual matrix. Reconstruction.

    With unit vectors, r_j = n_j - (n_j . u) u, and a_j = exp((s_j - 1) / locality) sigma((p - s_j) / consistency)
    (1 - overlap_j): near the query, below the positive, in other words than it. The value is
    (log det(floor I + sum_j a_j r_j r_j^T) - log det(floor I)) / 2, computed on the n by n Gram matrix. The abstract
    names the parts, no constant: all three constants are ours. It grows with n: compare sets of one size. Fails
    with another encoder family than the one that is trained, as the paper says.

    Args:
        query: (d,).
        positive: (d,).
        negatives: (n, d).
        overlap: (n,) idf-weighted share of the negative's words that the positive has, 0 to 1.
        locality: temperature of nearness to the query.
        consistency: temperature of staying below the positive.
        floor: eps of the determinant.
    """
    u, good, rows = unit(query)[0], unit(positive)[0], unit(negatives)
    scores = rows @ u
    near = np.exp((scores - 1) / locality)
    gap = np.clip((float(good @ u) - scores) / consistency, -700, 700)
    weights = near / (1 + np.exp(-gap)) * np.clip(1 - np.asarray(overlap, dtype=np.float64), 0, 1)
    residuals = rows - scores[:, None] * u
    scaled = residuals * np.sqrt(weights)[:, None]
    gram = np.eye(len(rows)) + scaled @ scaled.T / floor
    return float(np.linalg.slogdet(gram)[1]) / 2


def overlaps(words: Sequence[set[str]], groups: Sequence[tuple[list[int], list[int]]]) -> list[NDArray[np.float64]]:
    """Per query, the idf-weighted share of each negative's words that one of its positives has.

    Args:
        words: of each document; idf is log(1 + N / n) over these N.
        groups: per query the places of its positives and of its negatives in ``words``.
    """
    often = Counter(word for present in words for word in present)
    weight = {word: float(np.log1p(len(words) / n)) for word, n in often.items()}
    total = [sum(weight[w] for w in present) for present in words]
    shares = []
    for positives, negatives in groups:
        known = set().union(*(words[i] for i in positives))
        met = [sum(weight[w] for w in words[i] & known) / total[i] if total[i] else 0.0 for i in negatives]
        shares.append(np.array(met, dtype=np.float64))
    return shares
