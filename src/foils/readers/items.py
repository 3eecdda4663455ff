"""The documents that one value of a row holds, in every way in which training files write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from foils.errors import DataError
from foils.readers.draft import Item
from foils.readers.roles import LISTS
from foils.readers.values import Place, as_id, as_score, as_text, parse_list, shown

ITEM_TEXT = ("text", "content", "contents", "passage", "document", "segment", "body", "doc")
ITEM_ID = ("docid", "doc_id", "id", "_id", "passage_id", "pid", "document_id", "psg_id")


def items_of(value: object, key: str, place: Place, *, ids: bool = False) -> list[Item]:
    """The documents of a column: one text, a list of texts or objects, or lists by retriever.

    Args:
        value: what stands in the column.
        key: its name.
        place: for errors and counts.
        ids: a plain string or number is an id, not a text.

    Raises:
        DataError: the value is nothing that a document can be.
    """
    if value is None:
        return []
    if isinstance(value, str) and (parsed := parse_list(value)) is not None and _holds_documents(parsed, key, ids=ids):
        place.note(f"{key} lists written as strings", "parsed")
        value = parsed
    if isinstance(value, str) and key in LISTS and not ids:
        place.note(f"{key} given as a string where a list is expected", "taken as one text")
    if isinstance(value, Mapping) and not any(k in value for k in (*ITEM_TEXT, *ITEM_ID)):
        return _by_retriever(value, key, place, ids=ids)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [item_of(v, key, place, ids=ids) for v in value]
    return [item_of(value, key, place, ids=ids)]


def item_of(value: object, key: str, place: Place, *, ids: bool = False) -> Item:
    """One document: a text, an object, an id, ``[instruction, text]``, ``[id, score]`` or a list of messages."""
    if ids and isinstance(value, str | int):
        return Item(None, as_id(value, key, place))
    if isinstance(value, Mapping):
        return _object(value, key, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if ids and len(value) == 2:
            return Item(None, as_id(value[0], key, place), pair={"score": as_score(value[1], key, place)})
        if value and all(isinstance(v, Mapping) and "role" in v for v in value):
            return _messages(value, key, place)
        if len(value) == 2 and all(isinstance(v, str) for v in value):
            instruction, text = value
            return Item(text, pair={"instruction": instruction} if instruction else {})
    return Item(as_text(value, key, place))


def _holds_documents(parsed: list[Any], key: str, *, ids: bool) -> bool:
    """A text may begin and end with brackets by chance: it is a list only if it holds what its column needs."""
    if ids:
        return True
    return bool(parsed or key in LISTS) and all(isinstance(v, str | dict) or v is None for v in parsed)


def _by_retriever(value: Mapping[str, Any], key: str, place: Place, *, ids: bool) -> list[Item]:
    items: list[Item] = []
    for name, found in value.items():
        if found is not None and (isinstance(found, str) or not isinstance(found, Sequence)):
            raise DataError(f"{place}: {key} must hold documents or lists of them, found {shown(found)} under {name!r}")
        for item in items_of(found, key, place, ids=ids):
            item.pair["list"] = name
            items.append(item)
    return items


def _object(value: Mapping[str, Any], key: str, place: Place) -> Item:
    if isinstance(value.get("doc"), Mapping):
        value = {**{k: v for k, v in value.items() if k != "doc"}, **value["doc"]}
    text_key = next((k for k in ITEM_TEXT if k in value), None)
    id_key = next((k for k in ITEM_ID if value.get(k) not in (None, "")), None)
    item = Item(
        None if text_key is None else as_text(value[text_key], f"{key}.{text_key}", place),
        None if id_key is None else as_id(value[id_key], f"{key}.{id_key}", place),
        as_text(value.get("title"), f"{key}.title", place),
    )
    for name, found in value.items():
        if name not in (text_key, id_key, "title"):
            item.pair[name] = as_score(found, f"{key}.{name}", place) if "score" in name else found
    return item


def _messages(value: Sequence[Mapping[str, Any]], key: str, place: Place) -> Item:
    said = [as_text(m.get("content"), f"{key}.content", place) for m in value if m["role"] != "system"]
    system = [as_text(m.get("content"), f"{key}.content", place) for m in value if m["role"] == "system"]
    return Item("\n".join(said), pair={"instruction": "\n".join(system)} if system else {})
