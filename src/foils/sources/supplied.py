"""Negatives that came with the data."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.tables import FOUND, ranked
from foils.steps import Source


@dataclass(frozen=True)
class Supplied(Source):
    """Takes the negatives that the data brought along: judged not relevant, or listed in a training file.

    The rank is the place in the file where there is one (other tools list the hardest first), then the row of the
    document. Judged ones keep the mark of the judgment, and no score rule drops them. Unjudged ones are candidates
    like any other.

    Fails where the file was mined carelessly: its unjudged negatives may be false ones.

    Args:
        name: rank column ``rank.<name>``.
        depth: documents per query.
    """

    name: str = "supplied"
    depth: int = 100

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The supplied negatives of every query being mined."""
        collection = pairs.collection
        mined = pl.DataFrame({"query": pairs.queries})
        found = collection.negatives.join(mined, on="query", how="semi").select("query", "doc")
        order = ["query", "doc"]
        if collection.given is not None and "position" in collection.given.columns:
            found = found.join(collection.given.select("query", "doc", "position"), on=["query", "doc"], how="left")
            order.insert(1, "position")
        ordered = found.sort(order, nulls_last=True)
        return ranked(ordered, self.depth).select(*FOUND)
