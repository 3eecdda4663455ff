"""Weights: how much each selected negative counts in training.

A weight is written where a negative is selected, and nowhere else; what a loss makes of it is said there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.pairs import MADE, UNITS, Pairs
from foils.steps import Scope, Weight


@dataclass(frozen=True)
class UniformWeight(Weight):
    """Weighs all selected negatives alike: 1.

    What every loss does without weights. Fails where hard and easy negatives are mixed: the easy ones then fill the
    batch and teach little.

    Example:
        >>> UniformWeight()
        UniformWeight()
    """

    def weight(self, pairs: Pairs) -> pl.Expr:
        """One."""
        return pl.lit(1.0)


@dataclass(frozen=True)
class Agreement(Weight):
    """Weighs a negative by the share of the sources that found it.

    w = (sources that found it) / (sources), at least one of them counted. NV-Retriever (arXiv:2407.15831, section 5)
    found mixing the negatives of four teachers better without removing the repeats, R2anker (arXiv:2206.08063)
    likewise: a negative that several retrievers propose counts more. One row with this weight is the same as the
    repeats, divided by the number of sources. Fails when the sources are much alike: all weights are then near 1.

    Example:
        >>> Agreement()
        Agreement()
    """

    def weight(self, pairs: Pairs) -> pl.Expr:
        """Share of the sources."""
        ranks = [pl.col(c).is_not_null() for c in _searched(pairs)]
        found = pl.sum_horizontal(ranks) if ranks else pl.lit(1)
        return found.clip(lower_bound=1) / max(len(ranks), 1)


@dataclass(frozen=True)
class RankWeight(Weight):
    """Weighs a negative by its rank: 1 / log2(1 + rank), the discount of DCG.

    The first rank weighs 1, the third 0.5, the 100th 0.15: what would spoil the head of the ranking counts more, as
    in the rank-weighted pairs of ADORE (arXiv:2104.08051) and LambdaRank. Reconstruction: those papers weigh pairs
    by the change of a metric, not by this closed form. A negative that the source did not find counts as one rank
    below the last that it found for the query; one that rests on proof weighs 1. Fails when the first ranks hold
    false negatives: they get the largest weights.

    Args:
        rank: a rank column; empty: the best rank of any source.

    Example:
        >>> RankWeight(rank="rank.bm25")
        RankWeight(rank='rank.bm25')
    """

    scope: ClassVar[Scope] = "query"
    rank: str = ""

    def check(self) -> None:
        """Only ranks can be discounted."""
        if self.rank and not self.rank.startswith("rank."):
            raise RecipeError(f"{self.label}: rank={self.rank!r} is no rank column; write rank.<source> or nothing")

    def weight(self, pairs: Pairs) -> pl.Expr:
        """The discount of the rank."""
        rank = pl.col(self.rank) if self.rank else pl.min_horizontal(*_searched(pairs), pl.lit(None, dtype=pl.Int32))
        last = pairs.frame.group_by("query").agg(last=rank.max().fill_null(0))
        filled = rank.fill_null(pairs.per_query(last, "last") + 1)
        return pl.when(pl.col("kind").is_null()).then(1 / (1 + filled).log(2)).otherwise(1.0)


@dataclass(frozen=True)
class ScoreWeight(Weight):
    """Weighs the negatives of a query by a softmax over their scores, mean 1.

    w_i = n exp(s_i / T) / sum_j exp(s_j / T) over the n scored negatives of the query: the weights of hard negative
    sampling (Robinson et al., arXiv:2010.04592, equation 4), with beta = 1 / T. Large T weighs all alike, small T
    only the hardest. Negatives without a score weigh 1, the mean. Fails when T is small against the spread of the
    scores: one negative per query, often a false one, gets all the weight; on cosines T = 0.1 is sharp already.

    Args:
        temperature: T, in the unit of the score.
        score: the score column.

    Example:
        >>> ScoreWeight(temperature=0.1)
        ScoreWeight(temperature=0.1, score='cos.dense')
    """

    scope: ClassVar[Scope] = "query"
    temperature: float = 1.0
    score: str = "cos.dense"

    def check(self) -> None:
        """The temperature must be positive, the column a score."""
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise RecipeError(f"{self.label}: temperature={self.temperature:g} must be over 0 and finite")
        if "." not in self.score or self.score.split(".")[0] not in UNITS:
            raise RecipeError(
                f"{self.label}: score={self.score!r} cannot be used; write <unit>.<name>, unit one of "
                + ", ".join(UNITS)
            )

    def weight(self, pairs: Pairs) -> pl.Expr:
        """The softmax, times the number of negatives."""
        scaled = pl.when(pairs.live).then(pl.col(self.score).cast(pl.Float64)) / self.temperature
        top = pairs.frame.group_by("query").agg(top=scaled.max())
        mass = (scaled - pairs.per_query(top, "top")).exp()
        mean = pairs.frame.group_by("query").agg(mean=scaled.count())
        totals = pairs.frame.select("query", mass=mass).group_by("query").agg(pl.col("mass").sum())
        share = mass / pairs.per_query(totals, "mass") * pairs.per_query(mean, "mean")
        return share.fill_null(1.0)


def _searched(pairs: Pairs) -> list[str]:
    """The rank columns of the sources: random fills and made texts have ranks too, but nothing found them."""
    return [f"rank.{source}" for source in pairs.sources if source not in ("fill", MADE)]
