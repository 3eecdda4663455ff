"""Documents that look right but have the wrong language, date or type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.tables import FOUND, positives, ranked, values
from foils.sources.topk import exact_topk, pair_scores
from foils.steps import Source, WithEncoder


@dataclass(frozen=True)
class Attribute(WithEncoder, Source):
    """Keeps, of an encoder's ranking, documents whose language, date or type is not the positive's.

    Generalises MM-Embed (arXiv:2411.02571), whose C1 are documents of the wrong modality that the encoder ranks
    above the positive, out of the top 50. A document differs if it shares its value with no known positive of the
    query; it ranks above if it scores higher than the lowest of them. Where the positive's value is missing there
    are no candidates, and a document without a value is never one. With ``differ`` off and ``above_positive`` off
    the result, cut by a rank window, is MM-Embed's C2.

    Fails where the value says nothing about the answer: a document in another language answers the question if
    users read both.

    Args:
        name: rank column ``rank.<name>`` (within what is kept), score column ``<unit>.<name>``.
        depth: how deep the ranking is searched; published 50.
        encoder: makes the ranking.
        column: column of the corpus that is compared, also nested (``metadata.language``).
        differ: keep documents with another value; off: with the same.
        above_positive: keep only documents that score above a positive.
    """

    name: str = "attribute"
    depth: int = 100
    column: str = "language"
    differ: bool = True
    above_positive: bool = True

    @property
    def score(self) -> str | None:
        """The score column."""
        return f"{self.encoder.unit}.{self.name}" if self.encoder is not None else None

    def check(self) -> None:
        """An encoder is needed, and a column."""
        super().check()
        if not self.column:
            raise RecipeError(f"{self.label}: column is empty; name the column of the corpus that is compared")

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The documents kept of every query's ranking."""
        collection, rows, known = pairs.collection, pairs.queries, positives(pairs)
        table = values(collection.corpus, self.column)
        documents = self.model.vectors(collection, "document", None, engine)
        queries = self.model.vectors(collection, "query", rows, engine)
        with engine.track(f"search {self.name}", len(queries) * len(documents), "pairs") as advance:
            ids, scores = exact_topk(queries, documents, self.depth, advance=advance)
        at = pl.Series(rows).search_sorted(known["query"]).to_numpy()
        scored = known.with_columns(score=pl.Series(pair_scores(queries, documents, at, known["doc"].to_numpy())))
        floor = scored.group_by("query").agg(floor=pl.col("score").min())
        right = known.join(table, on="doc").select("query", "value").unique()
        found = pl.DataFrame({"query": rows.repeat(ids.shape[1]), "doc": ids.ravel(), "score": scores.ravel()})
        found = found.join(known, on=["query", "doc"], how="anti", maintain_order="left")
        if self.above_positive:
            above = found.join(floor, on="query", maintain_order="left")
            found = above.filter(pl.col("score") > pl.col("floor")).drop("floor")
        found = found.join(right.select("query").unique(), on="query", how="semi", maintain_order="left")
        found = found.join(table.select("doc").unique(), on="doc", how="semi", maintain_order="left")
        same = found.select("query", "doc").join(table, on="doc").join(right, on=["query", "value"], how="semi")
        how: Literal["anti", "semi"] = "anti" if self.differ else "semi"
        kept = found.join(same, on=["query", "doc"], how=how, maintain_order="left")
        return ranked(kept, self.depth).select(*FOUND, "score")

    def fill(self, pairs: Pairs, engine: Engine) -> pl.Series | None:
        """The encoder's score of every row."""
        rows = pairs.queries
        queries = self.model.vectors(pairs.collection, "query", rows, engine)
        documents = self.model.vectors(pairs.collection, "document", None, engine)
        at = pl.Series(rows).search_sorted(pairs.frame["query"]).to_numpy()
        return pl.Series(self.score, pair_scores(queries, documents, at, pairs.frame["doc"].to_numpy()))
