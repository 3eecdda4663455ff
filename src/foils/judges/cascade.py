"""Cascade and Agree: judges asked one after the other, the second only where it can change something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges.cases import abstain, check_judges, estimate, prefixed, short_hash
from foils.models.questions import Estimate, total
from foils.pairs import Pairs
from foils.protocols import Engine, Judge, Verdict

Ask = Literal["flagged", "rejected"]
Per = Literal["pair", "query"]
Rows = NDArray[np.uint32]


@dataclass
class _Count:
    """How many rows each stage was asked about."""

    first: int = 0
    second: int = 0
    overruled: int = 0


@dataclass(frozen=True)
class _Two:
    """What judges of two stages share: the second is asked about some of the rows."""

    def _facts(self, name: str, stages: dict[str, Judge]) -> dict[str, str]:
        count = self._count
        found = {"judge": name, "rows asked first": f"{count.first}", "rows asked second": f"{count.second}"}
        found["second said otherwise"] = f"{count.overruled}"
        for stage, judge in stages.items():
            found |= prefixed(stage, judge.facts())
        return found

    def _second(
        self, judge: Judge, first: list[Verdict], some: NDArray[np.bool_], pairs: Pairs, rows: Rows, engine: Engine
    ) -> dict[int, Verdict]:
        """Verdicts of the second stage by place in ``rows``."""
        places = np.flatnonzero(some)
        given = judge.verdicts(pairs, rows[places], engine) if places.size else []
        found = dict(zip(places.tolist(), given, strict=True))
        self._count.first += len(first)
        self._count.second += len(found)
        self._count.overruled += sum(_side(first[i]) != _side(v) for i, v in found.items())
        return found

    @cached_property
    def _count(self) -> _Count:
        return _Count()


@dataclass(frozen=True)
class Cascade(_Two):
    """Asks a cheap judge about all, and a strong judge only where the cheap one leaves something to decide.

    ``ask="flagged"`` is RLHN (EMNLP Findings 2025): GPT-4o-mini on everything, GPT-4o where it found a false negative.
    Found there: of 485,823 MS MARCO instances 391,965 went on, and 326,301 stayed flagged. ``ask="rejected"`` is TinyV
    (arXiv:2505.14625): a precise rule first, the model where the rule says no. The strong verdict counts wherever it
    was asked for, its abstention too. Fails on what the cheap judge settles wrongly: those errors are final, so audit
    with another judge.

    Args:
        cheap: asked about every row.
        strong: asked about some.
        ask: ``flagged``: where the cheap judge says relevant; ``rejected``: where it says not.
        per: ``pair``, or ``query``: about all rows of a query of which one is to be asked (RLHN's instances).
        above: the probability from which on the cheap judge says relevant.
        unsure: whether the strong judge is asked, too, where the cheap one abstains.
    """

    cheap: Judge
    strong: Judge
    ask: Ask = "flagged"
    per: Per = "pair"
    above: float = 0.5
    unsure: bool = True

    @property
    def name(self) -> str:
        """Both judges and the options."""
        options = f"{self.ask}, {self.per}, {self.above}, {self.unsure}"
        return f"cascade:{self.ask}@{short_hash(self.cheap.name, self.strong.name, options)}"

    @property
    def families(self) -> frozenset[str]:
        """Both judges'."""
        return self.cheap.families | self.strong.families

    def check(self) -> None:
        """Both judges must be ready."""
        check_judges("cascade", (self.cheap, self.strong), 2)
        if self.ask not in get_args(Ask) or self.per not in get_args(Per):
            raise RecipeError(
                f"cascade: ask={self.ask!r}, per={self.per!r}; ask is {' or '.join(get_args(Ask))}, "
                f"per is {' or '.join(get_args(Per))}"
            )
        if not 0.0 < self.above < 1.0:
            raise RecipeError(f"cascade: above={self.above:g} must lie between 0 and 1")

    def facts(self) -> dict[str, str]:
        """Rows per stage, and both judges' facts."""
        return self._facts(self.name, {"cheap": self.cheap, "strong": self.strong})

    def estimate(self, pairs: Pairs, rows: Rows, engine: Engine) -> Estimate:
        """An upper bound: the strong judge on everything."""
        parts = [estimate(judge, pairs, rows, engine) for judge in (self.cheap, self.strong)]
        return total(parts, at_most=parts[1].calls > 0)

    def verdicts(self, pairs: Pairs, rows: Rows, engine: Engine) -> list[Verdict]:
        """The strong verdict where it was asked for, else the cheap one."""
        first = self.cheap.verdicts(pairs, rows, engine)
        some = self.open(first)
        if self.per == "query" and some.any():
            queries = pairs.frame["query"].gather(rows).to_numpy()
            some = np.isin(queries, queries[some])
        second = self._second(self.strong, first, some, pairs, rows, engine)
        return [
            _of(self.name, "strong", second[i]) if i in second else _of(self.name, "cheap", v)
            for i, v in enumerate(first)
        ]

    def open(self, first: list[Verdict]) -> NDArray[np.bool_]:
        """Which rows the strong judge is asked about, (n,)."""
        flagged = self.ask == "flagged"
        asked = [self.unsure if v.probability is None else (v.probability >= self.above) == flagged for v in first]
        return np.array(asked, dtype=np.bool_)


@dataclass(frozen=True)
class Agree(_Two):
    """Says relevant only where two judges do; the second is asked only where the first one says so.

    For relabelling, where a wrong "relevant" makes a false positive: two wordings of one model, or better two kinds of
    evidence. Where they disagree it abstains: that is neither a positive nor a safe negative. The probability is the
    lower of the two. Fails on mistakes that both share; two wordings share many.

    Args:
        first: asked about every row.
        second: asked where the first says relevant.
        above: the probability from which on a judge says relevant.
    """

    first: Judge
    second: Judge
    above: float = 0.5

    @property
    def name(self) -> str:
        """Both judges."""
        return f"agree@{short_hash(self.first.name, self.second.name, repr(self.above))}"

    @property
    def families(self) -> frozenset[str]:
        """Both judges'."""
        return self.first.families | self.second.families

    def check(self) -> None:
        """Both judges must be ready, and not the same."""
        check_judges("agree", (self.first, self.second), 2)
        if self.first.name == self.second.name:
            raise RecipeError(f"agree: {self.first.name} always agrees with itself; give another wording or model")
        if not 0.0 < self.above < 1.0:
            raise RecipeError(f"agree: above={self.above:g} must lie between 0 and 1")

    def facts(self) -> dict[str, str]:
        """Rows per stage, and both judges' facts."""
        return self._facts(self.name, {"first": self.first, "second": self.second})

    def estimate(self, pairs: Pairs, rows: Rows, engine: Engine) -> Estimate:
        """An upper bound: the second judge on everything."""
        parts = [estimate(judge, pairs, rows, engine) for judge in (self.first, self.second)]
        return total(parts, at_most=parts[1].calls > 0)

    def verdicts(self, pairs: Pairs, rows: Rows, engine: Engine) -> list[Verdict]:
        """A "no" and an abstention of the first stand; its "yes" must be repeated."""
        given = self.first.verdicts(pairs, rows, engine)
        some = np.array([v.probability is not None and v.probability >= self.above for v in given], dtype=np.bool_)
        second = self._second(self.second, given, some, pairs, rows, engine)
        return [self._both(v, second[i]) if i in second else _of(self.name, "first", v) for i, v in enumerate(given)]

    def _both(self, one: Verdict, two: Verdict) -> Verdict:
        if one.probability is None or two.probability is None or two.probability < self.above:
            said = "abstains" if two.probability is None else f"says {two.probability:.2f}"
            return abstain(self.name, f"no agreement: the first says {one.probability or 0:.2f}, the second {said}")
        grades = [v.grade for v in (one, two) if v.grade is not None]
        return Verdict(
            min(one.probability, two.probability), self.name, f"both: {one.why}", min(grades) if grades else None
        )


def _of(name: str, stage: str, verdict: Verdict) -> Verdict:
    return verdict._replace(by=name, why=f"{stage} {verdict.by}: {verdict.why}".removesuffix(": "))


def _side(verdict: Verdict) -> bool | None:
    return None if verdict.probability is None else verdict.probability >= 0.5
