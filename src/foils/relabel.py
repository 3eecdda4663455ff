"""Actions: what becomes of a candidate that is, or may be, relevant.

All read ``p_relevant``: the verdict where ``judged_by`` is set, else the detector's probability. What they decide
stands in the table, and nothing of it is final: ``Demote`` takes promotions back, and the reasons say what was dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import polars as pl

from foils.columns import Missing
from foils.errors import RecipeError
from foils.outcome import (
    JUDGED,
    LIKELY,
    TRUTH,
    UNJUDGED,
    UNKNOWN,
    column,
    demote,
    human,
    promote,
    promoted,
    said,
)
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Rule, Scope, Step, Weight


def _share(step: Step, **options: float) -> None:
    """Probabilities lie between 0 and 1."""
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise RecipeError(f"{step.label}: {name}={value:g} must lie between 0 and 1")


@dataclass(frozen=True)
class DropRelevant(Rule):
    """Drops candidates that are judged relevant, or likely are.

    "HN-remove" of RLHN (arXiv:2505.16967): only the flagged negatives go. The reason is "judged relevant"
    for a verdict, "likely relevant" for the detector, "not judged" where there is neither. A typed negative rests on
    proof: only a verdict drops it, never an estimate. What this rule drops is never taken back for a short row. Fails
    to gain much by itself: measured, removing false negatives only stops harm, promoting them is what helps.

    Args:
        threshold: the least ``p_relevant`` that goes.
        missing: what happens to candidates without verdict and estimate: ``drop`` or ``keep``.

    Example:
        >>> DropRelevant(threshold=0.5)
        DropRelevant(threshold=0.5, missing='drop')
    """

    soft: ClassVar[bool] = False
    threshold: float = 0.5
    missing: Missing = "drop"

    @property
    def needs(self) -> frozenset[str]:
        """The probability."""
        return frozenset({"p_relevant"})

    def check(self) -> None:
        """A probability, a known policy."""
        _share(self, threshold=self.threshold)
        if self.missing not in get_args(Missing):
            raise RecipeError(f"{self.label}: missing={self.missing!r}; one of {', '.join(get_args(Missing))}")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Whatever the reason."""
        return pl.any_horizontal(*self.reasons().values())

    def reasons(self) -> dict[str, pl.Expr]:
        """Each reason, and the rows that go for it."""
        high = (pl.col("p_relevant") >= self.threshold).fill_null(value=False)
        mined = pl.col("kind").is_null()
        unjudged = pl.col("p_relevant").is_null() & mined & pl.lit(self.missing == "drop")
        return {JUDGED: said() & high, LIKELY: ~said() & high & mined, UNJUDGED: unjudged}

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Drop, each for its reason."""
        for reason, where in self.reasons().items():
            pairs = pairs.drop(where, reason)
        return pairs


@dataclass(frozen=True)
class LeaveUnknown(Rule):
    """Leaves candidates of middling probability out: neither positive nor negative, "unknown".

    Unlabelled is unknown, not negative (SPML, arXiv:2203.16219). Reconstruction: the paper works on classes, with an
    entropy term for the unknown and a soft label for the surest negatives; here the middle band is left out of the
    negatives and keeps its soft label in ``p_relevant``, and what lies below the band stays a negative. A candidate
    without verdict and estimate is unknown too; one that rests on proof is not. Fails where the probabilities are not
    calibrated: the band then lies anywhere.

    Args:
        low: the lowest probability that is unknown.
        high: the probability from which a candidate is no longer unknown; what lies above is for another action.

    Example:
        >>> LeaveUnknown(low=0.2, high=0.5)
        LeaveUnknown(low=0.2, high=0.5)
    """

    soft: ClassVar[bool] = False
    low: float = 0.2
    high: float = 0.5

    @property
    def needs(self) -> frozenset[str]:
        """The probability."""
        return frozenset({"p_relevant"})

    def check(self) -> None:
        """The band must not be empty."""
        _share(self, low=self.low, high=self.high)
        if self.low >= self.high:
            raise RecipeError(f"{self.label}: low={self.low:g} must lie below high={self.high:g}")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Within the band, or without a probability."""
        p = pl.col("p_relevant")
        band = ((p >= self.low) & (p < self.high)).fill_null(value=True)
        return band & (said() | pl.col("kind").is_null())

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Drop as unknown."""
        return pairs.drop(self.drops(pairs), UNKNOWN)


@dataclass(frozen=True)
class Soften(Weight):
    """Weighs a negative by how surely it is one: 1 - p.

    The soft label is ``p_relevant`` itself; a loss that takes soft labels needs no weight. A negative without verdict
    and estimate weighs 1, as does one that rests on proof and has no verdict. Fails where the detector fails: it
    lowers hard true negatives together with the false ones, since both look relevant.

    Args:
        floor: the lowest weight.
        power: of 1 - p; over 1, doubtful negatives count less still.

    Example:
        >>> Soften()
        Soften(floor=0.0, power=1.0)
    """

    learns: ClassVar[bool] = True
    floor: float = 0.0
    power: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """The probability."""
        return frozenset({"p_relevant"})

    def check(self) -> None:
        """A weight between 0 and 1, a positive power."""
        _share(self, floor=self.floor)
        if not self.power > 0:
            raise RecipeError(f"{self.label}: power={self.power:g} must be over 0")

    def weight(self, pairs: Pairs) -> pl.Expr:
        """(1 - p) to the power, not below the floor."""
        sure = (1 - pl.col("p_relevant").cast(pl.Float64)).clip(0, 1)
        estimate = pl.when(said() | pl.col("kind").is_null()).then(sure).fill_null(1.0)
        return estimate.pow(self.power).clip(lower_bound=self.floor)


@dataclass(frozen=True)
class DropQuery(Step):
    """Drops all negatives of a query with more than ``most`` candidates that are flagged as relevant.

    RLHN (arXiv:2505.16967): so many relevant candidates mean that the query is too broad, or that the
    judge errs. The paper drops above 7, its code keeps up to 8; with ``most=0`` it is the paper's variant "remove",
    which drops every query with a flagged candidate and harms (BEIR .506 against .508 untouched). Counted are live
    candidates, promoted ones, and those dropped as relevant. Fails on questions that many documents answer.

    Args:
        most: flagged candidates that a query may have.
        threshold: the least ``p_relevant`` that is flagged.
    """

    scope: ClassVar[Scope] = "query"
    learns: ClassVar[bool] = True
    most: int = 7
    threshold: float = 0.5

    @property
    def needs(self) -> frozenset[str]:
        """The probability."""
        return frozenset({"p_relevant"})

    def check(self) -> None:
        """A number and a probability."""
        _share(self, threshold=self.threshold)
        if self.most < 0:
            raise RecipeError(f"{self.label}: most={self.most} must be at least 0")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Count, drop."""
        ours = pl.col("dropped").cast(pl.String).is_in(TRUTH).fill_null(value=False)
        counted = pairs.live | promoted() | (~pl.col("positive") & ours)
        flagged = counted & (pl.col("p_relevant") >= self.threshold).fill_null(value=False)
        table = pairs.frame.group_by("query").agg(flagged=flagged.sum())
        return pairs.drop(pairs.per_query(table, "flagged") > self.most, self.label)


@dataclass(frozen=True)
class Promote(Step):
    """Makes positives of candidates that are judged relevant.

    "RLHN" (arXiv:2505.16967) moves flagged negatives to the positives: BEIR .515 and out of domain .445,
    against .508 and .425 untouched, and .511 and .431 when they are only removed. Also candidates that a soft rule
    dropped or no sampler drew are promoted: that is where most of them are. Known copies, typed negatives and dropped
    queries are not. The row gets ``kind`` "promoted"; ``was`` keeps its fate. Put the rules on duplicates after this
    step: a copy of a new positive is no negative. Fails with a judge that takes shared words for an answer: every
    error becomes a positive that the model is pulled to.

    Args:
        threshold: the least probability.
        score: the probability: ``p_relevant``, or a ``prob.`` column of another judge of pairs.
        judged: only where ``judged_by`` is set; false: an estimate is enough.

    Example:
        >>> Promote(threshold=0.9)
        Promote(threshold=0.9, score='p_relevant', judged=True)
    """

    learns: ClassVar[bool] = True
    threshold: float = 0.5
    score: str = "p_relevant"
    judged: bool = True

    @property
    def needs(self) -> frozenset[str]:
        """The probability."""
        return frozenset({self.score})

    @property
    def adds(self) -> frozenset[str]:
        """Marks."""
        return frozenset({"positive", "kind", "weight", "was"})

    def check(self) -> None:
        """A probability by name and value."""
        _share(self, threshold=self.threshold)
        if self.score != "p_relevant" and not self.score.startswith("prob."):
            raise RecipeError(f"{self.label}: score={self.score!r} is no probability; p_relevant or prob.<name>")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Promote."""
        where = pl.col(self.score) >= self.threshold
        return promote(pairs, where & said() if self.judged else where)


@dataclass(frozen=True)
class Demote(Step):
    """Takes every promotion back: the rows are candidates again, with the fate that they had before.

    The verdict stays, so that another action can use it. Fails to redraw: a row that was promoted before the sampler
    drew is live again, beyond the number drawn; let the sampler run after this step.
    """

    learns: ClassVar[bool] = True

    @property
    def adds(self) -> frozenset[str]:
        """Marks."""
        return frozenset({"positive", "kind", "dropped", "was"})

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Demote."""
        return demote(pairs)


@dataclass(frozen=True)
class Repair(Step):
    """Promotes candidates that two kinds of evidence find relevant, and drops the others above the cut.

    Promoted is what a verdict puts at ``promote`` or above and at least one column of another kind at ``agree`` or
    above; a person's verdict needs no second. Two language models err on the same documents, a language model and a
    retriever much less so: evidence must differ in kind. Everything else at ``cut`` or above is dropped as in
    ``DropRelevant``. Fails where judge and detector err alike, on documents that share the query's words and not its
    answer.

    Args:
        promote: the least probability of a verdict that promotes.
        agree: the least probability that counts as agreement.
        cut: the least ``p_relevant`` that is dropped.
        evidence: ``prob.`` columns, other kinds than the verdict's; the column of the very judge that gave the
            verdict does not count.
        missing: what happens to candidates without verdict and estimate: ``drop`` or ``keep``.
    """

    learns: ClassVar[bool] = True
    promote: float = 0.8
    agree: float = 0.5
    cut: float = 0.5
    evidence: tuple[str, ...] = ("prob.detector",)
    missing: Missing = "drop"

    @property
    def needs(self) -> frozenset[str]:
        """The probability, and what must agree with it."""
        return frozenset({"p_relevant", *self.evidence})

    @property
    def adds(self) -> frozenset[str]:
        """Marks."""
        return frozenset({"positive", "kind", "weight", "was"})

    def check(self) -> None:
        """Probabilities; promotion asks for no less than dropping."""
        _share(self, promote=self.promote, agree=self.agree)
        DropRelevant(self.cut, self.missing).check()
        if self.promote < self.cut:
            raise RecipeError(f"{self.label}: promote={self.promote:g} must not lie below cut={self.cut:g}")
        other = [c for c in self.evidence if not c.startswith("prob.")]
        if other or not self.evidence:
            raise RecipeError(f"{self.label}: evidence={self.evidence!r} must name columns prob.<name>")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Promote, then drop."""
        sure = said() & (pl.col("p_relevant") >= self.promote)
        mended = promote(pairs, sure & (self._agrees(pairs) | human()))
        return DropRelevant(self.cut, self.missing)(mended, engine)

    def _agrees(self, pairs: Pairs) -> pl.Expr:
        """True where a column of another judge than the verdict's is high enough."""
        by = pl.col("judged_by").cast(pl.String)
        names = pairs.frame["judged_by"].cast(pl.String).drop_nulls().unique().to_list()
        own = {c: [n for n in names if column(n) == c] for c in self.evidence}
        votes = ((pl.col(c) >= self.agree) & ~by.is_in(own[c]) for c in self.evidence)
        return pl.any_horizontal(v.fill_null(value=False) for v in votes)
