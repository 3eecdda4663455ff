"""The texts of rows of a table, as judges read them; and what judges made of judges share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.models.questions import Estimate
from foils.pairs import Pairs
from foils.protocols import Engine, Judge, Verdict


class Case(NamedTuple):
    """One pair as text.

    Args:
        row: of the table.
        doc: of the corpus.
        query: text.
        document: title and text.
        positives: texts of known positives of the query, the document itself left out.
    """

    row: int
    doc: int
    query: str
    document: str
    positives: tuple[str, ...] = ()


def cases(pairs: Pairs, rows: NDArray[np.uint32], positives: int = 0) -> list[Case]:
    """The texts of the given rows, in their order.

    Args:
        pairs: the table.
        rows: of ``pairs.frame``.
        positives: how many known positives of the query to show at most, highest grade first.
    """
    part, where = pairs.frame[rows], pairs.collection
    queries = where.queries["text"].gather(part["query"]).to_list()
    documents = where.passages.gather(part["doc"]).to_list()
    known = known_positives(pairs, part["query"]) if positives else {}
    found = []
    for row, q, d, query, document in zip(
        rows.tolist(), part["query"].to_list(), part["doc"].to_list(), queries, documents, strict=True
    ):
        others = [p for p in known.get(q, []) if p != d][:positives]
        found.append(Case(row, d, query, document, tuple(where.passages.gather(others).to_list())))
    return found


def known_positives(pairs: Pairs, queries: pl.Series) -> dict[int, list[int]]:
    """Documents known to answer, by query: those of the labels, highest grade first, then those of the table only."""
    of_table = pairs.frame.filter("positive").select("query", "doc", grade=pl.lit(None, dtype=pl.Int32))
    both = pl.concat([pairs.collection.positives.select("query", "doc", "grade"), of_table])
    both = both.filter(pl.col("query").is_in(queries.unique().implode())).sort(
        ["query", "grade", "doc"], descending=[False, True, False], nulls_last=True
    )
    table = both.group_by("query", maintain_order=True).agg(pl.col("doc").unique(maintain_order=True))
    return dict(zip(table["query"].to_list(), table["doc"].to_list(), strict=True))


def cut(text: str, characters: int) -> str:
    """The beginning of a text, with a mark where the rest is missing.

    Example:
        >>> cut("a long text", 6)
        'a long […]'
    """
    return text if len(text) <= characters else f"{text[:characters].rstrip()} […]"


def short_hash(*texts: str, size: int = 4) -> str:
    """A few hexadecimal digits of a hash of texts."""
    whole = hashlib.blake2b(digest_size=size)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        whole.update(len(raw).to_bytes(8, "little") + raw)
    return whole.hexdigest()


def check_judges(label: str, judges: Sequence[Judge], least: int) -> None:
    """Raise unless there are enough judges and each is ready; sends nothing."""
    if len(judges) < least:
        raise RecipeError(f"{label}: {len(judges)} judges were given, at least {least} are needed")
    for judge in judges:
        judge.check()


def check_table(label: str, table: Sequence[float], size: int) -> None:
    """Raise unless a table from grades to probabilities has its size and rises within [0, 1]."""
    inside = all(0.0 <= p <= 1.0 for p in table)
    if len(table) != size or not inside or list(table) != sorted(table):
        raise RecipeError(f"{label}: table={tuple(table)} must hold {size} probabilities in [0, 1] that never fall")


def prefixed(name: str, facts: dict[str, str]) -> dict[str, str]:
    """Facts of an inner judge under its place."""
    return {f"{name}: {k}": v for k, v in facts.items()}


def estimate(judge: Judge, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> Estimate:
    """What a judge would take for these rows; nothing for one that asks no server. Sends nothing.

    Args:
        judge: any.
        pairs: the table.
        rows: to be judged.
        engine: with the cache, whose answers are free.
    """
    inner = getattr(judge, "estimate", None)
    found = Estimate() if inner is None else inner(pairs, rows, engine)
    if not isinstance(found, Estimate):
        raise RecipeError(f"{judge.name}: estimate() gives a {type(found).__name__}; an Estimate is needed")
    return found


def abstain(by: str, why: str) -> Verdict:
    """No verdict."""
    return Verdict(None, by, why)
