"""The measures in words and digits, for a terminal and for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foils.probes.compare import Difference
from foils.probes.measure import Row
from foils.risk.estimate import Interval

if TYPE_CHECKING:
    from foils.probes.session import Report

NONE = "\N{EN DASH}"
HEADER = ("set", "type", "probes", "wrong %", "95 %", "ties", "pairs", "paired %", "95 %", "strict %", "95 %")
DIFFERENCE = ("set", "type", "units", "first %", "second %", "only first", "only second", "p", "p (Holm)", "")
LEGEND = (
    "wrong: the wrong text scores at least as high as the right one (chance 50 %). paired: both probes of a pair won "
    "(chance 25 %). strict: the second right text wins too (chance 33 %)."
)


def names(report: Report) -> list[str]:
    """How each model is called: the last two parts of its path, the whole of it where two would look the same."""
    whole = [a.model for a in report.answers]
    short = ["/".join(name.rstrip("/").split("/")[-2:]) or name for name in whole]
    return short if len(set(short)) == len(short) else whole


def percent(rate: float) -> str:
    """A share in percent with one digit.

    >>> percent(0.5183)
    '51.8'
    """
    return f"{100 * rate:.1f}"


def ends(interval: Interval | None) -> str:
    """The ends of an interval in percent.

    >>> ends(None)
    '–'
    """
    return NONE if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def measures(row: Row) -> list[str]:
    """The cells of one row under ``HEADER``."""
    told = [row.set, row.type, f"{row.n:,}", percent(row.wrong.rate), ends(row.wrong), f"{row.ties:,}"]
    told += [f"{row.pairs:,}" if row.pairs else NONE]
    for value in (row.paired, row.strict):
        told += [NONE if value is None else percent(value.rate), ends(value)]
    return told


def difference(found: Difference) -> list[str]:
    """The cells of one row under ``DIFFERENCE``."""
    if not found.significant:
        word = "no difference shown"
    else:
        word = "first is better" if found.gained > found.lost else "second is better"
    shares = [percent(found.first), percent(found.second)]
    counts = [f"{found.gained:,}", f"{found.lost:,}"]
    return [found.set, found.type, f"{found.n:,}", *shares, *counts, p_value(found.p), p_value(found.adjusted), word]


def p_value(p: float) -> str:
    """A p-value as people compare it.

    >>> p_value(0.0312), p_value(1e-9), p_value(1.0)
    ('0.031', '<0.001', '1.000')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"
