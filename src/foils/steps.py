"""What every method is: a small frozen dataclass that takes Pairs and gives Pairs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine

Scope = Literal["row", "query", "all"]
Short = Literal["fewer", "relax", "random", "drop query"]


@dataclass(frozen=True)
class Step(ABC):
    """One method; its fields are its options, its repr is its recipe line.

    ``scope`` says what the step must see at once: ``row`` (nothing else), ``query`` (all rows of a query) or ``all``
    (the whole table; such a step may not run on a part of the queries).
    """

    scope: ClassVar[Scope] = "row"

    @property
    def label(self) -> str:
        """The name in ledgers, reasons and ``--set``: the class name in kebab case."""
        return kebab(type(self).__name__)

    @property
    def needs(self) -> frozenset[str]:
        """Columns read; by default every option called ``score``, ``rank`` or ``by`` that names a column."""
        named = (getattr(self, f.name) for f in fields(self) if f.name in ("score", "rank", "by"))
        return frozenset(v for v in named if isinstance(v, str) and "." in v)

    @property
    def adds(self) -> frozenset[str]:
        """Columns written."""
        return frozenset()

    def check(self) -> None:
        """Raise a FoilsError if options, paths or packages do not fit; called before any step runs or loads."""
        return

    def facts(self) -> dict[str, str]:
        """What the ledger records of this step's models; called after it ran."""
        return {}

    @abstractmethod
    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Do it."""


@dataclass(frozen=True)
class Source(Step):
    """Finds candidates: implement ``find`` and, where pairs can be scored without a search, ``fill``.

    Every source has the fields ``name`` (rank column ``rank.<name>``) and ``depth`` (candidates per query).
    """

    scope: ClassVar[Scope] = "query"
    name: str = ""
    depth: int = 100

    @property
    def label(self) -> str:
        """The source's name."""
        return self.name

    @property
    def score(self) -> str | None:
        """The score column that this source writes, ``<unit>.<name>``; null if it only ranks."""
        return None

    @property
    def needs(self) -> frozenset[str]:
        """Nothing: sources come first."""
        return frozenset()

    @property
    def adds(self) -> frozenset[str]:
        """Rank and, where there is one, score."""
        return frozenset({f"rank.{self.name}"} | ({self.score} if self.score else set()))

    def check(self) -> None:
        """Depth must be positive, the name a plain word."""
        if self.depth < 1:
            raise RecipeError(f"{self.label}: depth={self.depth} finds nothing; it must be at least 1")
        if not re.fullmatch(r"[\w-]+", self.name):
            raise RecipeError(f"{type(self).__name__}: name={self.name!r}; use letters, digits, '-' and '_' only")

    @abstractmethod
    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """Candidates of ``pairs.queries``: ``query`` u32, ``doc`` u32, ``rank`` i32, if scored ``score`` f32."""

    def fill(self, pairs: Pairs, engine: Engine) -> pl.Series | None:
        """This source's score for every row of the table, or null if only a search can give it."""
        return None

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Add the candidates."""
        return pairs.add(self.name, self.find(pairs, engine), self.score)


@dataclass(frozen=True)
class Rule(Step):
    """Drops candidates: one expression, true where a candidate goes.

    ``soft`` rules judge by a score or a rank: they pass over candidates that rest on proof (``kind`` is set) and
    may be relaxed when too few survive. Hard rules (known positives, duplicates) hold always.
    """

    soft: ClassVar[bool] = True

    @abstractmethod
    def drops(self, pairs: Pairs) -> pl.Expr:
        """True where a candidate goes; null (a comparison that cannot be made) drops as well."""

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Drop."""
        where = self.drops(pairs)
        if self.soft:
            where = pl.col("kind").is_null() & where.fill_null(value=True)
        return pairs.drop(where, self.label)


@dataclass(frozen=True)
class Weight(Step):
    """Writes the training weight of every selected negative: one expression, finite and not negative."""

    @property
    def adds(self) -> frozenset[str]:
        """The weight."""
        return frozenset({"weight"})

    @abstractmethod
    def weight(self, pairs: Pairs) -> pl.Expr:
        """The weight of each row."""

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Write it where a negative is selected."""
        value = pl.when(pairs.live).then(self.weight(pairs)).cast(pl.Float32)
        weighed = pairs.with_column("weight", value)
        good = (pl.col("weight").is_finite() & (pl.col("weight") >= 0)).fill_null(value=False)
        bad = weighed.frame.filter(weighed.live & ~good)
        if bad.height:
            raise RecipeError(f"{self.label}: {bad.height:,} weights are missing, negative or not finite")
        return weighed


@dataclass(frozen=True)
class Recipe:
    """A tuple of steps, in order."""

    steps: tuple[Step, ...]
    name: str = ""
    paper: str = ""

    def check(self) -> None:
        """Check every step, and that each column it needs is written before it; loads no model.

        Raises:
            RecipeError: what is missing, and what is there.
        """
        if not any(isinstance(s, Source) for s in self.steps):
            raise RecipeError(f"recipe {self.name!r} has no source: nothing would be found")
        there: set[str] = set()
        for step in self.steps:
            step.check()
            missing = sorted(step.needs - there)
            if missing:
                found = ", ".join(sorted(there)) or "nothing yet"
                raise RecipeError(
                    f"{step.label} needs the column {missing[0]}, which no step before it writes; there are: {found}"
                )
            clash = sorted(step.adds & there) if isinstance(step, Source) else []
            if clash:
                raise RecipeError(f"two sources are called {step.label!r}; give one another name")
            there |= step.adds


def kebab(name: str) -> str:
    """CamelCase to kebab-case: ``SimAns`` to ``sim-ans``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def gumbel(uniform: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Standard Gumbel noise from numbers in (0, 1): adding it to log-weights and taking the top draws by weight."""
    return -np.log(-np.log(uniform))
