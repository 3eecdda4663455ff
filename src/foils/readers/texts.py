"""Tables of documents or queries: an id, a text, perhaps a title, and whatever else they carry."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from foils.errors import DataError
from foils.readers.sources import content, frame_rows, has_lone_surrogate, json_lines, kind_of, table
from foils.readers.values import WIDEST, Hazards, Place, as_id, as_series, as_text, made_id, shown

What = Literal["documents", "queries"]

ID = {
    "documents": ("_id", "id", "docid", "doc_id", "document_id", "passage_id", "pid", "corpus_id", "psg_id"),
    "queries": ("_id", "id", "query_id", "qid", "question_id"),
}
TEXT = {
    "documents": ("text", "contents", "content", "passage", "document", "body", "segment"),
    "queries": ("text", "query", "question", "contents", "query_text"),
}


def read_texts(paths: Sequence[Path], what: What, hazards: Hazards) -> pl.DataFrame:
    """Read documents or queries from one or more files: columns ``id``, ``text`` and the file's others.

    A table without ids (a pool of texts) gets ids made from the texts; a tab-separated file without a header
    is ``id <tab> text [<tab> title]``.

    Raises:
        DataError: a file cannot be read, a row has no id or its text is not a string.
    """
    frames = [_read(path, what, hazards) for path in paths]
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def _read(path: Path, what: What, hazards: Hazards) -> pl.DataFrame:
    kind = kind_of(path)
    if kind in ("jsonl", "json"):
        fast = _fast(path, what) if kind == "jsonl" else None
        return _slow(path, what, hazards) if fast is None else fast
    if kind == "tsv" and (bare := _headerless(path, what)) is not None:
        return bare
    return from_frame(table(path), what, path.name, hazards)


def _fast(path: Path, what: What) -> pl.DataFrame | None:
    """The whole file at once, or None where only a look at every line can tell what is wrong with it."""
    data = content(path)
    try:
        first = json.loads(data[: data.find(b"\n") if b"\n" in data else None])
        id_key, text_key = _keys(list(first), what, f"{path.name}, line 1")
        if id_key is None or has_lone_surrogate(data):
            return None
        # All lines are looked at for the schema, or a column that begins late would be lost without a word. Ids are
        # read as strings at once: a number of 20 digits does not survive as a float.
        schema = pl.scan_ndjson(io.BytesIO(data), infer_schema_length=None).collect_schema()
        types = {name: _tamed(dtype) for name, dtype in schema.items()} | {id_key: pl.String()}
        frame = pl.read_ndjson(data, schema=types)
    except (ValueError, TypeError, RecursionError, pl.exceptions.PolarsError):
        return None
    texts = [text_key, *(["title"] if "title" in frame.columns else [])]
    if any(frame.schema[t] not in (pl.String, pl.Null) for t in texts) or frame[id_key].has_nulls():
        return None
    # Where only some rows hold a list, an object or 7.0, these have become strings by now: the slow way tells.
    unsure = [frame[t] for t in texts if frame.schema[t] == pl.String]
    if frame[id_key].str.ends_with(".0").any() or any(_was_no_text(column) for column in unsure):
        return None
    return _named(frame, id_key, text_key)


def _tamed(dtype: pl.DataType) -> pl.DataType:
    """A type that can be worked with: an object with very many keys is a mapping, kept as JSON text."""
    if isinstance(dtype, pl.Struct):
        if len(dtype.fields) > WIDEST:
            return pl.String()
        return pl.Struct([pl.Field(f.name, _tamed(f.dtype)) for f in dtype.fields])  # type: ignore[arg-type]
    return dtype


def _was_no_text(column: pl.Series) -> bool:
    for text in column.filter(column.str.contains(r"^(\[.*\]|\{.*\})$")):
        try:
            json.loads(text)
        except ValueError:
            continue
        return True
    return False


def _slow(path: Path, what: What, hazards: Hazards) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    keys: tuple[str | None, str] | None = None
    pairs = json_lines(path, hazards) if kind_of(path) == "jsonl" else _json(path, hazards)
    for place, value in pairs:
        if not isinstance(value, dict):
            raise DataError(f"{place}: every line must be an object, found {shown(value)}")
        keys = keys or _keys(list(value), what, place)
        rows.append(_checked(value, *keys, what, place))
    if not rows:
        raise DataError(f"{path.name} is empty; at least one row is needed")
    return _named_from_rows(rows)


def _json(path: Path, hazards: Hazards) -> list[tuple[Place, Any]]:
    try:
        values = json.loads(content(path))
    except ValueError:
        return list(json_lines(path, hazards))
    values = values if isinstance(values, list) else [values]
    return [(Place(path.name, n, hazards, "entry"), v) for n, v in enumerate(values, 1)]


def _checked(row: dict[str, Any], id_key: str | None, text_key: str, what: What, place: Place) -> dict[str, Any]:
    text = as_text(row.get(text_key), text_key, place)
    title = as_text(row["title"], "title", place) if "title" in row else None
    name = made_id(what[0], text) if id_key is None else as_id(row.get(id_key), id_key, place)
    others = {k: v for k, v in row.items() if k not in (id_key, text_key, "title")}
    return {"id": name, "text": text, **({} if title is None else {"title": title}), **others}


def _named_from_rows(rows: list[dict[str, Any]]) -> pl.DataFrame:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    series = []
    for column in columns:
        values = [row.get(column) for row in rows]
        if {} in values and all(v in (None, {}) for v in values):
            continue  # says nothing, and cannot be written
        found = as_series(column, values)
        if found is None:
            texts = [
                None if v is None else v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values
            ]
            found = pl.Series(column, texts, dtype=pl.String)
        series.append(found)
    return _named(pl.DataFrame(series), "id", "text")


def from_frame(frame: pl.DataFrame, what: What, name: str, hazards: Hazards) -> pl.DataFrame:
    """A frame of any origin with its id and text columns named ``id`` and ``text``.

    Raises:
        DataError: there is no text column, an id is missing or a text is not a string.
    """
    id_key, text_key = _keys(frame.columns, what, name)
    if id_key is None:
        made = [made_id(what[0], text or "") for text in frame[text_key].cast(pl.String).to_list()]
        id_key, frame = "id", frame.with_columns(pl.Series("id", made, dtype=pl.String))
    plain_text = frame.schema[text_key] in (pl.String, pl.Null)
    plain_id = frame.schema[id_key].is_integer() or frame.schema[id_key] == pl.String
    if not plain_text or not plain_id or frame[id_key].has_nulls():
        kept = []
        for place, row in frame_rows(frame, name, hazards):
            as_text(row[text_key], text_key, place)
            kept.append((place.number - 1, as_id(row[id_key], id_key, place)))
        frame = frame[[row for row, _ in kept]].with_columns(pl.Series(id_key, [i for _, i in kept], dtype=pl.String))
    return _named(frame, id_key, text_key)


def _keys(columns: Sequence[str], what: What, where: object) -> tuple[str | None, str]:
    id_key = next((k for k in ID[what] if k in columns), None)
    text_key = next((k for k in TEXT[what] if k in columns), None)
    if text_key is None:
        raise DataError(
            f"{where}: {what} need a text column ({', '.join(TEXT[what])}), "
            f"found {', '.join(map(str, columns)) or 'none'}"
        )
    return id_key, text_key


def _named(frame: pl.DataFrame, id_key: str, text_key: str) -> pl.DataFrame:
    clash = [c for c in ("id", "text") if c in frame.columns and c not in (id_key, text_key)]
    frame = frame.rename({c: f"{c}_" for c in clash}).rename({id_key: "id", text_key: "text"})
    # A struct without fields says nothing, and cannot be written again.
    frame = frame.drop([c for c, t in frame.schema.items() if isinstance(t, pl.Struct) and not t.fields])
    strings = [pl.col(c).cast(pl.String) for c in ("id", "text", "title") if c in frame.columns]
    return frame.with_columns(strings).select("id", "text", pl.exclude("id", "text"))


def _headerless(path: Path, what: What) -> pl.DataFrame | None:
    data = content(path)
    first = data[: data.find(b"\n") if b"\n" in data else None].decode("utf-8", "replace").rstrip("\r").split("\t")
    known = (*ID[what], *TEXT[what], "title")
    if len(first) not in (2, 3) or any(name.strip().lower() in known for name in first):
        return None
    names = ["id", "text", "title"][: len(first)]
    try:
        return pl.read_csv(
            data, has_header=False, separator="\t", quote_char=None, infer_schema=False, new_columns=names
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path.name} is no table of {len(first)} columns: {str(error).splitlines()[0]}") from None
