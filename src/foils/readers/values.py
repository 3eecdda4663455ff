"""One value of a file to one plain value: ids, texts, lists, scores and grades, with every irregularity counted."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from foils.collection import Finding
from foils.errors import DataError

EXAMPLES = 3
WIDEST = 64


@dataclass
class Hazards:
    """Counts what was irregular in the input and what was done about it."""

    seen: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)

    def count(self, what: str, policy: str, where: object = "", times: int = 1) -> None:
        """Count one kind of irregularity; the first places are kept as examples."""
        before, examples = self.seen.get((what, policy), (0, []))
        if len(examples) < EXAMPLES and str(where):
            examples.append(str(where))
        self.seen[what, policy] = (before + times, examples)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The counts in the order in which they were first met."""
        return tuple(Finding(w, n, p, tuple(e)) for (w, p), (n, e) in self.seen.items() if n)


class Place(NamedTuple):
    """Where a value stands: it is named in errors, and what is irregular there is counted."""

    file: str
    number: int
    hazards: Hazards
    unit: str = "line"

    def __str__(self) -> str:
        """File, then line or row, counted from 1."""
        return f"{self.file}, {self.unit} {self.number}"

    def note(self, what: str, policy: str, times: int = 1) -> None:
        """Count an irregularity of this place."""
        self.hazards.count(what, policy, self, times)


def shown(value: object) -> str:
    """A value as an error message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def made_id(prefix: str, text: str, size: int = 12) -> str:
    """An id made from a text: ``prefix`` and ``size`` hexadecimal digits; equal texts have equal ids everywhere."""
    return prefix + hashlib.blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:size]


def parse_list(text: str) -> list[Any] | None:
    """Read a list that was written as a string (JSON or Python), or None if the text is no list."""
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a text with an odd backslash is not a list, and no news either
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(stripped)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                continue
            if isinstance(found, list):
                return found
    return None


def as_series(name: str, values: Sequence[Any]) -> pl.Series | None:
    """Values of any kind as a column, or None where no type holds them all as they are.

    >>> as_series("m", [{"a": 1}, {"b": 2}]).to_list(), as_series("m", [1, "x"])
    ([{'a': 1, 'b': None}, {'a': None, 'b': 2}], None)
    """
    nested = any(isinstance(v, Mapping | list) for v in values)
    # The first is told by the first values, so that a key that begins late would be lost without a word.
    for make in (_by_first, _by_all) if nested else (_by_first,):
        with suppress(TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            column = make(values)
            if not nested or (_writable(column.dtype) and all(map(_held, column.to_list(), values))):
                return column.alias(name)
    return None


def _by_first(values: Sequence[Any]) -> pl.Series:
    return pl.Series(values, strict=True)


def _by_all(values: Sequence[Any]) -> pl.Series:
    return pl.from_dicts([{"v": v} for v in values], infer_schema_length=None)["v"]


def _writable(dtype: pl.DataType) -> bool:
    """False for objects without keys, which no file can hold, and with very many, which are mappings."""
    if isinstance(dtype, pl.List):
        return _writable(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        inner: list[Any] = [f.dtype for f in dtype.fields]
        return 0 < len(inner) <= WIDEST and all(map(_writable, inner))
    return True


def _held(found: Any, value: Any) -> bool:
    """Whether a column holds a value as it was; keys that it lacks may be null."""
    if isinstance(value, Mapping):
        return isinstance(found, Mapping) and all(k in found and _held(found[k], v) for k, v in value.items())
    if isinstance(value, list):
        return isinstance(found, list) and len(found) == len(value) and all(map(_held, found, value))
    return bool(found == value) or (found != found and value != value)


def as_id(value: object, key: str, place: Place) -> str:
    """An id as a string: 7, 7.0 and "7" are one id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise DataError(f"{place}: {key} must be an id (a string or a whole number), found {shown(value)}")
    return str(value)


def as_text(value: object, key: str, place: Place) -> str:
    """A text; null is the empty text, anything else than a string is refused."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{place}: {key} must be a text, found {type(value).__name__} {shown(value)}")
    return value


def as_list(value: object, key: str, place: Place) -> list[Any]:
    """A list of ids, scores or labels; a list written as a string is parsed, any other string is refused."""
    if value is None:
        return []
    if isinstance(value, str):
        parsed = parse_list(value)
        if parsed is None:
            raise DataError(f"{place}: {key} must be a list, found the string {shown(value)}")
        place.note(f"{key} lists written as strings", "parsed")
        return parsed
    if not isinstance(value, Sequence):
        raise DataError(f"{place}: {key} must be a list, found {type(value).__name__} {shown(value)}")
    return list(value)


def as_score(value: object, key: str, place: Place) -> float | None:
    """A finite score; null, NaN and infinite ones become null and are counted."""
    if isinstance(value, str):
        try:
            value = float(value) if value.strip() else None
        except ValueError:
            raise DataError(f"{place}: {key} must be a number, found {shown(value)}") from None
    if value is None:
        place.note("scores that are null", "no score")
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{place}: {key} must be a number, found {shown(value)}")
    if not math.isfinite(value):
        place.note("scores that are NaN or infinite", "set to null")
        return None
    return float(value)


def as_grade(value: object, key: str, place: Place) -> int:
    """A grade of relevance: a whole number, also written as 1.0, "1" or true."""
    found = value
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            found = None
    # NaN is not below anything.
    if not isinstance(found, int | float) or not abs(found) < 2**31 or found != int(found):
        raise DataError(
            f"{place}: {key} must be a grade (a whole number below 2^31; 1 and above relevant, 0 not), "
            f"found {shown(value)}"
        )
    return int(found)
