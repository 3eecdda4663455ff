"""Labels that stand in a file of their own: BEIR qrels, TREC qrels, ``--positives``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from foils.errors import DataError
from foils.readers.sources import content, enclosed, kind_of, rows, table
from foils.readers.values import Hazards, Place, as_grade, as_id

QUERY = ("query-id", "query_id", "qid", "query")
DOC = ("corpus-id", "corpus_id", "doc_id", "docid", "document_id", "pid", "doc-id", "doc")
GRADE = ("score", "grade", "label", "relevance", "rel")
WANTED = "header query-id corpus-id score, or four TREC columns without a header"
SCHEMA = {"query_id": pl.String(), "doc_id": pl.String(), "grade": pl.Int32()}


def read_labels(path: Path, hazards: Hazards) -> pl.DataFrame:
    """Read labels: ``query_id``, ``doc_id``, ``grade``; without a grade column every pair is a positive of grade 1.

    Raises:
        DataError: the file has neither header nor TREC columns, or a grade is no whole number; with the line.
    """
    if not path.is_file():
        raise DataError(f"the labels {path} do not exist; a file with {WANTED} is needed")
    if kind_of(path) == "jsonl":
        return _objects(path, hazards)
    if kind_of(path) in ("parquet", "arrow"):
        return _typed(table(path), path.name, hazards, "row", 1)
    data = content(path)
    first = data[: data.find(b"\n") if b"\n" in data else None].decode("utf-8", "replace").strip()
    if len(trec := first.split()) == 4 and _is_whole(trec[3]) and not set(trec) & {*QUERY, *DOC}:
        return _trec(data, path.name, hazards)
    separator = "\t" if "\t" in first else ","
    try:
        # Tab-separated ids may hold bare quotation marks.
        quote = '"' if separator == "," or enclosed(data) else None
        frame = pl.read_csv(data, separator=separator, infer_schema=False, quote_char=quote)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path.name} cannot be read as labels: {str(error).splitlines()[0]}") from None
    if separator == ",":
        # After a comma and a space a quotation mark does not begin a field for the reader.
        frame = frame.with_columns(pl.all().str.replace(r'^\s+"(.*)"\s*$', "$1"))
    return _typed(frame, path.name, hazards, "line", 2)


def _objects(path: Path, hazards: Hazards) -> pl.DataFrame:
    """Line by line: a column that begins late, or whose type changes, would be lost on the way through a frame."""
    found = [(place, {k.strip().lower(): v for k, v in row.items()}) for place, row in rows(path, hazards)]
    query, doc, grade = _columns(list(dict.fromkeys(key for _, row in found for key in row)), path.name)
    labels = [
        (
            as_id(row.get(query), query, place).strip(),
            as_id(row.get(doc), doc, place).strip(),
            1 if grade is None else as_grade(row.get(grade), grade, place),
        )
        for place, row in found
        if any(value is not None for value in row.values())
    ]
    return pl.DataFrame(labels, schema=SCHEMA, orient="row")


def _columns(columns: Sequence[str], name: str) -> tuple[str, str, str | None]:
    query, doc, grade = (next((k for k in names if k in columns), None) for names in (QUERY, DOC, GRADE))
    if query is None or doc is None:
        raise DataError(f"{name} must have the {WANTED}; found the columns {', '.join(columns)}")
    return query, doc, grade


def _typed(frame: pl.DataFrame, name: str, hazards: Hazards, unit: str, start: int) -> pl.DataFrame:
    frame = frame.rename({c: c.strip().strip('"').lower() for c in frame.columns})
    query, doc, grade = _columns(frame.columns, name)
    labels = frame.select(
        _ids(frame, query).alias("query_id"),
        _ids(frame, doc).alias("doc_id"),
        (pl.lit(1) if grade is None else pl.col(grade)).alias("grade"),
    )
    filled = ~pl.all_horizontal(pl.all().is_null())
    whole = pl.col("grade").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    fine = whole.is_not_null() & (whole == whole.round()) & (whole.abs() < 2**31)
    bad = labels.with_row_index("row").filter(filled if grade else pl.col("query_id").is_not_null())
    bad = bad.filter(~fine.fill_null(value=False) | pl.col("query_id").is_null() | pl.col("doc_id").is_null())
    if bad.height:
        row, query_id, doc_id, value = bad.row(0)
        place = Place(name, row + start, hazards, unit)
        as_id(query_id, str(query), place)
        as_id(doc_id, str(doc), place)
        as_grade(value, str(grade), place)
    return labels.filter(pl.col("query_id").is_not_null()).select(
        "query_id", "doc_id", whole.cast(pl.Int32).alias("grade")
    )


def _ids(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Ids as strings: 7, 7.0 and "7" are one id."""
    if not frame.schema[name].is_float():
        return pl.col(name).cast(pl.String).str.strip_chars()
    found = pl.col(name).fill_nan(None)
    whole = found.cast(pl.Int64, strict=False)
    return pl.when(whole == found).then(whole.cast(pl.String)).otherwise(found.cast(pl.String))


def _trec(data: bytes, name: str, hazards: Hazards) -> pl.DataFrame:
    found = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        fields = line.split()
        if fields and len(fields) != 4:
            raise DataError(
                f"{name}, line {number}: {len(fields)} fields, TREC qrels have 4 (query, 0, document, grade)"
            )
        if fields:
            grade = as_grade(fields[3], "the fourth column", Place(name, number, hazards))
            found.append((fields[0], fields[2], grade))
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def _is_whole(text: str) -> bool:
    return text.lstrip("-").isdigit()
