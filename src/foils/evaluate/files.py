"""Where an evaluation comes from and goes to: collections, tables, rankings, the page."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from foils.collection import Collection
from foils.errors import DataError
from foils.evaluate.result import Evaluation
from foils.files import atomic, write_text
from foils.readers.layout import qrels_beside

TASK = "mteb:"


def load(data: str, *, split: str = "", positives: Path | None = None, relevant_from: int = 1) -> Collection:
    """Read a collection to evaluate on.

    Args:
        data: a path in any format that foils reads, or ``mteb:`` and the name of a task.
        split: which labels; empty: ``test``, or the only ones there are.
        positives: a file that replaces the labels.
        relevant_from: the lowest grade that is relevant.

    Raises:
        DataError: it cannot be read, or has no judgment.
    """
    if data.startswith(TASK):
        from foils.evaluate.tasks import read_task

        if positives is not None:
            raise DataError("--positives replaces the labels of files; an mteb task brings its own, leave it out")
        return read_task(data.removeprefix(TASK), split or "test", relevant_from)
    return Collection.read(data, split=split or _split(Path(data)), positives=positives, relevant_from=relevant_from)


def check_outputs(per_query: Path | None, html: Path | None, out: Path | None) -> None:
    """Refuse what cannot be written before a model is loaded.

    Raises:
        DataError: a suffix is not known, or a path is taken.
    """
    if per_query is not None and per_query.suffix not in (".parquet", ".tsv"):
        raise DataError(f"--per-query {per_query}: write .parquet or .tsv, not {per_query.suffix or 'no suffix'}")
    for path in (per_query, html):
        if path is not None and path.is_dir():
            raise DataError(f"cannot write {path}: it is a folder; give the path of a file")
    if out is not None and out.exists() and not out.is_dir():
        raise DataError(f"cannot write the rankings to {out}: it is a file; give a folder")


def write_outputs(result: Evaluation, per_query: Path | None, html: Path | None, out: Path | None) -> None:
    """Write what was asked for: the table of queries, the page, a TREC run per system."""
    if per_query is not None:
        with atomic(per_query) as temporary:
            if per_query.suffix == ".parquet":
                result.per_query().write_parquet(temporary)
            else:
                result.per_query().write_csv(temporary, separator="\t")
    if html is not None:
        from foils.evaluate.page import render

        write_text(html, render(result))
    for ranking in result.rankings if out is not None else ():
        with atomic(Path(str(out)) / f"{_plain(ranking.name)}.trec") as temporary:
            trec(ranking.table, _plain(ranking.name)).write_csv(temporary, separator=" ", include_header=False)


def trec(table: pl.DataFrame, tag: str) -> pl.DataFrame:
    """A ranking in the six columns of a TREC run.

    Raises:
        DataError: an id holds white space, which TREC files cannot.
    """
    spaced = table.filter(pl.any_horizontal(pl.col("query_id", "doc_id").str.contains(r"\s")))
    if spaced.height:
        raise DataError(
            f"the ids {spaced['query_id'][0]!r} and {spaced['doc_id'][0]!r} cannot stand in a TREC run: white space "
            "separates its columns; leave -o out"
        )
    return table.select("query_id", q0=pl.lit("Q0"), doc="doc_id", rank="rank", score="score", tag=pl.lit(tag))


def _split(path: Path) -> str:
    found = sorted(filter(None, qrels_beside(path))) if path.is_dir() else []
    return found[0] if len(found) == 1 else "test"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.+" else "-" for c in name)
