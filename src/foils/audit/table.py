"""A training file as columns: a row per record, an entry per document that stands in it, each text once."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.records import Record, Source
from foils.audit.slots import NEGATIVE, NOWHERE, POSITIVE, UNTOLD, View, view
from foils.errors import DataError
from foils.readers.items import ITEM_ID, ITEM_TEXT
from foils.readers.roles import LISTS
from foils.readers.rows import KNOWN
from foils.texts import fold

Content = str | tuple[str | None, str]
TRAITS = {"entry": pl.UInt32, "name": pl.String, "value": pl.String}
SHORT, MOST_TRAITS = 60, 500_000
NO_TRAIT = frozenset({"text", "title", *ITEM_TEXT, *ITEM_ID, "role"})
NO_LABEL = -(2**31)
ROWS = {"number": "q", "query": "i", "query_id": "i", "first": "q", "readable": "b", "columns": "i"}
CELLS = {
    "record": "i", "place": "i", "side": "b", "doc": "i", "id": "i", "score": "d", "flags": "b", "label": "i",
    "fixed": "b",
}  # fmt: skip
TYPES = {"q": np.int64, "i": np.int32, "b": np.int8, "d": np.float64}


@dataclass(frozen=True, eq=False)
class Table:
    """What stands in a file.

    Args:
        source: the file.
        records: a row per record: ``number`` i64, ``query`` i32 (row of ``queries``), ``query_id`` i32 (-1: none),
            ``first`` i64 (its first row in ``entries``), ``readable`` bool, ``columns`` i32 (which column names).
        entries: a row per document of a record: ``record`` i32, ``place`` i32 (in ``View.slots``), ``side`` i8,
            ``doc`` i32 (row of ``docs``), ``id`` i32 (-1: none), ``score`` f64 (NaN: none), ``flags`` i8, ``label`` i32
            (null: not labelled), ``fixed`` i8 (1: the column itself is the document).
        docs: a row per different document: ``title``, ``text``, ``known`` (false: an id without a text).
        queries: a row per different query: ``text``, ``known``.
        ids: the document ids, by number.
        query_ids: the query ids, by number.
        trouble: (record, kind, column or reason) of what is wrong with a whole record or column.
        columns: the different sets of column names.
        traits: short fields of documents in a part of the records: ``entry``, ``name``, ``value``.
        listed: where scored lists do not tell the positive: how it was chosen.
        stamp: size and time of the file when it was read.
        listed_by_id: the file names documents by id only; their texts stand elsewhere.
    """

    source: Source
    records: pl.DataFrame
    entries: pl.DataFrame
    docs: pl.DataFrame
    queries: pl.DataFrame
    ids: list[str]
    query_ids: list[str]
    trouble: pl.DataFrame
    columns: list[tuple[str, ...]]
    traits: pl.DataFrame
    listed: str = ""
    listed_by_id: bool = False
    stamp: tuple[int, int] = (0, 0)

    @cached_property
    def body(self) -> pl.Series:
        """What is compared of each document: the text, folded, or the title where there is no text; by its hash."""
        text = self.docs.select(pl.when(pl.col("text").str.strip_chars() == "").then("title").otherwise("text"))
        return _hashed(text.to_series(), self.docs["known"])

    @cached_property
    def asked(self) -> pl.Series:
        """The hash of each query's folded text."""
        return _hashed(self.queries["text"], self.queries["known"])

    @cached_property
    def passages(self) -> pl.Series:
        """Title and text of each document."""
        return self.docs.select(
            pl.concat_str("title", "text", separator=" ").str.strip_chars().alias("passage")
        ).to_series()

    @cached_property
    def full(self) -> pl.DataFrame:
        """The entries with ``body`` and ``asked`` hashes and the number of the ``query``, in order."""
        record = pl.col("record")
        query = pl.lit(self._query_of).gather(record)
        entries = self.entries if "entry" in self.entries.columns else self.entries.with_row_index("entry")
        return entries.with_columns(
            query=query, body=pl.lit(self.body).gather(pl.col("doc")), asked=pl.lit(self.asked).gather(query)
        )

    @cached_property
    def _query_of(self) -> pl.Series:
        """The query of each record of the file, also of records that were left out."""
        codes = np.full(int(self.records["record"].max() or 0) + 1, -1, dtype=np.int32)  # type: ignore[arg-type]
        codes[self.records["record"].to_numpy()] = self.records["query"].to_numpy()
        return pl.Series(codes)

    @property
    def solid(self) -> pl.DataFrame:
        """The full entries whose document has a text that is not empty."""
        there = self.docs["known"] & ~self.empty
        return self.full.filter(pl.lit(there).gather(pl.col("doc")))

    def without(self, entries: NDArray[np.int64], records: NDArray[np.int64]) -> Table:
        """The table as if these entries and records did not stand in the file; entries keep their numbers."""
        full = self.full.select("entry", *CELLS)
        out = pl.col("entry").is_in(pl.Series(entries).implode()) | pl.col("record").is_in(pl.Series(records).implode())
        kept = self.records.filter(~pl.col("record").is_in(pl.Series(records).implode()))
        trouble = self.trouble.filter(~pl.col("record").is_in(pl.Series(records).implode()))
        smaller = replace(self, entries=full.filter(~out), records=kept, trouble=trouble)
        # Texts are the same: what was computed of them is taken over.
        smaller.__dict__.update({k: self.__dict__[k] for k in ("body", "asked", "passages") if k in self.__dict__})
        return smaller

    @property
    def empty(self) -> pl.Series:
        """Per document, true if it holds nothing but white space."""
        return self.docs.select((pl.col("known")) & (self.passages.str.strip_chars() == "")).to_series()


def _hashed(texts: pl.Series, known: pl.Series) -> pl.Series:
    folded = fold(texts).hash(seed=0)
    # An id without a text is equal to itself only.
    return pl.select(pl.when(known).then(folded).otherwise(texts.hash(seed=1))).to_series()


@dataclass
class Draft:
    """A table being put together record by record."""

    source: Source
    relevant_from: int = 1
    docs: dict[Content, int] = field(default_factory=dict)
    queries: dict[Content, int] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    query_ids: dict[str, int] = field(default_factory=dict)
    shapes: dict[tuple[str, ...], int] = field(default_factory=dict)
    trouble: list[tuple[int, str, str]] = field(default_factory=list)
    traits: list[tuple[int, str, str]] = field(default_factory=list)
    stride: int = 1
    rows: dict[str, array[Any]] = field(default_factory=lambda: {c: array(t) for c, t in ROWS.items()})
    cells: dict[str, array[Any]] = field(default_factory=lambda: {c: array(t) for c, t in CELLS.items()})

    def enter(self, record: Record) -> None:
        """Take in one record."""
        rows, at = self.rows, len(self.rows["number"])
        seen, why = None, record.why
        if record.row is not None:
            try:
                seen = view(record.row, self.relevant_from)
            except DataError as error:
                why = str(error).removeprefix(f"{NOWHERE}: ")
        rows["number"].append(record.number)
        rows["first"].append(len(self.cells["doc"]))
        rows["readable"].append(seen is not None)
        shape = tuple(record.row or ())
        rows["columns"].append(self.shapes.setdefault(shape, len(self.shapes)))
        if seen is None:
            self.trouble.append((at, "unreadable", why))
            rows["query"].append(-1)
            rows["query_id"].append(-1)
            return
        text: Content = seen.query if seen.query is not None else (None, seen.query_id or "")
        rows["query"].append(self.queries.setdefault(text, len(self.queries)))
        rows["query_id"].append(_code(self.query_ids, seen.query_id))
        if seen.trouble:
            self.trouble += [(at, kind, column) for kind, column in dict.fromkeys(seen.trouble)]
        if at % self.stride == 0:
            self._traits(record.row or {}, seen, at)
        self._documents(seen, at)

    def _documents(self, seen: View, at: int) -> None:
        docs, ids, cells = self.docs, self.ids, self.cells
        record, place, side, doc, name = (cells[c] for c in ("record", "place", "side", "doc", "id"))
        score, flags, label, fixed = (cells[c] for c in ("score", "flags", "label", "fixed"))
        for number, slot in enumerate(seen.slots):
            content: Content
            if slot.text is None:
                content = (None, slot.id or "")
            else:
                content = (slot.title, slot.text) if slot.title else slot.text
            record.append(at)
            place.append(number)
            side.append(slot.side)
            doc.append(docs.setdefault(content, len(docs)))
            name.append(-1 if slot.id is None else ids.setdefault(slot.id, len(ids)))
            score.append(slot.score)
            flags.append(slot.flags)
            label.append(NO_LABEL if slot.label is None else slot.label)
            fixed.append(slot.index is None and slot.key not in LISTS)

    def _traits(self, row: dict[str, Any], seen: View, at: int) -> None:
        """Short values that stand with each document; of a long file, of every second record, fourth, ..."""
        start = len(self.cells["doc"])
        for number, slot in enumerate(seen.slots):
            fields = {"list": slot.inner} if slot.inner is not None else {}
            fields |= slot.value if type(slot.value) is dict else {}
            self._short(start + number, {k: v for k, v in fields.items() if k not in NO_TRAIT})
        places = {side: [i for i, s in enumerate(seen.slots) if s.side == side] for side in (POSITIVE, NEGATIVE)}
        for column in seen.roles.aligned:
            values = row.get(column.key)
            where = places[POSITIVE if column.side == "positive" else NEGATIVE]
            if type(values) is list and len(values) == len(where):
                for place, value in zip(where, values, strict=True):
                    self._short(start + place, {column.name: value})
        if len(self.traits) > MOST_TRAITS:
            self.stride *= 2
            records = self.cells["record"]
            self.traits = [t for t in self.traits if (records[t[0]] if t[0] < start else at) % self.stride == 0]

    def _short(self, entry: int, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            if type(value) in (str, bool) and len(str(value)) <= SHORT:
                self.traits.append((entry, name, str(value)))

    def finish(self) -> Table:
        """The table.

        Raises:
            DataError: no record, or hardly any, can be read, or nothing tells the positives.
        """
        broken = sum(kind == "unreadable" for _, kind, _ in self.trouble)
        total = len(self.rows["number"])
        if total == 0:
            raise DataError(f"{self.source.path.name} holds no rows; at least one is needed")
        if 2 * broken > total:
            at, _, why = next(t for t in self.trouble if t[1] == "unreadable")
            number = self.rows["number"][at]
            raise DataError(
                f"{broken:,} of {total:,} rows of {self.source.path.name} cannot be read; the first, "
                f"{self.source.unit} {number}: {why}; {KNOWN}"
            )
        entries = pl.DataFrame({c: np.array(v, dtype=TYPES[v.typecode]) for c, v in self.cells.items()})
        entries = entries.with_columns(label=pl.when(pl.col("label") > NO_LABEL).then("label"))
        records = pl.DataFrame({c: np.array(v, dtype=TYPES[v.typecode]) for c, v in self.rows.items()})
        records = records.with_columns(pl.col("readable").cast(pl.Boolean)).with_row_index("record")
        entries, how = _told(entries)
        return Table(
            self.source, records.with_columns(pl.col("record").cast(pl.Int32)), entries,
            _texts(self.docs), _texts(self.queries).drop("title"), list(self.ids), list(self.query_ids),
            pl.DataFrame(self.trouble, schema={"record": pl.Int32, "kind": pl.String, "what": pl.String}, orient="row"),
            list(self.shapes), pl.DataFrame(self.traits, schema=TRAITS, orient="row"), how,
            any(type(c) is tuple and c[0] is None for c in self.docs),
        )  # fmt: skip


def read_table(source: Source, relevant_from: int = 1) -> Table:
    """Read a whole file.

    Args:
        source: the file.
        relevant_from: the lowest label of a positive.
    """
    seen = stamp(source)
    draft = Draft(source, relevant_from)
    for record in source.records():
        draft.enter(record)
    return replace(draft.finish(), stamp=seen)


def stamp(source: Source) -> tuple[int, int]:
    """Size and time of a file: another file is hardly ever taken for it."""
    found = source.path.stat()
    return found.st_size, found.st_mtime_ns


def _code(codes: dict[str, int], name: str | None) -> int:
    return -1 if name is None else codes.setdefault(name, len(codes))


def _texts(contents: dict[Content, int]) -> pl.DataFrame:
    titles = ["" if type(c) is str or c[0] is None else c[0] for c in contents]
    texts = [c if type(c) is str else c[1] for c in contents]
    known = [type(c) is str or c[0] is not None for c in contents]
    return pl.DataFrame(
        [
            pl.Series("title", titles, pl.String),
            pl.Series("text", texts, pl.String),
            pl.Series("known", known, pl.Boolean),
        ]
    )


def _told(entries: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Scored lists that do not say which document is the positive, decided as the readers decide it.

    Raises:
        DataError: they have no scores either.
    """
    untold = entries.with_row_index("entry").filter(pl.col("side") == UNTOLD)
    if untold.height == 0:
        return entries, ""
    if untold["score"].is_nan().all():
        raise DataError(
            f"{untold['record'].n_unique():,} rows list documents without labels or scores, so nothing tells which is "
            "the positive; give every document a label (1 or 0) or a score"
        )
    best = untold.sort(
        "record", pl.col("score").fill_nan(None), "place", descending=[False, True, False], nulls_last=True
    )
    first = best.group_by("record", maintain_order=True).agg(pl.col("entry").first(), pl.col("place").first())
    by_place = 2 * int((first["place"] == 0).sum()) > first.height
    chosen = untold.filter(pl.col("place") == 0)["entry"] if by_place else first["entry"]
    side = entries["side"].to_numpy().copy()
    side[untold["entry"].to_numpy()] = NEGATIVE
    side[chosen.to_numpy()] = POSITIVE
    how = "the first" if by_place else "the one with the highest score"
    return entries.with_columns(side=pl.Series(side)), f"{how} of each scored list is taken as the positive"
