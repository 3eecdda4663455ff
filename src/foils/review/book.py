"""The book: what everyone said of the pairs of a run, indexed by row, and written to disk before anything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import DataError
from foils.files import locked
from foils.models.questions import NOT_ASKED
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.verdicts import UNDONE, Draw, Verdicts, keys

Rows = NDArray[np.uint32]
RELEVANT, NOT_RELEVANT, CANNOT_TELL = "relevant", "not relevant", "cannot tell"
ANSWERS: dict[str, float | None] = {RELEVANT: 1.0, NOT_RELEVANT: 0.0, CANNOT_TELL: None}


class Said(NamedTuple):
    """One row of the table of verdicts."""

    row: int
    p: float | None
    by: str
    family: str
    why: str
    draw: str
    chance: float | None

    @property
    def waits(self) -> bool:
        """It only says that the pair was put to someone."""
        return self.p is None and self.why.startswith(NOT_ASKED)

    @property
    def undone(self) -> bool:
        """It takes back what the same person said before."""
        return self.p is None and self.why == UNDONE

    @property
    def answer(self) -> str:
        """In words."""
        return CANNOT_TELL if self.p is None else RELEVANT if self.p >= 0.5 else NOT_RELEVANT

    @property
    def note(self) -> str:
        """What the person wrote, without the word that stands for an abstention."""
        return self.why.removeprefix(CANNOT_TELL).removeprefix(": ") if self.p is None else self.why


class Book:
    """All verdicts on a run: read once, looked up by row, each new one on disk before the call returns.

    Another process may write to the same file (``foils judge``): the folder is locked while a verdict is added, and a
    file that has changed is read again first.

    Args:
        pairs: the run's table.
        path: of ``verdicts.parquet``.
    """

    def __init__(self, pairs: Pairs, path: Path) -> None:
        self.pairs, self.path = pairs, path
        self._lock = threading.RLock()
        query, doc = pairs.frame["query"].to_numpy(), pairs.frame["doc"].to_numpy()
        self._codes = query.astype(np.uint64) << np.uint64(32) | doc
        self._stamp: tuple[int, int] | None = None
        self.verdicts = Verdicts()
        self._read()

    def standing(self, row: int) -> list[Said]:
        """What is said of a pair and was not taken back, in the order given."""
        found: list[Said] = []
        for said in self._by_row.get(row, ()):
            found = [s for s in found if s.by != said.by] if said.undone else [*found, said]
        return found

    def answer(self, row: int, by: str) -> Said | None:
        """The last word of a person on a pair; null if there is none, or it was taken back."""
        return next((s for s in reversed(self.standing(row)) if s.by == by and not s.waits), None)

    def truth(self, row: int) -> float | None:
        """What people say of a pair: the last one who could tell."""
        return next((s.p for s in reversed(self.standing(row)) if s.family == "human" and s.p is not None), None)

    def asked(self, by: str) -> list[int]:
        """Pairs that were put to someone, in the order in which they were."""
        with self._lock:
            return list(self._asked.get(by, ()))

    def waiting(self, by: str) -> list[int]:
        """Those of them without an answer."""
        return [row for row in self.asked(by) if self.answer(row, by) is None]

    def draw(self, row: int, by: str) -> tuple[str, float | None]:
        """How a pair was picked for a person, and with what chance if it was at random."""
        put = [s for s in self._by_row.get(row, ()) if s.by == by and s.waits]
        return (put[-1].draw, put[-1].chance) if put else ("chosen", None)

    def people(self) -> list[str]:
        """Everyone of the family ``human`` who said something."""
        return sorted({s.by for said in list(self._by_row.values()) for s in said if s.family == "human"})

    def answered(self, by: str) -> list[int]:
        """Pairs with a standing answer of a person, the latest last."""
        order: dict[int, bool] = {}
        for row in self._turns.get(by, ()):
            order.pop(row, None)
            order[row] = True
        return [row for row in order if self.answer(row, by) is not None]

    def rows(self) -> list[int]:
        """Pairs of which anything is said."""
        return list(self._by_row)

    def decide(self, row: int, by: str, answer: str, note: str = "") -> bool:
        """Write a decision down; false if the same one stands already.

        Raises:
            DataError: no such row or answer, or the file cannot be written; nothing has changed then.
        """
        if answer not in ANSWERS or not 0 <= row < self.pairs.frame.height:
            raise DataError(f"row {row} with {answer!r} is no decision; an answer is one of {', '.join(ANSWERS)}")
        note = " ".join(note.split())[:2000]
        why = note if answer != CANNOT_TELL else f"{CANNOT_TELL}: {note}" if note else CANNOT_TELL
        with self._held():
            before = self.answer(row, by)
            if before is not None and (before.p, before.why) == (ANSWERS[answer], why):
                return False
            draw, chance = self.draw(row, by)
            self._add(np.array([row], dtype=np.uint32), [Verdict(ANSWERS[answer], by, why)], draw, [chance])
        return True

    def undo(self, by: str) -> int | None:
        """Take back the last standing decision of a person; its row, or null if there is none."""
        with self._held():
            done = self.answered(by)
            if not done:
                return None
            self._add(np.array(done[-1:], dtype=np.uint32), [Verdict(None, by, UNDONE)], "chosen", [None])
            return done[-1]

    def put(self, rows: Rows, draws: Sequence[str], chances: Sequence[float | None], by: str) -> None:
        """Put pairs to a person, with how each was picked: they wait in the file until they are answered."""
        with self._held():
            # Random and chosen ones in turn as given; a call of ``add`` takes one kind of draw.
            for kind in dict.fromkeys(draws):
                at = [i for i, draw in enumerate(draws) if draw == kind]
                given = [Verdict(None, by, NOT_ASKED)] * len(at)
                self._add(rows[at], given, kind, [chances[i] for i in at], write=False)
            self.verdicts.write(self.path)
            self._stamp = self._now()

    def extend(self, table: pl.DataFrame) -> None:
        """Append rows of another table of verdicts."""
        with self._held():
            fresh = Verdicts(pl.concat([self.verdicts.frame, table]))
            fresh.write(self.path)
            self._read()

    def _add(
        self, rows: Rows, given: list[Verdict], draw: str, chances: list[float | None], *, write: bool = True
    ) -> None:
        odds = None if None in chances else np.array(chances, dtype=np.float64)
        added = self.verdicts.add(self.pairs, rows, given, "human", draw=cast("Draw", draw), chance=odds)
        if added.frame.n_chunks() > 32:
            added = Verdicts(added.frame.rechunk())
        if write:
            added.write(self.path)
            self._stamp = self._now()
        self.verdicts = added
        for row, said, chance in zip(rows.tolist(), given, chances, strict=True):
            self._index(Said(row, said.probability, said.by, "human", said.why, draw, chance))

    def _index(self, said: Said) -> None:
        self._by_row.setdefault(said.row, []).append(said)
        if said.waits:
            asked = self._asked.setdefault(said.by, {})
            asked.setdefault(said.row, True)
        elif not said.undone:
            self._turns.setdefault(said.by, []).append(said.row)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock, locked(self.path.parent):
            if self._now() != self._stamp:
                self._read()
            yield

    def _now(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> None:
        self._stamp = self._now()
        self.verdicts = Verdicts.read(self.path)
        self._by_row: dict[int, list[Said]] = {}
        self._asked: dict[str, dict[int, bool]] = {}
        self._turns: dict[str, list[int]] = {}
        frame = self.verdicts.frame
        rows = self.locate(frame)
        known = frame.with_columns(row=pl.Series(rows)).filter(pl.col("row") >= 0)
        for said in known.select("row", "p_relevant", "by", "family", "why", "draw", "chance").iter_rows():
            row, p, by, family, why, draw, chance = said
            self._index(Said(row, p, by or "", family or "", why or "", draw or "", chance))

    def locate(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        """The row of each verdict in the table; -1 where the pair is not in it or its texts are no longer the same."""
        if frame.height == 0:
            return np.zeros(0, dtype=np.int64)
        where = self.pairs.collection
        query, doc = _numbers(where.queries["id"], frame["query_id"]), _numbers(where.corpus["id"], frame["doc_id"])
        rows = self.rows_of(query, doc)
        found = np.flatnonzero(rows >= 0)
        texts = keys(self.pairs, rows[found].astype(np.uint32))["texts"]
        rows[found[~(texts == frame["texts"].gather(found)).fill_null(value=False).to_numpy()]] = -1
        return rows

    def row_of(self, query_id: str, doc_id: str) -> int:
        """The row of a pair; -1 where the table has none."""
        where = self.pairs.collection
        query, doc = (
            _numbers(ids, pl.Series([wanted]))
            for ids, wanted in ((where.queries["id"], query_id), (where.corpus["id"], doc_id))
        )
        return int(self.rows_of(query, doc)[0])

    def rows_of(self, query: NDArray[Any], doc: NDArray[Any]) -> NDArray[np.int64]:
        """The row of each pair of row numbers of the collection, -1 where the table has none."""
        code = np.maximum(query, 0).astype(np.uint64) << np.uint64(32) | np.maximum(doc, 0).astype(np.uint64)
        at = np.minimum(np.searchsorted(self._codes, code), max(len(self._codes) - 1, 0))
        there = (query >= 0) & (doc >= 0) & (self._codes[at] == code)
        rows: NDArray[np.int64] = np.where(there, at, -1).astype(np.int64)
        return rows


def _numbers(ids: pl.Series, wanted: pl.Series) -> NDArray[np.int64]:
    """The row number of each wanted id, -1 for an unknown one."""
    # Only the few ids that are asked for are joined: a collection may have millions.
    table = pl.DataFrame({"id": ids}).with_row_index("number").filter(pl.col("id").is_in(wanted.unique().implode()))
    found = pl.DataFrame({"id": wanted}).join(table, on="id", how="left", maintain_order="left")["number"]
    numbers: NDArray[np.int64] = found.cast(pl.Int64).fill_null(-1).to_numpy()
    return numbers
