"""Rates of false negatives with intervals, from verdicts on a sample; arrays in, numbers out.

Rates are near 0 here, where the usual normal interval is too short: every estimator below gives its rate and
variance to the same interval, Clopper-Pearson at the effective sample size (Korn and Graubard, Survey Methodology
24, 1998), which is exact for a simple random sample and never of zero width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A rate with its interval.

    Args:
        rate: the estimate, in [0, 1].
        low: lower end.
        high: upper end.
        method: the estimator, in words.
        n: verdicts it rests on.
        confidence: of the interval.
        note: what a reader must know before relying on it; empty: nothing.
    """

    rate: float
    low: float
    high: float
    method: str
    n: int
    confidence: float = 0.95
    note: str = ""

    def __str__(self) -> str:
        """For instance ``5.8 % (95 %: 3.2-9.6 %, Clopper-Pearson, 200 verdicts)``."""
        ends = f"{100 * self.low:.1f}-{100 * self.high:.1f} %"
        return f"{100 * self.rate:.1f} % ({100 * self.confidence:g} %: {ends}, {self.method}, {self.n} verdicts)"


def clopper_pearson(false: float, n: float, confidence: float = 0.95) -> Interval:
    """The exact binomial interval of a simple random sample, or of one pair per query drawn with equal chances.

    Clopper and Pearson (Biometrika 26, 1934). With one pair per query the count is a sum of unequal chances, whose
    tails are lighter than the binomial's (Hoeffding, Ann. Math. Stat. 27, 1956), so the interval holds there too.
    Fails on several pairs of one query drawn together: use ``cluster_robust``.

    Args:
        false: how many were false negatives.
        n: verdicts; effective sample sizes need not be whole.
        confidence: of the two-sided interval.

    Raises:
        DataError: counts that cannot be.

    Example:
        >>> round(clopper_pearson(0, 150).high, 3)
        0.024
    """
    from scipy.stats import beta

    _counts(false, n, confidence)
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, false, n - false + 1)) if false > 0 else 0.0
    high = float(beta.ppf(1 - tail, false + 1, n - false)) if false < n else 1.0
    return Interval(false / n, low, high, "Clopper-Pearson", round(n), confidence)


def upper(false: int, n: int, population: int, confidence: float = 0.9) -> float:
    """The one-sided upper bound of the rate in a finite population, from a simple random sample of it.

    The largest rate K / population under which at most ``false`` in n draws without replacement has a chance above
    1 - confidence (inverted hypergeometric test); at population = n it is the rate itself.

    Args:
        false: false negatives in the sample.
        n: rows in the sample.
        population: rows that it was drawn from.
        confidence: of the bound.
    """
    from scipy.stats import hypergeom

    if n == 0:
        return 1.0
    _counts(false, n, confidence)
    if population < n:
        raise DataError(f"a sample of {n} rows cannot come from {population}; give the rows it was drawn from")
    low, high = false, population - (n - false)  # K is at least what was found, and not among what was cleared
    while low < high:
        middle = (low + high + 1) // 2
        possible = float(hypergeom.cdf(false, population, middle, n)) > 1 - confidence
        low, high = (middle, high) if possible else (low, middle - 1)
    return low / population


def stratified(false: Floats, n: Floats, population: Floats, confidence: float = 0.95) -> Interval:
    """The rate in a finite population from simple random samples of its strata.

    Sum of N_h / N times the stratum's rate; variances carry the finite-population correction 1 - n_h / N_h
    (Cochran, Sampling Techniques, equation 5.12). A stratum without a find keeps a little variance: its rate is
    pulled towards the whole's by one verdict. Fails with strata of one or two verdicts.

    Args:
        false: (H,) false negatives found.
        n: (H,) verdicts, at least 1 wherever the stratum has rows.
        population: (H,) rows.
        confidence: of the interval.
    """
    false, n, population = (np.asarray(a, dtype=np.float64) for a in (false, n, population))
    used = population > 0
    false, n, population = false[used], n[used], population[used]
    if (n < 1).any() or (n > population).any() or (false > n).any():
        raise DataError("every stratum needs at least one verdict, no more than its rows, and no more finds than those")
    share = population / population.sum()
    rate = float(share @ (false / n))
    pulled = (false + rate) / (n + 1)
    variance = float((share**2) @ ((1 - n / population) * pulled * (1 - pulled) / n))
    if (n == population).all():
        return Interval(rate, rate, rate, "all rows judged", int(n.sum()), confidence)
    return _interval(rate, variance, int(n.sum()), int(n.sum()) - len(n), confidence, "strata")


def hajek(relevant: Floats, chance: Floats, confidence: float = 0.95) -> Interval:
    """The rate from rows drawn with known, unequal chances.

    Horvitz and Thompson (JASA 47, 1952) with Hajek's ratio: sum(y / chance) / sum(1 / chance); variance by
    linearisation, rows drawn independently. Fails where a chance is tiny: one find then weighs as much as all others.

    Args:
        relevant: (n,) 1 for a false negative, else 0; or a probability.
        chance: (n,) the probability in (0, 1] with which each row came into the sample.
        confidence: of the interval.
    """
    relevant, chance = np.asarray(relevant, dtype=np.float64), np.asarray(chance, dtype=np.float64)
    if len(relevant) == 0 or (chance <= 0).any() or (chance > 1).any():
        raise DataError("chances must lie in (0, 1] and at least one verdict must be there")
    weight = 1 / chance
    rate = float(weight @ relevant / weight.sum())
    # One more verdict at the mean weight and the common rate: no variance of zero where nothing was found.
    spread = float((weight**2 * (1 - chance)) @ (relevant - rate) ** 2)
    least = float((weight**2 * (1 - chance)).sum() * rate * (1 - rate) / (len(weight) + 1))
    variance = max(spread, least) / float(weight.sum()) ** 2
    effective = float(weight.sum()) ** 2 / float((weight**2).sum())
    return _interval(rate, variance, len(weight), len(weight) - 1, confidence, "Horvitz-Thompson-Hajek", effective)


def prediction_powered(p: Floats, judged: Floats, relevant: Floats, confidence: float = 0.95) -> Interval:
    """The rate from verdicts, sharpened by the detector's probabilities for all rows (PPI++).

    Angelopoulos, Duchi and Zrnic (arXiv:2311.01453), equation 3 and example 6.1: mean(y) + l (mean(p) - mean(p of the
    judged)) with the power-tuned l = cov(y, p) / ((1 + n / N) var(p)); a useless p gives l = 0 and the plain mean.
    The paper's interval is normal; here it is the one of this module. Holds for any p that did not see these
    verdicts; fails where they trained it, and where the sample is not uniform.

    Args:
        p: (N,) probabilities of all rows.
        judged: (n,) probabilities of the judged rows, a uniform sample.
        relevant: (n,) their verdicts, 1 for a false negative.
        confidence: of the interval.
    """
    p, judged, relevant = (np.asarray(a, dtype=np.float64) for a in (p, judged, relevant))
    n, total = len(relevant), len(p)
    if n < 2 or len(judged) != n:
        raise DataError(f"{n} verdicts on {len(judged)} probabilities: at least 2 of both are needed, one for one")
    spread = float(np.var(judged, ddof=1))
    tuned = float(np.cov(relevant, judged)[0, 1]) / ((1 + n / total) * spread) if spread > 0 else 0.0
    tuned = min(max(tuned, 0.0), 1.0)
    rate = float(relevant.mean() + tuned * (p.mean() - judged.mean()))
    variance = float(np.var(relevant - tuned * judged, ddof=1)) / n + tuned**2 * float(np.var(p)) / total
    return _interval(min(max(rate, 0.0), 1.0), variance, n, n - 1, confidence, "PPI++")


def cluster_robust(false: Floats, n: Floats, queries: int | None = None, confidence: float = 0.95) -> Interval:
    """The rate from queries judged whole (or with several pairs each), which are alike within.

    Ratio of sums over queries; its variance between queries gives an effective sample size, with Student's t for the
    number of queries (Korn and Graubard, 1998). The plain binomial interval covers 84 to 91 % here instead of 95.
    Fails with fewer than about 10 queries. Nothing found at all counts as one verdict per query.

    Args:
        false: (Q,) false negatives found per judged query.
        n: (Q,) verdicts per judged query.
        queries: how many queries the judged ones were drawn from; none: very many.
        confidence: of the interval.
    """
    false, n = np.asarray(false, dtype=np.float64), np.asarray(n, dtype=np.float64)
    count = len(n)
    if count < 2 or n.sum() <= 0 or (false > n).any():
        raise DataError(f"{count} queries were judged; at least 2 with verdicts are needed to see how they differ")
    rate = float(false.sum() / n.sum())
    residuals = false - rate * n
    if count == queries:
        return Interval(rate, rate, rate, "all rows judged", int(n.sum()), confidence)
    correction = 1.0 if queries is None else max(0.0, 1 - count / queries)
    variance = correction * count / (count - 1) * float(residuals @ residuals) / float(n.sum()) ** 2
    return _interval(rate, variance, int(n.sum()), count - 1, confidence, "clusters", float(count))


def rogan_gladen(positive: int, n: int, sensitivity: float, specificity: float, confidence: float = 0.95) -> Interval:
    """The rate corrected for a judge that errs: (observed + specificity - 1) / (sensitivity + specificity - 1).

    Rogan and Gladen (Am. J. Epidemiology 107, 1978). Unbiased if both numbers are right *on mined candidates*; on an
    easier pool they look better than they are. Fails at low rates: with specificity .95 five of a hundred clean
    negatives look false, and a small error there moves the estimate by as much as the rate itself.

    Args:
        positive: rows that the judge called relevant.
        n: verdicts.
        sensitivity: share of relevant rows that it calls relevant.
        specificity: share of irrelevant rows that it calls irrelevant.
        confidence: of the interval, for given sensitivity and specificity.

    Raises:
        DataError: the judge tells nothing (sensitivity + specificity <= 1).
    """
    power = sensitivity + specificity - 1
    if not power > 0 or max(sensitivity, specificity) > 1:
        raise DataError(
            f"sensitivity {sensitivity:g} and specificity {specificity:g} add up to no more than 1: such a judge "
            "tells nothing; measure it on mined candidates"
        )
    seen = clopper_pearson(positive, n, confidence)
    rate, low, high = ((x + specificity - 1) / power for x in (seen.rate, seen.low, seen.high))
    warnings = ["rests on the stated sensitivity and specificity of the judge"]
    if rate < 1 - specificity:
        warnings.append("most of what it called relevant is its own error: judge a sample by a person")
    rate, low, high = (min(max(x, 0.0), 1.0) for x in (rate, low, high))
    return Interval(rate, low, high, "Rogan-Gladen", n, confidence, "; ".join(warnings))


def conformal_cut(losses: Floats, risk: float, bound: float = 1.0) -> int | None:
    """The boldest cut whose expected loss on a new query stays within the risk: conformal risk control.

    Angelopoulos, Bates, Fisch, Lei and Schuster (arXiv:2208.02814), equation 4: the last cut with
    n / (n + 1) mean loss + bound / (n + 1) <= risk. The unit is the query, as relevant documents gather in queries.
    The promise is about the mean over repetitions, not about this one run; for that use ``guarantee``. Losses that
    are not monotone are raised to their running maximum. Fails (gives none) with fewer than bound / risk queries.

    Args:
        losses: (Q, L) loss of each judged query at each cut, from the most careful cut to the boldest.
        risk: allowed expected loss.
        bound: the largest possible loss.

    Returns:
        The cut's column, or none if not even the first is within the risk.
    """
    losses = np.maximum.accumulate(np.asarray(losses, dtype=np.float64), axis=1)
    n = len(losses)
    bounds = (losses.sum(axis=0) + bound) / (n + 1)
    within = np.flatnonzero(bounds <= risk)
    return int(within[-1]) if len(within) else None


def _counts(false: float, n: float, confidence: float) -> None:
    if not 0 <= false <= n or n <= 0:
        raise DataError(f"{false:g} false of {n:g} verdicts: there must be at least one verdict, and no more finds")
    if not 0 < confidence < 1:
        raise DataError(f"confidence={confidence:g} must lie between 0 and 1, for instance 0.95")


def _interval(
    rate: float, variance: float, n: int, freedom: int, confidence: float, method: str, least: float | None = None
) -> Interval:
    """Korn-Graubard: Clopper-Pearson at the effective sample size, shrunk by Student's t for few degrees of freedom."""
    from scipy.stats import t

    tail = (1 + confidence) / 2
    ratio = float(t.ppf(tail, max(n - 1, 1)) / t.ppf(tail, max(freedom, 1))) ** 2
    spread = rate * (1 - rate)
    effective = spread / variance * ratio if variance > 0 and spread > 0 else (least or n)
    exact = clopper_pearson(rate * effective, effective, confidence)
    return Interval(rate, exact.low, exact.high, method, n, confidence)
