"""A collection being put together row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from foils.collection import Collection, build
from foils.errors import DataError
from foils.readers.values import Hazards, Place, as_series, made_id, shown

LABELS = {"query_id": pl.String(), "doc_id": pl.String(), "grade": pl.Int32()}
SENTINEL = -1.0
OF_QUERY = frozenset({"id", "text"})
OF_PAIR = frozenset({"query_id", "doc_id", "query", "doc", "position"})
JUST_A_LIST = "lists with scores but without labels"


@dataclass(slots=True)
class Item:
    """One document of a row; without ``text`` it is named by ``id`` only.

    Args:
        text: the text, or None.
        id: the id that the file gives, or None.
        title: kept apart from the text.
        pair: what the file says about this query and document together (scores, origin, ...).
    """

    text: str | None
    id: str | None = None
    title: str = ""
    pair: dict[str, Any] = field(default_factory=dict)

    @property
    def padding(self) -> bool:
        """True for the empty texts that fill a list up."""
        return self.text is not None and not (self.text or self.title)


@dataclass
class Draft:
    """Documents, queries and labelled pairs as they are met; ``finish`` makes the collection.

    Documents and queries without an id get one that is made from their text, so that equal texts of different rows
    are one document and the rows of one query share their positives.
    """

    hazards: Hazards = field(default_factory=Hazards)
    docs: dict[str, tuple[str, str]] = field(default_factory=dict)
    queries: dict[str, str | None] = field(default_factory=dict)
    query_extra: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: list[tuple[str, str, int | None]] = field(default_factory=list)
    pair_extra: dict[str, dict[int, Any]] = field(default_factory=dict)
    lists: list[tuple[int, int]] = field(default_factory=list)
    made: dict[tuple[str, str], str] = field(default_factory=dict)

    def query(self, text: str | None, given: str | None, extra: Mapping[str, Any], place: Place) -> str:
        """Enter a query and give its id.

        Raises:
            DataError: the id stands for another text already.
        """
        name = given if given is not None else self._made_id("q", text or "")
        known = self.queries.get(name)
        if known is not None and text is not None and known != text:
            raise DataError(
                f"{place}: the query id {name!r} stands for {shown(text)} here and for {shown(known)} before; "
                "ids must be unique"
            )
        self.queries[name] = known if text is None else text
        for key, value in extra.items():
            if value is None or value == {}:
                continue
            column = self.query_extra.setdefault(key, {})
            if column.setdefault(name, value) != value:
                place.note(f"queries whose rows differ in {key!r}", "the first value is kept")
        return name

    def pair(self, query: str, item: Item, grade: int | None, place: Place) -> None:
        """Enter a document with its grade for a query (null: a negative brought along)."""
        doc = self._doc(item, place)
        for key, value in item.pair.items():
            if value is not None and value != {}:
                self.pair_extra.setdefault(key, {})[len(self.pairs)] = value
        self.pairs.append((query, doc, grade))

    def listed(self, query: str, items: Iterable[Item], place: Place) -> None:
        """Enter a scored list that does not say which document is the positive; ``finish`` decides."""
        start = len(self.pairs)
        for item in items:
            self.pair(query, item, None, place)
        self.lists.append((start, len(self.pairs)))

    def _doc(self, item: Item, place: Place) -> str:
        if item.text is None:
            if item.id is None:
                raise DataError(f"{place}: a document has neither a text nor an id")
            return item.id
        body = f"{item.title}\n{item.text}" if item.title else item.text
        name = item.id if item.id is not None else self._made_id("d", body)
        known = self.docs.setdefault(name, (item.title, item.text))
        if known != (item.title, item.text):
            title, text = known
            here, before = (item.text, text) if item.text != text else (f"{item.title}: {text}", f"{title}: {text}")
            raise DataError(
                f"{place}: the document id {name!r} stands for {shown(here)} here and for {shown(before)} "
                "before; ids must be unique"
            )
        return name

    def _made_id(self, prefix: str, text: str) -> str:
        name = self.made.get((prefix, text))
        if name is None:
            taken = self.docs if prefix == "d" else self.queries
            # 48 bits are enough for millions of texts, but not for all of them: lengthen where two meet.
            name = next(n for size in (12, 24, 128) if (n := made_id(prefix, text, size)) not in taken)
            self.made[prefix, text] = name
        return name

    def finish(
        self,
        name: str,
        relevant_from: int,
        *,
        positives: pl.DataFrame | None = None,
        corpus: pl.DataFrame | None = None,
        queries: pl.DataFrame | None = None,
    ) -> Collection:
        """Make the collection.

        Args:
            name: of the collection.
            relevant_from: the lowest grade of a positive.
            positives: ``query_id``, ``doc_id``, ``grade``: replaces the positives of the file.
            corpus: ``id``, ``text``, ...: texts that stand beside the file.
            queries: the same for queries.

        Raises:
            DataError: nothing usable is left.
        """
        if self.lists and positives is None:
            self._choose_listed()
        labels = pl.DataFrame(self.pairs, schema=LABELS, orient="row")
        given = self._given(labels, relevant_from)
        if positives is not None:
            labels = pl.concat([positives.select(*LABELS), labels.filter(pl.col("grade").is_null())])
        collection = build(
            _union(self._corpus(), corpus), _union(self._queries(), queries), labels,
            name=name, relevant_from=relevant_from, given=given,
        )  # fmt: skip
        return replace(collection, findings=(*self.hazards.findings, *collection.findings))

    def _choose_listed(self) -> None:
        scores = self.pair_extra.get("score", {})
        first_is_best = rows = 0
        best: list[int] = []
        for start, stop in self.lists:
            scored = [i for i in range(start, stop) if i in scores]
            best.append(max(scored, key=lambda i: scores[i], default=start))
            rows += stop > start
            first_is_best += stop > start and best[-1] == start
        if not scores:
            raise DataError(
                f"{rows:,} rows list documents without labels or scores, so nothing tells which is the positive; "
                "name the positives with --positives FILE (header query-id corpus-id score)"
            )
        by_place = 2 * first_is_best > rows
        for (start, stop), top in zip(self.lists, best, strict=True):
            if stop > start:
                chosen = start if by_place else top
                self.pairs[chosen] = (*self.pairs[chosen][:2], 1)
        share = f"in {first_is_best:,} of {rows:,} lists the first document also has the highest score"
        policy = "the first is taken as the positive" if by_place else "the one with the highest score is the positive"
        self.hazards.count(JUST_A_LIST, policy, share, rows)

    def _given(self, labels: pl.DataFrame, relevant_from: int) -> pl.DataFrame | None:
        if not self.pair_extra and not labels["grade"].has_nulls():
            return None
        names = _own_names(self.pair_extra, OF_PAIR)
        columns = [_column(names[k], values, labels.height, self.hazards) for k, values in self.pair_extra.items()]
        negative = pl.col("grade").is_null() | (pl.col("grade") < relevant_from)
        # A negative that stands in several rows of its query has one place, the first.
        first = (
            labels.with_row_index("row")
            .filter(negative)
            .unique(["query_id", "doc_id"], keep="first", maintain_order=True)
        )
        places = first.select("row", position=pl.int_range(1, pl.len() + 1).over("query_id"))
        numbered = labels.with_row_index("row").join(places, on="row", how="left", maintain_order="left")
        return numbered.select("query_id", "doc_id", "position").with_columns(_without_sentinels(columns, self.hazards))

    def _corpus(self) -> pl.DataFrame:
        table = pl.DataFrame(
            {"id": list(self.docs), "text": [t for _, t in self.docs.values()]},
            schema=dict.fromkeys(("id", "text"), pl.String),
        )
        titles = pl.Series("title", [t for t, _ in self.docs.values()], dtype=pl.String)
        return table.with_columns(titles) if (titles != "").any() else table

    def _queries(self) -> pl.DataFrame:
        names = list(self.queries)
        table = pl.DataFrame(
            {"id": names, "text": list(self.queries.values())}, schema=dict.fromkeys(("id", "text"), pl.String)
        )
        rows = {name: row for row, name in enumerate(names)}
        own = _own_names(self.query_extra, OF_QUERY)
        extras = [
            _column(own[key], {rows[n]: v for n, v in values.items()}, table.height, self.hazards)
            for key, values in self.query_extra.items()
        ]
        texts = table["text"].drop_nulls()
        twice = texts.len() - texts.n_unique()
        if twice:
            self.hazards.count("queries whose text stands under another id too", "kept apart", times=twice)
        return table.with_columns(extras)


def _union(own: pl.DataFrame, beside: pl.DataFrame | None) -> pl.DataFrame:
    if beside is None:
        return own.drop_nulls("text")
    missing = own.filter(pl.col("text").is_null())
    extras = [c for c in own.columns if c not in beside.columns]
    if missing.height and extras:
        beside = beside.join(missing.select("id", *extras), on="id", how="left", maintain_order="left")
    known = own.drop_nulls("text")
    if known.height and beside.height:
        known = known.join(beside, on=["id", "text"], how="anti", maintain_order="left")
    return pl.concat([known, beside], how="diagonal_relaxed")


def _own_names(keys: Iterable[str], taken: frozenset[str]) -> dict[str, str]:
    """Columns of a file under names that the collection does not need: ``id`` becomes ``id_``."""
    given, names = set(keys), {}
    for key in given:
        name = key
        while name in taken or (name != key and name in given):
            name += "_"
        names[key] = name
    return names


def _column(name: str, values: Mapping[int, Any], height: int, hazards: Hazards) -> pl.Series:
    dense: list[Any] = [None] * height
    for row, value in values.items():
        dense[row] = value
    column = as_series(name, dense)
    if column is not None:
        return column
    hazards.count(f"column {name!r} with mixed, empty or very wide values", "kept as JSON texts")
    texts = [None if v is None else v if isinstance(v, str) else json.dumps(v, default=str) for v in dense]
    return pl.Series(name, texts, dtype=pl.String)


def _without_sentinels(columns: list[pl.Series], hazards: Hazards) -> list[pl.Series]:
    """Null the scores that are exactly -1 where no other score lies below: a mark for "no score", not a score."""
    cleaned = []
    for column in columns:
        if "score" in column.name and column.dtype.is_numeric():
            column = column.cast(pl.Float64)
            marks = (column == SENTINEL).sum()
            if marks and column.min() == SENTINEL:
                hazards.count(f"{column.name} values of -1", 'set to null: a mark for "no score"', times=int(marks))
                column = column.to_frame().select(pl.when(pl.first() != SENTINEL).then(pl.first())).to_series()
        cleaned.append(column)
    return cleaned
