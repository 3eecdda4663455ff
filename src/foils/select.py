"""Samplers: which of the surviving candidates become the negatives of a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.steps import Sampler, gumbel, order


def hardness(pairs: Pairs, by: str) -> pl.Expr:
    """The harder, the larger: a score as it is, a rank negated; without a column, the best rank of any source."""
    if not by:
        return -pairs.best_rank
    return -pl.col(by) if by.startswith("rank.") else pl.col(by)


def pool_mask(pairs: Pairs, by: str, pool: int) -> pl.Expr:
    """True for the ``pool`` hardest live rows of each query; 0 means all."""
    if pool == 0:
        return pl.lit(value=True)
    keys = pairs.frame.select(pl.when(pairs.live).then(hardness(pairs, by)).cast(pl.Float64)).to_series()
    return pl.lit(pl.Series(order(pairs, keys.fill_null(float("nan")).to_numpy()) < pool))


@dataclass(frozen=True)
class Top(Sampler):
    """Takes the hardest survivors: highest score, or best rank.

    The naive top-k of most miners when no rule stands before it; with ``PercPos`` before it, "TopK-PercPos" of
    NV-Retriever (arXiv:2407.15831). Fails where no rule removes false negatives: they are the hardest of all.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: unused; nothing is random.
        by: a score or rank column; empty: the best rank that any source gave.

    Example:
        >>> Top(n=4, by="cos.dense")
        Top(n=4, short='fewer', seed=0, by='cos.dense')
    """

    noisy: ClassVar[bool] = False
    by: str = ""

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The hardness itself."""
        return hardness(pairs, self.by)


@dataclass(frozen=True)
class Uniform(Sampler):
    """Draws uniformly from the survivors, or from the hardest ``pool`` of them.

    STAR (arXiv:2104.08051) draws 1 from 200; "Sampled Top-k" of NV-Retriever (arXiv:2407.15831, section 4) draws
    from 10. Fails when the pool is deep: most draws are easy.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: of the draw.
        pool: draw from this many of the hardest survivors; 0: from all.
        by: what makes a survivor hard: a score or rank column; empty: the best rank of any source.
    """

    pool: int = 0
    by: str = ""

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """Equal within the pool."""
        return pl.when(pool_mask(pairs, self.by, self.pool)).then(0.0)


@dataclass(frozen=True)
class TopOneSampled(Sampler):
    """Takes the hardest survivor and draws the others uniformly from the next of the pool.

    NV-Retriever (arXiv:2407.15831), "Top-1 + sampled": the published pool is 10. Fails like ``Top`` when the
    hardest survivor is a false negative.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: of the draw.
        pool: how many of the hardest survivors take part.
        by: a score or rank column; empty: the best rank of any source.
    """

    pool: int = 10
    by: str = ""

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """Certain for the hardest, equal for the rest of the pool."""
        first = pool_mask(pairs, self.by, 1)
        return pl.when(first).then(1e9).when(pool_mask(pairs, self.by, self.pool)).then(0.0)


@dataclass(frozen=True)
class SimAns(Sampler):
    """Draws ambiguous negatives: the nearer a score to the positive's (or to an offset from it), the likelier.

    SimANS (arXiv:2210.11773), equation 5: weight exp(-a (s - s+ - b)^2). ``offset`` is the peak relative to the
    positive: the paper's b is ``offset=b``, the b of the published code is ``offset=-b``; its MS MARCO script uses
    exp(-3 |s - s+|): ``form="absolute", a=3``. Published: a = 0.5, b = 0 on unnormalised dot products that spread
    over many units. Fails on cosines unless ``standardise`` is set: their range is so small that the draw is nearly
    uniform.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: of the draw.
        score: the score column.
        a: sharpness, larger is narrower.
        offset: where the peak lies, relative to the positive's score; negative: below it.
        form: ``squared`` or ``absolute`` distance.
        standardise: divide score differences by the query's standard deviation over its candidates; where all of them
            score alike, or there is one only, all weigh alike.
    """

    score: str = "cos.dense"
    a: float = 0.5
    offset: float = 0.0
    form: Literal["squared", "absolute"] = "squared"
    standardise: bool = False

    def check(self) -> None:
        """The form must be known, the sharpness positive."""
        super().check()
        if self.form not in ("squared", "absolute"):
            raise RecipeError(f"{self.label}: form={self.form!r}; one of squared, absolute")
        if self.a <= 0:
            raise RecipeError(f"{self.label}: a={self.a:g} must be positive")

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The exponent of equation 5."""
        delta = pl.col(self.score) - pairs.positive(self.score)
        if self.standardise:
            score = pl.col(self.score)
            # Equal scores do not always average to themselves in floating point.
            spread = pl.when(score.min() < score.max()).then(score.std())
            table = pairs.frame.filter(~pl.col("positive")).group_by("query").agg(spread.alias(self.score))
            delta = delta / pairs.per_query(table, self.score).fill_null(1.0)
        distance = delta - self.offset
        return -self.a * (distance**2 if self.form == "squared" else distance.abs())


@dataclass(frozen=True)
class Stride(Sampler):
    """Takes every ``step``-th survivor in order of hardness, then cycles, for variety at all depths.

    UniME-V2 (arXiv:2510.13515), section 3.2: step 5 until 10 are chosen. Where the paper duplicates negatives of
    short rows or labels random ones with score 1.0, ``short`` states what happens instead. Fails where no rule stands
    before it: the very first survivor is always taken.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: unused; nothing is random.
        step: distance of neighbours in the order.
        by: a score or rank column; empty: the best rank of any source.
    """

    noisy: ClassVar[bool] = False
    step: int = 5
    by: str = ""

    def check(self) -> None:
        """The step must be positive."""
        super().check()
        if self.step < 1:
            raise RecipeError(f"{self.label}: step={self.step} must be at least 1")

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """Places 0, step, 2 step, ..., then 1, step + 1, ..."""
        live = pl.when(pairs.live).then(hardness(pairs, self.by)).cast(pl.Float64)
        keys = pairs.frame.select(live).to_series().fill_null(float("nan")).to_numpy()
        place = order(pairs, keys).astype(np.int64)
        turn = (place % self.step) * (1 << 32) + place // self.step
        return pl.when(pl.lit(pl.Series(~np.isnan(keys)))).then(-pl.lit(pl.Series(turn)))


@dataclass(frozen=True)
class DebCse(Sampler):
    """Draws candidates that look alike on the surface but mean something else, by inverse propensity.

    DebCSE (CIKM 2023). Reconstruction: the paper's abstract gives the idea, no formula was found. With semantic
    similarity m and surface similarity e, weight (1 - m) / clip(1 - e, eps, 1), clipped to [0.1, 10]. Fails when
    the surface similarity is that of a paraphrase: it then prefers false negatives, so use a rule before it.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: of the draw.
        score: semantic similarity in [-1, 1], a ``cos.`` or ``prob.`` column.
        surface: surface similarity in [0, 1], for instance ``jaccard.words`` of ``WordOverlap``.
        eps: the least propensity.
    """

    score: str = "cos.dense"
    surface: str = "jaccard.words"
    eps: float = 0.1

    @property
    def needs(self) -> frozenset[str]:
        """Both similarities."""
        return frozenset({self.score, self.surface})

    def check(self) -> None:
        """Only similarities that end at 1 make sense here."""
        super().check()
        for column in (self.score, self.surface):
            if column.split(".")[0] not in ("cos", "prob", "jaccard"):
                raise RecipeError(f"{self.label}: {column} has no upper end at 1; use a cos., prob. or jaccard. column")

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The logarithm of the clipped inverse-propensity weight."""
        weight = (1 - pl.col(self.score)) / (1 - pl.col(self.surface)).clip(self.eps, 1.0)
        return weight.clip(0.1, 10.0).log()


@dataclass(frozen=True)
class Quota(Sampler):
    """Takes a stated number from each source (or kind), the rest from any.

    R2anker (arXiv:2206.08063) trains on negatives of several retrievers at once; NV-Retriever (arXiv:2407.15831)
    takes the first of each of four teachers. Reconstruction for R2anker: the paper's abstract names no numbers. A
    document that several sources found counts for the first of them only. Fails, as the sources do, where one of them
    finds mostly false negatives: a share is a share, whatever its quality.

    Args:
        n: negatives per query, at least the sum of the shares.
        short: policy for queries with fewer survivors.
        seed: of the draw.
        shares: pairs of a source's name (or a kind) and how many to take.
        of: what the shares name: ``source`` or ``kind``; mined candidates have the kind ``mined``.
        draw: ``top`` takes the best ranks of each share, ``uniform`` draws.
        pool: draw from this many of the best ranks; 0: from all.
    """

    shares: tuple[tuple[str, int], ...] = ()
    of: Literal["source", "kind"] = "source"
    draw: Literal["top", "uniform"] = "top"
    pool: int = 0

    @property
    def needs(self) -> frozenset[str]:
        """The ranks of the sources named."""
        return frozenset(f"rank.{name}" for name, _ in self.shares) if self.of == "source" else frozenset()

    def check(self) -> None:
        """Shares must fit into n."""
        super().check()
        total = sum(count for _, count in self.shares)
        if total > self.n:
            raise RecipeError(f"{self.label}: the shares add up to {total}, more than n={self.n}")
        if self.draw not in ("top", "uniform"):
            raise RecipeError(f"{self.label}: draw={self.draw!r}; one of top, uniform")

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """Not used: shares are drawn one after another."""
        return -pairs.best_rank

    def choose(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Draw each share, then the rest from any source."""
        live = pairs.frame.select(pairs.live).to_series().to_numpy()
        chosen = np.zeros(live.shape, dtype=np.bool_)
        noise = gumbel(pairs.uniform(self.seed))
        for name, count in self.shares:
            rank = self._rank(pairs, name)
            chosen |= self._take(pairs, np.where(live & ~chosen, rank, np.nan), noise) < count
        taken = pairs.frame.select("query", c=pl.Series(chosen)).group_by("query").agg(pl.col("c").sum())
        left = pairs.frame.select(self.n - pairs.per_query(taken, "c").cast(pl.Int64)).to_series().to_numpy()
        best = pairs.frame.select(pairs.best_rank.cast(pl.Float64)).to_series().fill_null(float("nan")).to_numpy()
        return chosen | (self._take(pairs, np.where(live & ~chosen, best, np.nan), noise) < left)

    def _rank(self, pairs: Pairs, name: str) -> NDArray[np.float64]:
        if self.of == "source":
            rank = pl.col(f"rank.{name}")
        else:
            kind = pl.col("kind").cast(pl.String).fill_null("mined")
            rank = pl.when(kind == name).then(pairs.best_rank.fill_null(1))
        values: NDArray[np.float64] = (
            pairs.frame.select(rank.cast(pl.Float64)).to_series().fill_null(float("nan")).to_numpy()
        )
        return values

    def _take(self, pairs: Pairs, rank: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.int32]:
        places = order(pairs, -rank)
        if self.draw == "top":
            return places
        inside = places < self.pool if self.pool else ~np.isnan(rank)
        return order(pairs, np.where(inside & ~np.isnan(rank), noise, np.nan))
