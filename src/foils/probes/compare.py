"""Two models on the same probes: which is better by type, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from foils.errors import DataError
from foils.probes.measure import ALL, Answers, clusters, groups


class Difference(NamedTuple):
    """One type of one set, model against model.

    Args:
        set: of probes.
        type: of probe.
        n: units: pairs, or the probes of a query; a unit is right if all its probes are won.
        first: share of units that the first model gets right.
        second: the same of the second.
        gained: units that only the first gets right.
        lost: units that only the second gets right.
        p: McNemar's exact test, two-sided.
        adjusted: p after Holm's correction for all types.
    """

    set: str
    type: str
    n: int
    first: float
    second: float
    gained: int
    lost: int
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        """The adjusted p is below 5 %."""
        return self.adjusted < 0.05


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided p of a difference between two models on the same units, from those where they differ.

    McNemar (Psychometrika 12, 1947), in its exact form: twice the binomial tail at chance 1/2. Fails to see small
    differences: with fewer than 6 units that differ it never gets below 5 %.

    Args:
        gained: units that only the first model gets right.
        lost: units that only the second gets right.

    Raises:
        DataError: a count is negative.

    Example:
        >>> mcnemar(6, 0), mcnemar(0, 0)
        (0.03125, 1.0)
    """
    from scipy.stats import binom

    if min(gained, lost) < 0:
        raise DataError(f"gained={gained}, lost={lost}: counts cannot be negative")
    return min(1.0, 2 * float(binom.cdf(min(gained, lost), gained + lost, 0.5)))


def holm(p: Sequence[float]) -> list[float]:
    """The p-values adjusted for how many there are: the largest of (m - i) p_(i) so far, at most 1.

    Holm (Scandinavian Journal of Statistics 6, 1979). Keeps the chance of any false finding at the level asked for,
    whatever the dependence between the tests.

    Example:
        >>> [round(q, 3) for q in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted.tolist()


def compare(first: Answers, second: Answers) -> list[Difference]:
    """The differences by set and type, a positive one in favour of the first model.

    Args:
        first: of one model.
        second: of the other, on the same probes.

    Raises:
        DataError: the two were asked different probes.
    """
    if first.probes != second.probes:
        raise DataError("the two models were asked different probes; ask both the same ones")
    found = []
    for key, rows in groups(first.probes).items():
        if key[1] == ALL:
            continue
        units = clusters(first.probes, rows)
        one = np.array([bool(first.won[u].all()) for u in units])
        two = np.array([bool(second.won[u].all()) for u in units])
        gained, lost = int((one & ~two).sum()), int((two & ~one).sum())
        p = mcnemar(gained, lost)
        found.append(Difference(*key, len(units), float(one.mean()), float(two.mean()), gained, lost, p, p))
    adjusted = holm([d.p for d in found])
    return [d._replace(adjusted=q) for d, q in zip(found, adjusted, strict=True)]
