"""Surface similarity of query and document, as a score column."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Step
from foils.texts import words

WORDS = pl.List(pl.Categorical)


@dataclass(frozen=True)
class WordOverlap(Step):
    """Adds the Jaccard overlap of the words of query and document, ``jaccard.<name>``.

    Jaccard (1901) on the sets of lower-cased words; in scripts without spaces, on single characters. Fails as a
    measure of relevance: it is meant as the surface side of ``DebCse``.

    Args:
        name: of the column.
    """

    name: str = "words"

    @property
    def adds(self) -> frozenset[str]:
        """The overlap."""
        return frozenset({f"jaccard.{self.name}"})

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Compare sets in slices, so that memory stays bounded."""
        queries = _words(pairs.collection.queries["text"])
        docs = _words(pairs.collection.passages)
        parts = [
            _jaccard(queries.gather(part["query"]), docs.gather(part["doc"]))
            for part in pairs.frame.select("query", "doc").iter_slices(200_000)
        ]
        return pairs.with_column(f"jaccard.{self.name}", pl.concat(parts))


def _words(texts: pl.Series) -> pl.Series:
    return words(texts).str.split(" ").list.unique(maintain_order=True).list.set_difference([""]).cast(WORDS)


def _jaccard(left: pl.Series, right: pl.Series) -> pl.Series:
    both = left.list.set_intersection(right).list.len().cast(pl.Float32)
    either = left.list.len().cast(pl.Float32) + right.list.len().cast(pl.Float32) - both
    return pl.select(pl.when(either > 0).then(both / either).otherwise(0.0).cast(pl.Float32)).to_series()
