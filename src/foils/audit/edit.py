"""A row changed: documents taken out with everything that belongs to them, moved, replaced; scores emptied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from foils.audit.records import Row
from foils.audit.slots import NEGATIVE, POSITIVE, Slot, View, scored


@dataclass(slots=True)
class Edit:
    """What shall become of one row; documents are named by their place in ``View.slots``.

    Args:
        drop: leave these out.
        promote: make these positives.
        blank: empty their scores.
        replace: put another text in their place.
        columns: empty these columns.
        retype: write lists that stand as a text, and texts that stand for a list, as lists.
    """

    drop: set[int] = field(default_factory=set)
    promote: set[int] = field(default_factory=set)
    blank: set[int] = field(default_factory=set)
    replace: dict[int, str] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    retype: bool = False


def fixed(slot: Slot) -> bool:
    """True where the column itself is the document, so that it cannot be left out of its row."""
    return slot.index is None


def can_promote(seen: View, slot: Slot) -> bool:
    """True where the row can hold another positive: it labels its documents, or has a list of positives."""
    if slot.label is not None:
        return True
    roles = seen.roles
    target = roles.positive[0] if roles.positive else roles.positive_id
    plain = target not in (None, "positive_messages") and slot.inner is None and slot.side == NEGATIVE
    lists = all(not fixed(s) for s in (slot, *seen.side(POSITIVE)))
    return plain and lists and bool(seen.side(POSITIVE)) and not (roles.listed or roles.scores or roles.margin)


def edited(row: Row, seen: View, edit: Edit, relevant_from: int = 1) -> Row:
    """The row with the edit applied; columns that have no part in it stay as they are.

    Args:
        row: as read; it is not changed.
        seen: ``view(row)``.
        edit: what to do. What ``fixed`` holds cannot be dropped, and only what ``can_promote`` allows be promoted.
        relevant_from: the label of a promoted document.
    """
    new = dict(row) | seen.parsed
    for slot in seen.slots:
        # A text in place of a list; it is written as one also where the text itself goes.
        alone = fixed(slot) and ("text for list", slot.key) in seen.trouble
        if alone and (edit.retype or any(seen.slots[place] is slot for place in edit.drop | edit.promote)):
            new[slot.key], slot.index = [slot.value], 0
    for place in edit.blank:
        _blank(new, seen, seen.slots[place])
    for place, text in edit.replace.items():
        _put(new, seen.slots[place], text)
    _take_out(new, seen, edit, relevant_from)
    for key in edit.columns:
        new[key] = None
    for key, parsed in seen.parsed.items():
        if not edit.retype and isinstance(new[key], list):
            new[key] = row[key] if new[key] == parsed else _as_text(new[key], row[key])
    return new


def columns(seen: View, row: Row) -> list[tuple[str, str | None, list[Slot]]]:
    """The lists of a row that run beside documents: column, retriever inside it, the documents in order."""
    roles = seen.roles
    groups: dict[tuple[str, str | None], list[Slot]] = {}
    for slot in seen.slots:
        if not fixed(slot):
            groups.setdefault((slot.key, slot.inner), []).append(slot)
    found = [(key, inner, slots) for (key, inner), slots in groups.items()]
    beside: list[tuple[str | None, list[Slot]]] = [
        (column.key, seen.side(POSITIVE if column.side == "positive" else NEGATIVE))
        for column in roles.aligned
        if column.number is None
    ]
    beside += [(roles.positive_id, seen.side(POSITIVE)), (roles.negative_id, seen.side(NEGATIVE))]
    beside += [(roles.scores, seen.slots), (roles.label, seen.slots), (roles.margin, seen.side(NEGATIVE))]
    beside += [(roles.margin, seen.slots)]
    for key, slots in beside:
        value = None if key is None or (key, None) in groups else row.get(key)
        if isinstance(value, list) and len(value) == len(slots) and key is not None:
            found.append((key, None, slots))
    return found


def _take_out(new: Row, seen: View, edit: Edit, relevant_from: int) -> None:
    labelled = {place for place in edit.promote if seen.slots[place].label is not None}
    for place in labelled:
        _relabel(new, seen, seen.slots[place], relevant_from)
    moved = [seen.slots[place] for place in sorted(edit.promote - labelled)]
    gone = {id(seen.slots[place]) for place in edit.drop} | {id(slot) for slot in moved}
    if not gone:
        return
    lists = columns(seen, new)
    targets = _targets(seen)
    growing = {*targets.values(), *(key for key, _, slots in lists if all(s.side == POSITIVE for s in slots))}
    taken: dict[str, dict[int, Any]] = {}
    for key, inner, slots in lists:
        values = new[key] if inner is None else new[key][inner]
        pairs = list(zip(slots, values, strict=True))
        rest = [value for slot, value in pairs if id(slot) not in gone]
        new[key] = rest if inner is None else {**new[key], inner: rest}
        if key in targets:
            taken[targets[key]] = {id(slot): value for slot, value in pairs}
    for key in sorted(growing) if moved else ():
        if isinstance(new.get(key), list):
            new[key] = [*new[key], *(taken.get(key, {}).get(id(slot)) for slot in moved)]


def _targets(seen: View) -> dict[str, str]:
    """Where what belongs to a negative goes when it becomes a positive: column to column."""
    roles = seen.roles
    names = {a.name: a.key for a in roles.aligned if a.side == "positive" and a.number is None}
    found = {a.key: names[a.name] for a in roles.aligned if a.side == "negative" and a.name in names}
    if roles.positive:
        found |= {key: roles.positive[0] for key in roles.negative}
    if roles.positive_id and roles.negative_id:
        found[roles.negative_id] = roles.positive_id
    return found


def _blank(new: Row, seen: View, slot: Slot) -> None:
    """Empty every score of a document."""
    for key, slots in scored(seen, new):
        at = next((i for i, s in enumerate(slots) if s is slot), None)
        if at is None:
            continue
        value = new[key]
        if isinstance(value, list) and len(value) == len(slots):
            new[key] = [None if i == at else v for i, v in enumerate(value)]
        elif not isinstance(value, list) and len(slots) == 1:
            new[key] = None
    if isinstance(slot.value, dict):
        _put(new, slot, {k: None if isinstance(k, str) and "score" in k else v for k, v in slot.value.items()})
    elif isinstance(slot.value, list) and slot.text is None:
        _put(new, slot, slot.value[0])


def _put(new: Row, slot: Slot, value: Any) -> None:
    """Write a document to its place."""
    slot.value = value
    if slot.index is None:
        new[slot.key] = value
        return
    whole = new[slot.key]
    part = list(whole if slot.inner is None else whole[slot.inner])
    part[slot.index] = value
    new[slot.key] = part if slot.inner is None else {**whole, slot.inner: part}


def _relabel(new: Row, seen: View, slot: Slot, grade: int) -> None:
    key = seen.roles.label
    if key is None:
        inner = next(k for k in ("label", "judgment") if k in slot.value)
        _put(new, slot, {**slot.value, inner: _like(slot.value[inner], grade)})
    elif isinstance(new[key], list):
        at = next(i for i, s in enumerate(seen.slots) if s is slot)
        new[key] = [_like(v, grade) if i == at else v for i, v in enumerate(new[key])]
    else:
        new[key] = _like(new[key], grade)


def _like(value: Any, grade: int) -> Any:
    """A grade of the type of another: a column of a table has one type."""
    return type(value)(grade) if isinstance(value, str | bool | float) else grade


def _as_text(value: Sequence[Any], like: str) -> str:
    """A list as a text, in JSON or in Python's form, as the text before it was."""
    try:
        json.loads(like)
    except ValueError:
        return repr(list(value))
    return json.dumps(value, ensure_ascii=like.isascii())
