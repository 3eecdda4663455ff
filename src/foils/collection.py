"""Collection: documents, queries and what is known about them."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import DataError

LABELS = {"query": pl.UInt32, "doc": pl.UInt32, "grade": pl.Int32}


@dataclass(frozen=True)
class Finding:
    """One irregularity of the input: what it is, how often, and what was done about it."""

    what: str
    count: int
    policy: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Collection:
    """Documents, queries and labels; the row number is the integer used inside.

    Args:
        corpus: columns ``id``, ``text``, optionally ``title``; any other column is kept.
        queries: columns ``id``, ``text``; any other column is kept.
        positives: columns ``query`` u32, ``doc`` u32 (row numbers), ``grade`` i32; the known positives.
        negatives: the same columns; a grade is a human judgment "not relevant", a grade below 0 trec_eval's mark for
            "in the pool, not judged", a null grade a negative that the input file brought along without a judgment.
        name: shown in reports.
        findings: what was irregular in the input, and the policy applied.
        given: what a training file says of its pairs, or None: ``query`` u32, ``doc`` u32, ``position`` i32 (place
            among the query's negatives, from 1; null for a positive), and the file's own columns (``score``, ...).
    """

    corpus: pl.DataFrame
    queries: pl.DataFrame
    positives: pl.DataFrame
    negatives: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LABELS))
    name: str = ""
    findings: tuple[Finding, ...] = ()
    given: pl.DataFrame | None = None

    @staticmethod
    def read(
        path: str | Path, *, split: str = "train", positives: str | Path | None = None, relevant_from: int = 1
    ) -> Collection:
        """Read a collection from any format that foils knows.

        Args:
            path: a BEIR folder, a JSONL, Parquet, CSV or TSV file, a Hugging Face dataset on disk, or a training
                file of another tool (formats: ``docs/formats-read.md``).
            split: which qrels of a BEIR folder, which split of a dataset.
            positives: a file with header ``query-id corpus-id score`` that replaces the qrels.
            relevant_from: the lowest grade that counts as positive; lower grades are kept as judged not relevant.

        Raises:
            DataError: the path cannot be read, or holds nothing that can be mined.
        """
        # The readers know Collection, not the other way round: found by name, so that no layer imports upwards.
        readers = importlib.import_module("foils.readers")
        collection: Collection = readers.read(path, split=split, positives=positives, relevant_from=relevant_from)
        return collection

    @cached_property
    def passages(self) -> pl.Series:
        """What models see of each document: title and text, joined by a space."""
        text = self.corpus["text"]
        if "title" not in self.corpus.columns:
            return text
        joined = self.corpus.select(
            pl.concat_str(pl.col("title").fill_null(""), pl.col("text"), separator=" ").str.strip_chars()
        )
        return joined.to_series().alias("text")

    @cached_property
    def query_hash(self) -> NDArray[np.uint64]:
        """A stable 64-bit hash of every query id: randomness that does not depend on row order."""
        return hash_ids(self.queries["id"].to_list())

    @cached_property
    def doc_hash(self) -> NDArray[np.uint64]:
        """A stable 64-bit hash of every document id."""
        return hash_ids(self.corpus["id"].to_list())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all ids, texts and labels."""
        digest = hashlib.sha256()
        for series in (self.corpus["id"], self.passages, self.queries["id"], self.queries["text"]):
            for text in series.to_list():
                raw = text.encode("utf-8", "surrogatepass")
                digest.update(len(raw).to_bytes(4, "little") + raw)
        for labels in (self.positives, self.negatives):
            for column in ("query", "doc", "grade"):
                digest.update(labels[column].fill_null(-1).to_numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def extras(self) -> str:
        """A hash of all other columns and of what the input file says of its pairs; empty if there is neither."""
        corpus, queries = self.corpus.drop("id", "text", "title", strict=False), self.queries.drop("id", "text")
        tables = [("corpus", corpus), ("queries", queries)]
        if self.given is not None:
            tables.append(("given", self.given))
        digest = hashlib.sha256()
        for name, table in tables:
            for column in sorted(table.columns):
                digest.update(repr((name, column)).encode("utf-8", "surrogatepass"))
                for part in table.select(column).iter_slices(1 << 16):
                    digest.update(repr(part.to_series().to_list()).encode("utf-8", "surrogatepass"))
        return digest.hexdigest() if any(table.width for _, table in tables) else ""

    def __repr__(self) -> str:
        """Name and sizes."""
        return (
            f"Collection({self.name!r}: {self.corpus.height:,} documents, {self.queries.height:,} queries, "
            f"{self.positives.height:,} positives, {self.negatives.height:,} negatives)"
        )


def hash_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Hash ids to 64 bits, the same on every machine and version."""
    digests = b"".join(hashlib.blake2b(i.encode("utf-8", "surrogatepass"), digest_size=8).digest() for i in ids)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def build(
    corpus: pl.DataFrame,
    queries: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    name: str = "",
    relevant_from: int = 1,
    given: pl.DataFrame | None = None,
) -> Collection:
    """Check raw tables, apply the stated policies, and number the rows.

    Policies: a repeated id with the same text is merged, with another text is an error; documents and queries
    with an empty text are left out; labels of unknown ids are left out, and if none is left that is an error; a
    repeated label keeps its highest grade. Equal texts under different ids are kept, and counted.

    Args:
        corpus: ``id``, ``text``, optionally ``title`` and others.
        queries: ``id``, ``text`` and others.
        labels: ``query_id``, ``doc_id``, ``grade`` i32 (null: a negative brought along, not judged).
        name: of the collection.
        relevant_from: the lowest grade of a positive.
        given: ``query_id``, ``doc_id``, ``position`` and others, see ``Collection``; pairs of unknown ids are left
            out, and a pair that stands there twice keeps its first values.

    Raises:
        DataError: nothing usable is left, or an id has two texts.
    """
    findings: list[Finding] = []
    corpus = _clean(corpus, "documents", findings)
    queries = _clean(queries, "queries", findings)
    numbered = _number(labels, corpus, queries, findings)
    positives = numbered.filter(pl.col("grade") >= relevant_from)
    # The same pair as positive and as brought-along negative: the positive is what counts.
    rest = numbered.filter((pl.col("grade") < relevant_from) | pl.col("grade").is_null())
    negatives = rest.join(positives, on=["query", "doc"], how="anti")
    note(findings, "pairs given both as positive and as negative", rest.height - negatives.height, "kept as positive")
    # A judgment says more than having been brought along.
    negatives = negatives.sort("query", "doc", "grade", nulls_last=True).unique(["query", "doc"], keep="first")
    negatives = negatives.sort("query", "doc")
    if positives.height == 0:
        raise DataError(
            f"no positives: {labels.height:,} labels were read, none with a grade of at least {relevant_from} "
            "for a known query and document; check the split, the ids and --relevant-from"
        )
    _observe(corpus, queries, findings)
    kept = None if given is None else _number_given(given, corpus, queries)
    return Collection(corpus, queries, positives, negatives, name, tuple(findings), kept)


def note(findings: list[Finding], what: str, count: int, policy: str, examples: Sequence[str] = ()) -> None:
    """Add a finding if there is anything to tell."""
    if count:
        findings.append(Finding(what, count, policy, tuple(examples[:3])))


def _clean(table: pl.DataFrame, what: str, findings: list[Finding]) -> pl.DataFrame:
    if table.height == 0:
        raise DataError(f"there are no {what}: 0 rows were read, at least 1 is needed")
    texts = ["text", "title"] if "title" in table.columns else ["text"]
    table = table.with_columns(pl.col("id").cast(pl.String), *(pl.col(t).cast(pl.String).fill_null("") for t in texts))
    distinct = table.unique(["id", *texts], keep="first", maintain_order=True)
    note(findings, f"{what} repeated under the same id", table.height - distinct.height, "merged")
    if distinct["id"].n_unique() < distinct.height:
        twice = distinct.filter(pl.col("id").is_duplicated())["id"][0]
        raise DataError(f"the id {twice!r} stands for two different texts among the {what}; ids must be unique")
    body = pl.concat_str(texts, separator=" ").str.strip_chars()
    empty = distinct.filter(body == "")
    note(findings, f"{what} with an empty text", empty.height, "left out", empty["id"].to_list())
    kept = distinct.filter(body != "")
    if kept.height == 0:
        raise DataError(f"all {table.height:,} {what} have an empty text; at least one must have words")
    return kept


def _number(labels: pl.DataFrame, corpus: pl.DataFrame, queries: pl.DataFrame, findings: list[Finding]) -> pl.DataFrame:
    labels = labels.with_columns(
        pl.col("query_id").cast(pl.String), pl.col("doc_id").cast(pl.String), pl.col("grade").cast(pl.Int32)
    )
    query_rows, doc_rows = _rows(queries, "query"), _rows(corpus, "doc")
    joined = labels.join(query_rows, on="query_id", how="left").join(doc_rows, on="doc_id", how="left")
    for column, what in (("query", "query"), ("doc", "document")):
        lost = joined.filter(pl.col(column).is_null())
        ids = lost[f"{column}_id"].unique(maintain_order=True).to_list()
        note(findings, f"labels whose {what} id does not exist or has no text", lost.height, "left out", ids)
        if lost.height == joined.height and lost.height:
            raise DataError(
                f"none of the {lost.height:,} labels names a known {what}: first id {ids[0]!r}; "
                "the labels belong to another collection, or ids are written differently"
            )
    known = joined.drop_nulls(["query", "doc"])
    unjudged = pl.col("grade").is_null().alias("unjudged")
    merged = known.group_by("query", "doc", unjudged).agg(pl.col("grade").max()).sort("query", "doc")
    note(findings, "labels given more than once", known.height - merged.height, "the highest grade counts")
    return merged.select(pl.col(name).cast(dtype) for name, dtype in LABELS.items())


def _rows(table: pl.DataFrame, name: str) -> pl.DataFrame:
    return table.select(pl.col("id").alias(f"{name}_id"), pl.int_range(pl.len(), dtype=pl.UInt32).alias(name))


def _number_given(given: pl.DataFrame, corpus: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    # In the file's order: of a pair that stands there twice the first values count.
    known = given.join(_rows(queries, "query"), on="query_id", maintain_order="left")
    known = known.join(_rows(corpus, "doc"), on="doc_id", maintain_order="left")
    others = pl.exclude("query", "doc", "query_id", "doc_id", "position")
    first = known.group_by("query", "doc", maintain_order=True).agg(
        pl.col("position").min().cast(pl.Int32), others.drop_nulls().first()
    )
    return first.sort("query", "doc")


def _observe(corpus: pl.DataFrame, queries: pl.DataFrame, findings: list[Finding]) -> None:
    same = corpus.filter(pl.col("text").is_duplicated() & (pl.col("text") != ""))
    copies = same.height - same["text"].n_unique()
    policy = "kept; the copies of a positive are never negatives"
    note(findings, "documents whose text stands under another id too", copies, policy, same["id"].to_list())
    echo = corpus.join(queries.select("text").unique(), on="text", how="semi")
    policy = "kept; never a negative of that query"
    note(findings, "documents whose text equals a query", echo.height, policy, echo["id"].to_list())
