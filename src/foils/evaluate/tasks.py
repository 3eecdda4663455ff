"""Retrieval tasks that mteb can reach, as collections."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import polars as pl

from foils.collection import Collection, build
from foils.errors import DataError, RecipeError


def read_task(name: str, split: str = "test", relevant_from: int = 1) -> Collection:
    """Load a task of mteb; mteb downloads it, because the user named it.

    ``NAME/SUBSET`` chooses a language or part where a task has several.

    Args:
        name: of the task, for instance ``SciFact``.
        split: which part of it.
        relevant_from: the lowest grade that is relevant.

    Raises:
        RecipeError: mteb is not installed, or the task is no retrieval.
        DataError: the task cannot be loaded, or has no such split.
    """
    if importlib.util.find_spec("mteb") is None:
        raise RecipeError(f"mteb:{name} needs mteb, which is not installed; run: pip install mteb")
    import mteb

    wanted, _, subset = name.partition("/")
    try:
        task = mteb.get_task(wanted)
        task.load_data()
    except KeyError as error:
        raise DataError(f"mteb knows no task {wanted!r} ({str(error)[:200]})") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"mteb cannot load the task {wanted!r}: {str(error).splitlines()[0][:300]}") from error
    return collection_of(task, split, subset, relevant_from)


def collection_of(task: Any, split: str, subset: str = "", relevant_from: int = 1) -> Collection:
    """The collection of a loaded task, of mteb 1 (``corpus``, ``queries``, ``relevant_docs``) or 2 (``dataset``).

    Raises:
        RecipeError: the task is no retrieval.
        DataError: there is no such split or subset.
    """
    name = task.metadata.name
    if hasattr(task, "dataset") and isinstance(task.dataset, Mapping) and not hasattr(task, "relevant_docs"):
        part = _choose(_choose(task.dataset, subset or "default", name, "subset"), split, name, "split")
        try:
            corpus, queries, labels = part["corpus"], part["queries"], part["relevant_docs"]
        except (KeyError, TypeError) as error:
            raise RecipeError(f"the task {name} is no retrieval task with a corpus, queries and labels") from error
    elif hasattr(task, "relevant_docs"):
        tables = [task.corpus, task.queries, task.relevant_docs]
        if _levels(task.relevant_docs) == 4:
            tables = [_choose(table, subset or "default", name, "subset") for table in tables]
        corpus, queries, labels = (_choose(table, split, name, "split") for table in tables)
    else:
        raise RecipeError(f"the task {name} is no retrieval task with a corpus, queries and labels")
    rows = [(str(q), str(d), int(grade)) for q, docs in labels.items() for d, grade in docs.items()]
    judged = pl.DataFrame(rows, schema={"query_id": pl.String, "doc_id": pl.String, "grade": pl.Int32}, orient="row")
    return build(_texts(corpus), _texts(queries), judged, name=name, relevant_from=relevant_from)


def _levels(labels: Any) -> int:
    """Split, query, document and grade make 3 levels of mappings; with subsets in front it is 4."""
    depth = 0
    while isinstance(labels, Mapping) and labels:
        labels, depth = next(iter(labels.values())), depth + 1
    return depth


def _choose(table: Mapping[str, Any], key: str, name: str, what: str) -> Any:
    keys = list(table)
    if key in keys:
        return table[key]
    if what == "subset" and len(keys) == 1:
        return table[keys[0]]
    raise DataError(f"the task {name} has no {what} {key!r}; there are {', '.join(map(str, keys)) or 'none'}")


def _texts(table: Any) -> pl.DataFrame:
    """Ids and texts of a mapping, or of a table with rows."""
    rows = []
    items = table.items() if isinstance(table, Mapping) else ((row["id"], row) for row in table)
    for key, value in items:
        fields = value if isinstance(value, Mapping) else {"text": value}
        rows.append((str(key), _plain(fields.get("title")), _plain(fields.get("text"))))
    frame = pl.DataFrame(rows, schema=["id", "title", "text"], orient="row")
    return frame if (frame["title"] != "").any() else frame.drop("title")


def _plain(text: Any) -> str:
    # Queries of some tasks are conversations: a list of turns.
    return " ".join(map(str, text)) if isinstance(text, list | tuple) else "" if text is None else str(text)
