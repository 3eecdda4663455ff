"""Whether the share of false negatives is within a risk, and what must go so that it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.findings import Found
from foils.audit.hard import RESTS, Rated, share_of
from foils.audit.plan import Plan, Short, make_plan
from foils.audit.table import Table
from foils.errors import DataError
from foils.show import count

KEY = "false-negative"
ROUNDS = 20
State = Literal["within", "undecided", "above"]
SAID = {
    "within": "within the risk",
    "undecided": "the estimate is within the risk, the end of its interval is not",
    "above": "above the risk",
}


@dataclass(frozen=True)
class Within:
    """The estimated share of false negatives against a risk.

    Args:
        risk: the largest share that is allowed.
        rate: the estimate.
        low: lower end of its 95 % interval.
        high: upper end.
        negatives: how many it rests on.
        queries: how many queries they belong to.
        why: what a reader must know before relying on it.
    """

    risk: float
    rate: float
    low: float
    high: float
    negatives: int
    queries: int
    why: str = RESTS

    @property
    def state(self) -> State:
        """``within`` (the interval too), ``undecided`` (the estimate only) or ``above``."""
        return "within" if self.high <= self.risk else "undecided" if self.rate <= self.risk else "above"

    def text(self) -> str:
        """For instance ``risk 5%: estimated 2.1% false negatives (95 %: 1.5-2.9%, ...): within the risk``."""
        share = f"{100 * self.rate:.1f}% false negatives (95 %: {100 * self.low:.1f}-{100 * self.high:.1f}%"
        rests = f"{count(self.negatives)} negatives of {count(self.queries)} queries)"
        return f"risk {100 * self.risk:g}%: estimated {share}, {rests}: {SAID[self.state]}"

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return asdict(self) | {"state": self.state}


def compared(frame: pl.DataFrame, risk: float) -> Within:
    """The estimate of rated negatives against a risk.

    Args:
        frame: ``asked``, ``p``, of two queries at least.
        risk: the largest share that is allowed.
    """
    found = share_of(frame, "p")
    return Within(risk, found.rate, found.low, found.high, frame.height, frame["asked"].n_unique())


def likeliest(frame: pl.DataFrame, risk: float) -> NDArray[np.int64]:
    """The entries that must go so that the mean probability of the others is within the risk, the likeliest first.

    >>> likeliest(pl.DataFrame({"entry": [0, 1, 2], "p": [0.1, 0.9, 0.0]}), 0.05).tolist()
    [1]
    """
    worst = frame.sort("p", "entry", descending=[True, False])
    p = worst["p"].to_numpy().astype(np.float64)
    left = np.concatenate((np.cumsum(p[::-1])[::-1], [0.0])) / np.maximum(np.arange(len(p), -1, -1), 1)
    enough = int(np.argmax(left <= risk))
    entries: NDArray[np.int64] = np.sort(worst["entry"].head(enough).to_numpy().astype(np.int64))
    return entries


def plan_within(
    table: Table,
    found: list[Found],
    keys: frozenset[str],
    rated: Rated,
    risk: float,
    *,
    promote: bool,
    short: Short,
    known: pl.DataFrame | None,
) -> tuple[Plan, Within]:
    """A plan after which the estimate of what is left is within the risk, and that estimate.

    What other findings take is not counted twice, and where a row goes with its last negative or because its columns
    must all hold a document, its other negatives do not count any more: so it is decided in rounds.

    Args:
        table: the file.
        found: by the audit.
        keys: the kinds to repair besides.
        rated: every negative that can be rated.
        risk: the largest share that is allowed.
        promote: as in ``make_plan``.
        short: as in ``make_plan``.
        known: as in ``make_plan``.

    Raises:
        DataError: hardly anything would be left.
    """
    taken: set[int] = set()
    others = [one for one in found if one.key != KEY]
    for _ in range(ROUNDS):
        entries = np.array(sorted(taken), dtype=np.int64)
        plan = make_plan(table, [*others, Found(KEY, entries)], keys | {KEY}, promote=promote, short=short, known=known)
        left = _left(table, rated.frame, plan)
        more = likeliest(left, risk)
        if left["asked"].n_unique() - (len(more) == left.height) < 2:
            raise DataError(f"risk {risk:g}: hardly a negative would be left; allow more, or mine again")
        if len(more) == 0:
            return plan, compared(left, risk)
        taken |= set(more.tolist())
    raise DataError(f"risk {risk:g}: what goes takes too many rows with it; allow more, or mine again")


def _left(table: Table, frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    gone = pl.Series(sorted(plan.drop | plan.promote | set(plan.replace)), dtype=pl.UInt32)
    records = table.full.filter(pl.col("record").is_in(sorted(plan.records)))["entry"]
    return frame.filter(~pl.col("entry").is_in(gone.implode()) & ~pl.col("entry").is_in(records.implode()))
