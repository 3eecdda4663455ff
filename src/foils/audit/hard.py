"""Which negatives probably answer their query, and which are no harder than random documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.bias import Measure
from foils.audit.findings import Found
from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table
from foils.collection import Collection
from foils.detect import Detect
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.models.lsa import Lsa
from foils.neighbours import PositiveSimilarity
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.risk.estimate import Interval, cluster_robust
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.sources.supplied import Supplied
from foils.steps import Source

DEPTH = 50
CORPUS = 50_000
RANDOM = 200
FEW = 20
PART = 5_000
EASY = 0.2
LIKELY = 0.5


class Rated(NamedTuple):
    """What was estimated for the negatives of sampled queries.

    Args:
        frame: ``entry``, ``asked``, ``p`` (probability that the document answers the query), ``easy``.
        queries: how many queries the file has that could be sampled.
        corpus: how many documents were searched.
    """

    frame: pl.DataFrame
    queries: int
    corpus: int


def rate(
    table: Table,
    queries: pl.Series,
    of: int,
    engine: Engine,
    *,
    data: Collection | None = None,
    everything: bool = False,
) -> Rated:
    """Search around the negatives of some queries, and let the shipped detector and random documents judge them.

    Args:
        table: the file.
        queries: hashes of the queries.
        of: how many they were drawn from.
        engine: where heavy work runs.
        data: its documents are searched too.
        everything: search all documents, not only a random part.
    """
    corpus = _corpus(table, queries, data, everything)
    lsa = Lsa()
    parts = [_rated(collection, entries, lsa, engine) for collection, entries in _collections(table, queries, corpus)]
    return Rated(pl.concat(parts) if parts else _EMPTY, of, corpus.height)


def hard(table: Table, rated: Rated) -> tuple[list[Found], list[Measure]]:
    """The estimated false negatives and the share of easy ones, with intervals over queries."""
    frame = rated.frame
    if frame["asked"].n_unique() < FEW:
        return [], []
    total = int((table.entries["side"] == NEGATIVE).sum())
    false, easy = (_share(frame, column, rated.queries) for column in ("p", "easy"))
    sample = f"{frame.height:,} negatives of {frame['asked'].n_unique():,} queries, {rated.corpus:,} documents searched"
    measures = [
        Measure(
            "false-negative",
            "estimated share of false negatives",
            false.rate,
            false.low,
            false.high,
            f"{sample}; {RESTS}",
        ),
        Measure(
            "too-easy", "share of negatives no harder than random documents", easy.rate, easy.low, easy.high, sample
        ),
    ]
    worst = frame.sort("p", "entry", descending=[True, False])
    shown = worst["entry"].head(3).to_numpy().astype(np.int64)
    likely = worst.filter(pl.col("p") >= LIKELY)["entry"].sort().to_numpy().astype(np.int64)
    found = [
        Found(
            "false-negative", likely, count=round(false.rate * total), total=total,
            notes=tuple(f"p(relevant) {p:.2f}" for p in worst["p"].head(3)),
            extra={
                "shown": shown, "low": false.low, "high": false.high, "why": RESTS,
                "measure": f"{sample}; {len(likely):,} of these have a probability of at least {LIKELY:g}",
                "severity": "warning" if false.low > 0.02 else "note",
            },
        )
    ]  # fmt: skip
    if easy.rate >= EASY:
        plain = frame.filter("easy")["entry"].head(3).to_numpy().astype(np.int64)
        below = f"BM25 and LSA both below the 95th percentile of {RANDOM} random documents"
        severity = "warning" if easy.low >= 0.5 else "note"
        extra = {"low": easy.low, "high": easy.high, "measure": f"{sample}; {below}", "severity": severity}
        found.append(Found("too-easy", plain, count=round(easy.rate * total), total=total, extra=extra))
    return found, measures


def within(rated: Rated, risk: float) -> NDArray[np.int64]:
    """The entries that must go so that the mean probability of the others is within the risk, the likeliest first."""
    worst = rated.frame.filter(pl.col("p").is_not_null()).sort("p", "entry", descending=[True, False])
    p = worst["p"].to_numpy().astype(np.float64)
    left = np.concatenate((np.cumsum(p[::-1])[::-1], [0.0])) / np.maximum(np.arange(len(p), -1, -1), 1)
    enough = int(np.argmax(left <= risk))
    entries: NDArray[np.int64] = np.sort(worst["entry"].head(enough).to_numpy().astype(np.int64))
    return entries


RESTS = (
    "the estimate rests on the shipped detector, with BM25 and LSA as evidence and no verdict on this file; the "
    "interval covers the sampling of queries only, and on collections left out the predicted share was 0.6 to 2 times "
    "the true one"
)
_EMPTY = pl.DataFrame(schema={"entry": pl.UInt32, "asked": pl.UInt64, "p": pl.Float64, "easy": pl.Boolean})


def _share(frame: pl.DataFrame, column: str, of: int) -> Interval:
    each = (
        frame.drop_nulls(column)
        .group_by("asked")
        .agg(sum=pl.col(column).cast(pl.Float64).sum(), n=pl.len())
        .sort("asked")
    )
    return cluster_robust(each["sum"].to_numpy(), each["n"].cast(pl.Float64).to_numpy(), queries=of)


def _corpus(table: Table, queries: pl.Series, data: Collection | None, everything: bool) -> pl.DataFrame:
    """``body``, ``text``: the documents of the queries, and of the others a part drawn by a hash."""
    full = table.solid
    first = full.group_by("body").agg(pl.col("doc").first(), own=pl.col("asked").is_in(queries.implode()).any())
    texts = first.select("body", "own", text=pl.lit(table.passages).gather(pl.col("doc")))
    if data is not None:
        from foils.audit.beside import bodies

        more = pl.DataFrame({"body": bodies(data), "text": data.passages}).unique("body", keep="first")
        more = more.join(texts, on="body", how="anti").select("body", pl.lit(value=False).alias("own"), "text")
        texts = pl.concat([texts, more])
    texts = texts.sort(~pl.col("own"), pl.col("body").hash(seed=5), "body")
    own = int(texts["own"].sum())
    kept = texts if everything else texts.head(max(own + 5 * RANDOM, CORPUS))
    return kept.drop("own").sort("body")


def _collections(table: Table, queries: pl.Series, corpus: pl.DataFrame) -> Iterator[tuple[Collection, pl.DataFrame]]:
    """The file as a collection, a part of the queries at a time, and which entry each negative is."""
    full = table.full.select("entry", "asked", "body", "side", "query")
    documents = corpus.select(id=pl.col("body").cast(pl.String), text="text")
    numbers = corpus.select("body", doc=pl.int_range(pl.len(), dtype=pl.UInt32))
    for start in range(0, queries.len(), PART):
        part = queries[start : start + PART].sort()
        names = pl.DataFrame({"asked": part}).with_row_index("q").cast({"q": pl.UInt32})
        own = full.join(names, on="asked").join(numbers, on="body").sort("entry")
        text = own.unique("q", keep="first").sort("q")
        asked = pl.DataFrame({"id": part.cast(pl.String), "text": table.queries["text"].gather(text["query"])})
        labels = own.select(query="q", doc="doc", side="side", grade=pl.lit(1, dtype=pl.Int32)).unique()
        positives = labels.filter(pl.col("side") == POSITIVE).drop("side").sort("query", "doc")
        rest = labels.filter(pl.col("side") == NEGATIVE).drop("side").join(positives, on=["query", "doc"], how="anti")
        rest = rest.with_columns(grade=pl.lit(None, dtype=pl.Int32)).sort("query", "doc")
        entries = own.filter(pl.col("side") == NEGATIVE).select("entry", "asked", query="q", doc="doc")
        yield Collection(documents, asked, positives, rest), entries


def _rated(collection: Collection, entries: pl.DataFrame, lsa: Lsa, engine: Engine) -> pl.DataFrame:
    deep = int(collection.negatives.group_by("query").len()["len"].max() or 1)  # type: ignore[arg-type]
    sources: tuple[Source, ...] = (Bm25(depth=DEPTH), Dense(name="lsa", depth=DEPTH, encoder=lsa), Supplied(depth=deep))
    pairs = Pairs.start(collection)
    for source in sources:
        pairs = source(pairs, engine)
    for source in sources[:2]:
        values = source.fill(pairs, engine)
        if source.score and values is not None:
            pairs = pairs.with_column(source.score, values)
    evidence = (
        PositiveSimilarity(encoder=lsa),
        PositiveWords(),
        NeighbourAgreement(encoder=lsa),
        Specificity(encoder=lsa),
    )
    for step in (*evidence, Detect(level="shipped")):
        pairs = step(pairs, engine)
    bars = _bars(collection, pairs, lsa, engine)
    frame = pairs.frame.select("query", "doc", "bm25.bm25", "cos.lsa", p="prob.detector").join(bars, on="query")
    easy = (pl.col("bm25.bm25") <= pl.col("words")) & (pl.col("cos.lsa") <= pl.col("vectors"))
    rated = entries.join(frame.with_columns(easy=easy), on=["query", "doc"], how="inner", maintain_order="left")
    return rated.filter(pl.col("p").is_not_null()).select("entry", "asked", pl.col("p").cast(pl.Float64), "easy")


def _bars(collection: Collection, pairs: Pairs, lsa: Lsa, engine: Engine) -> pl.DataFrame:
    """Per query the scores that 95 of 100 random documents do not pass."""
    queries = pairs.queries
    drawn = np.argsort(collection.doc_hash, kind="stable")[:RANDOM].astype(np.uint32)
    grid = pl.DataFrame({"query": np.repeat(queries, len(drawn)), "doc": np.tile(np.sort(drawn), len(queries))})
    random = Pairs.start(collection).add("random", grid.with_columns(rank=pl.lit(1, dtype=pl.Int32)))
    columns = {"words": Bm25(depth=DEPTH), "vectors": Dense(name="lsa", depth=DEPTH, encoder=lsa)}
    for name, source in columns.items():
        values = source.fill(random, engine)
        if values is not None:
            random = Pairs(random.frame.with_columns(values.alias(name)), collection)
    away = random.frame.filter(~pl.col("positive") & pl.col("rank.random").is_not_null())
    return away.group_by("query").agg(pl.col(list(columns)).quantile(0.95, "higher"))
