"""Neighbours of the positives: linked or cited documents, documents of the same page or category."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.tables import FOUND, links, positives, ranked, reach, shuffled, values
from foils.steps import Source

BATCH = 1 << 23


@dataclass(frozen=True)
class Links(Source):
    """Finds documents that a known positive links to or cites, or that share its page, section or category.

    Fewer hops rank first, then more links from the query's positives, then a hash of query id and document id.
    Known positives are left out. Cited documents as negatives: SPECTER (arXiv:2004.07180) and BiCA
    (arXiv:2511.08029); passages of the positive's own page are what DPR-style mining finds hardest.

    Fails where the positive only introduces a page and its neighbour holds the answer: neighbours of a positive are
    false negatives more often than other documents.

    Args:
        name: rank column ``rank.<name>``.
        depth: documents per query.
        column: column of the corpus with the ids linked to: a list, a mapping with ids as keys, or text with ids
            apart by spaces or commas; ``metadata.links`` reaches into a column.
        by: column whose value is shared with a positive, for instance ``page``; if set, ``column`` is not read.
        hops: how many links in a row are followed, 1 or 2.
        both: follow links backward too, to documents that cite the positive.
    """

    name: str = "links"
    depth: int = 100
    column: str = "links"
    by: str = ""
    hops: int = 1
    both: bool = False

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    def check(self) -> None:
        """One or two hops, and none by a shared value."""
        super().check()
        if self.hops not in (1, 2):
            raise RecipeError(f"{self.label}: hops={self.hops}; 1 or 2 links in a row can be followed")
        if self.by and (self.hops > 1 or self.both):
            raise RecipeError(f"{self.label}: by={self.by!r} follows no links; leave hops and both at their defaults")

    def facts(self) -> dict[str, str]:
        """How many links there are, and how many name no document."""
        return dict(self._noted)

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The neighbours of every query's positives."""
        known = positives(pairs)
        if self.by:
            return self._sharing(pairs, known)
        edges, unknown = links(pairs.collection.corpus, self.column, both=self.both)
        self._noted.update(links=f"{edges.height:,}", links_to_unknown_ids=f"{unknown:,}")
        found = shuffled(pairs, reach(known, edges, self.hops), seed=0)
        best = found.sort("query", "hop", pl.col("paths"), "draw", descending=[False, False, True, False])
        return ranked(best, self.depth).select(*FOUND)

    def _sharing(self, pairs: Pairs, known: pl.DataFrame) -> pl.DataFrame:
        table = values(pairs.collection.corpus, self.by)
        self._noted.update(values=f"{table['value'].n_unique():,}")
        wanted = known.join(table, on="doc").select("query", "value")
        sizes = wanted.join(table.group_by("value").len(), on="value", maintain_order="left")["len"].to_numpy()
        # Large categories shared by many queries: a bounded number of rows at a time, each query in one part.
        part = np.cumsum(sizes) // BATCH
        first = wanted.with_columns(part=pl.Series(part)).with_columns(pl.col("part").min().over("query"))
        found = [pl.DataFrame(schema=FOUND)]
        for some in first.partition_by("part", maintain_order=True):
            shared = some.join(table, on="value").group_by("query", "doc").agg(paths=pl.len())
            fresh = shuffled(pairs, shared.join(known, on=["query", "doc"], how="anti"), seed=0)
            best = fresh.sort("query", "paths", "draw", descending=[False, True, False])
            found.append(ranked(best, self.depth).select(*FOUND))
        return pl.concat(found).sort("query", "rank")
