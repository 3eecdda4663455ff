"""The sampler behind ``--risk``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.outcome import cautious
from foils.pairs import Pairs
from foils.risk.choose import within_risk
from foils.steps import Sampler


@dataclass(frozen=True)
class WithinRisk(Sampler):
    """Takes the hardest negatives whose estimated share of false ones stays within the risk, query by query.

    Per query the top n of hardness - price * ``p_relevant``, at the least price at which the mean ``p_relevant`` of
    those taken is at most ``risk``; so the bound holds for every query and for all together. Where n rows cannot meet
    it, fewer are taken, down to none. Rows without a probability are never taken, and one that a model found irrelevant
    counts as what the detector finds, if that is more: a "no" keeps a row, it does not make it safe. The bound is as
    good as the probabilities: an estimate, until verdicts on a random sample confirm it (``foils.risk.guarantee``).
    Fails where the probabilities are not calibrated for this collection.

    Args:
        n: negatives per query, at most.
        short: policy for queries with fewer; ``relax`` is refused, as it would take back what the risk forbids.
        seed: used by the short-row policy only.
        risk: the largest allowed mean probability of being relevant, among the chosen of each query.
        by: what makes a candidate hard: a score or rank column; empty: the best rank of any source.

    Example:
        >>> WithinRisk(n=8, risk=0.05, by="cos.dense")
        WithinRisk(n=8, short='fewer', seed=0, risk=0.05, by='cos.dense')
    """

    noisy: ClassVar[bool] = False
    risk: float = 0.05
    by: str = ""

    @property
    def needs(self) -> frozenset[str]:
        """The hardness and the probability."""
        return super().needs | {"p_relevant"}

    def check(self) -> None:
        """A share, and no policy that breaks it."""
        super().check()
        if not 0 <= self.risk <= 1:
            raise RecipeError(f"{self.label}: risk={self.risk:g} is no share; it must lie within 0 and 1")
        if self.short == "relax":
            raise RecipeError(
                f"{self.label}: short='relax' would take back what the risk forbids; use fewer, random or drop query"
            )

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The hardness; what is chosen depends on the other choices too."""
        if not self.by:
            return -pairs.best_rank
        return -pl.col(self.by) if self.by.startswith("rank.") else pl.col(self.by)

    def choose(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Per query, the hardest set within the risk."""
        p = pairs.frame.select(cautious(pairs).fill_null(float("nan"))).to_series().to_numpy()
        return within_risk(pairs.frame["query"].to_numpy(), p, self.keys(pairs), self.n, self.risk)
