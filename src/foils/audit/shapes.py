"""Values that are no plain rows (ColBERT arrays, renamed columns) as rows, and back."""

from __future__ import annotations

from typing import Any

from foils.audit.records import Row
from foils.readers.values import shown

CONTRASTORS = ("query", "positive", "negatives")


def unwrap(value: Any) -> tuple[Row | None, str]:
    """A JSON value as a row under the readers' names, or the reason why it is none.

    >>> unwrap([1, 2, 3])
    ({'query_id': 1, 'pos': [2], 'neg': [3]}, '')
    """
    if isinstance(value, dict):
        names = _renamed(value)
        return (value if not names else {names.get(str(k), str(k)): v for k, v in value.items() if k != "metadata"}), ""
    if isinstance(value, list) and len(value) >= 2:
        return {"query_id": value[0], "pos": value[1:2], "neg": value[2:]}, ""
    return None, f"no object and no array of ids: {shown(value)}"


def wrap(row: Row, value: Any) -> Any:
    """A changed row in the shape of the value that it came from.

    >>> wrap({"query_id": 1, "pos": [2], "neg": []}, [1, 2, 3])
    [1, 2]
    """
    if isinstance(value, list):
        return [row["query_id"], *row["pos"], *row["neg"]]
    names = _renamed(value)
    return row if not names else {k: row.get(names.get(k, k), v) for k, v in value.items()}


def _renamed(value: Row) -> dict[str, str]:
    """Which columns of a contrastors row the readers call otherwise, by its ``metadata.objective``."""
    metadata = value.get("metadata")
    objective = metadata.get("objective") if isinstance(metadata, dict) else None
    if not isinstance(objective, dict):
        return {}
    columns = next(iter([*(objective.get("triplet") or []), *(objective.get("paired") or [])]), None)
    if columns is None:
        return {}
    names: dict[str, str] = dict(zip(columns, CONTRASTORS, strict=False))
    if "pos_score" in value and "scores" in value:
        names["scores"] = "neg_scores"
    return names
