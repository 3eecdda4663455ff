"""Controls around a sampler: a cap on reuse, and a deeper search where too few candidates survive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Sampler, Scope, Source, Step, settle


@dataclass(frozen=True)
class ReuseCap(Step):
    """Lets no document be a negative of more than ``cap`` queries.

    Draws with the sampler; where a document is drawn too often, the queries in which it ranks best keep it (ties by
    a hash of the ids, so the order of the queries does not matter), the others draw again without it. Documents
    that are near everything (hubs) otherwise fill a training set. Fails on corpora with fewer than
    queries * n / cap documents: rows run short.

    Args:
        sampler: draws the negatives.
        cap: queries per document.
        rounds: draws at most; what is still over the cap then goes without replacement.
    """

    scope: ClassVar[Scope] = "all"
    sampler: Sampler | None = None
    cap: int = 50
    rounds: int = 10

    @property
    def needs(self) -> frozenset[str]:
        """Those of the sampler."""
        return self.sampler.needs if self.sampler else frozenset()

    def check(self) -> None:
        """A sampler and a positive cap."""
        if self.sampler is None:
            raise RecipeError(f"{self.label} needs a sampler to draw with")
        if self.cap < 1 or self.rounds < 1:
            raise RecipeError(f"{self.label}: cap={self.cap} and rounds={self.rounds} must be at least 1")
        self.sampler.check()

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Draw, cut what is over the cap, draw again."""
        if self.sampler is None:
            raise RecipeError(f"{self.label} needs a sampler to draw with")
        strict = replace(self.sampler, short="fewer")
        chance = pl.Series(pairs.uniform(0))
        for _ in range(self.rounds):
            drawn = strict(pairs, engine)
            over = self._over(drawn, chance)
            if not over.any():
                break
            pairs = pairs.drop(pl.lit(over), "reuse cap")
        else:
            drawn = strict(pairs, engine)
            drawn = drawn.drop(pl.lit(self._over(drawn, chance)), "reuse cap")
        return settle(drawn, self.sampler.n, self.sampler.short, self.sampler.seed)

    def _over(self, drawn: Pairs, chance: pl.Series) -> pl.Series:
        """True for the drawn rows of a document beyond its cap."""
        rows = drawn.frame.select(
            "doc", rank=drawn.best_rank, chance=chance, row=pl.int_range(pl.len()), live=drawn.live
        ).filter("live")
        place = pl.int_range(pl.len()).over("doc")
        over = rows.sort("doc", "rank", "chance", nulls_last=True).filter(place >= self.cap)["row"].to_numpy()
        mask = np.zeros(drawn.frame.height, dtype=np.bool_)
        mask[over] = True
        return pl.Series(mask)


@dataclass(frozen=True)
class Deepen(Step):
    """Searches deeper for the queries in which too few candidates survive.

    Stands after the rules. Queries with fewer than ``want`` survivors run all steps before it again, with every
    source's depth multiplied by ``factor``, up to ``rounds`` times; their rows are then replaced. A strict rule
    otherwise starves the queries whose top ranks are full of relevant documents. Fails, and then gains nothing,
    where sources give all they have (a run file).

    Args:
        want: survivors per query that are enough.
        factor: how much deeper each round searches.
        rounds: at most.
    """

    scope: ClassVar[Scope] = "query"
    want: int = 8
    factor: int = 4
    rounds: int = 2

    def check(self) -> None:
        """Deeper must mean deeper."""
        if self.factor < 2 or self.rounds < 1 or self.want < 1:
            raise RecipeError(
                f"{self.label}: want={self.want} and rounds={self.rounds} must be at least 1, factor={self.factor} 2"
            )

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Nothing by itself: ``deepen`` is given the steps to run again."""
        return pairs

    def short(self, pairs: Pairs) -> pl.Series:
        """The queries with too few survivors."""
        return pairs.live_per_query().filter(pl.col("live") < self.want)["query"]

    def deeper(self, steps: tuple[Step, ...], times: int) -> tuple[Step, ...]:
        """The same steps, searching ``factor ** times`` as deep.

        Raises:
            RecipeError: a step must see all queries at once, so it cannot run again on some.
        """
        for step in steps:
            if step.scope == "all":
                raise RecipeError(
                    f"{self.label} runs {step.label} again on some queries, but that step needs all of them"
                )
        scale = self.factor**times
        return tuple(replace(s, depth=s.depth * scale) if isinstance(s, Source) else s for s in steps)

    def restart(self, pairs: Pairs, queries: pl.Series) -> Pairs:
        """Only the positives of these queries, as before any search."""
        fresh = Pairs.start(pairs.collection)
        return replace(fresh, frame=fresh.frame.filter(pl.col("query").is_in(queries.implode())))

    def merge(self, pairs: Pairs, again: Pairs, queries: pl.Series) -> Pairs:
        """Replace the rows of these queries."""
        others = pairs.frame.filter(~pl.col("query").is_in(queries.implode()))
        frame = pl.concat([others, again.frame.select(others.columns)]).sort("query", "doc")
        return replace(pairs, frame=frame, soft=pairs.soft | again.soft)
