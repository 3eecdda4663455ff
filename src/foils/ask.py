"""Ask: what a judge says of candidates, as columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import JudgeError, RecipeError
from foils.outcome import column
from foils.pairs import Pairs
from foils.protocols import Engine, Judge, Verdict
from foils.steps import Scope, Step

KEPT = ("qrels", "human")


@dataclass(frozen=True)
class Ask(Step):
    """Asks a judge about the live candidates, and writes what it says.

    The probability goes to ``prob.<judge>``, and becomes the verdict (``p_relevant``, ``judged_by``) unless the
    collection or a person has spoken; of two judges the later settles. An abstention leaves everything as it was, is
    counted in the ledger, and is never a "no". What the judge has answered already is not asked again. Put the rules
    that need no model before this step: every pair costs. Fails where the judge is the one that will measure the
    rate of false negatives: a judge never audits itself.

    Args:
        judge: whom to ask.
        top: how many live candidates per query are asked about; null: all.
        by: the column that orders the candidates for ``top``: a rank (lowest first) or a score (highest first);
            empty: the best rank in any source. Ties go by document row.
        name: of the column; empty: the judge's own name.
        positives: ask about the known positives too, for rules that compare with them; only the column is written.
    """

    scope: ClassVar[Scope] = "query"
    judge: Judge | None = None
    top: int | None = None
    by: str = ""
    name: str = ""
    positives: bool = False

    @property
    def column(self) -> str:
        """The score column.

        Raises:
            RecipeError: there is no judge.
        """
        if self.judge is None:
            raise RecipeError(f"{self.label}: judge is missing; someone must be asked")
        return f"prob.{self.name}" if self.name else column(self.judge.name)

    @property
    def adds(self) -> frozenset[str]:
        """The probability, and what it settles."""
        return frozenset({"p_relevant", "judged_by"} | ({self.column} if self.judge else set()))

    def check(self) -> None:
        """A judge that is ready, a number, a plain name."""
        if not re.fullmatch(r"prob\.[\w-]+", self.column):
            raise RecipeError(f"{self.label}: name={self.name!r}; use letters, digits, '-' and '_' only")
        if self.top is not None and self.top < 1:
            raise RecipeError(f"{self.label}: top={self.top} asks nothing; it must be at least 1, or left out for all")
        if self.judge is not None:
            self.judge.check()

    def facts(self) -> dict[str, str]:
        """The judge's, and how many pairs it was asked about and could not answer."""
        facts = self.judge.facts() if self.judge is not None else {}
        return facts | {name: f"{n:,}" for name, n in self._tally.items()}

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Ask about each pair once."""
        name = self.column
        if name not in pairs.frame.columns:
            pairs = pairs.with_column(name, pl.lit(None, dtype=pl.Float32))
        rows = np.flatnonzero(pairs.frame.select(self._asked(pairs, name)).to_series().to_numpy()).astype(np.uint32)
        given = self.judge.verdicts(pairs, rows, engine) if self.judge is not None and rows.size else []
        self._check_answers(given, rows.size)
        self._tally.update(asked=rows.size, abstained=sum(v.probability is None for v in given))
        return _write(pairs, name, rows, given)

    def __getstate__(self) -> dict[str, object]:
        """The options only."""
        return {k: v for k, v in vars(self).items() if k != "_tally"}

    @cached_property
    def _tally(self) -> Counter[str]:
        return Counter({"asked": 0, "abstained": 0})

    def _asked(self, pairs: Pairs, name: str) -> pl.Expr:
        """The rows without an answer of this judge, and without one that this judge could not change."""
        settled = pl.col("judged_by").cast(pl.String).str.extract(r"^([^:]+)").is_in(KEPT).fill_null(value=False)
        among = self._within(pairs) & ~settled
        if self.positives:
            among |= pl.col("positive")
        return among & pl.col(name).is_null()

    def _within(self, pairs: Pairs) -> pl.Expr:
        if self.top is None:
            return pairs.live
        if self.by:
            order = pl.col(self.by) if self.by.startswith("rank.") else -pl.col(self.by)
        elif pairs.sources:
            order = pairs.best_rank
        else:
            raise RecipeError(f"{self.label}: top={self.top} needs an order, but no source has ranked; name one in by=")
        order = pl.when(pairs.live).then(order)
        return pairs.live & (order.rank("ordinal").over("query") <= self.top).fill_null(value=False)

    def _check_answers(self, given: list[Verdict], asked: int) -> None:
        if len(given) != asked:
            raise JudgeError(f"{self.label}: {self.column} gave {len(given):,} verdicts on {asked:,} pairs")
        for verdict in given:
            p = verdict.probability
            if p is not None and not 0 <= p <= 1:
                raise JudgeError(f"{self.label}: {verdict.by} gave the probability {p}, which lies outside 0 to 1")


def _write(pairs: Pairs, name: str, rows: NDArray[np.uint32], given: list[Verdict]) -> Pairs:
    answers = pl.DataFrame(
        {
            "row": rows,
            "p": pl.Series([v.probability for v in given], dtype=pl.Float32),
            "who": pl.Series([v.by for v in given], dtype=pl.String).cast(pl.Categorical),
        }
    ).filter(pl.col("p").is_not_null())
    table = pairs.frame.select(row=pl.int_range(pl.len(), dtype=pl.UInt32)).join(
        answers, on="row", how="left", maintain_order="left"
    )
    p, who = pl.lit(table["p"]), pl.lit(table["who"])
    settles = p.is_not_null() & ~pl.col("positive")
    pairs = pairs.with_column("judged_by", pl.when(settles).then(who).otherwise("judged_by"))
    pairs = pairs.with_column("p_relevant", pl.when(settles).then(p).otherwise("p_relevant"))
    return pairs.with_column(name, pl.coalesce(p, name))
