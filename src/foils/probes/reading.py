"""Files to probes: plain rows, NevIR, SugarCrepe++ and question pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from foils.errors import DataError
from foils.probes.items import Probe, check
from foils.readers.sources import KINDS, content, kind_of, parse, rows, stem_of
from foils.readers.values import Hazards, Place

Row = Mapping[str, Any]
RIGHT = ("right", "positive", "caption2")
WRONG = ("wrong", "negative", "negative_caption")
QUERY = ("query", "question", "claim", "caption")
SIDES = ("positive_query", "negative_query", "passage")
DOCS = ("q1", "q2", "doc1", "doc2")
FORMS = (
    "query, right, wrong and type (twin, pair, id if there are); q1, q2, doc1, doc2 (NevIR); caption, caption2, "
    "negative_caption (SugarCrepe++); or positive_query, negative_query, passage"
)


def read(path: str | Path, hazards: Hazards | None = None) -> list[Probe]:
    """Read probes from a file, or from every such file of a folder.

    Rows are recognised by their columns; ``positive`` and ``negative`` are other names of ``right`` and ``wrong``.
    A row with q1, q2, doc1, doc2 (NevIR, Weller et al., EACL 2024) gives two probes that turn the same two texts
    round. Captions (SugarCrepe++, Dumpala et al., NeurIPS 2024), rows whose ``source`` names SugarCrepe, and rows
    with ``mutual`` are asked both ways. The type is ``type``, with ``subtype`` behind a slash.

    Args:
        path: a JSONL, JSON, CSV, TSV, Parquet or Arrow file, or a folder.
        hazards: counts what is irregular.

    Raises:
        DataError: nothing is there, or a row has other columns or an empty text.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; --data names a file or folder of probes, a run, or shipped")
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file() and kind_of(p))
    if not files:
        raise DataError(f"{path} holds no file of probes; foils reads {', '.join(KINDS)}, each also as .gz")
    found = [probe for file in files for probe in of_rows(_rows(file, hazards or Hazards()), stem_of(file))]
    if not found:
        raise DataError(f"{path} holds no probes; at least one row is needed")
    return found


def of_rows(placed: Iterator[tuple[Place, Row]], name: str) -> list[Probe]:
    """The probes of rows, in their order.

    Args:
        placed: rows with the place that an error names.
        name: of the set.

    Raises:
        DataError: as in ``read``.
    """
    return [check(probe, place) for place, row in placed for probe in _probes(row, name, place)]


def _rows(path: Path, hazards: Hazards) -> Iterator[tuple[Place, Row]]:
    if kind_of(path) != "json":
        yield from rows(path, hazards)
        return
    value = parse(content(path), Place(path.name, 1, hazards))
    listed = list(value.values()) if isinstance(value, dict) else value
    for number, row in enumerate(listed if isinstance(listed, list) else [listed], 1):
        place = Place(path.name, number, hazards, "item")
        if not isinstance(row, dict):
            raise DataError(f"{place}: a list of objects is needed, each with {FORMS}")
        yield place, row


def _probes(row: Row, name: str, place: Place) -> list[Probe]:
    given = str(row.get("id") or place.number)
    pair = str(row.get("pair") or row.get("pair_id") or "")
    kind = "/".join(str(row[c]) for c in ("type", "subtype") if row.get(c)) or name
    if all(column in row for column in DOCS):
        one, two, first, second = (_text(row, c, place) for c in DOCS)
        twins = [_maybe(row, c, place) for c in ("twin1", "twin2")]
        return [
            Probe(name, f"{given}-1", pair or given, kind, one, first, second, twins[0]),
            Probe(name, f"{given}-2", pair or given, kind, two, second, first, twins[1]),
        ]
    if all(column in row for column in SIDES):
        asked, other, passage = (_text(row, c, place) for c in SIDES)
        # Rows of one passage share its pair id or nothing at all; they do not turn the same two texts round.
        return [Probe(name, given, "", kind, asked, passage, passage, None, other)]
    columns = [next((c for c in names if c in row), None) for names in (QUERY, RIGHT, WRONG)]
    if None in columns:
        raise DataError(f"{place}: found the columns {', '.join(map(str, row)) or '(none)'}; a probe has {FORMS}")
    query, right, wrong = (_text(row, str(c), place) for c in columns)
    mutual = _true(row.get("mutual")) or "caption2" in row or str(row.get("source") or "").startswith("SugarCrepe")
    twin, other_query = _maybe(row, "twin", place), _maybe(row, "wrong_query", place)
    return [Probe(name, given, pair, kind, query, right, wrong, twin, other_query, mutual)]


def _text(row: Row, column: str, place: Place) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise DataError(f"{place}: {column} is {type(value).__name__}, a text is needed")
    return value


def _true(value: object) -> bool:
    """A flag; in a CSV file it is a word."""
    return bool(value) and str(value).strip().lower() not in ("false", "no", "0", "0.0", "nan")


def _maybe(row: Row, column: str, place: Place) -> str | None:
    return None if row.get(column) is None else _text(row, column, place)
