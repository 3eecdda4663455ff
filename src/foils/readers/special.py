"""Training files that are no table of named columns: JSON documents, arrays, tab-separated ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foils.errors import DataError
from foils.readers.roles import resolve
from foils.readers.rows import KNOWN
from foils.readers.sources import by_line, check_header, content, frame_rows, json_lines, kind_of, parse, table
from foils.readers.values import Hazards, Place, shown

Rows = Iterator[tuple[Place, dict[str, Any]]]
TWICE = re.compile(r"_duplicated_\d+$")  # what polars adds to a name that the header has already
IDS = re.compile(r"^\S+(,\S+)*$")
SCORED = re.compile(r"^\S+ -?[\d.]+(e-?\d+)?(,\S+ -?[\d.]+(e-?\d+)?)*$", re.IGNORECASE)


def any_rows(path: Path, hazards: Hazards) -> Rows:
    """The rows of a training file of whatever form, as mappings with known column names.

    Raises:
        DataError: the file is empty, broken or of no known form.
    """
    kind = kind_of(path)
    if kind is None:
        raise DataError(f"{path.name} is no file that foils reads; {KNOWN}")
    if kind == "jsonl":
        return _lines(path, hazards)
    if kind == "json":
        return _document(path, hazards)
    if kind == "tsv":
        return _tabs(path, hazards)
    return _table(path, hazards)


def _table(path: Path, hazards: Hazards) -> Rows:
    frame = table(path)
    if kind_of(path) in ("csv", "tsv"):
        plain = [TWICE.sub("", name) for name in frame.columns]
        check_header([p if p in frame.columns else n for p, n in zip(plain, frame.columns, strict=True)], path.name)
    yield from frame_rows(frame, path.name, hazards)


def corpus_folders(path: Path) -> list[Path]:
    """The corpus folders that a NeMo file names, relative to the file."""
    if kind_of(path) != "json":
        return []
    try:
        value = json.loads(content(path))
    except ValueError:
        return []
    named = value.get("corpus") if isinstance(value, dict) else None
    entries = named if isinstance(named, list) else [named]
    paths = [path.parent / str(entry["path"]) for entry in entries if isinstance(entry, dict) and "path" in entry]
    # Made elsewhere, the path seldom holds here; its last part does, if the folder was copied along.
    return [p if p.exists() else path.parent / p.name for p in paths]


def _lines(path: Path, hazards: Hazards) -> Rows:
    for place, value in json_lines(path, hazards):
        if isinstance(value, list):
            yield place, _triple(value, place)
        elif isinstance(value, dict):
            yield place, _contrastors(value)
        else:
            raise DataError(f"{place}: every line must be an object or an array, found {shown(value)}")


def _triple(value: list[Any], place: Place) -> dict[str, Any]:
    """ColBERT: ``[query id, positive id, negative id, ...]``, each document also as ``[id, score]``."""
    if len(value) < 2:
        raise DataError(f"{place}: a ColBERT triple is [query id, positive id, negative id], found {shown(value)}")
    return {"query_id": value[0], "pos": value[1:2], "neg": value[2:]}


def _contrastors(row: dict[str, Any]) -> dict[str, Any]:
    """Name the columns of a row by what its ``metadata.objective`` says they are."""
    metadata = row.get("metadata")
    objective = metadata.get("objective") if isinstance(metadata, dict) else None
    if not isinstance(objective, dict):
        return row
    for names in (*(objective.get("triplet") or []), *(objective.get("paired") or [])):
        roles = dict(zip(names, ("query", "positive", "negatives"), strict=False))
        named = {roles.get(key, key): value for key, value in row.items() if key != "metadata"}
        if "pos_score" in named and "scores" in named:
            named["neg_scores"] = named.pop("scores")
        return named
    return row


def _document(path: Path, hazards: Hazards) -> Rows:
    data = content(path)
    try:
        json.loads(data)
    except ValueError:
        # Many tools call a file of lines .json.
        if by_line(data):
            yield from _lines(path, hazards)
            return
    value = parse(data, Place(path.name, 1, hazards))
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    elif isinstance(value, dict) and resolve(tuple(value)) is not None:
        value = [value]
    elif isinstance(value, dict):
        value = [
            _ranking(query, docs, Place(path.name, n, hazards, "entry"))
            for n, (query, docs) in enumerate(value.items(), 1)
        ]
    if not isinstance(value, list):
        raise DataError(f"{path.name} holds {shown(value)}; {KNOWN}")
    for number, row in enumerate(value, 1):
        place = Place(path.name, number, hazards, "entry")
        if not isinstance(row, dict | list):
            raise DataError(f"{place}: every entry must be an object, found {shown(row)}")
        yield place, _triple(row, place) if isinstance(row, list) else row


def _ranking(query: str, docs: Any, place: Place) -> dict[str, Any]:
    """DRhard: ``{query id: [negative ids]}``; the positives stand elsewhere."""
    if not isinstance(docs, list) or not all(isinstance(d, str | int) for d in docs):
        raise DataError(f"{place}: {query!r} must have a list of document ids, found {shown(docs)}; {KNOWN}")
    return {"query_id": query, "negative_document_ids": docs}


def _tabs(path: Path, hazards: Hazards) -> Rows:
    data = content(path)
    first = data[: data.find(b"\n") if b"\n" in data else None].decode("utf-8", "replace").rstrip("\r")
    fields = first.split("\t")
    if resolve(tuple(fields)) is not None:
        yield from _table(path, hazards)
        return
    form = tabbed(fields)
    if form is None:
        raise DataError(
            f"{path.name}: the columns {', '.join(map(shown, fields))} are no known training format; {KNOWN}"
        )
    for number, raw in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        line = raw.rstrip("\r")
        if line:
            place = Place(path.name, number, hazards)
            found = line.split("\t")
            if len(found) != len(fields):
                raise DataError(f"{place}: {len(found)} fields, the first line has {len(fields)}")
            yield place, form(found, place)


def tabbed(fields: list[str]) -> Any:
    """What makes a row of a line of ids without a header, or None where the fields are none of GPL, ANCE or SimANS."""
    if len(fields) == 4 and all(IDS.match(f) for f in fields[:3]) and re.match(r"^-?[\d.]+(e-?\d+)?$", fields[3]):
        return _gpl
    if len(fields) == 3 and all(IDS.match(f) for f in fields):
        return _ance
    if len(fields) == 4 and SCORED.match(fields[2]) and SCORED.match(fields[3]):
        return _simans
    return None


def _gpl(fields: list[str], place: Place) -> dict[str, Any]:
    query, positive, negative, margin = fields
    return {"query_id": query, "pos": [positive], "neg": [negative], "margin": margin}


def _ance(fields: list[str], place: Place) -> dict[str, Any]:
    query, positive, negatives = fields
    return {"query_id": query, "pos": [positive], "neg": negatives.split(",")}


def _simans(fields: list[str], place: Place) -> dict[str, Any]:
    query, text, positives, negatives = fields
    sides = {}
    for side, found in (("pos", positives), ("neg", negatives)):
        pairs = [p.strip().rsplit(" ", 1) for p in found.split(",") if p.strip()]
        if not all(len(p) == 2 for p in pairs):
            raise DataError(f"{place}: {side} must be 'id score' pairs joined by commas, found {shown(found)}")
        sides[side] = [{"id": name, "score": score} for name, score in pairs]
    return {"query_id": query, "query": text, **sides}
