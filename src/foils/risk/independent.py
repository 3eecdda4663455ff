"""Who may say how many false negatives are left: nobody who took part in removing them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from foils.errors import DataError

# A person's verdict is what the rate is measured against; the collection's own judgments are a person's too.
TRUTH = frozenset({"human", "qrels"})


class Independent(NamedTuple):
    """Verdicts that may be used, and what to say about them.

    Args:
        verdicts: the rows of the table given whose families took no part in the filtering.
        note: empty, or what a reader must know.
    """

    verdicts: pl.DataFrame
    note: str


def independent(verdicts: pl.DataFrame, filtered_by: Iterable[str]) -> Independent:
    """Leave out the verdicts of families that took part in the filtering, or refuse.

    Measured on TREC DL 2019 with a GPT-4o judge that filtered: its own rate of what is left is 0 %, the truth 34 to
    39 % (``benchmarks/triage.py``): what it cannot see it cannot count. Two models of one kind may both speak, but they
    err together more than chance would have it (both miss 12 % of the relevant instead of 3 %), so their rate is called
    a lower bound. Persons are the yardstick, and always independent.

    Args:
        verdicts: a table with the column ``family`` (kinds of evidence joined by "+"), as ``Verdicts.frame``.
        filtered_by: families that decided what was dropped, those whose verdicts trained the detector included.

    Raises:
        DataError: verdicts are there, but none is independent.
    """
    filtering = frozenset(part for family in filtered_by for part in family.split("+") if part) - TRUTH
    families = verdicts["family"].unique().to_list()
    tainted = {f for f in families if frozenset(f.split("+")) & filtering}
    left = verdicts.filter(~pl.col("family").is_in(sorted(tainted)))
    if verdicts.height and not left.height:
        shared = sorted({part for f in tainted for part in f.split("+")} & filtering)
        raise DataError(
            f"all {verdicts.height:,} verdicts come from {', '.join(shared)}, which took part in the filtering: the "
            "rate of what is left cannot be estimated by the judge that left it; judge a sample with another family "
            "or by hand"
        )
    kinds = {part.split(":")[0] for part in filtering}
    alike = sorted({f for f in left["family"].unique().to_list() if {p.split(":")[0] for p in f.split("+")} & kinds})
    notes = []
    if tainted:
        out = verdicts.height - left.height
        notes.append(f"{out:,} verdicts left out: {', '.join(sorted(tainted))} took part in the filtering")
    if alike:
        notes.append(f"{', '.join(alike)} is of the same kind as a judge that filtered: read the rate as a lower bound")
    return Independent(left, "; ".join(notes))
