"""A fair part of a file for what is too dear to do on all of it: queries drawn by a hash, a pair of documents each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table

PAIRS = 10_000


class Twins(NamedTuple):
    """One positive and one negative of each of n queries.

    Args:
        positive: (n,) rows of ``Table.docs``.
        negative: (n,) rows of ``Table.docs``.
        positive_entry: (n,) of ``Table.entries``.
        negative_entry: (n,) of ``Table.entries``.
        of: how many queries have both.
    """

    positive: NDArray[np.int64]
    negative: NDArray[np.int64]
    positive_entry: NDArray[np.int64]
    negative_entry: NDArray[np.int64]
    of: int


def twins(table: Table, most: int = PAIRS, seed: int = 0) -> Twins:
    """Draw queries, and of each one positive and one negative: pairs of different queries do not depend on each other.

    Equal texts within a query are taken once, so that copies and repeats do not count here; a document that is
    drawn for several queries stays with the first of them.
    """
    full = table.solid
    chance = pl.concat_str(pl.col("asked"), pl.col("body"), separator=" ").hash(seed)
    drawn = {}
    for name, side in (("positive", POSITIVE), ("negative", NEGATIVE)):
        part = full.filter(pl.col("side") == side).select("asked", "doc", "body", "entry", chance=chance)
        drawn[name] = part.sort("chance", "entry").group_by("asked", maintain_order=True).first()
    both = (
        drawn["positive"].join(drawn["negative"], on="asked", suffix="_no").filter(pl.col("body") != pl.col("body_no"))
    )
    both = both.sort(pl.col("asked").hash(seed + 1), "asked")
    kept = both.unique("body_no", keep="first", maintain_order=True).unique("body", keep="first", maintain_order=True)
    kept = kept.head(most)
    doc, other, entry, other_entry = (
        kept[c].to_numpy().astype(np.int64) for c in ("doc", "doc_no", "entry", "entry_no")
    )
    return Twins(doc, other, entry, other_entry, both.height)


def sampled_queries(table: Table, most: int, seed: int = 0) -> pl.Series:
    """Hashes of up to ``most`` queries that have a positive and a negative, drawn by a hash."""
    sides = table.solid.group_by("asked").agg(n=pl.col("side").n_unique())
    both = sides.filter(pl.col("n") == 2)
    return both.sort(pl.col("asked").hash(seed), "asked").head(most)["asked"]
