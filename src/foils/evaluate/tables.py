"""Rankings and judgments as tables, from dictionaries or frames, in the order of trec_eval."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from foils.errors import DataError

Run = Mapping[str, Mapping[str, float]] | pl.DataFrame
Qrels = Mapping[str, Mapping[str, int]] | pl.DataFrame

RANKING = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64, "rank": pl.UInt32}
LABELS = {"query_id": pl.String, "doc_id": pl.String, "grade": pl.Int32}


def ranked(run: Run, depth: int | None = None) -> pl.DataFrame:
    """Order a run as trec_eval does: highest score first, equal scores by document id, last id first.

    A document that stands twice keeps its better score.

    Args:
        run: query id to (document id to score), or a frame with ``query_id``, ``doc_id``, ``score``.
        depth: places kept per query; null: all.

    Returns:
        ``query_id``, ``doc_id``, ``score``, ``rank`` from 1, sorted by query and rank.

    Raises:
        DataError: a score is missing or not finite.

    >>> ranked({"q": {"a": 1.0, "b": 2.0, "c": 1.0}})["doc_id"].to_list()
    ['b', 'c', 'a']
    """
    frame = _frame(run, "score", pl.Float64, "a run")
    bad = frame.filter(~pl.col("score").is_finite().fill_null(value=False))
    if bad.height:
        query, doc, score = bad.row(0)
        raise DataError(
            f"{bad.height:,} of {frame.height:,} scores of the run are missing or not finite, first that of document "
            f"{doc!r} for query {query!r} ({score}); a ranking needs numbers"
        )
    best = frame.group_by("query_id", "doc_id").agg(pl.col("score").max())
    placed = best.sort("query_id", "score", "doc_id", descending=[False, True, True])
    placed = placed.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("query_id"))
    return placed if depth is None else placed.filter(pl.col("rank") <= depth)


def labels(qrels: Qrels) -> pl.DataFrame:
    """Judgments as ``query_id``, ``doc_id``, ``grade``; a null or NaN grade is no judgment and is left out.

    A negative grade stays: it is trec_eval's mark for "in the pool, not judged". A pair that stands twice keeps its
    highest grade.

    Args:
        qrels: query id to (document id to grade), or a frame with ``query_id``, ``doc_id``, ``grade``.

    Raises:
        DataError: there is no judgment, or a grade is no whole number.
    """
    frame = _frame(qrels, "grade", pl.Float64, "judgments").fill_nan(None).drop_nulls("grade")
    grade = pl.col("grade")
    broken = frame.filter((grade != grade.round()) | ~grade.is_between(-(2**31), 2**31 - 1))
    if broken.height:
        query, doc, first = broken.row(0)
        raise DataError(
            f"{broken.height:,} of {frame.height:,} grades are no whole numbers, first that of document {doc!r} for "
            f"query {query!r} ({first:g}); say from which value on a document is relevant by making them 0 or 1"
        )
    frame = frame.cast({"grade": pl.Int32})
    if frame.height == 0:
        raise DataError("there are no judgments: 0 graded pairs were given, at least one relevant document is needed")
    return frame.group_by("query_id", "doc_id").agg(pl.col("grade").max()).sort("query_id", "doc_id")


def ties(ranking: pl.DataFrame, k: int) -> int:
    """Queries whose ranks k and k + 1 have the same score: there the order of ids decides what is in the top k.

    >>> ties(ranked({"q": {"a": 1.0, "b": 1.0}, "r": {"a": 1.0, "b": 2.0}}), 1)
    1
    """
    edge = ranking.filter(pl.col("rank").is_in([k, k + 1]))
    edge = edge.group_by("query_id").agg(pl.len(), same=pl.col("score").n_unique() == 1)
    return edge.filter((pl.col("len") == 2) & pl.col("same")).height


def _frame(given: Run | Qrels, value: str, dtype: type[pl.DataType], what: str) -> pl.DataFrame:
    schema: dict[str, type[pl.DataType]] = {"query_id": pl.String, "doc_id": pl.String, value: dtype}
    if isinstance(given, pl.DataFrame):
        lacking = [c for c in schema if c not in given.columns]
        if lacking:
            raise DataError(
                f"{what} must have the columns {', '.join(schema)}; {', '.join(lacking)} is missing, found "
                f"{', '.join(given.columns) or 'none'}"
            )
        try:
            return given.select(pl.col(name).cast(kind) for name, kind in schema.items())
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{what}: {str(error).splitlines()[0]}; numbers are needed in {value}") from error
    rows = [(str(q), str(d), v) for q, found in given.items() for d, v in found.items()]
    try:
        return pl.DataFrame(rows, schema=schema, orient="row", strict=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{what}: {str(error).split(';')[0]}; numbers are needed in {value}") from error
