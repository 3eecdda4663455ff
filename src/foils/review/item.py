"""One pair to read: its texts, what it was made of, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from foils import made
from foils.pairs import Pairs
from foils.report.markup import words

POSITIVES = 3
LONGEST = 20_000  # characters of a text that are shown


@dataclass(frozen=True)
class Item:
    """A pair.

    Args:
        row: of the table.
        query_id: of the query.
        doc_id: of the candidate.
        query: its text.
        document: title and text.
        positives: known ones, the nearest first.
        kind: of a made negative; empty for a found one.
        source: the text that a made one was made of; empty: not made.
        side: ``document`` or ``query``, whichever was made.
        why: what was changed, in the operator's words.
        fate: ``selected``, or the reason it was dropped for.
        found: rank by source.
        scores: by column.
        p: probability of being relevant; null: none.
        dull: words that stand in too many texts to be worth a mark.
    """

    row: int
    query_id: str
    doc_id: str
    query: str
    document: str
    positives: tuple[str, ...]
    kind: str = ""
    source: str = ""
    side: str = ""
    why: str = ""
    fate: str = "selected"
    found: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    p: float | None = None
    dull: frozenset[str] = frozenset()


def item(
    pairs: Pairs, row: int, records: dict[str, dict[str, Any]] | None = None, dull: frozenset[str] = frozenset()
) -> Item:
    """Everything that the page shows of a row.

    Args:
        pairs: the table.
        row: of it.
        records: of made texts, by their ids.
        dull: words that are not to be marked.
    """
    where, frame = pairs.collection, pairs.frame
    values = frame.row(row, named=True)
    query, doc = values["query"], values["doc"]
    query_id, doc_id = where.queries["id"][query], where.corpus["id"][doc]
    text, document = where.queries["text"][query][:LONGEST], where.passages[doc][:LONGEST]
    record = (records or {}).get(doc_id) or (records or {}).get(query_id) or {}
    side = str(record.get("side", ""))
    positives = _positives(pairs, query, doc)
    source = ""
    if side == "document":
        source = _text(where.corpus["id"], where.passages, record["source_id"])
    elif side == "query":
        source = _text(where.queries["id"], where.queries["text"], record["query_id"])
    fate = "a positive since it was judged" if values["positive"] else values["dropped"] or "selected"
    return Item(
        row=row,
        query_id=query_id,
        doc_id=doc_id,
        query=text,
        document=document,
        positives=positives,
        kind=values["kind"] or "",
        source=source,
        side=side if source else "",
        why=str(record.get("why", "")),
        fate=fate,
        found={s: values[f"rank.{s}"] for s in pairs.sources if values[f"rank.{s}"] is not None},
        scores={c: values[c] for c in pairs.scores if values[c] is not None},
        p=values["p_relevant"],
        dull=dull,
    )


def _positives(pairs: Pairs, query: int, doc: int) -> tuple[str, ...]:
    """Known positives of a query, those that share most words with the candidate first."""
    column = pairs.frame["query"]
    # The table is sorted by query: its rows are found without reading the column.
    start, stop = column.search_sorted(query, "left"), column.search_sorted(query, "right")
    part = pairs.frame[start:stop].filter(pl.col("positive") & (pl.col("doc") != doc))
    texts = [pairs.collection.passages[d][:LONGEST] for d in part["doc"].to_list()[:50]]
    ours = words(pairs.collection.passages[doc][:4000])
    shared = [len(ours & (theirs := words(t[:4000]))) / max(len(ours | theirs), 1) for t in texts]
    order = sorted(range(len(texts)), key=lambda i: -shared[i])
    return tuple(texts[i] for i in order[:POSITIVES])


def _text(ids: pl.Series, texts: pl.Series, wanted: str) -> str:
    at = (ids == wanted).arg_max()
    return texts[at][:LONGEST] if at is not None and ids[at] == wanted else ""


def records(run_folder: Any) -> dict[str, dict[str, Any]]:
    """What is known of made texts, by their ids."""
    return {r["id"]: r for r in made.read(run_folder)}
