"""Formats with texts in columns: sentence-transformers and TRL."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from foils.writers.options import Built, Options
from foils.writers.output import Output, lines, table
from foils.writers.selection import Selection


def triplet(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per positive and negative: query, answer, negative."""
    rows = chosen.by_triple
    columns = {"query": pl.col("query"), "answer": pl.col("pos_text"), "negative": pl.col("neg_text")}
    if chosen.score:
        columns["scores"] = pl.concat_list("pos_score", "neg_score")
    return _sided(rows.select(**columns), rows.select(*_sides(chosen, rows)), path, options)


def n_tuple(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per positive: query, answer, negative_1 to negative_N."""
    rows = chosen.by_positive
    n = int(chosen.negatives["place"].max())  # type: ignore[arg-type]
    columns = {"query": pl.col("query"), "answer": pl.col("pos_text")}
    columns |= {f"negative_{i + 1}": pl.col("neg_text").list.get(i) for i in range(n)}
    if chosen.score:
        columns["scores"] = pl.concat_list("pos_score", "neg_score")
    return _sided(rows.select(**columns), rows.select(*_sides(chosen, rows)), path, options)


def labeled_pair(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query and document: query, answer, label (1 or 0) or score."""
    positives = chosen.positives.select("q", doc_id="pos_id", answer="pos_text", label=1, **_score(chosen, "pos"))
    extras = [pl.col(c).alias(c.removeprefix("neg_")) for c in chosen.extras]
    negatives = chosen.negatives.select(
        "q", *extras, doc_id="neg_id", answer="neg_text", label=0, **_score(chosen, "neg")
    )
    # A stable sort by query keeps the positives, which come first, before the negatives.
    rows = chosen.with_query(pl.concat([positives, negatives], how="diagonal").sort("q", maintain_order=True))
    rows = rows.select("query_id", "query", *(c for c in rows.columns if c not in ("q", "query", "query_id")))
    side = rows.drop("query", "answer")
    return _sided(rows.select("query", "answer", "score" if chosen.score else "label"), side, path, options)


def labeled_list(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query: query, answer (all positives, then the negatives), labels; with scores a row per positive."""
    # Scores take the place of the labels, and then only the first place tells a positive from a negative.
    rows = chosen.by_positive if chosen.score else chosen.by_query
    columns = {"query": pl.col("query"), "answer": pl.concat_list("pos_text", "neg_text")}
    if chosen.score:
        columns["scores"] = pl.concat_list("pos_score", "neg_score")
    else:
        ones = pl.lit(1, dtype=pl.Int64).repeat_by(pl.col("pos_text").list.len())
        zeros = pl.lit(0, dtype=pl.Int64).repeat_by(pl.col("neg_text").list.len())
        columns["labels"] = pl.concat_list(ones, zeros)
    return _sided(rows.select(**columns), rows.select(*_sides(chosen, rows)), path, options)


def preference(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per positive and negative: prompt, chosen, rejected."""
    rows = chosen.by_triple
    columns = {"prompt": pl.col("query"), "chosen": pl.col("pos_text"), "rejected": pl.col("neg_text")}
    if chosen.score:
        columns |= {"score_chosen": pl.col("pos_score"), "score_rejected": pl.col("neg_score")}
    columns |= {"query_id": pl.col("query_id"), "chosen_id": pl.col("pos_id"), "rejected_id": pl.col("neg_id")}
    columns |= {c.removeprefix("neg_"): pl.col(c) for c in chosen.extras}
    if path.suffix == ".csv" and "origin" in columns:
        columns["origin"] = columns["origin"].list.join(" ")
    return Built(rows.height, (table(rows.select(**columns), path),))


def _score(chosen: Selection, side: str) -> dict[str, pl.Expr]:
    return {"score": pl.col(f"{side}_score")} if chosen.score else {}


def _sides(chosen: Selection, rows: pl.DataFrame) -> list[str]:
    names = ["query_id", "pos_id", "neg_id", "pos_score", "neg_score", *chosen.extras]
    return [n for n in names if n in rows.columns]


def _sided(rows: pl.DataFrame, side: pl.DataFrame, path: Path, options: Options) -> Built:
    # These trainers take every column as a text or a label, so ids have no place in the file itself.
    outputs: tuple[Output, ...] = (table(rows, path),)
    if options.sidecar:
        outputs += (lines(side, path.with_name(f"_{path.stem}.ids.jsonl")),)
    return Built(rows.height, outputs)
