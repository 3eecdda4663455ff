"""Whether the share of false negatives is within a risk, and what must go so that it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.findings import Found
from foils.audit.hard import RESTS, Rated, false_share
from foils.audit.plan import Plan, Short, make_plan
from foils.audit.table import Table
from foils.errors import DataError
from foils.show import count

KEY = "false-negative"
ROUNDS = 20
HINT = "allow more, mine again, or where columns must all hold a document, --short random"
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
    found = false_share(frame)
    return Within(risk, found.rate, found.low, found.high, frame.height, frame["asked"].n_unique())


def likeliest(frame: pl.DataFrame, risk: float) -> NDArray[np.int64]:
    """The entries that must go so that the mean probability of the others is within the risk, the likeliest first.

    Args:
        frame: ``entry``, ``p`` and ``unit``: entries of a unit go together, and count by their mean.
        risk: the largest share that is allowed.

    >>> likeliest(pl.DataFrame({"entry": [0, 1, 2], "unit": [0, 1, 2], "p": [0.1, 0.9, 0.0]}), 0.05).tolist()
    [1]
    """
    units = frame.group_by("unit").agg(p=pl.col("p").sum(), n=pl.len(), first=pl.col("entry").min())
    worst = units.sort(pl.col("p") / pl.col("n"), "first", descending=[True, False])
    p, n = (np.append(worst[c].to_numpy().astype(np.float64), 0.0)[::-1].cumsum()[::-1] for c in ("p", "n"))
    enough = int(np.argmax(p <= risk * n + 1e-12))
    gone = worst["unit"].head(enough)
    return frame.filter(pl.col("unit").is_in(gone.implode()))["entry"].sort().to_numpy().astype(np.int64)


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
        left = _left(table, rated.frame, plan, short)
        more = likeliest(left, risk)
        if left.filter(~pl.col("entry").is_in(more.tolist()))["asked"].n_unique() < 2:
            raise DataError(f"risk {risk:g}: hardly a negative would be left; {HINT}")
        if len(more) == 0:
            return plan, compared(left, risk)
        taken |= set(more.tolist())
    raise DataError(f"risk {risk:g}: what goes takes too many rows with it; {HINT}")


def _left(table: Table, frame: pl.DataFrame, plan: Plan, short: Short) -> pl.DataFrame:
    """What a plan leaves of the rated entries, with the ``unit`` that goes together."""
    gone = pl.Series(sorted(plan.drop | plan.promote | set(plan.replace)), dtype=pl.UInt32)
    full = table.full.select("entry", "record", whole=(pl.col("fixed") == 1) & pl.col("label").is_null())
    full = full.filter(~pl.col("record").is_in(sorted(plan.records)) & ~pl.col("entry").is_in(gone.implode()))
    # In columns that must all hold a document a row goes as a whole, unless another document takes the place.
    together = pl.when(pl.col("whole") & (short == "fewer")).then(-1 - pl.col("record").cast(pl.Int64))
    return frame.join(full.with_columns(unit=together.otherwise(pl.col("entry").cast(pl.Int64))), on="entry")
