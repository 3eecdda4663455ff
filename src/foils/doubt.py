"""What published methods do with a negative that may be false: weigh it, draw it less often, soften its target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.outcome import said
from foils.pairs import UNITS, Pairs
from foils.protocols import Engine
from foils.steps import Sampler, Scope, Step, Weight


def unlabelled(relevance: pl.Expr, propensity: pl.Expr) -> pl.Expr:
    """P(relevant | not labelled) = p (1 - e) / (1 - p e), of a probability p and e = P(labelled | relevant).

    Elkan and Noto (KDD 2008); the E-step of SAR-EM. Where both are 1 the answer is 0: it would have been labelled.
    """
    p, e = relevance.cast(pl.Float64), propensity.cast(pl.Float64)
    return pl.when(e >= 1).then(0.0).otherwise(p * (1 - e) / (1 - p * e).clip(lower_bound=1e-12))


def _column(step: Step, option: str, value: str, units: tuple[str, ...] = UNITS) -> None:
    """An option that names a column says its unit."""
    if "." not in value or value.split(".")[0] not in units:
        raise RecipeError(f"{step.label}: {option}={value!r} cannot be used; write <unit>.<name>, unit one of {units}")


def _positive(step: Step, **options: float) -> None:
    for name, value in options.items():
        if not (np.isfinite(value) and value > 0):
            raise RecipeError(f"{step.label}: {name}={value:g} must be over 0 and finite")


@dataclass(frozen=True)
class Rrra(Sampler):
    """Draws hard negatives, the less often the likelier they are false.

    RRRA (arXiv:2508.11670): resampling weight s_HN (1 - s_FN)^gamma. Reconstruction: read in a note on the paper; the
    paper's adapter gives both scores and publishes no gamma. Here s_HN is a similarity or probability, cut to [0, 1],
    and s_FN is ``p_relevant``. A product of probabilities can vanish, so both factors have a floor. A candidate
    without either is not drawn; one that rests on proof has s_FN = 0 unless it was judged. Fails with a large gamma
    and an uncalibrated detector: only easy negatives are then drawn.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: of the draw.
        score: s_HN, a ``cos.``, ``prob.`` or ``jaccard.`` column.
        gamma: how much doubt counts.
        floor: of each factor.
    """

    learns: ClassVar[bool] = True
    score: str = "cos.dense"
    gamma: float = 1.0
    floor: float = 1e-6

    @property
    def needs(self) -> frozenset[str]:
        """Hardness and doubt."""
        return frozenset({self.score, "p_relevant"})

    def check(self) -> None:
        """A score in [0, 1], a gamma of at least 0."""
        super().check()
        _column(self, "score", self.score, ("cos", "prob", "jaccard"))
        _positive(self, floor=self.floor)
        if not (np.isfinite(self.gamma) and self.gamma >= 0):
            raise RecipeError(f"{self.label}: gamma={self.gamma:g} must be at least 0 and finite")

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The log of s_HN, plus gamma times that of 1 - s_FN."""
        hard = pl.col(self.score).cast(pl.Float64).clip(self.floor, 1)
        doubt = pl.when(said() | pl.col("kind").is_null()).then("p_relevant").otherwise(0.0)
        return hard.log() + self.gamma * (1 - doubt.cast(pl.Float64)).clip(self.floor, 1).log()


@dataclass(frozen=True)
class Cet(Weight):
    """Weighs a negative by the chance that it is irrelevant, given how likely an annotator would have seen it.

    CET (arXiv:2209.05072) couples a relevance model with a selection model: annotators judged what weak retrievers
    pooled. Reconstruction, only the abstract could be read: with S the softmax of the selection score over the query's
    positives and live candidates and d* its best-ranked candidate, the inverse propensity is w = S(d*) / S(d), cut to
    [low, high] (0.1 to 10 as in dual learning), the propensity s = min(1, 1 / w), and the weight
    1 - p (1 - s) / (1 - p s) with p = ``p_relevant``. A document that the pool would have shown and nobody marked is
    surely negative; one out of its sight is what the detector says. A negative without a probability weighs 1, one
    without a selection score counts as hardly seen. Fails where relevance and selection rest on the same features:
    the two cannot then be told apart.

    Args:
        score: the selection score, of a weak lexical retriever; best standardised per query (``z.bm25``).
        low: least inverse propensity.
        high: largest inverse propensity.
        temperature: of the softmax, in the unit of the score.
    """

    scope: ClassVar[Scope] = "query"
    learns: ClassVar[bool] = True
    score: str = "z.bm25"
    low: float = 0.1
    high: float = 10.0
    temperature: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """Selection and relevance."""
        return frozenset({self.score, "p_relevant"})

    def check(self) -> None:
        """Bounds around 1, a temperature."""
        _column(self, "score", self.score)
        _positive(self, low=self.low, high=self.high, temperature=self.temperature)
        if self.low >= self.high:
            raise RecipeError(f"{self.label}: low={self.low:g} must lie below high={self.high:g}")

    def inverse(self, pairs: Pairs) -> pl.Expr:
        """Inverse propensity S(d*) / S(d), cut: the normaliser of the softmax cancels."""
        score = pl.col(self.score).cast(pl.Float64)
        # The smallest key, not the first row, decides which of several best ranks is the reference.
        seen = pl.when(pairs.live & score.is_not_null())
        first = pairs.frame.select("query", rank=seen.then(pairs.best_rank.fill_null(2**31 - 1)), s=seen.then(score))
        table = first.drop_nulls("s").group_by("query").agg(top=pl.col("s").sort_by("rank", -pl.col("s")).first())
        gap = (pairs.per_query(table, "top") - score) / self.temperature
        return gap.clip(-700, 700).exp().clip(self.low, self.high).fill_null(self.high)

    def weight(self, pairs: Pairs) -> pl.Expr:
        """P(irrelevant | not marked)."""
        p = pl.when(said() | pl.col("kind").is_null()).then("p_relevant")
        seen = (1 / self.inverse(pairs)).clip(upper_bound=1)
        return (1 - unlabelled(p.fill_null(0.0), seen)).clip(0, 1)


@dataclass(frozen=True)
class PuSar(Weight):
    """Weighs a negative by the chance that it is irrelevant, from a learned probability and propensity.

    Bekker, Robberechts and Davis, "Beyond the Selected Completely At Random Assumption" (ECML 2019): of an unlabelled
    example, P(relevant) = p (1 - e) / (1 - p e), with p the classifier's probability and e the propensity
    P(labelled | relevant) that it was labelled. The propensity is cut at ``least``. A negative without either weighs
    1, as does one that rests on proof; a verdict overrules both. Fails where p and e rest on the same features, and
    where the labelled positives are few: measured, such models rank worse than chance on one collection of four.

    Args:
        score: p, a ``prob.`` column.
        by: e, a ``prob.`` column.
        least: lowest propensity.
    """

    learns: ClassVar[bool] = True
    score: str = "prob.pu"
    by: str = "prob.propensity"
    least: float = 0.05

    def check(self) -> None:
        """Two probabilities."""
        _column(self, "score", self.score, ("prob",))
        _column(self, "by", self.by, ("prob",))
        if not 0 <= self.least < 1:
            raise RecipeError(f"{self.label}: least={self.least:g} must lie between 0 and 1")

    def weight(self, pairs: Pairs) -> pl.Expr:
        """P(irrelevant | unlabelled), or what was said."""
        guess = unlabelled(pl.col(self.score), pl.col(self.by).clip(lower_bound=self.least))
        doubt = pl.when(said()).then(pl.col("p_relevant").cast(pl.Float64)).when(pl.col("kind").is_null()).then(guess)
        return (1 - doubt.fill_null(0.0)).clip(0, 1)


@dataclass(frozen=True)
class Dclr(Weight):
    """Weighs 0 what a frozen encoder finds much like the positive, and everything else 1.

    DCLR (arXiv:2205.00656): alpha = 0 if cos_frozen > phi. Published phi: 0.9 for BERT, 0.85 for RoBERTa, for the
    similarity of anchor and negative in one batch of sentences; here positive and negative are compared, which is the
    same thing where the anchor's other view is the positive. Weight 0 means removed from the loss; the published code
    multiplies the logit instead, which leaves a cosine of 0 in the denominator. A negative that cannot be compared
    weighs 0; one that rests on proof weighs 1. Fails with another encoder: phi belongs to its distribution of cosines.

    Args:
        score: similarity to the nearest positive, a ``cos.`` column.
        phi: the highest similarity that still counts.
    """

    score: str = "cos.positive"
    phi: float = 0.9

    def check(self) -> None:
        """A cosine and its bound."""
        _column(self, "score", self.score, ("cos",))
        if not -1 <= self.phi <= 1:
            raise RecipeError(f"{self.label}: phi={self.phi:g} must lie between -1 and 1")

    def weight(self, pairs: Pairs) -> pl.Expr:
        """1 up to phi."""
        alike = (pl.col(self.score) <= self.phi).fill_null(value=False).cast(pl.Float64)
        return pl.when(pl.col("kind").is_null()).then(alike).otherwise(1.0)


@dataclass(frozen=True)
class Gcse(Step):
    """Adds an offset that takes the push off a negative while the model agrees with a frozen evaluator.

    GCSE (arXiv:2409.12887): with s the model's logit, s0 the evaluator's and diff = s - s0, add 0 if diff > 0, else
    -s exp(-diff^2 / (2 alpha^2)); the logit becomes s (1 - G). Published: logits are cosines divided by 0.05, alpha =
    0.17 for BERT and 8.58 for RoBERTa, in units of the logit. The column ``logit.<name>`` holds what is added; a
    trainer adds it to the logit. Logit 0 is not removal: a cosine of 0 stays in the denominator. Here the model is
    the encoder as it is before training, and the offset does not follow it; a trainer that does recomputes it. Fails
    at diff = 0, where it jumps from -s to 0, and on negative logits, where it pushes the wrong way.

    Args:
        score: the model's cosine.
        by: the evaluator's cosine.
        temperature: cosines are divided by it.
        alpha: width, in units of the logit.
        name: of the column.
    """

    score: str = "cos.dense"
    by: str = "cos.frozen"
    temperature: float = 0.05
    alpha: float = 0.17
    name: str = "gcse"

    @property
    def adds(self) -> frozenset[str]:
        """The offset."""
        return frozenset({f"logit.{self.name}"})

    def check(self) -> None:
        """Two cosines, two widths, a plain name."""
        _column(self, "score", self.score, ("cos",))
        _column(self, "by", self.by, ("cos",))
        _positive(self, temperature=self.temperature, alpha=self.alpha)
        _plain(self, self.name)

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Compare the two logits."""
        s, frozen = (pl.col(c).cast(pl.Float64) / self.temperature for c in (self.score, self.by))
        agreement = (-((s - frozen) ** 2) / (2 * self.alpha**2)).exp()
        offset = pl.when(s > frozen).then(0.0).otherwise(-s * agreement)
        known = s.is_not_null() & frozen.is_not_null() & ~pl.col("positive")
        return pairs.with_column(f"logit.{self.name}", pl.when(known).then(offset))


@dataclass(frozen=True)
class Cusa(Step):
    """Adds soft targets: how much of a query's mass each document should get, by its likeness to the positive.

    CUSA (AAAI 2024): the targets are softmax(A / T) with A the similarities of a teacher of one modality, T = 1, so
    that an unlabelled match is not pushed away. There A compares the items of a batch; here it compares each selected
    negative with the query's nearest positive, positives with themselves. The column ``prob.<name>`` sums to 1 over
    the positives and selected negatives of a query. Fails at the published T on cosines of a good encoder: it moves
    nearly all mass off the positive (8 negatives at cosine 0.5 leave it 17 %); lower T.

    Args:
        score: similarity to the nearest positive.
        temperature: T.
        name: of the column.
    """

    scope: ClassVar[Scope] = "query"
    learns: ClassVar[bool] = True
    score: str = "cos.positive"
    temperature: float = 1.0
    name: str = "cusa"

    @property
    def adds(self) -> frozenset[str]:
        """The targets."""
        return frozenset({f"prob.{self.name}"})

    def check(self) -> None:
        """A similarity, a temperature, a plain name."""
        _column(self, "score", self.score, ("cos", "dot", "prob"))
        _positive(self, temperature=self.temperature)
        _plain(self, self.name)

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """The softmax of each query."""
        taking = pl.col("positive") | pairs.live
        logit = pl.when(taking).then(pl.col(self.score).cast(pl.Float64)) / self.temperature
        top = pairs.frame.group_by("query").agg(top=logit.max())
        mass = (logit - pairs.per_query(top, "top")).exp()
        totals = pairs.frame.select("query", mass=mass).group_by("query").agg(pl.col("mass").sum())
        return pairs.with_column(f"prob.{self.name}", mass / pairs.per_query(totals, "mass"))


def _plain(step: Step, name: str) -> None:
    if not re.fullmatch(r"[\w-]+", name):
        raise RecipeError(f"{step.label}: name={name!r}; use letters, digits, '-' and '_' only")
