"""Where the documents of a row stand: each with its side, its place in the row and its score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foils.audit.records import Row
from foils.errors import DataError
from foils.readers.items import ITEM_ID, ITEM_TEXT, item_of
from foils.readers.roles import LISTS, Roles, resolve
from foils.readers.rows import refuse_plain_score, refuse_stray
from foils.readers.values import Hazards, Place, as_id, parse_list

POSITIVE, NEGATIVE, UNTOLD = 0, 1, 2
NOWHERE = Place("", 0, Hazards())

NEMO = {"pos_doc", "neg_doc"}
MISSING, INFINITE, SENTINEL = 1, 2, 4
"""What can be wrong with a score: there is none, it is not finite, it is exactly -1."""


@dataclass(slots=True)
class Slot:
    """One document of a row.

    Args:
        side: ``POSITIVE``, ``NEGATIVE``, or ``UNTOLD`` where a scored list does not say.
        key: its column.
        inner: the retriever that its list stands under (GPL), or None.
        index: its place in the list; None: the column is the document.
        value: what stands there.
        text: the text; None: only the id is given.
        id: the id, or None.
        title: the title.
        score: the first of its scores that is a finite number, else NaN.
        flags: ``MISSING``, ``INFINITE`` and ``SENTINEL`` over all its scores; 0 where the row has none.
        label: its grade where the row labels it.
    """

    side: int
    key: str
    inner: str | None
    index: int | None
    value: Any
    text: str | None
    id: str | None
    title: str
    score: float = math.nan
    flags: int = 0
    label: int | None = None


@dataclass(slots=True)
class View:
    """A row as query and documents.

    Args:
        query: the text of the query; None: it is known by its id only.
        query_id: its id, or None.
        roles: what each column is.
        slots: the documents: positives, then negatives, each in the order of the row.
        parsed: lists that stand in the row as texts, by column.
        trouble: (kind, column) of what is wrong with a column as a whole.
    """

    query: str | None
    query_id: str | None
    roles: Roles
    slots: list[Slot] = field(default_factory=list)
    parsed: dict[str, list[Any]] = field(default_factory=dict)
    trouble: list[tuple[str, str]] = field(default_factory=list)

    def side(self, side: int) -> list[Slot]:
        """The documents of one side."""
        return [slot for slot in self.slots if slot.side == side]


def view(row: Row, relevant_from: int = 1) -> View:
    """See a row as query and documents; irregular columns become trouble, not errors.

    Args:
        row: the columns under the readers' names.
        relevant_from: the lowest label of a positive.

    Raises:
        DataError: the columns are of no known format, or a value is no document.

    >>> [(s.side, s.text, s.score) for s in view({"query": "q", "pos": ["p"], "neg": ["n"], "neg_scores": [0.5]}).slots]
    [(0, 'p', nan), (1, 'n', 0.5)]
    """
    roles = resolve(tuple(row))
    if roles is None:
        raise DataError(f"the columns {', '.join(map(str, row)) or '(none)'} are no known training format")
    refuse_stray(row, roles, NOWHERE)
    seen = View(*_query(row, roles), roles)
    if roles.listed:
        _collect(seen, UNTOLD, roles.listed, row[roles.listed], roles.ids_only or roles.listed.endswith(("id", "ids")))
    else:
        for side, keys, names in (
            (POSITIVE, roles.positive, roles.positive_id),
            (NEGATIVE, roles.negative, roles.negative_id),
        ):
            start = len(seen.slots)
            for key in keys:
                before = len(seen.slots)
                _collect(seen, side, key, row[key], roles.ids_only)
                if len(seen.slots) == before and key[-1].isdigit():
                    seen.slots.append(Slot(side, key, None, None, None, "", None, ""))
            if names is not None:
                _ids(seen, side, names, row[names], seen.slots[start:] if keys else None)
    if all(slot.index is None for slot in seen.slots):
        refuse_plain_score(row, roles, NOWHERE)
    _labels(seen, row, relevant_from)
    _own_scores(seen)
    for key, slots in scored(seen, row):
        _score(seen, key, row[key], slots)
    return seen


def scored(seen: View, row: Row) -> list[tuple[str, list[Slot]]]:
    """The columns of the row that hold scores, and the documents that they belong to, in order."""
    roles, found = seen.roles, []
    for column in roles.aligned:
        if column.name.endswith("score"):
            side = seen.side(POSITIVE if column.side == "positive" else NEGATIVE)
            if column.number is not None:
                side = [s for s in side if s.key.endswith(str(column.number)) and _number(s.key) == column.number]
            found.append((column.key, side))
    if roles.scores:
        found.append((roles.scores, seen.slots))
    if roles.margin and row[roles.margin] is not None:
        value = row[roles.margin]
        parsed = parse_list(value) if isinstance(value, str) else value
        whole = isinstance(parsed, Sequence) and not isinstance(parsed, str) and len(parsed) == len(seen.slots)
        # One number beside lists of documents is none of theirs, unless it says that it is a margin.
        of_row = isinstance(value, int | float) and roles.margin.lower() != "margin"
        if not of_row or all(slot.index is None for slot in seen.slots):
            found.append((roles.margin, seen.slots if whole else seen.side(NEGATIVE)))
    return found


def is_margin(seen: View, key: str, slots: list[Slot]) -> bool:
    """True for a column of score differences: positive minus negative."""
    return key == seen.roles.margin and len(slots) < len(seen.slots)


def document(value: Any, key: str, ids: bool) -> tuple[str | None, str | None, str]:
    """Text, id and title of one document.

    Raises:
        DataError: the value is nothing that a document can be.
    """
    if type(value) is str:
        return (None, value, "") if ids else (value, None, "")
    if type(value) is dict and isinstance(value.get("text"), str) and "doc" not in value:
        name = next((value[k] for k in ITEM_ID if value.get(k) not in (None, "")), None)
        if name is not None and type(name) is not str:
            name = as_id(name, key, NOWHERE)
        return value["text"], name, value.get("title") or ""
    item = item_of(value, key, NOWHERE, ids=ids)
    return item.text, item.id, item.title


def _query(row: Row, roles: Roles) -> tuple[str | None, str | None]:
    given = row[roles.query_id] if roles.query_id else None
    name = None if given is None else as_id(given, str(roles.query_id), NOWHERE)
    value = row[roles.query] if roles.query else None
    if type(value) is str:
        return value, name
    if isinstance(value, Mapping):
        inner = next((k for k in ("qid", "query_id", "id", "_id") if value.get(k) is not None), None)
        name = as_id(value[inner], inner, NOWHERE) if inner and name is None else name
        value = next((value[k] for k in ("text", "query", "content") if k in value), None)
    if value is None:
        return (None if name is not None and roles.query is None else ""), name
    return item_of(value, str(roles.query), NOWHERE).text, name


def _collect(seen: View, side: int, key: str, value: Any, ids: bool, inner: str | None = None) -> None:
    if value is None:
        return
    if isinstance(value, str):
        parsed = parse_list(value) if value[:1] == "[" or value[-1:] == "]" else None
        if parsed is not None and (
            ids or ((parsed or key in LISTS) and all(isinstance(v, str | dict) for v in parsed))
        ):
            seen.trouble.append(("list as text", key))
            seen.parsed[key] = value = parsed
        elif key in LISTS and not ids:
            seen.trouble.append(("text for list", key))
    if isinstance(value, Mapping) and inner is None and not any(k in value for k in (*ITEM_TEXT, *ITEM_ID)):
        for name, found in value.items():
            _collect(seen, side, key, found, ids, name)
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        for index, found in enumerate(value):
            seen.slots.append(Slot(side, key, inner, index, found, *document(found, key, ids)))
        return
    seen.slots.append(Slot(side, key, inner, None, value, *document(value, key, ids)))


def _ids(seen: View, side: int, key: str, value: Any, slots: list[Slot] | None) -> None:
    if slots is None:
        _collect(seen, side, key, value, ids=True)
        return
    names = listed(seen, key, value)
    if names is None:
        names = [value] if value is not None else []
    if names and len(names) != len(slots):
        seen.trouble.append(("stale", key))
    elif names:
        for slot, name in zip(slots, names, strict=True):
            slot.id = slot.id if name in (None, "") else as_id(name, key, NOWHERE)


def listed(seen: View, key: str, value: Any) -> list[Any] | None:
    """A column as a list, also where it is written as a text; None for anything else."""
    if isinstance(value, str):
        if key not in seen.parsed:
            parsed = parse_list(value)
            if parsed is None:
                return None
            seen.trouble.append(("list as text", key))
            seen.parsed[key] = parsed
        return seen.parsed[key]
    return list(value) if isinstance(value, Sequence) else None


def _labels(seen: View, row: Row, relevant_from: int) -> None:
    roles = seen.roles
    if roles.label:
        value = listed(seen, roles.label, row[roles.label])
        labels = [row[roles.label]] if value is None else value
        if len(labels) != len(seen.slots):
            raise DataError(f"{roles.label} has {len(labels)} values for {len(seen.slots)} documents")
        for slot, label in zip(seen.slots, labels, strict=True):
            slot.label = _grade(label, roles.label)
            slot.side = POSITIVE if slot.label >= relevant_from else NEGATIVE
    elif roles.listed:
        hits = [slot for slot in seen.slots if isinstance(slot.value, dict)]
        key = next((k for slot in hits for k in ("label", "judgment") if k in slot.value), None)
        for slot in hits if key else ():
            slot.label = _grade(slot.value.get(key), str(key))
            slot.side = POSITIVE if slot.label >= relevant_from else NEGATIVE
    elif roles.vague and roles.scores and len(seen.slots) > 1:
        for slot in seen.slots[1:]:
            slot.side = NEGATIVE


def _grade(value: Any, key: str) -> int:
    try:
        number = float(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise DataError(f"{key} must be a whole number, found {value!r}")


def _own_scores(seen: View) -> None:
    """Scores that stand in the documents themselves; of a list where some have one, the others miss it."""
    has: set[str] = set()
    for slot in seen.slots:
        value = slot.value
        if type(value) is dict:
            for key, found in value.items():
                if "score" in key and type(key) is str:
                    mark(slot, found)
                    has.add(slot.key)
        elif type(value) is list and len(value) == 2 and slot.text is None:
            mark(slot, value[1])
            has.add(slot.key)
    if has & NEMO:
        # Its trainers compare the scores of both sides.
        has |= NEMO
    for slot in seen.slots if has else ():
        if slot.key in has and not slot.flags and math.isnan(slot.score):
            slot.flags = MISSING


def _number(key: str) -> int | None:
    digits = key[len(key.rstrip("0123456789")) :]
    return int(digits) if digits else None


def _score(seen: View, key: str, value: Any, slots: list[Slot]) -> None:
    if value is None and not slots:
        return
    values = listed(seen, key, value)
    if values is None:
        values = [value]
    if len(values) != len(slots):
        if value is not None:
            seen.trouble.append(("stale", key))
        return
    sign = -1.0 if is_margin(seen, key, slots) else 1.0
    for slot, found in zip(slots, values, strict=True):
        mark(slot, found, sign)
    if sign < 0:
        for slot in seen.side(POSITIVE):
            slot.score = 0.0 if math.isnan(slot.score) else slot.score


def mark(slot: Slot, value: Any, sign: float = 1.0) -> None:
    """Add a score to what is known of a document."""
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise DataError(f"a score must be a number, found {value!r}") from None
    if value is None:
        slot.flags |= MISSING
    elif not math.isfinite(number):
        slot.flags |= INFINITE
    else:
        # A margin of -1 is a number like any other.
        slot.flags |= SENTINEL if number == -1 and sign > 0 else 0
        slot.score = sign * number if math.isnan(slot.score) else slot.score
