"""Made documents and queries in a run: how they are marked, put in, and taken out again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from foils.collection import Collection
from foils.errors import DataError
from foils.files import lines_of, write_text
from foils.make.item import Made
from foils.make.operators import safety
from foils.outcome import JUDGED
from foils.pairs import MADE, MADE_RANK, Pairs
from foils.verdicts import Verdicts

MARK, RANK = MADE, MADE_RANK
FILE = "made.jsonl"
TWIN = "twin"
# What readers of the records count on.
NEEDED = frozenset(["id", "query_id", "source_id", "operator", "kind", "side", "text"])


@dataclass(frozen=True)
class Entry:
    """A made text and whose it is.

    Args:
        query: row of the query that it was made for.
        doc: row of the positive that it was made of.
        made: the negative and its record.
        title: of the made document; null where the corpus has none.
        text: of the made document or query.
        place: its place among the query's made negatives, from 1.
    """

    query: int
    doc: int
    made: Made
    title: str | None
    text: str
    place: int

    def name(self, collection: Collection) -> str:
        """Its id: the operator, and a hash of query, positive and text; the same in every run."""
        ids = collection.queries["id"][self.query], collection.corpus["id"][self.doc]
        raw = "\x00".join((*ids, self.made.operator, self.made.text)).encode("utf-8", "surrogatepass")
        return f"made-{self.made.operator}-{hashlib.blake2b(raw, digest_size=6).hexdigest()}"


def strip(pairs: Pairs) -> Pairs:
    """The table as it was before anything was made for it; made texts stand at the end, so no row number changes."""
    collection = pairs.collection
    if MARK not in collection.corpus.columns and MARK not in collection.queries.columns:
        return pairs
    corpus, queries = (_unmarked(t) for t in (collection.corpus, collection.queries))

    def known(table: pl.DataFrame) -> pl.DataFrame:
        return table.filter((pl.col("query") < queries.height) & (pl.col("doc") < corpus.height))

    bare = replace(
        collection,
        corpus=corpus,
        queries=queries,
        positives=known(collection.positives),
        negatives=known(collection.negatives),
    )
    return replace(pairs, frame=known(pairs.frame).drop(RANK, strict=False), collection=bare)


def _unmarked(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col(MARK).is_null()).drop(MARK) if MARK in table.columns else table


def is_made(pairs: Pairs) -> pl.Expr:
    """True for the rows of made texts."""
    return pl.col(RANK).is_not_null() if RANK in pairs.frame.columns else pl.lit(value=False)


def add(pairs: Pairs, entries: Sequence[Entry], *, twins: bool = False) -> Pairs:
    """Put made texts into a table that holds none: documents and queries marked ``made``, rows with a ``kind``.

    A row that rests on proof has a kind, and rules on scores and ranks pass over it. ``p_relevant`` becomes the share
    of the operator's negatives that reading found to be false; null where nobody has read any.

    Args:
        pairs: a table as ``strip`` gives it.
        entries: what was made.
        twins: put the hard positives of the document side in too, as positives of the kind ``twin``; those of a
            model only if a reader or a judge found that they answer.

    Raises:
        DataError: an id of the collection is that of a made text.
    """
    collection = pairs.collection
    documents = [e for e in entries if e.made.side == "document"]
    asked = [e for e in entries if e.made.side == "query"]
    told = [e for e in documents if e.made.twin is not None and e.made.twin.sure] if twins else []
    corpus = _append(
        collection.corpus,
        [(e.name(collection), e.title, e.text, e.made.operator) for e in documents]
        + [(f"{e.name(collection)}-twin", None, _twin(e), f"twin of {e.made.operator}") for e in told],
    )
    queries = _append(collection.queries, [(e.name(collection), None, e.text, e.made.operator) for e in asked])
    first, next_query = collection.corpus.height, collection.queries.height
    rows = [_row(e.query, first + n, e) for n, e in enumerate(documents)]
    rows += [_row(next_query + n, e.doc, e) for n, e in enumerate(asked)]
    rows += [
        _row(e.query, first + len(documents) + n, e) | {"positive": True, "kind": TWIN, "p_relevant": None}
        for n, e in enumerate(told)
    ]
    grades = collection.positives.rows_by_key(["query", "doc"], named=True, unique=True)
    labels = [
        {"query": e.query, "doc": first + len(documents) + n, "grade": _grade(e, grades[e.query, e.doc]["grade"])}
        for n, e in enumerate(told)
    ]
    positives = pl.concat([collection.positives, pl.DataFrame(labels, schema=collection.positives.schema)])
    larger = replace(collection, corpus=corpus, queries=queries, positives=positives)
    return _joined(replace(pairs, collection=larger), rows)


def heed(pairs: Pairs, verdicts: Verdicts) -> Pairs:
    """Drop the made negatives of which a verdict says that they answer; those of which it no longer does come back.

    Rules pass over made negatives, since they rest on proof. Who has read one knows better than the proof.

    Args:
        pairs: a table, with made texts or without.
        verdicts: all that are to count.
    """
    if RANK not in pairs.frame.columns:
        return pairs
    ours = pairs.frame.select(is_made(pairs) & ~pl.col("positive")).to_series()
    before = _unjudged(pairs, ours)
    after = verdicts.mark(before).frame
    wrong = ours & after["judged_by"].is_not_null() & (after["p_relevant"] >= 0.5).fill_null(value=False)
    columns = {c: pl.when(pl.lit(ours)).then(pl.lit(after[c])).otherwise(c) for c in ("p_relevant", "judged_by")}
    dropped = pl.when(pl.lit(wrong)).then(pl.lit(JUDGED, dtype=pl.Categorical)).otherwise("dropped")
    return replace(pairs, frame=before.frame.with_columns(**columns, dropped=dropped))


def _unjudged(pairs: Pairs, ours: pl.Series) -> Pairs:
    """Made negatives as they came in: live, with the share of their operator's that reading found to be false."""
    collection, mask = pairs.collection, pl.lit(ours)
    measured = {name: 1 - entry.share for name, entry in safety().items() if entry.read}
    operator = pl.lit(None, dtype=pl.String)
    for table, row in ((collection.corpus, "doc"), (collection.queries, "query")):
        if MARK in table.columns:
            operator = pl.coalesce(operator, pl.lit(table[MARK]).gather(pl.col(row)))
    prior = operator.replace_strict(measured, default=None, return_dtype=pl.Float32)
    frame = pairs.frame.with_columns(
        dropped=pl.when(~mask).then("dropped"),
        judged_by=pl.when(~mask).then("judged_by"),
        p_relevant=pl.when(mask).then(prior).otherwise("p_relevant"),
    )
    return replace(pairs, frame=frame)


def _grade(entry: Entry, known: int) -> int:
    """Of a twin: the level that a model wrote it at, else that of the positive."""
    written = entry.made.twin.written if entry.made.twin is not None else None
    return known if written is None or written.level is None else written.level


def _row(query: int, doc: int, entry: Entry) -> dict[str, Any]:
    safety = entry.made.safety
    return {
        "query": query,
        "doc": doc,
        "positive": False,
        "kind": entry.made.kind,
        "p_relevant": None if safety is None else 1 - safety,
        RANK: entry.place,
    }


def _joined(pairs: Pairs, rows: list[dict[str, Any]]) -> Pairs:
    schema = {c: t for c, t in pairs.frame.schema.items() if c in ("query", "doc", "positive", "kind", "p_relevant")}
    fresh = pl.DataFrame(rows, schema=schema | {RANK: pl.Int32()})
    frame = pl.concat([pairs.frame.with_columns(pl.lit(None, dtype=pl.Int32).alias(RANK)), fresh], how="diagonal")
    return replace(pairs, frame=frame.sort("query", "doc"))


def _append(table: pl.DataFrame, rows: list[tuple[str, str | None, str, str]]) -> pl.DataFrame:
    """New rows at the end, with the mark; columns that say nothing of them stay empty."""
    marked = table.with_columns(pl.lit(None, dtype=pl.String).alias(MARK))
    if not rows:
        return marked
    if known := set(table["id"].to_list()) & {r[0] for r in rows}:
        raise DataError(f"the collection has a text of its own with the id {min(known)!r}; rename it")
    fresh = pl.DataFrame(
        rows, schema={"id": pl.String, "title": pl.String, "text": pl.String, MARK: pl.String}, orient="row"
    )
    return pl.concat([marked, fresh if "title" in table.columns else fresh.drop("title")], how="diagonal")


def _twin(entry: Entry) -> str:
    return entry.made.twin.text if entry.made.twin is not None else ""


def aside(pairs: Pairs) -> tuple[Pairs, pl.DataFrame]:
    """Made rows apart from the others, for steps that choose among what was found."""
    rows = pairs.frame.filter(is_made(pairs))
    return replace(pairs, frame=pairs.frame.filter(~is_made(pairs))), rows


def back(pairs: Pairs, rows: pl.DataFrame) -> Pairs:
    """The made rows in their places again."""
    frame = pl.concat([pairs.frame, rows], how="diagonal_relaxed") if rows.height else pairs.frame
    return replace(pairs, frame=frame.sort("query", "doc"))


def write(folder: Path, collection: Collection, entries: Sequence[Entry]) -> None:
    """The records: one JSON object per made text, with its ids first."""
    lines = []
    for entry in entries:
        ids = {
            "id": entry.name(collection),
            "query_id": collection.queries["id"][entry.query],
            "source_id": collection.corpus["id"][entry.doc],
        }
        lines.append(json.dumps(ids | entry.made.record(), ensure_ascii=False))
    write_text(folder / FILE, "".join(line + "\n" for line in lines))


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of a run; none if nothing was made for it."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        records = [json.loads(line) for line in lines_of(path.read_text(encoding="utf-8"))]
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}; run foils make again") from error
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict) or (lacking := sorted(NEEDED - record.keys())):
            what = f"lacks {', '.join(lacking)}" if isinstance(record, dict) else "is no object"
            raise DataError(f"{path} is damaged: line {number} {what}; run foils make again")
    return records
