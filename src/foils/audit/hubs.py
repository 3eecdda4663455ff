"""Documents that are negatives of very many queries."""

from __future__ import annotations

import polars as pl

from foils.audit.findings import Found
from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table
from foils.show import opening

TIMES = 20
LEAST = 0.001


def hubs(table: Table) -> list[Found]:
    """Documents used by at least 20 queries, 20 times the median, and one query in a thousand.

    What a fix would take are the uses beyond that limit, the same ones whatever the order of the file: a hash of
    query and text decides.
    """
    full = table.full
    negatives = full.filter(pl.col("side") == NEGATIVE)
    uses = negatives.group_by("body").agg(queries=pl.col("asked").n_unique(), doc=pl.col("doc").first())
    if uses.height == 0:
        return []
    queries = full["asked"].n_unique()
    limit = int(max(TIMES, LEAST * queries, TIMES * float(uses["queries"].median() or 0)))  # type: ignore[arg-type]
    often = uses.filter(pl.col("queries") >= limit).sort("queries", "body", descending=[True, False])
    if often.height == 0:
        return []
    known = full.filter(pl.col("side") == POSITIVE).group_by("body").agg(positive=pl.col("asked").n_unique())
    often = often.join(known, on="body", how="left", maintain_order="left").with_columns(
        pl.col("positive").fill_null(0)
    )
    held = negatives.join(often.select("body"), on="body", how="semi")
    key = pl.concat_str("asked", "body", separator=" ").hash(seed=3)
    beyond = held.with_columns(key=key).filter(pl.col("key").rank("dense").over("body") >= limit)
    rows = tuple(
        (opening(table.passages[doc], 60), f"{n:,}", f"{p:,}")
        for doc, n, p in often.select("doc", "queries", "positive").head(10).iter_rows()
    )
    most = often["queries"][0]
    shown = held.filter(pl.col("body") == often["body"][0])["entry"].head(3).to_numpy().astype("int64")
    return [
        Found(
            "reuse-hub", beyond["entry"].to_numpy().astype("int64"), count=often.height, total=uses.height,
            notes=tuple(f"negative of {most:,} of {queries:,} queries" for _ in shown),
            extra={
                "shown": shown,
                "measure": f"from {limit:,} queries on; {held.height:,} of {negatives.height:,} negatives are hubs",
                "table": (("document", "#negative of queries", "#positive of queries"), *rows),
            },
        )
    ]  # fmt: skip
