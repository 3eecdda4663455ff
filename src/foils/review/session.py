"""A review session: the run, its book, what is asked next, and the run selected again while people go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from foils.errors import DataError, FoilsError
from foils.judging import learning, select
from foils.protocols import Engine
from foils.review.book import Book, Rows, Said
from foils.review.queue import Filter, choose, matching, mixed, overlap
from foils.risk.estimate import Interval, hajek
from foils.run import VERDICTS, Run

LOW = 8  # waiting pairs below which the next are chosen


@dataclass(frozen=True)
class Plan:
    """How much is asked.

    Args:
        budget: verdicts wanted of each person.
        share: of them that is drawn at random from the candidates, which keeps the estimate honest.
        size: pairs that are chosen at once.
        overlap: of them that another person has answered already.
        risk: to select again within; null: as the recipe says.
        seed: of the draws.
    """

    budget: int = 200
    share: float = 0.25
    size: int = 25
    overlap: int = 5
    risk: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Risk:
    """How many of the selected negatives are false.

    Args:
        estimate: the detector's probabilities, with people's answers in their places; null: there are none.
        selected: negatives.
        found: of them that people called relevant; they go when the run is selected again.
        measured: by the random part alone; null while nothing of it is answered.
    """

    estimate: float | None
    selected: int
    found: int
    measured: Interval | None


class Session:
    """What the page shows and does; every method may be called from any thread.

    Args:
        run: a finished run in a folder.
        engine: where selecting again runs.
        plan: how much is asked.
    """

    def __init__(self, run: Run, engine: Engine, plan: Plan | None = None) -> None:
        if run.folder is None:
            raise DataError("a run in memory cannot be reviewed: its verdicts have no file; mine into a folder (-o)")
        self.engine, self.plan, self.folder = engine, plan or Plan(), run.folder
        learning(run.recipe, self.plan.risk).check()
        self.state = ""
        self.problem = ""
        self._lock = threading.RLock()
        self._busy: set[str] = set()
        self._skipped: dict[str, dict[int, bool]] = {}
        self._adopt(run, Book(run.pairs, self.path))

    @property
    def path(self) -> Path:
        """Of the verdicts."""
        return self.folder / VERDICTS

    def _adopt(self, run: Run, book: Book) -> None:
        frame = run.pairs.frame
        live = frame.select(run.pairs.live).to_series()
        p = frame["p_relevant"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        with self._lock:
            self.run, self.book = run, book
            self._live = live.to_numpy()
            known = p[self._live & np.isfinite(p)]
            self._sum, self._known, self._p = float(known.sum()), len(known), p
            self.selected = int(self._live.sum())
            self._found: dict[Filter, Rows] = {}
            self._skipped.clear()
            self._dry: set[str] = set()

    def following(self, by: str, wanted: Filter | None = None) -> int | None:
        """The next row for a person; null if nothing is left. Chooses more in the background when few wait."""
        with self._lock:
            book, skipped = self.book, self._skipped.setdefault(by, {})
            if wanted is not None:
                return self._first(wanted, by, skipped)
            waiting = book.waiting(by)
            if len(waiting) < LOW and by not in self._dry:
                self._fill(by)
            if not waiting:
                # The triage is still at work: what the detector is least sure of is worth a verdict in any case.
                return self._first(Filter(fate="selected"), by, skipped)
            chosen = [row for row in waiting if book.draw(row, by)[0] == "chosen"]
            random = [row for row in waiting if book.draw(row, by)[0] != "chosen"]
            order = mixed(chosen, random, len(book.asked(by)) - len(waiting))
            place = {row: i for i, row in enumerate(skipped)}
            return min(order, key=lambda row: place.get(row, -1))

    def _first(self, wanted: Filter, by: str, skipped: dict[int, bool]) -> int | None:
        rows = self.lined_up(wanted)
        done = set(self.book.answered(by))
        left = (int(row) for row in rows if int(row) not in done)
        first = next((row for row in left if row not in skipped), None)
        return first if first is not None else next((r for r in skipped if r in set(rows.tolist()) - done), None)

    def lined_up(self, wanted: Filter) -> Rows:
        """The rows of a filter; found once."""
        with self._lock:
            if wanted not in self._found:
                if len(self._found) >= 8:
                    self._found.pop(next(iter(self._found)))
                self._found[wanted] = matching(self.run.pairs, wanted)
            return self._found[wanted]

    def decide(self, row: int, texts: tuple[str, str], by: str, answer: str, note: str = "") -> bool:
        """Write a decision down; false if the run does not hold the pair.

        Args:
            row: of the pair when the page was made; the run may have been selected again since, and numbered anew.
            texts: the ids of query and document, which decide.
            by: the person.
            answer: one of the answers.
            note: in the person's words.
        """
        with self._lock:
            if self.names(row) != texts and (row := self.book.row_of(*texts)) < 0:
                return False
            self._skipped.get(by, {}).pop(row, None)
            self.book.decide(row, by, answer, note)
            return True

    def names(self, row: int) -> tuple[str, str] | None:
        """The ids of query and document of a row; null if there is no such row."""
        if not 0 <= row < self.run.pairs.frame.height:
            return None
        query, doc = self.run.pairs.frame.row(row)[:2]
        where = self.run.pairs.collection
        return where.queries["id"][query], where.corpus["id"][doc]

    def skip(self, row: int, by: str) -> None:
        """Come back to a pair when all others are done."""
        with self._lock:
            skipped = self._skipped.setdefault(by, {})
            skipped.pop(row, None)
            skipped[row] = True

    def risk(self, by: str) -> Risk:
        """The share of false negatives in the selection, as far as it is known."""
        with self._lock:
            total, known, found = self._sum, self._known, 0
            for row in self.book.rows():
                if self._live[row] and (truth := self.book.truth(row)) is not None:
                    before = self._p[row]
                    fresh = bool(np.isnan(before))
                    total, known = total + truth - (0.0 if fresh else before), known + fresh
                    found += truth >= 0.5
            estimate = total / known if known else None
            return Risk(estimate, self.selected, found, self._measured(by))

    def _measured(self, by: str) -> Interval | None:
        relevant, chance = [], []
        for row in self.book.answered(by):
            draw, odds = self.book.draw(row, by)
            said = self.book.answer(row, by)
            if draw == "random" and odds and self._live[row] and said is not None:
                # Who cannot tell counts as relevant, as everywhere where a rate is measured.
                relevant.append(1.0 if said.p is None else float(said.p >= 0.5))
                chance.append(odds)
        return hajek(np.array(relevant), np.array(chance)) if relevant else None

    def others(self, row: int, by: str) -> list[Said]:
        """What everyone else said of a pair."""
        return [said for said in self.book.standing(row) if said.by != by and not said.waits]

    def select_again(self) -> None:
        """Select again with the verdicts so far, in the background."""
        self._start("select", self._select)

    def _select(self) -> None:
        self.state = "selecting again"
        try:
            now = select(Run.open(self.folder), self.engine, risk=self.plan.risk)
            self._adopt(now, Book(now.pairs, self.path))
            self.state = f"selected again: {self.selected:,} negatives"
        except FoilsError as error:
            self.state = ""
            self.problem = str(error)

    def _fill(self, by: str) -> None:
        self._start(f"fill {by}", lambda: self._more(by))

    def _more(self, by: str) -> None:
        plan, book, run = self.plan, self.book, self.run
        try:
            put = choose(
                run,
                book.verdicts,
                by,
                self.engine,
                size=plan.size,
                budget=plan.budget,
                share=plan.share,
                seed=plan.seed,
            )
        except FoilsError as error:
            self.problem = str(error)
            return
        part = put.pairs.frame[put.rows]
        rows = book.rows_of(part["query"].to_numpy(), part["doc"].to_numpy()).tolist()
        asked = {*book.asked(by), *book.answered(by)}
        picked = [(r, d, c) for r, d, c in zip(rows, put.draws, put.chances, strict=True) if r >= 0 and r not in asked]
        fresh = {r for r, _, _ in picked}
        picked += [(r, "chosen", None) for r in overlap(book, by, plan.overlap, plan.seed) if r not in fresh]
        with self._lock:
            # A run that was selected again meanwhile numbers its rows anew.
            if self.run is not run:
                return
            if not picked:
                self._dry.add(by)
            else:
                numbers, draws, chances = zip(*picked, strict=True)
                book.put(np.array(numbers, dtype=np.uint32), draws, chances, by)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        with self._lock:
            if name in self._busy:
                return
            self._busy.add(name)
            if name == "select":
                self.problem = ""
                self.state = "selecting again"

        def runs() -> None:
            try:
                work()
            finally:
                self._busy.discard(name)

        threading.Thread(target=runs, name=name, daemon=True).start()

    def busy(self, name: str) -> bool:
        """Whether this is going on in the background: ``select``, or ``fill`` and a person."""
        return name in self._busy
