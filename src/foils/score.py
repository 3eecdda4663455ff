"""Steps that add a score column: from an encoder, from a reranker, or computed from columns that are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.pairs import UNITS, Pairs
from foils.protocols import Encoder, Engine, Scorer
from foils.steps import Scope, Step

CHUNK = 65_536


@dataclass(frozen=True)
class Similarity(Step):
    """Score every pair by the inner product of an encoder's vectors.

    The same formula and vectors for positives, candidates and dropped rows alike, so that any encoder can judge what
    any source found. Fails (is uninformative) where the encoder is the one whose mistakes are to be found.

    Args:
        encoder: gives the vectors; its unit (``cos`` or ``dot``) is the unit of the column.
        name: the column is ``<unit>.<name>``.
    """

    encoder: Encoder
    name: str

    @property
    def adds(self) -> frozenset[str]:
        """The score column."""
        return frozenset({f"{self.encoder.unit}.{self.name}"})

    def check(self) -> None:
        """The name must be a plain word, the encoder ready."""
        _check_name(self)
        self.encoder.check()

    def facts(self) -> dict[str, str]:
        """The encoder's facts."""
        return self.encoder.facts()

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Encode what the table mentions, once, and multiply row by row."""
        unit = self.encoder.unit
        query_rows, query_at = np.unique(pairs.frame["query"].to_numpy(), return_inverse=True)
        doc_rows, doc_at = np.unique(pairs.frame["doc"].to_numpy(), return_inverse=True)
        values = np.zeros(pairs.frame.height, dtype=np.float32)
        if values.size:
            queries = self.encoder.vectors(pairs.collection, "query", query_rows, engine)
            docs = self.encoder.vectors(pairs.collection, "document", doc_rows, engine)
            for start in range(0, values.size, CHUNK):
                part = slice(start, start + CHUNK)
                values[part] = np.einsum("ij,ij->i", queries[query_at[part]], docs[doc_at[part]])
        if unit == "cos":
            np.clip(values, -1.0, 1.0, out=values)
        return pairs.with_column(f"{unit}.{self.name}", pl.Series(values))


@dataclass(frozen=True)
class Rerank(Step):
    """Score the positives and the live candidates by a reranker; other rows stay without a score.

    A missing score drops a pair in every rule that reads it: place this step after the rules that need no model, and
    with ``top`` the candidates below go in the next rule that reads the scores. Fails where the reranker saw the same
    incomplete labels in training: it then agrees with them.

    Args:
        scorer: reads query and document together; its unit is the unit of the column.
        name: the column is ``<unit>.<name>``.
        top: how many live candidates per query are scored; null: all.
        by: the column that orders the candidates for ``top``: a rank (lowest first) or a score (highest first);
            empty: the best rank in any source. Ties go by document row.
    """

    scorer: Scorer
    name: str
    top: int | None = None
    by: str = ""

    @property
    def adds(self) -> frozenset[str]:
        """The score column."""
        return frozenset({f"{self.scorer.unit}.{self.name}"})

    def check(self) -> None:
        """The name must be a plain word, ``top`` positive, the scorer ready."""
        _check_name(self)
        if self.top is not None and self.top < 1:
            raise RecipeError(
                f"{self.label}: top={self.top} scores nothing; it must be at least 1, or left out for all"
            )
        self.scorer.check()

    def facts(self) -> dict[str, str]:
        """The scorer's facts."""
        return self.scorer.facts()

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Score each chosen pair once."""
        chosen = pairs.frame.select("query", "doc", _take=pl.col("positive") | self._within(pairs))
        take = chosen["_take"].to_numpy()
        texts = chosen.filter("_take").select(
            query=pl.lit(pairs.collection.queries["text"]).gather(pl.col("query")),
            doc=pl.lit(pairs.collection.passages).gather(pl.col("doc")),
        )
        values = np.full(take.size, np.nan, dtype=np.float32)
        values[take] = self.scorer.scores(texts["query"].to_list(), texts["doc"].to_list(), engine)
        column = pl.Series(values).to_frame("s").select(pl.when(pl.lit(pl.Series(take))).then("s")).to_series()
        return pairs.with_column(f"{self.scorer.unit}.{self.name}", column)

    def _within(self, pairs: Pairs) -> pl.Expr:
        if self.top is None:
            return pairs.live
        if self.by.startswith("rank."):
            order = pl.col(self.by)
        elif self.by:
            order = -pl.col(self.by)
        elif pairs.sources:
            order = pl.min_horizontal(f"rank.{s}" for s in pairs.sources)
        else:
            raise RecipeError(f"{self.label}: top={self.top} needs an order, but no source has ranked; name one in by=")
        order = pl.when(pairs.live).then(order)
        return pairs.live & (order.rank("ordinal").over("query") <= self.top).fill_null(value=False)


@dataclass(frozen=True)
class Rrf(Step):
    """Fuse ranks into one score: the sum of 1 / (k + rank).

    Cormack, Clarke and Buettcher (SIGIR 2009), equation 1, k = 60. Ranks are those of the sources (a source that did
    not find the document adds 0), or places by a score among the rows of the query that are not positives. Fails
    where one kind of evidence is far worse than the others: all count alike.

    Args:
        ranks: columns ``rank.<source>``, or score columns, which are ranked per query; empty: the ranks of all sources.
        k: damps the top ranks.
        name: the column is ``rrf.<name>``.

    Example:
        >>> round(1 / (60 + 1) + 1 / (60 + 3), 6)
        0.032266
    """

    scope: ClassVar[Scope] = "query"
    ranks: tuple[str, ...] = ()
    k: int = 60
    name: str = "rrf"

    @property
    def needs(self) -> frozenset[str]:
        """The named ranks."""
        return frozenset(self.ranks)

    @property
    def adds(self) -> frozenset[str]:
        """The score column."""
        return frozenset({f"rrf.{self.name}"})

    def check(self) -> None:
        """Columns with a rank or a unit; scores enter by their ranks, so that units never mix."""
        _check_name(self)
        if self.k < 0:
            raise RecipeError(f"{self.label}: k={self.k}; it must be at least 0 (the paper's choice is 60)")
        other = [c for c in self.ranks if c.split(".", 1)[0] not in ("rank", *UNITS) or "." not in c]
        if other:
            raise RecipeError(f"{self.label}: {other[0]!r} has no order; name columns rank.<source> or <unit>.<name>")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Add the sum."""
        ranks = self.ranks or tuple(f"rank.{s}" for s in pairs.sources)
        if not ranks:
            raise RecipeError(f"{self.label}: there are no ranks to fuse; put a source before it")
        terms = (1.0 / (self.k + _place(r).cast(pl.Float64)) for r in ranks)
        return pairs.with_column(f"rrf.{self.name}", pl.sum_horizontal(t.fill_null(0.0) for t in terms))


@dataclass(frozen=True)
class ZScore(Step):
    """Standardise a score per query: (score - mean) / standard deviation over the query's candidates.

    Mean and population standard deviation are taken over all rows of the query that are not positives and have the
    score, dropped ones included; positives are put on the same scale. Where all candidates score alike, every row
    gets 0; a query without candidates has no z. Fails with shallow searches: the
    mean and spread are those of the candidates found, so they depend on the depth.

    Args:
        score: the column to standardise, ``<unit>.<name>``; the result is ``z.<name>``.
    """

    scope: ClassVar[Scope] = "query"
    score: str

    @property
    def adds(self) -> frozenset[str]:
        """The standardised column."""
        return frozenset({f"z.{self.score.split('.', 1)[-1]}"})

    def check(self) -> None:
        """A score column, not a rank."""
        if self.score.split(".", 1)[0] not in UNITS or "." not in self.score:
            raise RecipeError(f"{self.label}: score={self.score!r} is no score column; <unit>.<name>, as in cos.dense")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Standardise in float64."""
        value = pl.col(self.score).cast(pl.Float64)
        # Equal scores do not always average to themselves in floating point, so a spread of 0 is seen by min and max.
        shape = pairs.frame.filter(~pl.col("positive")).group_by("query")
        table = shape.agg(mean=value.mean(), sd=value.std(ddof=0), flat=value.min() == value.max())
        mean, sd, flat = (pairs.per_query(table, c) for c in ("mean", "sd", "flat"))
        z = pl.when(flat & value.is_not_null()).then(0.0).when(~flat).then((value - mean) / sd)
        (name,) = self.adds
        return pairs.with_column(name, z)


def _place(column: str) -> pl.Expr:
    if column.startswith("rank."):
        return pl.col(column)
    among = pl.when(~pl.col("positive")).then(pl.col(column))
    place = among.rank("min", descending=True).over("query")
    return pl.when(pl.col("positive")).then(pl.col(column).rank("min", descending=True).over("query")).otherwise(place)


def _check_name(step: Similarity | Rerank | Rrf) -> None:
    if not re.fullmatch(r"[\w-]+", step.name):
        raise RecipeError(f"{step.label}: name={step.name!r}; use letters, digits, '-' and '_' only")
