"""Rules relative to the positive's score: which candidates are suspiciously good, or too easy.

A rule passes over candidates that rest on proof (``kind`` is set), and drops every other candidate that it cannot
compare: one without a score, or of a query whose positives have none. Positives without a score are left out of the
reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from foils.columns import Against, ColumnRule, above, below
from foils.errors import RecipeError
from foils.pairs import UNITS, Pairs
from foils.steps import Scope


@dataclass(frozen=True)
class MarginPos(ColumnRule):
    """Drops candidates that score less than ``margin`` below the positive, or above it.

    "TopK-MarginPos" of NV-Retriever (arXiv:2407.15831, section 3): keep s < s+ - m, best m = 0.05 on cosines. Fails
    when one positive is mislabelled: its low score removes every candidate of the query; compare with
    ``reference="max"`` and look at the queries without survivors.

    Args:
        margin: how far below the positive, in the unit of the score.
        score: the score column.
        reference: which positive: ``min``, ``max``, ``mean``, or ``each`` (below every one, the same as ``min``).

    Example:
        >>> MarginPos(margin=0.05)
        MarginPos(margin=0.05, score='cos.dense', reference='min')
    """

    scope: ClassVar[Scope] = "query"
    margin: float = 0.05
    score: str = "cos.dense"
    reference: Against = "min"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Score >= positive - margin."""
        return pl.col(self.score) >= above(pairs, self.score, self.reference) - self.margin


@dataclass(frozen=True)
class PercPos(ColumnRule):
    """Drops candidates that score more than a share of the positive's score.

    "TopK-PercPos" of NV-Retriever (arXiv:2407.15831, section 3), its best rule: keep s < p s+, best p = 0.95.
    LG-ANNA-Embedding (arXiv:2506.07438) uses it on the scores of a reranker. Written here as
    s < s+ - (1 - p) |s+|, which is the same for positive scores and right for negative ones, where p s+ lies above
    s+. Refuses logits: their zero means nothing, so a share of them means nothing. Fails on small corpora of short
    texts, where p = 0.8 may be needed, and on mislabelled positives, as ``MarginPos`` does.

    Args:
        ratio: p, between 0 and 1.
        score: the score column, of any unit but ``logit``.
        reference: which positive: ``min``, ``max``, ``mean``, or ``each`` (below every one, the same as ``min``).

    Example:
        >>> PercPos(ratio=0.95)
        PercPos(ratio=0.95, score='cos.dense', reference='min')
    """

    scope: ClassVar[Scope] = "query"
    units: ClassVar[tuple[str, ...]] = tuple(u for u in UNITS if u != "logit")
    ratio: float = 0.95
    score: str = "cos.dense"
    reference: Against = "min"

    def check(self) -> None:
        """The ratio is a share, the unit has a meaningful zero."""
        super().check()
        self.within(0, 1, ratio=self.ratio)

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Score >= positive - (1 - ratio) |positive|."""
        positive = above(pairs, self.score, self.reference)
        return pl.col(self.score) >= positive - (1 - self.ratio) * positive.abs()


@dataclass(frozen=True)
class Band(ColumnRule):
    """Keeps candidates whose score lies in a band relative to the positive's score, ends included.

    The general form of the positive-relative rules: lower <= s - s+ <= upper. ``upper=-0.05`` is nearly
    ``MarginPos``, ``upper=0.1`` is ``UniMe``; a lower bound takes easy candidates out as well, as ClusterNS
    (-beta <= s - s+ <= -alpha) does. With ``on="ratio"`` the bounds are shares of |s+|: ``upper=-0.05`` is nearly
    ``PercPos``. Fails on mislabelled positives, as ``MarginPos`` does.

    Args:
        lower: the lowest difference kept, in the unit of the score or as a share; null: no bound.
        upper: the highest difference kept; null: no bound.
        on: ``delta`` (differences) or ``ratio`` (shares of the positive's score; not for logits).
        score: the score column.
        reference: which positive: ``min``, ``max``, ``mean``, or ``each``: the upper bound holds against every
            positive (the lowest counts), and so does the lower bound (the highest counts).

    Example:
        >>> Band(lower=-0.3, upper=-0.05)
        Band(lower=-0.3, upper=-0.05, on='delta', score='cos.dense', reference='min')
    """

    scope: ClassVar[Scope] = "query"
    lower: float | None = None
    upper: float | None = -0.05
    on: Literal["delta", "ratio"] = "delta"
    score: str = "cos.dense"
    reference: Against = "min"

    def check(self) -> None:
        """The band must not be empty; shares need a unit with a meaningful zero."""
        super().check()
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise RecipeError(f"{self.label}: lower={self.lower:g} lies above upper={self.upper:g}; nothing is kept")
        if self.on == "ratio" and self.score.startswith("logit."):
            raise RecipeError(f"{self.label}: on='ratio' is meaningless for {self.score}; use on='delta'")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Difference < lower or difference > upper."""
        low, high = below(pairs, self.score, self.reference), above(pairs, self.score, self.reference)
        score, share = pl.col(self.score), self.on == "ratio"
        where = score.is_null() | high.is_null()
        if self.lower is not None:
            where |= score - low < self.lower * (low.abs() if share else 1)
        if self.upper is not None:
            where |= score - high > self.upper * (high.abs() if share else 1)
        return where


@dataclass(frozen=True)
class UniMe(ColumnRule):
    """Drops candidates that score more than ``above`` over the positive, and keeps near ties.

    UniME (arXiv:2504.17432, section 3.2): drop s > s+ + 0.1 as a likely false negative, then train on the 8 hardest
    that are left. The opposite attitude to ``MarginPos``: it keeps what scores slightly above the positive. Fails
    where relevant documents are unlabelled and score like the positive: they stay.

    Args:
        above: how far over the positive is still kept, in the unit of the score.
        score: the score column.
        reference: which positive: ``min``, ``max``, ``mean``, or ``each`` (the same as ``min``).

    Example:
        >>> UniMe(above=0.1)
        UniMe(above=0.1, score='cos.dense', reference='min')
    """

    scope: ClassVar[Scope] = "query"
    above: float = 0.1
    score: str = "cos.dense"
    reference: Against = "min"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Difference to the positive above ``above``."""
        return pl.col(self.score) - above(pairs, self.score, self.reference) > self.above


@dataclass(frozen=True)
class UniMeV2(ColumnRule):
    """Drops candidates that a judge finds about as relevant as the positive.

    UniME-V2 (arXiv:2510.13515, section 3.2): with sigma the probability of "yes" of a large model, drop
    sigma > sigma+ - beta, beta = 0.01; then ``Stride`` draws. Fails when the judge saturates: with sigma+ near 1,
    a relevant document at 0.98 is kept.

    Args:
        beta: how far below the positive, as a probability.
        score: the judge's score column, a ``prob.`` column.
        reference: which positive: ``min``, ``max``, ``mean``, or ``each`` (the same as ``min``).

    Example:
        >>> UniMeV2(beta=0.01, score="prob.rerank")
        UniMeV2(beta=0.01, score='prob.rerank', reference='min')
    """

    scope: ClassVar[Scope] = "query"
    units: ClassVar[tuple[str, ...]] = ("prob",)
    beta: float = 0.01
    score: str = "prob.rerank"
    reference: Against = "min"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Probability > positive - beta."""
        return pl.col(self.score) > above(pairs, self.score, self.reference) - self.beta


@dataclass(frozen=True)
class EcdfThreshold(ColumnRule):
    """Drops candidates that would stand too high among the scores of all known positives.

    With F the empirical distribution function of the scores of all positives of the collection, keep
    s <= max(F^-1(ratio F(s+)), F^-1(quantile)). The rule of jansowa/mine-hard-negatives, its published ``beta`` =
    0.01 and ``u_floor`` = 0.005, meant for a strong reranker. Shares of quantiles need no scale, so logits are
    fine. Fails on few positives: with 100 of them, the published quantile is their lowest score.

    Args:
        quantile: what scores below this quantile of the positives is kept whatever the query, 0 to 1.
        ratio: share of the own positive's quantile that is kept, 0 to 1.
        score: the score column.
        reference: which positive of the query: ``min``, ``max``, ``mean``, or ``each`` (the same as ``min``).

    Example:
        >>> EcdfThreshold(quantile=0.05, ratio=0.0)
        EcdfThreshold(quantile=0.05, ratio=0.0, score='cos.dense', reference='min')
    """

    scope: ClassVar[Scope] = "all"
    quantile: float = 0.005
    ratio: float = 0.01
    score: str = "cos.dense"
    reference: Against = "min"

    def check(self) -> None:
        """Both options are shares."""
        super().check()
        self.within(0, 1, quantile=self.quantile, ratio=self.ratio)

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Score above the query's threshold."""
        known = np.sort(pairs.frame.filter("positive")[self.score].drop_nulls().to_numpy())
        if not known.size:
            return pl.lit(None, dtype=pl.Boolean)
        shares = np.linspace(0.0, 1.0, known.size)
        own = pairs.frame.select(above(pairs, self.score, self.reference)).to_series()
        allowed = np.maximum(self.ratio * np.interp(own.fill_null(0.0).to_numpy(), known, shares), self.quantile)
        limit = pl.Series(known[np.searchsorted(shares, allowed, side="right") - 1])
        return (pl.col(self.score) > pl.lit(limit)) | pl.lit(own).is_null()
