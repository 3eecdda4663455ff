"""``--risk R --confidence C``: a selection whose realised share of false negatives is within R, C times out of 100.

Two ways, for the same verdicts. ``promise`` trusts that the collection bends the detector's probabilities in a smooth
way (three numbers, see ``calibrate``) and carries their uncertainty; ``prove`` trusts nothing, and pays for that with
much softer negatives, or none at all (``docs/risk.md`` has both prices).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError
from foils.risk.calibrate import Calibration, calibrate
from foils.risk.choose import standardised, within_risk
from foils.risk.estimate import clopper_pearson, upper
from foils.risk.sample import Sample, by_strata, simple

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.uint32]
Ask = Callable[[Rows], Floats]

# Shares of the allowed risk tried, from bold to careful.
STEPS = 1.1 * 0.88 ** np.arange(20)


@dataclass(frozen=True, eq=False)
class Candidates:
    """What can be chosen from.

    Args:
        query: (m,) u32 ascending.
        p: (m,) probability of being relevant before the verdicts; NaN: cannot be chosen.
        hardness: (m,) the larger the harder; NaN: cannot be chosen.
    """

    query: NDArray[np.uint32]
    p: Floats
    hardness: Floats

    @property
    def usable(self) -> Rows:
        """Rows that can be chosen."""
        return np.flatnonzero(np.isfinite(self.p) & np.isfinite(self.hardness)).astype(np.uint32)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A selection and what is promised of it.

    Args:
        rows: (m,) true for the rows selected; all false where nothing could be promised.
        share: which part of the allowed risk the calibrated probabilities may spend.
        bound: upper bound of the rate, at the confidence asked for.
        judged: (n,) rows judged.
        relevant: (n,) their verdicts.
    """

    rows: Mask
    share: float
    bound: float
    judged: Rows
    relevant: Floats


def first_rows(candidates: Candidates, size: int, seed: int) -> Rows:
    """Rows to judge first: all levels of p, more where it is undecided; they show how far off p is here."""
    usable = candidates.usable
    return usable[by_strata(candidates.p[usable], size, seed).rows]


def next_rows(
    candidates: Candidates, n: int, risk: float, judged: Rows, relevant: Floats, size: int, seed: int
) -> Rows:
    """Rows to judge next: a simple random sample of what would be selected at half to one and a half of the risk."""
    p, _ = updated(candidates, judged, relevant)
    near = [within_risk(candidates.query, p, candidates.hardness, n, min(x * risk, 1.0)) for x in (0.5, 1.5)]
    open_rows = np.setdiff1d(np.flatnonzero(near[0] | near[1]), judged)
    return open_rows[simple(len(open_rows), size, seed).rows].astype(np.uint32)


def updated(candidates: Candidates, judged: Rows, relevant: Floats) -> tuple[Floats, Calibration]:
    """Probabilities after the verdicts: calibrated, and the verdict itself on judged rows."""
    z = _z(candidates)
    fit = calibrate(candidates.query[judged], candidates.p[judged], z[judged], relevant)
    p = np.full(len(z), np.nan)
    usable = candidates.usable
    p[usable] = fit.probability(candidates.p[usable], z[usable])
    p[judged] = relevant
    return p, fit


def promise(
    candidates: Candidates, n: int, risk: float, judged: Rows, relevant: Floats, confidence: float = 0.9, seed: int = 0
) -> Chosen:
    """The hardest selection whose share of false negatives is within the risk, by the calibrated probabilities.

    Tries ``within_risk`` from 1.1 times the risk downwards; the first selection of which the stated quantile of the
    share, over parameters and rows, is within the risk is taken. Rows judged relevant are never in it, rows judged
    irrelevant cost nothing. Measured over 200 labellings of four collections: ``docs/risk.md``. Fails where p and
    hardness do not tell relevant from irrelevant the same way over the whole collection, and where verdicts err.

    Args:
        candidates: to choose from.
        n: negatives per query at most.
        risk: the largest share of false negatives.
        judged: rows judged, of ``first_rows`` and ``next_rows``.
        relevant: (n,) verdicts; NaN (abstained) counts as relevant.
        confidence: of the promise.
        seed: of the draws behind the quantile.
    """
    relevant = np.nan_to_num(np.asarray(relevant, dtype=np.float64), nan=1.0)
    p, fit = updated(candidates, judged, relevant)
    z = _z(candidates)
    known = np.zeros(len(p), dtype=np.bool_)
    known[judged] = True
    for share in STEPS:
        rows = within_risk(candidates.query, np.where(p >= 1, np.nan, p), candidates.hardness, n, min(share * risk, 1))
        total = int(rows.sum())
        if not total:
            continue
        unseen = rows & ~known
        bound = (fit.upper(candidates.p[unseen], z[unseen], confidence, seed=seed) + p[rows & known].sum()) / total
        if bound <= risk:
            return Chosen(rows, float(share), float(bound), judged, relevant)
    return Chosen(np.zeros(len(p), dtype=np.bool_), 0.0, 1.0, judged, relevant)


def family(candidates: Candidates, p: Floats, n: int, risk: float, size: int, confidence: float = 0.9) -> Mask:
    """(2, m) selections worth proving, from careful to bold, for a sample of ``size``.

    The careful one is ``within_risk`` at the rate that ``size`` verdicts prove to be within the risk four times out
    of five, the bold one a third above it: more selections share the same sample, and so prove less each.
    """
    from scipy.stats import binom

    allowed = -1
    while allowed + 1 < size and clopper_pearson(allowed + 1, size, 2 * confidence - 1).high <= risk:
        allowed += 1
    rates = np.linspace(0, risk, 201)
    provable = rates[binom.cdf(allowed, size, rates) >= 0.8].max(initial=0.0) if allowed >= 0 else 0.0
    return np.stack([within_risk(candidates.query, p, candidates.hardness, n, x * provable) for x in (1.0, 1.33)])


def audit(selections: Mask, size: int, seed: int) -> Sample:
    """Which rows to judge: a simple random sample of all rows that any of the selections holds.

    Its part within a selection is a simple random sample of that selection, whatever the others are.
    """
    union = np.flatnonzero(selections.any(axis=0))
    drawn = simple(len(union), size, seed)
    return drawn._replace(rows=union[drawn.rows].astype(np.uint32))


def prove(
    selections: Mask, sample: Sample, relevant: Floats, risk: float, confidence: float = 0.9
) -> tuple[int, Floats]:
    """The boldest selection proven to be within the risk, -1 for none, and the upper bound of each.

    Learn then Test with fixed-sequence testing (Angelopoulos, Bates, Candes, Jordan and Lei, arXiv:2110.01052,
    section 2.4): selections are tested from careful to bold until one fails, each with the exact bound of a finite
    population (hypergeometric). It holds for the rows at hand, which are what is trained on, whatever p is worth and
    however alike the rows of a query are. Fails to prove anything with fewer than ``least`` verdicts.

    Args:
        selections: (J, m), fixed before the sample was judged, from careful to bold.
        sample: from ``audit``.
        relevant: (n,) one per row of the sample; NaN (abstained) counts as relevant.
        risk: the largest rate allowed.
        confidence: of the proof.

    Raises:
        DataError: verdicts are neither 0 nor 1, or too few.
    """
    relevant = np.nan_to_num(np.asarray(relevant, dtype=np.float64), nan=1.0)
    if len(relevant) != len(sample.rows) or not np.isin(relevant, (0.0, 1.0)).all():
        raise DataError(f"{len(relevant)} verdicts on {len(sample.rows)} drawn rows: each needs a clear 0 or 1")
    inside = selections[:, sample.rows]
    counts, found, sizes = inside.sum(axis=1), (inside * relevant).sum(axis=1), selections.sum(axis=1)
    bounds = np.array([upper(int(k), int(c), int(s), confidence) for k, c, s in zip(found, counts, sizes, strict=True)])
    return int(np.cumprod(bounds <= risk).sum()) - 1, bounds


def guarantee(
    candidates: Candidates,
    n: int,
    risk: float,
    budget: int,
    ask: Ask,
    *,
    confidence: float = 0.9,
    proof: bool = False,
    seed: int = 0,
) -> Chosen:
    """Judge in two rounds and choose; the stages above in order, for whoever can ask at once.

    Args:
        candidates: to choose from.
        n: negatives per query at most.
        risk: the largest share of false negatives.
        budget: verdicts in all: a fifth goes to the first round (a quarter with ``proof``).
        ask: verdicts on rows; of a person or a judge that took no part in p.
        confidence: that the realised share is within the risk.
        proof: assume nothing of p.
        seed: of the draws.
    """
    first = first_rows(candidates, budget // (4 if proof else 5), seed)
    seen = np.nan_to_num(np.asarray(ask(first), dtype=np.float64), nan=1.0)
    if not proof:
        second = next_rows(candidates, n, risk, first, seen, budget - len(first), seed + 1)
        judged = np.concatenate([first, second])
        return promise(candidates, n, risk, judged, np.concatenate([seen, ask(second)]), confidence, seed)
    p, _ = updated(candidates, first, seen)
    selections = family(candidates, np.where(p >= 1, np.nan, p), n, risk, budget - len(first), confidence)
    sample = audit(selections, budget - len(first), seed + 1)
    relevant = np.nan_to_num(np.asarray(ask(sample.rows), dtype=np.float64), nan=1.0)
    level, bounds = prove(selections, sample, relevant, risk, confidence)
    rows = selections[level].copy() if level >= 0 else np.zeros(len(p), dtype=np.bool_)
    rows[sample.rows[relevant > 0]] = False
    judged = np.concatenate([first, sample.rows])
    bound = float(bounds[level]) if level >= 0 else 1.0
    return Chosen(rows, float(level + 1), bound, judged, np.concatenate([seen, relevant]))


def least(risk: float, confidence: float = 0.9) -> int:
    """Verdicts that prove a risk if none of them is a find: about 2.3 / risk at 90 %.

    Example:
        >>> least(0.05), least(0.02, 0.95)
        (45, 149)
    """
    return int(np.ceil(np.log(1 - confidence) / np.log(1 - risk)))


def _z(candidates: Candidates) -> Floats:
    return standardised(candidates.query, np.where(np.isfinite(candidates.p), candidates.hardness, np.nan))
