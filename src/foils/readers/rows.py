"""One row of a training file into the draft: query, positives, negatives, labels and what belongs to the pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from foils.errors import DataError
from foils.readers.draft import Draft, Item
from foils.readers.items import item_of, items_of
from foils.readers.roles import Aligned, Roles, Side, resolve
from foils.readers.values import Place, as_grade, as_id, as_list, as_score, parse_list, shown

Row = Mapping[str, Any]
Sides = dict[str, list[Item]]

KNOWN = (
    "foils reads rows with a query column (query, anchor, question, query_text) and positives (positive, pos, answer, "
    "document, positive_passages, positive_ctxs, pos_doc, ...), negatives (negative, negative_1, neg, "
    "negative_passages, hard_negative_ctxs, neg_doc, ...), label or labels, or id lists (positive_document_ids, "
    "document_ids with scores), and folders with corpus, queries and qrels"
)
PLAIN = re.compile(r"\s*([-+]?[\d.,]+(e[-+]?\d+)?|true|false|yes|no|none|null|nan)?\s*", re.IGNORECASE)
ITEM_LABEL = ("label", "judgment")
STRAY = re.compile(
    r"(hard_?)?neg(s|ative|atives)?(_?(text|doc|document|passage|sample|example|context|ctx|candidate)s?)?",
    re.IGNORECASE,
)


def read_rows(rows: Iterable[tuple[Place, Row]], draft: Draft, relevant_from: int) -> None:
    """Enter every row.

    Raises:
        DataError: a row has no known shape, or a value is not what its column needs.
    """
    for place, row in rows:
        roles = resolve(tuple(row))
        if roles is None:
            raise DataError(
                f"{place}: the columns {', '.join(map(str, row)) or '(none)'} are no known training format; {KNOWN}"
            )
        _row(row, roles, draft, place, relevant_from)


def _row(row: Row, roles: Roles, draft: Draft, place: Place, relevant_from: int) -> None:
    refuse_stray(row, roles, place)
    text, name, prompt = _query(row, roles, place)
    if text is not None and not text.strip():
        place.note("rows with an empty query", "left out")
        return
    if roles.listed:
        ids = roles.ids_only or roles.listed.endswith(("id", "ids"))
        sides = {"positive": items_of(row[roles.listed], roles.listed, place, ids=ids)}
    else:
        sides = {side: _side(row, roles, side, place) for side in ("positive", "negative")}
    leftover = {key: row[key] for key in (*roles.extra, *_of_row(row, roles))}
    for column in roles.aligned:
        if not _align(row[column.key], column, roles, sides, place):
            leftover[column.key] = row[column.key]
    _scores(row, roles, sides, place)
    if _flat(row, roles):
        refuse_plain_score(row, roles, place)
        _to_pairs(leftover, sides, place)
        leftover = {}
    query = draft.query(text, name, {**leftover, **prompt}, place)
    padding = sum(item.padding for items in sides.values() for item in items)
    if padding:
        place.note("empty texts that fill up a row", "left out", padding)
    if roles.label:
        _labelled(query, row[roles.label], roles.label, sides["positive"], draft, place, relevant_from)
        return
    real = {side: [item for item in items if not item.padding] for side, items in sides.items()}
    if roles.listed:
        _listed(query, real["positive"], draft, place, relevant_from)
    elif roles.vague and roles.scores and len(sides["positive"]) > 1:
        place.note("scored lists without labels", "the first is the positive, as sentence-transformers writes them")
        _sided(query, {"positive": real["positive"][:1], "negative": real["positive"][1:]}, draft, place)
    else:
        _sided(query, real, draft, place)


def _query(row: Row, roles: Roles, place: Place) -> tuple[str | None, str | None, dict[str, Any]]:
    """Text, id and prompt of the row's query."""
    given = row[roles.query_id] if roles.query_id else None
    name = None if given is None else as_id(given, str(roles.query_id), place)
    value = row[roles.query] if roles.query else None
    if isinstance(value, Mapping):
        inner = next((k for k in ("qid", "query_id", "id", "_id") if value.get(k) is not None), None)
        name = as_id(value[inner], inner, place) if inner and name is None else name
        value = next((value[k] for k in ("text", "query", "content") if k in value), None)
    if value is None:
        if name is None and roles.query is None:
            raise DataError(f"{place}: the row has neither a query nor a query id")
        return (None if name else ""), name, {}
    item = item_of(value, str(roles.query), place)
    return item.text, name, item.pair


def _side(row: Row, roles: Roles, side: Side, place: Place) -> list[Item]:
    keys = roles.positive if side == "positive" else roles.negative
    id_key = roles.positive_id if side == "positive" else roles.negative_id
    whole = [k for k in keys if not k[-1].isdigit()]
    items: list[Item] = []
    for key in keys:
        found = items_of(row[key], key, place, ids=roles.ids_only)
        if not found and key not in whole:
            found = [Item("")]  # keeps negative_2 the second, for its score
        if len(whole) > 1 and key in whole:
            for item in found:
                item.pair["list"] = key
        items += found
    value = row[id_key] if id_key else None
    if id_key is None or value is None:
        return items
    single = isinstance(value, int) or (isinstance(value, str) and parse_list(value) is None and len(items) == 1)
    names = [value] if single else as_list(value, id_key, place)
    if not keys:
        return [Item(None, as_id(name, id_key, place)) for name in names]
    _same_length(len(names), len(items), id_key, side, place)
    for item, name in zip(items, names, strict=True):
        # A text can do without an id, as made ones and padding do.
        item.id = item.id if name in (None, "") else as_id(name, id_key, place)
    return items


def _align(value: object, column: Aligned, roles: Roles, sides: Sides, place: Place) -> bool:
    """Spread a column over the documents of its side; False where it does not belong to them."""
    items = sides.get(column.side, [])
    if column.number is not None:
        keys = roles.negative if column.side == "negative" else roles.positive
        numbers = [int(m[1]) if (m := re.search(r"(\d+)$", k)) else None for k in keys]
        if column.number not in numbers or len(items) != len(keys):
            return False
        items = [items[numbers.index(column.number)]]
    if value is None:
        return True
    scores = "score" in column.name
    if isinstance(value, str) and (parsed := parse_list(value)) is not None:
        place.note(f"{column.key} lists written as strings", "parsed")
        value = parsed
    if isinstance(value, str) or not isinstance(value, Sequence):
        if len(items) != 1:
            if scores:
                raise DataError(f"{place}: {column.key} must be a list of {len(items)}, found {shown(value)}")
            return False
        value = [value]
    if len(value) != len(items) and not scores:
        return False
    _same_length(len(value), len(items), column.key, column.side, place)
    for item, found in zip(items, value, strict=True):
        item.pair[column.name] = as_score(found, column.key, place) if scores else found
    return True


def _scores(row: Row, roles: Roles, sides: Sides, place: Place) -> None:
    """Spread ``scores`` over positives, then negatives; margins over the negatives."""
    everything = [item for items in sides.values() for item in items]
    if roles.scores and row[roles.scores] is not None:
        values = as_list(row[roles.scores], roles.scores, place)
        _same_length(len(values), len(everything), roles.scores, "document", place)
        for item, value in zip(everything, values, strict=True):
            item.pair["score"] = as_score(value, roles.scores, place)
    if roles.margin and row[roles.margin] is not None and not _of_row(row, roles):
        value = row[roles.margin]
        parsed = parse_list(value) if isinstance(value, str) else value
        values = list(parsed) if isinstance(parsed, Sequence) else [value]
        whole = len(values) == len(everything)
        items = everything if whole else sides["negative"]
        _same_length(len(values), len(items), roles.margin, "negative", place)
        for item, value in zip(items, values, strict=True):
            item.pair["score" if whole else "margin"] = as_score(value, roles.margin, place)


def _flat(row: Row, roles: Roles) -> bool:
    """One positive and no lists: then the other columns of the row speak of the pair, not of the query."""
    columns = (*roles.positive, *roles.negative)
    return bool(roles.positive) and all(row[c] is None or isinstance(row[c], str) for c in columns)


def _of_row(row: Row, roles: Roles) -> tuple[str, ...]:
    """A label or score beside lists of documents that is one number: it is none of theirs."""
    key = roles.margin
    if key is None or key.lower() == "margin" or not isinstance(row[key], int | float) or _flat(row, roles):
        return ()
    return (key,)


def refuse_stray(row: Row, roles: Roles, place: Place) -> None:
    """Refuse a row whose negatives stand in a column that is not known: they would be lost.

    Raises:
        DataError: names the column.
    """
    if roles.negative or roles.negative_id or roles.listed or roles.label:
        return
    for key in row:
        value = row[key]
        texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        if STRAY.fullmatch(key) and texts and all(isinstance(v, str | Mapping) for v in texts):
            if all(isinstance(v, str) and PLAIN.fullmatch(v) for v in texts):
                continue  # a count or a flag, which a table holds as a text
            raise DataError(
                f"{place}: the column {key} is not known, and looks like negatives; call it negative, or give it "
                "another name if it holds none"
            )


def refuse_plain_score(row: Row, roles: Roles, place: Place) -> None:
    """Refuse a document of which a score is all that is known.

    Raises:
        DataError: with what would tell.
    """
    if roles.vague and not roles.label and "score" in row:
        raise DataError(
            f"{place}: {roles.positive[0]} has a score but no label, so nothing tells whether it is a positive; "
            "add a column label (1 or 0), or call the column positive"
        )


def _to_pairs(values: Row, sides: Sides, place: Place) -> None:
    for key, value in values.items():
        found = as_score(value, key, place) if "score" in key and value is not None else value
        for item in (item for items in sides.values() for item in items):
            item.pair.setdefault(key, found)


def _sided(query: str, sides: Sides, draft: Draft, place: Place) -> None:
    if not sides["positive"]:
        place.note("rows without a positive", "kept for their negatives")
    for item in sides["positive"]:
        draft.pair(query, item, 1, place)
    for item in sides["negative"]:
        draft.pair(query, item, None, place)


def _listed(query: str, items: list[Item], draft: Draft, place: Place, relevant_from: int) -> None:
    key = next((k for item in items for k in ITEM_LABEL if k in item.pair), None)
    if key is None:
        draft.listed(query, items, place)
        return
    for item in items:
        _judged(query, item, item.pair.pop(key, None), key, draft, place, relevant_from)


def _labelled(
    query: str, value: object, key: str, items: list[Item], draft: Draft, place: Place, relevant_from: int
) -> None:
    parsed = parse_list(value) if isinstance(value, str) else value
    many = isinstance(parsed, Sequence)
    labels = as_list(value, key, place) if many else [value]
    _same_length(len(labels), len(items), key, "document", place)
    for item, label in zip(items, labels, strict=True):
        if not item.padding:
            _judged(query, item, label, "labels" if many else key, draft, place, relevant_from)


def _judged(query: str, item: Item, label: object, key: str, draft: Draft, place: Place, relevant_from: int) -> None:
    grade = as_grade(label, key, place)
    if key == "judgment":
        item.pair[key] = grade
    # A list of labels is what miners write and a judgment is a model's: neither says that a person looked.
    judged_by_people = key == "label"
    draft.pair(query, item, grade if grade >= relevant_from or judged_by_people else None, place)


def _same_length(found: int, wanted: int, key: str, what: str, place: Place) -> None:
    if found != wanted:
        raise DataError(f"{place}: {key} has {found} values for {wanted} {what}s; both must have the same length")
