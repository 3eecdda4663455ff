"""What rules on one score or rank column share: checked options, and the positive that a bound refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.pairs import UNITS, Pairs
from foils.steps import Rule

Against = Literal["min", "max", "mean", "each"]
Missing = Literal["drop", "keep"]
CHOICES = {"reference": get_args(Against), "missing": get_args(Missing), "on": ("delta", "ratio")}


@dataclass(frozen=True)
class ColumnRule(Rule):
    """A rule on one score or rank column; checks the options that such rules share."""

    units: ClassVar[tuple[str, ...]] = UNITS

    def check(self) -> None:
        """Columns must be named with their unit, choices must be known, numbers must be finite."""
        for option, value in vars(self).items():
            if option == "rank" and not value.startswith("rank."):
                raise RecipeError(f"{self.label}: rank={value!r} is no rank column; write rank.<source>")
            if option == "score" and ("." not in value or value.split(".")[0] not in self.units):
                raise RecipeError(
                    f"{self.label}: score={value!r} cannot be used; write <unit>.<name>, unit one of "
                    + ", ".join(self.units)
                )
            if option in CHOICES and value not in CHOICES[option]:
                raise RecipeError(f"{self.label}: {option}={value!r} is not known; one of {', '.join(CHOICES[option])}")
            if isinstance(value, float) and not np.isfinite(value):
                raise RecipeError(f"{self.label}: {option}={value} is not a finite number")

    def within(self, low: int, high: int, **options: float) -> None:
        """Raise where an option lies outside [low, high]."""
        for option, value in options.items():
            if not low <= value <= high:
                raise RecipeError(f"{self.label}: {option}={value:g} must lie between {low} and {high}")


def above(pairs: Pairs, score: str, reference: Against) -> pl.Expr:
    """The positive score that an upper bound refers to; against each positive means below the lowest."""
    return pairs.positive(score, "min" if reference == "each" else reference)


def below(pairs: Pairs, score: str, reference: Against) -> pl.Expr:
    """The positive score that a lower bound refers to; against each positive means above the highest."""
    return pairs.positive(score, "max" if reference == "each" else reference)
