"""What a person is asked next: the triage's choice and a random part, or what a filter finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.desk import Desk
from foils.judges.cases import abstain
from foils.judging import counted, learning, next_batch
from foils.models.questions import NOT_ASKED
from foils.outcome import given
from foils.pairs import Pairs
from foils.protocols import Engine, Verdict
from foils.recut import recut
from foils.review.book import Book
from foils.run import Run
from foils.verdicts import Verdicts

Rows = NDArray[np.uint32]
SHOWN = 5000  # rows of a filter that are lined up


@dataclass(frozen=True)
class Person:
    """A person at the page, as a judge: what is put to them waits until they answer."""

    name: str

    @property
    def families(self) -> frozenset[str]:
        """A person."""
        return frozenset({"human"})

    def check(self) -> None:
        """Nothing is needed."""

    def facts(self) -> dict[str, str]:
        """Who."""
        return {"judge": self.name}

    def verdicts(self, pairs: Pairs, rows: Rows, engine: Engine) -> list[Verdict]:
        """They have not been asked yet."""
        return [abstain(self.name, NOT_ASKED)] * len(rows)


class Put(NamedTuple):
    """Pairs to put to a person: rows of a table, how each was picked, and the chance of a random one."""

    pairs: Pairs
    rows: Rows
    draws: list[str]
    chances: list[float | None]


def choose(
    run: Run, verdicts: Verdicts, by: str, engine: Engine, *, size: int, budget: int, share: float, seed: int
) -> Put:
    """The next pairs for a person, and, before anyone was asked, a random part of the whole budget.

    Args:
        run: a finished run.
        verdicts: all so far.
        by: the person.
        engine: where it runs, should the run have no detector yet.
        size: chosen pairs.
        budget: verdicts that are wanted of this person in all; its random part is drawn once, at the beginning.
        share: of the budget that is drawn at random.
        seed: of the draw.
    """
    recipe = learning(run.recipe)
    if recipe != run.recipe or "prob.detector" not in run.pairs.frame.columns:
        run = recut(run, counted(verdicts), engine, recipe)
    elif verdicts.frame.height:
        run = replace(run, pairs=counted(verdicts).mark(run.pairs))
    # What waits was asked already: it counts as answered here, so that it is not chosen twice.
    desk = Desk(Person(by), engine, verdicts)
    begun = desk.answers(run.pairs).height > 0
    batch = next_batch(run, desk, size if begun else max(budget, size), 0.0 if begun else share, seed)
    random = batch.draw == "random"
    keep = np.flatnonzero(random | (np.cumsum(~random) <= size))
    chances = [None if np.isnan(c) else float(c) for c in batch.chance[keep]]
    return Put(run.pairs, batch.rows[keep], batch.draw[keep].tolist(), chances)


def overlap(book: Book, by: str, size: int, seed: int) -> list[int]:
    """A few pairs that other people have answered and this one was not asked: what agreement is measured on."""
    mine = {*book.asked(by), *book.answered(by)}
    others = {row for who in book.people() if who != by for row in book.answered(who)} - mine
    ordered = np.array(sorted(others), dtype=np.int64)
    picked = np.random.default_rng([seed, len(mine)]).permutation(ordered)[:size]
    return [int(row) for row in picked]


def mixed(chosen: Sequence[int], random: Sequence[int], turn: int) -> list[int]:
    """Random pairs among the chosen ones, every third, so that nobody can tell which is which."""
    order, a, b = [], list(chosen), list(random)
    for i in range(turn, turn + len(a) + len(b)):
        first, second = (b, a) if i % 3 == 1 else (a, b)
        order.append((first or second).pop(0))
    return order


class Filter(NamedTuple):
    """What a person wants to see instead of the queue; empty: everything.

    Args:
        kind: of the pair: ``found``, ``promoted`` or the kind of a made negative.
        fate: ``selected``, or the reason it was dropped for.
        source: that found it.
        low: probability of being relevant, at least.
        high: at most.
        search: words that stand in the query or the document, as written.
    """

    kind: str = ""
    fate: str = ""
    source: str = ""
    low: float = 0.0
    high: float = 1.0
    search: str = ""


def matching(pairs: Pairs, wanted: Filter) -> Rows:
    """Rows that a filter lets through, those nearest to one half first, at most ``SHOWN``.

    Args:
        pairs: the table.
        wanted: by what.
    """
    where, kind, fate = ~given(), pl.col("kind"), pl.col("dropped")
    if wanted.kind:
        where &= kind.is_null() if wanted.kind == "found" else kind == wanted.kind
    if wanted.fate:
        where &= fate.is_null() & ~pl.col("positive") if wanted.fate == "selected" else fate == wanted.fate
    if wanted.source:
        known = wanted.source in pairs.sources
        where &= pl.col(f"rank.{wanted.source}").is_not_null() if known else pl.lit(value=False)
    p = pl.col("p_relevant")
    if (wanted.low, wanted.high) != (0.0, 1.0):
        where &= p.is_between(wanted.low, wanted.high)
    if wanted.search:
        where &= pl.col("query").is_in(_holding(pairs.collection.queries["text"], wanted.search)) | pl.col("doc").is_in(
            _holding(pairs.collection.passages, wanted.search)
        )
    doubt = (p - 0.5).abs().fill_null(0.25)
    found = pairs.frame.select(doubt=doubt, where=where.fill_null(value=False)).with_row_index("row").filter("where")
    rows: Rows = found.bottom_k(SHOWN, by=["doubt", "row"]).sort("doubt", "row")["row"].to_numpy()
    return rows


def _holding(texts: pl.Series, wanted: str) -> pl.Series:
    found = texts.str.to_lowercase().str.contains(wanted.lower(), literal=True)
    return found.arg_true().cast(pl.UInt32).implode()
