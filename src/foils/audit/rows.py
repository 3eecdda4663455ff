"""Rows as a whole: what is missing, misshapen, repeated or too short; ids that do not fit; scores that say nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.findings import Found
from foils.audit.slots import INFINITE, MISSING, NEGATIVE, POSITIVE, SENTINEL
from foils.audit.table import Table

TROUBLE = {"text for list": "text-for-list", "list as text": "list-as-text", "stale": "stale-column"}


def rows(table: Table, negatives: int | None = None, *, paired: bool = False) -> list[Found]:
    """Every exact check of rows and ids.

    Args:
        table: the file.
        negatives: how many a row needs; null: as many as most rows have.
        paired: a row needs a negative even if no other row has one (left).
    """
    return [*_trouble(table), *_sides(table, negatives, paired=paired), *_ids(table), *_repeated(table)]


def scores(table: Table, margin: float = 0.0) -> list[Found]:
    """Every exact check of the file's own scores.

    Args:
        table: the file.
        margin: how far below its row's lowest positive a negative must be scored.
    """
    full, flags = table.entries, pl.col("flags")
    full = full if "entry" in full.columns else full.with_row_index("entry")
    bad = full.filter(flags & INFINITE != 0)
    score = pl.col("score").fill_nan(None)
    lowest = full.select(score.min()).item()
    marks = full.filter(flags & SENTINEL != 0) if lowest is not None and lowest >= -1 else full.clear()
    found = [
        Found("non-finite-score", _numbers(bad.filter(pl.col("side") == NEGATIVE), "entry")),
        Found("non-finite-positive", _numbers(bad.filter(pl.col("side") == POSITIVE), "entry")),
        Found("sentinel-score", _numbers(marks, "entry")),
    ]
    scored = full.with_columns(score=score).with_columns(
        score=pl.when(~pl.col("entry").is_in(marks["entry"].implode())).then("score")
    )
    if scored["score"].count() == 0:
        return found
    each = scored.group_by("record", maintain_order=True).agg(
        n=pl.col("score").count(), spread=pl.col("score").max() - pl.col("score").min()
    )
    tied = each.filter((pl.col("n") >= 3) & (pl.col("spread") == 0))
    # Where most rows have scores, a row without any misses them all.
    without = each.filter((pl.col("n") == 0) & (2 * (pl.col("n") > 0).sum() > pl.len()))["record"]
    told = (flags & MISSING != 0) | pl.col("record").is_in(without.implode())
    missing = scored.filter(told & (flags & SENTINEL == 0))
    found.append(Found("missing-score", _numbers(missing, "entry")))
    found.append(Found("tied-scores", records=_numbers(tied, "record"), total=int((each["n"] >= 3).sum())))
    least = scored.filter(pl.col("side") == POSITIVE).group_by("record").agg(least=pl.col("score").min())
    above = scored.filter(pl.col("side") == NEGATIVE).join(least, on="record", maintain_order="left")
    compared = above.filter(pl.col("score").is_not_null() & pl.col("least").is_not_null())
    above = compared.filter(pl.col("score") > pl.col("least") - margin)
    notes = tuple(f"{s:.4g}, positive {p:.4g}" for s, p in above.head(3).select("score", "least").iter_rows())
    extra = {"measure": f"scored above the lowest positive of the row minus a margin of {margin:g}"} if margin else {}
    found.append(Found("above-positive", _numbers(above, "entry"), total=compared.height, notes=notes, extra=extra))
    return found


def _trouble(table: Table) -> list[Found]:
    found = []
    unreadable = table.trouble.filter(pl.col("kind") == "unreadable")
    found.append(Found("unreadable", records=_numbers(unreadable, "record"), notes=tuple(unreadable["what"].head(3))))
    for kind, key in TROUBLE.items():
        if kind == "list as text" and table.source.lists_as_text:
            continue
        part = table.trouble.filter(pl.col("kind") == kind)
        columns = tuple(part.select("record", "what").iter_rows())
        records = part["record"].unique().sort().to_numpy().astype(np.int64)
        found.append(Found(key, records=records, columns=columns, notes=tuple(part["what"].head(3))))
    return found


def _sides(table: Table, wanted: int | None, *, paired: bool) -> list[Found]:
    """Rows without query, positives or negatives, and rows with fewer negatives than others."""
    full = table.full
    readable = table.records.filter("readable")
    text = pl.lit(table.queries["text"]).gather(pl.col("query")).str.strip_chars()
    blank = readable.filter((text == "") & pl.lit(table.queries["known"]).gather(pl.col("query")))
    solid = full.filter(~pl.lit(table.empty).gather(pl.col("doc")))
    found = [Found("empty-query", records=_numbers(blank, "record"))]
    single = full["label"].is_not_null().any()
    rest = readable.join(blank, on="record", how="anti")
    for key, side in (("no-positive", POSITIVE), ("no-negative", NEGATIVE)):
        has = solid.filter(pl.col("side") == side)
        # A label per document: the rows of a query belong together, and a query may have one side only.
        if (has.height or (paired and side == NEGATIVE)) and not single:
            found.append(Found(key, records=_numbers(rest.join(has, on="record", how="anti"), "record")))
    negatives = solid.filter(pl.col("side") == NEGATIVE)
    if single or negatives.height == 0:
        return found
    counts = negatives.group_by("record").agg(n=pl.col("body").n_unique()).sort("record")
    usual = wanted or int(counts["n"].mode().max())  # type: ignore[arg-type]
    short = counts.filter(pl.col("n") < usual)
    notes = tuple(f"{n} of {usual}" for n in short["n"].head(3))
    extra = {"severity": "warning"} if wanted else {}
    found.append(Found("short-rows", records=_numbers(short, "record"), notes=notes, extra=extra))
    return found


def _ids(table: Table) -> list[Found]:
    full = table.full
    named = full.filter(pl.col("id") >= 0)
    texts = named.group_by("id").agg(n=pl.col("doc").n_unique(), entry=pl.col("entry").first()).filter(pl.col("n") > 1)
    twice = texts.sort("entry")
    found = [
        Found(
            "doc-id-texts", _numbers(twice, "entry"), total=named["id"].n_unique(),
            notes=tuple(f"id {table.ids[i]}: {n} texts" for i, n in twice.select("id", "n").head(3).iter_rows()),
        )
    ]  # fmt: skip
    asked = table.records.filter(pl.col("query_id") >= 0)
    names = asked.group_by("query_id").agg(n=pl.col("query").n_unique(), record=pl.col("record").first())
    split = names.filter(pl.col("n") > 1).sort("record")
    found.append(
        Found(
            "query-id-texts", records=_numbers(split, "record"), total=names.height,
            notes=tuple(f"id {table.query_ids[i]}" for i in split["query_id"].head(3)),
        )
    )  # fmt: skip
    unknown = full.filter(~pl.lit(table.docs["known"]).gather(pl.col("doc")))
    lost = not table.docs["known"].any()
    key = "corpus-missing" if lost else "unknown-id"
    found.append(Found(key, _numbers(unknown, "entry")))
    return found


def _repeated(table: Table) -> list[Found]:
    """Rows that say the same, and queries that stand in several rows."""
    full = table.full.sort("record", "side", "body")
    label = pl.col("label").fill_null(-1).cast(pl.String)
    content = pl.concat_str(pl.col("side"), pl.col("body"), label, separator=" ").hash(seed=2)
    # Sums of hashes do not depend on the order of the documents in a row.
    sums = full.select("record", "asked", content=content).group_by("record", "asked", maintain_order=True)
    said = sums.agg(sum=pl.col("content").sum(), n=pl.len())
    again = said.filter(pl.col("record") > pl.col("record").min().over("asked", "sum", "n"))
    rest = table.records.filter("readable").join(again, on="record", how="anti")
    asked = rest.select("record", "columns", "query_id", asked=pl.lit(table.asked).gather(pl.col("query")))
    later = asked.filter(pl.col("record") > pl.col("record").min().over("asked"))
    question = [i for i, names in enumerate(table.columns) if "question_id" in names]
    ids = asked.filter(pl.col("columns").is_in(question) & (pl.col("query_id") >= 0))
    taken = ids.filter(pl.col("record") > pl.col("record").min().over("query_id"))
    found = [Found("repeated-row", records=_numbers(again, "record"))]
    found.append(Found("repeated-question-id", records=_numbers(taken, "record")))
    if full["label"].null_count() == full.height:
        found.append(Found("repeated-query", records=_numbers(later.join(taken, on="record", how="anti"), "record")))
    return found


def _numbers(table: pl.DataFrame, column: str) -> NDArray[np.int64]:
    return table[column].to_numpy().astype(np.int64)
