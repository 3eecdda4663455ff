"""Files of rankings: TREC, MS MARCO, lists, JSON."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from foils.errors import DataError
from foils.files import lines_of

RANKING = pl.Schema({"query_id": pl.String, "doc_id": pl.String, "given": pl.Float64, "score": pl.Float64})
FORMATS = "TREC (6 columns), query document rank (3), a header with names, query and a list, or JSON"
HEADER = {
    "query_id": ("query-id", "query_id", "qid", "query", "topic", "q_id"),
    "doc_id": ("corpus-id", "corpus_id", "doc_id", "docid", "docno", "doc-id", "pid", "passage_id", "document_id"),
    "given": ("rank",),
    "score": ("score", "scores"),
}
QUERY_KEYS = (*HEADER["query_id"], "id", "_id")
DOC_KEYS = (*HEADER["doc_id"], "id", "_id")
HIT_KEYS = ("hits", "candidates", "results", "docs", "document_ids", "negative_document_ids", "neg", "negatives")


def read_ranking(path: Path, retriever: str = "") -> pl.DataFrame:
    """Read any known format: ``query_id``, ``doc_id``, ``given`` (rank or place), ``score`` (null if it has none).

    Args:
        path: the file, gzip or not.
        retriever: which one, where the file keeps several apart.

    Raises:
        DataError: with file and line, if a line is malformed or a score is not finite.
    """
    text = _text(path)
    start = text.lstrip()[:1]
    if not start:
        raise DataError(f"{path} is empty; known formats: {FORMATS}")
    ranking = _from_json(path, text, retriever) if start in "{[" else _from_lines(path, text)
    if retriever and start not in "{[":
        raise DataError(f"{path} holds one ranking only, retriever={retriever!r} cannot be chosen; leave it out")
    if ranking.height == 0:
        whose = f" of retriever={retriever!r}" if retriever else ""
        raise DataError(f"{path} holds no documents{whose}; known formats: {FORMATS}")
    scored = ranking.height - ranking["score"].null_count()
    if 0 < scored < ranking.height:
        raise DataError(f"{path}: {ranking.height - scored:,} of {ranking.height:,} documents have no score")
    return ranking


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        return raw.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}; a text file in UTF-8, plain or gzip, is needed") from error


def _from_lines(path: Path, text: str) -> pl.DataFrame:
    rows = pl.DataFrame({"text": lines_of(text)}).with_row_index("line", offset=1)
    rows = rows.filter(pl.col("text").str.strip_chars() != "")
    first = rows["text"][0]
    tabs = "\t" in first and not (len(first.split()) == 6 and first.count("\t") != 1)
    fields = pl.col("text").str.strip_chars(" \r").str.split("\t")
    if not tabs:
        fields = pl.col("text").str.strip_chars().str.replace_all(r"\s+", "\t").str.split("\t")
    rows = rows.select("line", "text", fields=fields)
    width = len(rows["fields"][0])
    bad = rows.filter(pl.col("fields").list.len() != width)
    if bad.height:
        line, shown, found = bad.row(0)
        raise DataError(f"{path}:{line}: {len(found)} columns, but the first line has {width}: {shown[:80]!r}")
    named = _header([str(f) for f in rows["fields"][0]])
    if named:
        return _table(path, rows[1:], named)
    if width == 6:
        return _table(path, rows, {"query_id": 0, "doc_id": 2, "given": 3, "score": 4})
    if width == 3:
        return _three(path, rows)
    if width == 2 and tabs:
        return _lists(rows, at=1)
    raise DataError(f"{path}:{rows['line'][0]}: {width} columns are no known ranking: {first[:80]!r}; known: {FORMATS}")


def _header(fields: list[str]) -> dict[str, int]:
    lower = [f.strip().lower() for f in fields]
    named = {role: lower.index(n) for role, names in HEADER.items() for n in names if n in lower}
    return named if "query_id" in named and "doc_id" in named else {}


def _three(path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    third = pl.col("fields").list.get(2)
    if rows.select(third.str.contains(",").any()).item():
        # ANCE: the second column is the positive.
        return _lists(rows, at=2)
    whole = rows.select(third.str.contains(r"^\d+$").all()).item()
    return _table(path, rows, {"query_id": 0, "doc_id": 1, "given" if whole else "score": 2})


def _lists(rows: pl.DataFrame, at: int) -> pl.DataFrame:
    ids = pl.col("fields").list.get(at).str.replace_all(r"[,\s]+", " ").str.strip_chars().str.split(" ")
    table = rows.select(query_id=pl.col("fields").list.get(0), doc_id=ids).explode("doc_id")
    return _numbered(table.filter(pl.col("doc_id") != ""))


def _table(path: Path, rows: pl.DataFrame, at: dict[str, int]) -> pl.DataFrame:
    columns = {role: pl.col("fields").list.get(i).str.strip_chars() for role, i in at.items()}
    table = rows.select("line", "text", **columns)
    for role in ("given", "score"):
        if role in at:
            number = table[role].cast(pl.Float64, strict=False)
            bad = table.filter(~number.is_finite().fill_null(value=False))
            if bad.height:
                what = "rank" if role == "given" else "score"
                raise DataError(f"{path}:{bad['line'][0]}: {what} {bad[role][0]!r} is not a finite number")
            table = table.with_columns(number)
    bad = table.filter((pl.col("query_id") == "") | (pl.col("doc_id") == ""))
    if bad.height:
        raise DataError(f"{path}:{bad['line'][0]}: an id is empty: {bad['text'][0][:80]!r}")
    if "given" not in at:
        return _numbered(table)
    return (
        table.with_columns(pl.lit(None).alias(c) for c in RANKING if c not in table.columns)
        .select(*RANKING)
        .cast(RANKING)
    )


def _numbered(table: pl.DataFrame) -> pl.DataFrame:
    """The place in the file is the rank."""
    table = table.with_columns(given=pl.int_range(1, pl.len() + 1).over("query_id"))
    return (
        table.with_columns(pl.lit(None).alias(c) for c in RANKING if c not in table.columns)
        .select(*RANKING)
        .cast(RANKING)
    )


def _from_json(path: Path, text: str, retriever: str) -> pl.DataFrame:
    query, doc, given, score = [], [], [], []
    for line, query_id, hits in _queries(path, text, retriever):
        for place, hit in enumerate(hits, 1):
            found = _hit(hit, place)
            if found is None:
                raise DataError(
                    f"{path}:{line}: no document id in {json.dumps(hit)[:80]}; one of {', '.join(DOC_KEYS)}"
                )
            if not all(v is None or (isinstance(v, (int, float)) and math.isfinite(v)) for v in found[1:]):
                raise DataError(f"{path}:{line}: rank or score of document {found[0]!r} is not a finite number")
            query.append(query_id)
            doc.append(found[0])
            given.append(found[1])
            score.append(found[2])
    return pl.DataFrame(
        {"query_id": query, "doc_id": doc, "given": given, "score": score}, schema=RANKING, strict=False
    )


def _hit(hit: Any, place: int) -> tuple[str, Any, Any] | None:
    if isinstance(hit, dict):
        key = next((k for k in DOC_KEYS if hit.get(k) is not None), None)
        return None if key is None else (str(hit[key]), hit.get("rank", place), hit.get("score"))
    if isinstance(hit, (list, tuple)) and len(hit) == 2:
        return str(hit[0]), place, hit[1]
    return (str(hit), place, None) if isinstance(hit, (str, int)) else None


def _queries(path: Path, text: str, retriever: str) -> Iterator[tuple[int, str, list[Any]]]:
    """Line, query id and hits of each query."""
    for line, value in _values(path, text):
        if not isinstance(value, dict):
            raise DataError(f"{path}:{line}: a JSON object was expected, found {json.dumps(value)[:80]}")
        key = next((k for k in QUERY_KEYS if value.get(k) is not None), None)
        if key is None and all(isinstance(v, (list, dict)) for v in value.values()):
            for query_id, hits in value.items():
                yield line, query_id, list(hits.items()) if isinstance(hits, dict) else hits
            continue
        query_id = value.get(key or "")
        if isinstance(query_id, dict):
            query_id = next((query_id[k] for k in QUERY_KEYS if query_id.get(k) is not None), None)
        if query_id is None:
            raise DataError(f"{path}:{line}: no query id; one of {', '.join(QUERY_KEYS)} is needed")
        yield line, str(query_id), _hits(path, line, value, retriever)


def _hits(path: Path, line: int, value: dict[str, Any], retriever: str) -> list[Any]:
    key = next((k for k in HIT_KEYS if k in value), None)
    if key is None:
        return [{k: v for k, v in value.items() if k not in ("query", "qid", "query_id", "id", "_id")}]
    hits = value[key]
    if isinstance(hits, dict):
        names = list(hits)
        if not retriever and len(names) > 1:
            raise DataError(
                f"{path}:{line}: several retrievers are kept apart; choose retriever= one of {', '.join(names)}"
            )
        # A query for which one of the retrievers found nothing may lack its list.
        hits = hits.get(retriever or (names[0] if names else ""), [])
    elif retriever:
        raise DataError(f"{path}:{line}: {key} is not kept by retriever, {retriever!r} cannot be chosen; leave it out")
    if not isinstance(hits, list):
        raise DataError(f"{path}:{line}: {key} is not a list: {json.dumps(hits)[:80]}")
    scores = value.get("scores")
    if isinstance(scores, list):
        if len(scores) != len(hits):
            raise DataError(f"{path}:{line}: {len(hits)} documents but {len(scores)} scores")
        return list(zip(hits, scores, strict=True))
    return hits


def _values(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """JSON lines one by one; a file that is one JSON value as that value, or as the members of a list."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        whole = None
    if whole is not None:
        yield from ((1, v) for v in (whole if isinstance(whole, list) else [whole]))
        return
    for line, row in enumerate(lines_of(text), 1):
        if row.strip():
            try:
                yield line, json.loads(row)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}:{line}: no valid JSON: {error}; it begins {row[:60]!r}") from error
