"""The desk where a judge sits: asks what is not answered yet, and keeps every answer before the next is asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import JudgeError
from foils.files import locked
from foils.models.questions import NOT_ASKED
from foils.pairs import Pairs
from foils.protocols import Engine, Judge, Verdict
from foils.verdicts import Draw, Verdicts, undone

Rows = NDArray[np.uint32]
BATCH = 64


@dataclass
class Desk:
    """One judge, all verdicts so far, and the file that they are kept in.

    Others may write to the same file meanwhile (``foils review``, another ``foils judge``): the folder is locked while
    verdicts are added, and the file is read again first.

    Args:
        judge: whom to ask.
        engine: where it runs.
        verdicts: of all judges, old and new.
        path: of ``verdicts.parquet``; null: in memory only.
        batch: pairs that are asked about together; after each the file is written.
    """

    judge: Judge
    engine: Engine
    verdicts: Verdicts = field(default_factory=Verdicts)
    path: Path | None = None
    batch: int = BATCH

    def answers(self, pairs: Pairs) -> pl.DataFrame:
        """The last word of this judge on each pair: ``row``, ``p_relevant``, ``why``, ``draw``, ``chance``."""
        ours = self.verdicts.on(pairs).filter(pl.col("by") == self.judge.name)
        last = ours.group_by("row", maintain_order=True).last().sort("row")
        return last.select("row", "p_relevant", "why", "draw", "chance")

    def waiting(self, pairs: Pairs) -> pl.DataFrame:
        """Pairs that were put to this judge and have no answer yet: an empty cell, a budget that ran out."""
        return self.answers(pairs).filter(unanswered())

    def correct(self, pairs: Pairs) -> None:
        """Write down what a person has changed since in the table they edit; an emptied cell takes nothing back."""
        reread = getattr(self.judge, "reread", None)
        if reread is None:
            return
        known = self.answers(pairs).filter(~unanswered())
        rows = known["row"].to_numpy()
        said = reread(pairs, rows)
        old = zip(said, known["p_relevant"].to_list(), strict=True)
        at = [i for i, (now, p) in enumerate(old) if not unasked(now) and now.probability != p]
        chance = known["chance"].fill_null(float("nan")).to_numpy()
        self._keep(pairs, rows[at], [said[i] for i in at], known["draw"].gather(at).to_list(), chance[at])

    def ask(
        self, pairs: Pairs, rows: Rows, draw: Sequence[Draw], chance: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """One probability per row, NaN for an abstention; what was answered before is not asked again.

        Only a table that people edit is read again.

        Args:
            pairs: the table.
            rows: of it.
            draw: how each of them was picked.
            chance: the probability with which each was picked; NaN: not at random.
        """
        self.correct(pairs)
        known = self.answers(pairs)
        waiting = set(known.filter(unanswered())["row"].to_list())
        open_ = ~np.isin(rows, known.filter(~unanswered())["row"].to_numpy())
        places = np.flatnonzero(open_)
        # By query, so that a listwise judge sees its candidates together.
        places = places[np.argsort(rows[places], kind="stable")]
        with self.engine.track(f"judge with {self.judge.name}", len(places), "pairs") as advance:
            for start in range(0, len(places), self.batch):
                part = places[start : start + self.batch]
                self._put(pairs, rows, part, draw, chance, waiting)
                advance(len(part))
        said = self.answers(pairs)
        found = dict(zip(said["row"].to_list(), said["p_relevant"].to_list(), strict=True))
        return np.array([np.nan if (p := found.get(r)) is None else p for r in rows.tolist()], dtype=np.float64)

    def _put(
        self,
        pairs: Pairs,
        rows: Rows,
        part: NDArray[np.int64],
        draw: Sequence[Draw],
        chance: NDArray[np.float64] | None,
        waiting: set[int],
    ) -> None:
        given = self.judge.verdicts(pairs, rows[part], self.engine)
        if len(given) != len(part):
            raise JudgeError(f"{self.judge.name} gave {len(given):,} verdicts on {len(part):,} pairs")
        # A pair that waits already and waits still is not written down twice.
        news = [i for i, v in enumerate(given) if not (unasked(v) and int(rows[part[i]]) in waiting)]
        at = part[news]
        odds = None if chance is None else chance[at]
        self._keep(pairs, rows[at], [given[i] for i in news], [draw[i] for i in at], odds)

    def _keep(
        self,
        pairs: Pairs,
        rows: Rows,
        given: Sequence[Verdict],
        draw: Sequence[Draw],
        chance: NDArray[np.float64] | None,
    ) -> None:
        if not given:
            return
        family = "+".join(sorted(self.judge.families))
        with nullcontext() if self.path is None else locked(self.path.parent):
            if self.path is not None and self.path.exists():
                self.verdicts = Verdicts.read(self.path)
            for kind in dict.fromkeys(draw):
                mine = [i for i, how in enumerate(draw) if how == kind]
                odds = None if chance is None or np.isnan(chance[mine]).any() else chance[mine]
                said = [given[i] for i in mine]
                self.verdicts = self.verdicts.add(pairs, rows[mine], said, family, draw=kind, chance=odds)
            if self.path is not None:
                self.verdicts.write(self.path)


def unanswered() -> pl.Expr:
    """True for rows of verdicts that say that nobody has answered yet, or that an answer was taken back."""
    return (pl.col("p_relevant").is_null() & pl.col("why").str.starts_with(NOT_ASKED)) | undone()


def unasked(verdict: Verdict) -> bool:
    """Whether an abstention only says that nobody has been asked yet."""
    return verdict.probability is None and verdict.why.startswith(NOT_ASKED)
