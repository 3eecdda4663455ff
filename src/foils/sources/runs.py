"""Rankings that another tool made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from foils.errors import DataError, RecipeError
from foils.pairs import UNITS, Pairs
from foils.protocols import Engine
from foils.sources.ranking_files import read_ranking
from foils.sources.tables import FOUND, ranked
from foils.steps import Source


@dataclass(frozen=True)
class RunFile(Source):
    """Takes the candidates of a ranking that any other retriever made, from a file.

    Formats, recognised by content, also compressed by gzip: TREC runs (6 columns), MS MARCO runs (query, document,
    rank) and runs with a score instead (the third column is a rank if all of it are whole numbers), tables with a
    header, lists (query, then documents apart by spaces or commas), ANCE (query, positive, negatives apart by
    commas), JSON mappings of queries to documents (DRhard) or to documents with scores, and JSON lines with hits,
    candidates or negatives (GPL, Pyserini, rank_llm). Several retrievers have been shown to give sounder negatives
    than one (R2anker, arXiv:2206.08063).

    Within a query the order is by score, highest first, then by the given rank, then by line. Documents that the
    collection does not know are left out and counted, a document listed twice keeps its better place, and ranks are
    numbered from 1 over what remains.

    Fails where the run was made over another corpus or with positives already taken out: a rank window then means
    something else.

    Args:
        name: rank column ``rank.<name>`` and, with a unit, score column ``<unit>.<name>``.
        depth: the best ranks kept per query.
        path: the file.
        unit: what the scores are: cos, dot, bm25, logit, prob...; null: only ranks are kept.
        retriever: which one, where a file holds several (GPL and msmarco-hard-negatives: ``neg`` by retriever).
    """

    name: str = "run"
    depth: int = 100
    path: str | Path = ""
    unit: str | None = None
    retriever: str = ""

    @property
    def score(self) -> str | None:
        """The score column, if the unit is known."""
        return f"{self.unit}.{self.name}" if self.unit else None

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    @property
    def reads(self) -> tuple[Path, ...]:
        """The file."""
        return (Path(self.path),)

    def check(self) -> None:
        """The file must exist, the unit be known."""
        super().check()
        if not self.path:
            raise RecipeError(f"{self.label}: path is missing; name the file of the ranking")
        if not Path(self.path).is_file():
            raise DataError(f"{self.label}: there is no file {self.path}; path must name an existing run file")
        if self.unit is not None and self.unit not in UNITS:
            raise RecipeError(f"{self.label}: unit={self.unit!r} is not known; one of {', '.join(UNITS)}, or none")

    def facts(self) -> dict[str, str]:
        """Rows read, left out because an id is unknown, and repeated."""
        return dict(self._noted)

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The candidates of every query that the run has."""
        read = read_ranking(Path(self.path), self.retriever)
        if self.unit and read["score"].null_count():
            raise DataError(f"{self.path} has no scores, but unit={self.unit!r} was given; leave unit out")
        queries = pairs.collection.queries.select(query_id="id", query=pl.int_range(pl.len(), dtype=pl.UInt32))
        docs = pairs.collection.corpus.select(doc_id="id", doc=pl.int_range(pl.len(), dtype=pl.UInt32))
        asked = read.join(queries, on="query_id", maintain_order="left")
        if asked.height == 0:
            raise DataError(
                f"{self.path}: none of its queries is in the collection; first query id in the file: "
                f"{read['query_id'][0]!r}, in the collection: {pairs.collection.queries['id'][0]!r}"
            )
        best = asked.sort(
            "query", "score", "given", descending=[False, True, False], nulls_last=True, maintain_order=True
        )
        once = best.unique(["query", "doc_id"], keep="first", maintain_order=True)
        known = once.join(docs, on="doc_id", maintain_order="left")
        self._noted.update(
            rows=f"{read.height:,}",
            rows_of_unknown_queries=f"{read.height - asked.height:,}",
            rows_of_unknown_documents=f"{once.height - known.height:,}",
            repeated_rows=f"{asked.height - once.height:,}",
        )
        if known.height == 0:
            raise DataError(
                f"{self.path}: none of its documents is in the collection; first document id in the file: "
                f"{read['doc_id'][0]!r}, in the collection: {pairs.collection.corpus['id'][0]!r}"
            )
        mined = pl.Series("query", pairs.queries).to_frame()
        kept = ranked(known.join(mined, on="query", how="semi", maintain_order="left"), self.depth)
        score = [pl.col("score").cast(pl.Float32)] if self.unit else []
        return kept.select(*FOUND, *score)
