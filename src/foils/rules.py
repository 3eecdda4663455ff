"""Rules on ranks and on fixed score ranges.

A rule passes over candidates that rest on proof (``kind`` is set), and drops every other candidate that it cannot
judge: one without a score or rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from foils.columns import ColumnRule, Missing
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.steps import Scope


@dataclass(frozen=True)
class Shift(ColumnRule):
    """Drops the first ``skip`` ranks of a source, where unlabelled relevant documents gather.

    "Top-K shifted by N" of NV-Retriever (arXiv:2407.15831, section 3), best N = 10. Ranks are those of the search,
    labelled positives not counted, so it makes no difference which rules ran before; some miners skip survivors of
    other rules instead. Fails where the first ranks are right: it then throws the hardest negatives away, the good
    with the bad.

    Args:
        skip: ranks dropped per query.
        rank: the rank column.
        missing: what happens to candidates that this source did not find: ``drop`` or ``keep``.

    Example:
        >>> Shift(skip=10, rank="rank.bm25")
        Shift(skip=10, rank='rank.bm25', missing='drop')
    """

    scope: ClassVar[Scope] = "query"
    skip: int = 10
    rank: str = "rank.dense"
    missing: Missing = "drop"

    def check(self) -> None:
        """A negative number of ranks cannot be skipped."""
        super().check()
        if self.skip < 0:
            raise RecipeError(f"{self.label}: skip={self.skip} must be at least 0")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Rank among non-positives <= skip."""
        among = pl.when(~pl.col("positive")).then(pl.col(self.rank)).rank("min").over("query")
        early = among <= self.skip
        return early.fill_null(value=False) if self.missing == "keep" else early


@dataclass(frozen=True)
class SkipBest(ColumnRule):
    """Drops the candidates that score best by a column, for instance by several kinds of evidence fused.

    The shift of NV-Retriever (arXiv:2407.15831, section 3) on any score instead of one source's ranks: with ranks of
    lexical, dense and document-to-positive similarity fused, it removes more false negatives at the same hardness
    than a shift of the dense ranks (docs/benchmarks.md). Ties at the end are dropped too. Fails where the score is
    the one that the negatives are then chosen by: it is ``Shift`` again.

    Args:
        skip: candidates dropped per query, labelled positives not counted.
        score: the score column.
    """

    scope: ClassVar[Scope] = "query"
    skip: int = 10
    score: str = "rrf.rrf"

    def check(self) -> None:
        """A negative number of candidates cannot be skipped."""
        super().check()
        if self.skip < 0:
            raise RecipeError(f"{self.label}: skip={self.skip} must be at least 0")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Place by descending score among non-positives <= skip."""
        among = pl.when(~pl.col("positive")).then(pl.col(self.score))
        return among.rank("min", descending=True).over("query") <= self.skip


@dataclass(frozen=True)
class RankWindow(ColumnRule):
    """Keeps the ranks ``first`` to ``last`` of a source and drops the others.

    The rank window of ANCE-style miners and of ``range_for_sampling`` in FlagEmbedding. Ranks are taken as the
    source wrote them, labelled positives counted (``Shift`` does not count them). Fails across corpora: rank 30 of
    a small corpus is easy, of a large one hard.

    Args:
        first: the first rank kept, from 1.
        last: the last rank kept.
        rank: the rank column.
        missing: what happens to candidates that this source did not find: ``drop`` or ``keep``.

    Example:
        >>> RankWindow(first=30, last=100)
        RankWindow(first=30, last=100, rank='rank.dense', missing='drop')
    """

    first: int = 1
    last: int = 100
    rank: str = "rank.dense"
    missing: Missing = "drop"

    def check(self) -> None:
        """The window must hold at least one rank."""
        super().check()
        if not 1 <= self.first <= self.last:
            raise RecipeError(f"{self.label}: first={self.first}, last={self.last}; needs 1 <= first <= last")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Rank < first or rank > last."""
        outside = ~pl.col(self.rank).is_between(self.first, self.last)
        return outside.fill_null(value=False) if self.missing == "keep" else outside


@dataclass(frozen=True)
class MmEmbed(ColumnRule):
    """Keeps only candidates ranked below ``below``: weakly related, so hardly ever relevant.

    The window C2 of MM-Embed (arXiv:2411.02571): candidates of the right modality below rank k' = 45 of the top 50.
    Its other set, C1 (documents of the wrong modality ranked above the positive), is what the source ``attribute``
    finds; what it found passes where ``wrong`` names its ranks. Fails when the search is shallower than ``below``:
    nothing is left.

    Args:
        below: the last rank dropped.
        rank: the rank column.
        wrong: the rank column of a source whose candidates pass; empty: none do.

    Example:
        >>> MmEmbed(below=45, rank="rank.dense")
        MmEmbed(below=45, rank='rank.dense', wrong='')
    """

    below: int = 45
    rank: str = "rank.dense"
    wrong: str = ""

    @property
    def needs(self) -> frozenset[str]:
        """The ranks, and those of what passes."""
        return super().needs | ({self.wrong} if self.wrong else frozenset())

    def check(self) -> None:
        """Both columns hold ranks."""
        super().check()
        if self.wrong and not self.wrong.startswith("rank."):
            raise RecipeError(f"{self.label}: wrong={self.wrong!r} is no rank column; write rank.<source> or nothing")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Rank <= below, unless the other source found it."""
        head = pl.col(self.rank) <= self.below
        return head & pl.col(self.wrong).is_null() if self.wrong else head


@dataclass(frozen=True)
class TopkAbs(ColumnRule):
    """Drops candidates that score above a fixed threshold.

    "TopK-Abs" of NV-Retriever (arXiv:2407.15831, section 3): keep s <= t, best t = 0.7 on cosines of a strong
    teacher. Fails when the model or the domain changes: cosines have no common scale, and easy queries lose all.

    Args:
        threshold: the highest score kept, in the unit of the score.
        score: the score column.

    Example:
        >>> TopkAbs(threshold=0.7)
        TopkAbs(threshold=0.7, score='cos.dense')
    """

    threshold: float = 0.7
    score: str = "cos.dense"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Score above the threshold."""
        return pl.col(self.score) > self.threshold


@dataclass(frozen=True)
class ScoreRange(ColumnRule):
    """Keeps candidates that score within a fixed range, ends included.

    ``min_score`` and ``max_score`` of ``mine_hard_negatives`` in sentence-transformers. Without bounds it drops only
    the candidates that have no score. Fails like ``TopkAbs``: scores of different models have no common scale.

    Args:
        low: the lowest score kept; null: no lower bound.
        high: the highest score kept; null: no upper bound.
        score: the score column.

    Example:
        >>> ScoreRange(low=0.3, high=0.8)
        ScoreRange(low=0.3, high=0.8, score='cos.dense')
    """

    low: float | None = None
    high: float | None = None
    score: str = "cos.dense"

    def check(self) -> None:
        """The range must not be empty."""
        super().check()
        if self.low is not None and self.high is not None and self.low > self.high:
            raise RecipeError(f"{self.label}: low={self.low:g} lies above high={self.high:g}; nothing would be kept")

    def drops(self, pairs: Pairs) -> pl.Expr:
        """Score < low or score > high."""
        score = pl.col(self.score)
        where = score.is_null()
        if self.low is not None:
            where |= score < self.low
        if self.high is not None:
            where |= score > self.high
        return where
