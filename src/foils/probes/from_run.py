"""Probes made of a run's own typed negatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from foils import made
from foils.errors import DataError
from foils.folder import MANIFEST
from foils.offers import passage
from foils.pairs import Pairs
from foils.probes.items import Probe, check
from foils.readers.values import Hazards, Place
from foils.run import Run


def is_run(path: Path) -> bool:
    """The path is a finished run folder."""
    return (path / MANIFEST).is_file()


def from_run(folder: str | Path, hazards: Hazards | None = None) -> list[Probe]:
    """A probe per typed negative that ``foils make`` put into a run: the positive against what was made of it.

    A changed document is asked against the one it was made of, a changed query against the one it was made of; where
    the record has a twin, the twin must win too. The type is the kind and the operator. Left out are negatives that a
    verdict has dropped, and twins of a model of which nobody said that they answer. Fails as a measure of a model that
    was trained on the same run: it has seen these very texts.

    Args:
        folder: a run folder.
        hazards: counts what is irregular.

    Raises:
        DataError: there is no complete run, or nothing was made for it.
    """
    folder = Path(folder)
    pairs = Run.open(folder).pairs
    collection, wrong = pairs.collection, _dropped(pairs)
    records = [r for r in made.read(folder) if r["id"] not in wrong]
    if not records:
        raise DataError(f"{folder} holds no made negatives; put some into it first: foils make {folder}")
    queries = dict(zip(collection.queries["id"], collection.queries["text"], strict=True))
    rows = {name: row for row, name in enumerate(collection.corpus["id"])}
    found = []
    for number, record in enumerate(records, 1):
        place = Place(f"{folder.name}/{made.FILE}", number, hazards or Hazards())
        query, source = queries.get(record.get("query_id")), rows.get(record.get("source_id"))
        if query is None or source is None:
            raise DataError(f"{place}: its query or its document is not in the run; run foils make again")
        probe = _probe(record, folder.resolve().name, query, passage(collection.corpus, source))
        found.append(check(probe, place))
    return sorted(found, key=lambda probe: probe.type)


def _dropped(pairs: Pairs) -> set[str]:
    """The ids of made texts that were judged relevant."""
    rows = pairs.frame.filter(made.is_made(pairs) & pl.col("dropped").is_not_null())
    return {
        *pairs.collection.corpus["id"].gather(rows["doc"]),
        *pairs.collection.queries["id"].gather(rows["query"]),
    } & {r for t in (pairs.collection.corpus, pairs.collection.queries) for r in _made_ids(t)}


def _made_ids(table: pl.DataFrame) -> list[str]:
    return table.filter(pl.col(made.MARK).is_not_null())["id"].to_list() if made.MARK in table.columns else []


def _probe(record: dict[str, Any], name: str, query: str, right: str) -> Probe:
    kind = f"{record['kind']}/{record['operator']}"
    if record["side"] == "query":
        return Probe(name, record["id"], "", kind, query, right, right, wrong_query=record["text"])
    known = record.get("twin") or {}
    said = {check["passed"] for check in known.get("checks", ())}
    sure = "model" not in known or (True in said and False not in said)
    twin = known.get("text") if sure else None
    return Probe(name, record["id"], "", kind, query, right, record["text"], twin if twin != right else None)
