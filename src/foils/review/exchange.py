"""Verdicts out of a run and into it: JSON Lines, and records of Argilla."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from foils.errors import DataError
from foils.files import lines_of
from foils.judges.cases import cases
from foils.models.questions import NOT_ASKED
from foils.pairs import Pairs
from foils.review.book import ANSWERS, CANNOT_TELL, NOT_RELEVANT, RELEVANT, Book
from foils.verdicts import SCHEMA, Verdicts, standing, undone

QUESTION, NOTE = "relevance", "note"


class Taken(NamedTuple):
    """What an import brought.

    Args:
        new: verdicts that were added.
        known: that were there already.
        foreign: whose pair is not in the run, or whose texts are others now.
    """

    new: int
    known: int
    foreign: int


def jsonl(pairs: Pairs, verdicts: Verdicts) -> str:
    """One JSON object per row of the table of verdicts, with the texts of its pair where the run still has them.

    Read back into an empty table, it gives the same one.

    Args:
        pairs: of the run.
        verdicts: of all judges.
    """
    frame = verdicts.frame
    texts = _texts(pairs, verdicts)
    lines = []
    for row in frame.iter_rows(named=True):
        shown = texts.get((row["query_id"], row["doc_id"], row["texts"]), {})
        lines.append(json.dumps(row | shown, ensure_ascii=False) + "\n")
    return "".join(lines)


def argilla(pairs: Pairs, verdicts: Verdicts) -> str:
    """The pairs that anyone was asked about as records that ``rg.Dataset.records.from_json`` of Argilla 2 reads.

    People's answers are responses to the label question ``relevance``, their notes to the text question ``note``;
    what the latest model said is a suggestion. Argilla knows users by UUID: one is made of each name, and the
    metadata say which.

    Args:
        pairs: of the run.
        verdicts: of all judges.
    """
    on = verdicts.on(pairs).with_row_index("turn")
    alive = standing(on).filter(~undone()).partition_by("row", as_dict=True, maintain_order=True)
    rows = on["row"].unique(maintain_order=True).to_numpy()
    found = []
    for case, key in zip(
        cases(pairs, rows, 1), on.unique("row", keep="first", maintain_order=True).to_dicts(), strict=True
    ):
        said = alive.get((case.row,))
        fields = {
            "query": case.query,
            "document": case.document,
            "positive": case.positives[0] if case.positives else "",
        }
        record = {"id": f"{key['query_id']}::{key['doc_id']}", "fields": fields, "vectors": {}, "_server_id": None}
        names = ("query_id", "doc_id", "texts")
        found.append(record | _answers(said, {name: key[name] for name in names}))
    return json.dumps(found, ensure_ascii=False, indent=1)


def _answers(said: pl.DataFrame | None, metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata, suggestions and responses of one record."""
    rows = [] if said is None else [r for r in said.to_dicts() if not _waits(r)]
    latest = {r["by"]: r for r in rows if r["family"] == "human"}
    models = [r for r in rows if r["family"] != "human" and r["p_relevant"] is not None]
    users = {by: str(uuid.uuid5(uuid.NAMESPACE_URL, f"foils:{by}")) for by in latest}
    responses: dict[str, list[dict[str, str]]] = {}
    for by, row in latest.items():
        responses.setdefault(QUESTION, []).append({"value": _label(row["p_relevant"]), "user_id": users[by]})
        if note := _note(row):
            responses.setdefault(NOTE, []).append({"value": note, "user_id": users[by]})
    suggestions = {}
    if models:
        p = float(models[-1]["p_relevant"])
        suggestions[QUESTION] = {"value": _label(p), "score": round(max(p, 1 - p), 4), "agent": models[-1]["by"]}
    who = {"people": json.dumps({v: k for k, v in users.items()})} if users else {}
    return {"metadata": metadata | who, "suggestions": suggestions, "responses": responses}


def read(path: str | Path) -> pl.DataFrame:
    """Verdicts from JSON Lines as ``jsonl`` writes them, or from Argilla's JSON.

    Args:
        path: the file; a verdict without a hash of the texts is taken to be about the run's own.

    Raises:
        DataError: the file is neither, or a row lacks something.
    """
    try:
        raw = Path(path).read_text(encoding="utf-8-sig")
        whole = raw.lstrip().startswith("[")
        found = json.loads(raw) if whole else [json.loads(line) for line in lines_of(raw) if line.strip()]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"cannot read verdicts from {path}: {error}; JSON Lines or Argilla's JSON is needed") from None
    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, entry {number} is no JSON object")
        rows += _from_argilla(entry, f"{path}, record {number}") if "responses" in entry else [entry]
    return pl.DataFrame([_checked(r, f"{path}, verdict {n}") for n, r in enumerate(rows, 1)], schema=SCHEMA)


def take(book: Book, path: str | Path) -> Taken:
    """Append the verdicts of a file to those of a run; what is there already, or is about other texts, is left out.

    Args:
        book: of the run.
        path: JSON Lines or Argilla's JSON.
    """
    table = _hashed(read(path), book.pairs)
    there = book.locate(table) >= 0
    ours = table.filter(pl.Series(there))
    # As often as it stands there: taking back and saying the same again are two rows each.
    fresh = _beyond(ours, book.verdicts.frame)
    if fresh.height:
        book.extend(fresh)
    return Taken(fresh.height, ours.height - fresh.height, table.height - ours.height)


def _beyond(table: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table that another lacks; of equal rows, as many as there are more."""
    names = list(SCHEMA)
    times = pl.int_range(pl.len()).over(names).alias("times")
    left, right = table.with_columns(times), known.select(names).with_columns(times)
    return left.join(right, on=[*names, "times"], how="anti", nulls_equal=True, maintain_order="left").drop("times")


def _hashed(table: pl.DataFrame, pairs: Pairs) -> pl.DataFrame:
    """The table with the hash of the run's own texts where a row brought none."""
    from foils.verdicts import digest

    bare = table.filter(pl.col("texts").is_null()).select("query_id", "doc_id").unique()
    if bare.height == 0:
        return table
    where = pairs.collection
    queries = dict(
        where.queries.filter(pl.col("id").is_in(bare["query_id"].implode())).select("id", "text").iter_rows()
    )
    docs = pl.DataFrame({"id": where.corpus["id"], "text": where.passages})
    known = dict(docs.filter(pl.col("id").is_in(bare["doc_id"].implode())).iter_rows())
    made = [(q, d, digest(queries[q], known[d])) for q, d in bare.iter_rows() if q in queries and d in known]
    fresh = pl.DataFrame(made, schema=["query_id", "doc_id", "now"], orient="row").cast(pl.String)
    joined = table.join(fresh, on=["query_id", "doc_id"], how="left", maintain_order="left")
    return joined.with_columns(texts=pl.coalesce("texts", "now")).drop("now")


def _from_argilla(record: dict[str, Any], where: str) -> list[dict[str, Any]]:
    metadata = record.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise DataError(f"{where} is no record of Argilla 2: metadata={metadata!r:.80} is no JSON object")
    pair = {name: metadata.get(name) for name in ("query_id", "doc_id", "texts")}
    if not pair["query_id"] or not pair["doc_id"]:
        raise DataError(f"{where} lacks query_id or doc_id in its metadata; export it with foils review --argilla")
    try:
        names = json.loads(metadata.get("people") or "{}")
        answers, notes = (record["responses"].get(q) or [] for q in (QUESTION, NOTE))
        written = {r["user_id"]: r["value"] for r in notes}
        told = [(str(r["user_id"]), r["value"]) for r in answers]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} is no record of Argilla 2: {error!r}") from None
    rows = []
    for user, value in told:
        if value not in ANSWERS:
            raise DataError(f"{where}: {QUESTION}={value!r}; one of {', '.join(ANSWERS)}")
        note = str(written.get(user) or "")
        why = note if value != CANNOT_TELL else f"{CANNOT_TELL}: {note}" if note else CANNOT_TELL
        who = str(names.get(user) or f"human:{user[:8]}")
        rows.append(pair | {"p_relevant": ANSWERS[value], "by": who, "family": "human", "why": why, "draw": "given"})
    return rows


def _checked(row: dict[str, Any], where: str) -> dict[str, Any]:
    """A row of the table, every value of its kind."""
    for name in ("query_id", "doc_id", "by"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise DataError(f"{where}: {name}={row.get(name)!r}; a text is needed")
    for name, top in (("p_relevant", 1), ("chance", 1), ("grade", 3)):
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
            raise DataError(f"{where}: {name}={value!r}; a number from 0 to {top}, or null, is needed")
        if name == "grade" and value != int(value):
            raise DataError(f"{where}: grade={value!r}; a whole number from 0 to 3, or null, is needed")
    known = {name: row.get(name) for name in SCHEMA}
    human = row["by"] == "human" or row["by"].startswith("human:")
    family = known["family"] or ("human" if human else row["by"])
    if human != (family == "human"):
        raise DataError(f"{where}: by={row['by']!r} with family={family!r}; a person's name begins with human:")
    for name in ("why", "texts", "family", "draw"):
        if known[name] is not None and not isinstance(known[name], str):
            raise DataError(f"{where}: {name}={known[name]!r}; a text is needed")
    return known | {"family": family, "why": known["why"] or "", "draw": known["draw"] or "given"}


def _texts(pairs: Pairs, verdicts: Verdicts) -> dict[tuple[str, str, str], dict[str, str]]:
    on = verdicts.on(pairs).unique("row", keep="first", maintain_order=True)
    keyed: Sequence[Any] = on.select("query_id", "doc_id", "texts").rows()
    read = cases(pairs, on["row"].to_numpy().astype(np.uint32))
    return {k: {"query": c.query, "document": c.document} for k, c in zip(keyed, read, strict=True)}


def _label(p: float | None) -> str:
    return CANNOT_TELL if p is None else RELEVANT if p >= 0.5 else NOT_RELEVANT


def _note(row: dict[str, Any]) -> str:
    why = str(row["why"] or "")
    return why.removeprefix(CANNOT_TELL).removeprefix(": ") if row["p_relevant"] is None else why


def _waits(row: dict[str, Any]) -> bool:
    return row["p_relevant"] is None and str(row["why"] or "").startswith(NOT_ASKED)
