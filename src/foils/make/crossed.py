"""Two-sided pairs before a reader and a judge: each query with its own passage, and with the other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foils.make.edits import Span
from foils.make.item import Check, Item, Made, Written
from foils.make.operators import Tally
from foils.make.twosided import TwoSided
from foils.make.verify import Case
from foils.make.write import Helpers
from foils.models.questions import NOT_ASKED

# Which query, which passage, and whether the one is to answer the other.
CROSSES = (("query", "passage", True), ("query", "changed", False), ("counter", "changed", True),
           ("counter", "passage", False))  # fmt: skip


def crossed(pairs: Sequence[TwoSided], helpers: Helpers, tally: Tally) -> list[TwoSided]:
    """The pairs of which reader and judge say what the pair says; without both of them, all.

    Of each of the four ways to put a query to a passage one of them must have said for sure that it is as it should
    be, and none the contrary. Nobody is asked about a pair that has failed. Fails where those who check cannot tell a
    denied premise from an answer.

    Args:
        pairs: two-sided pairs.
        helpers: level L3 is the reader, L4 the judge.
        tally: counts what is refused, by operator and reason.
    """
    left = list(pairs)
    for rung in helpers.late:
        said = rung([case for p in left for case in cases(p)]) if left else []
        asked = [replace(p, checks=(*p.checks, *_told(said[4 * n : 4 * n + 4]))) for n, p in enumerate(left)]
        left = [p for p in asked if not _counted(p, _against(p.checks[-4:]), tally)]
    return [p for p in left if not helpers.late or not _counted(p, _unsure(p), tally)]


def cases(pair: TwoSided) -> list[Case]:
    """The four of a pair in the form that readers and judges take: does this passage leave this query open?"""
    return [stand_in(getattr(pair, query), getattr(pair, text)) for query, text, _ in CROSSES]


def stand_in(query: str, passage: str) -> Case:
    """A query and a passage of which nothing else is known."""
    nothing = Span(0, 0)
    made = Made("crossed", "generated", "document", passage, (), nothing, None, {}, "", written=Written("", ""))
    return Item(query, passage), made


def _told(said: Sequence[Check]) -> list[Check]:
    """What was said of the four; what speaks against a negative speaks for a passage's own query."""
    found = []
    for check, (query, text, own) in zip(said, CROSSES, strict=True):
        passed = check.passed if check.passed is None or not own else not check.passed
        # The budget's mark stays in front, where it is looked for.
        told = check.found if check.found.startswith(NOT_ASKED) else f"{query} and {text}: {check.found}"
        found.append(check._replace(passed=passed, found=told))
    return found


def _against(said: Sequence[Check]) -> str:
    """Why the last four answers rule a pair out; empty: they do not."""
    if any(c.passed is None and c.found.startswith(NOT_ASKED) for c in said):
        return f"{said[0].level}: not asked, the money is spent"
    for check, (*_, own) in zip(said, CROSSES, strict=True):
        if check.passed is False:
            return f"{check.level}: " + ("its own passage does not answer" if own else "the other passage answers, too")
    return ""


def _unsure(pair: TwoSided) -> str:
    sure = all(any(c.passed for c in pair.checks[n::4]) for n in range(4))
    return "" if sure else "neither read nor judged for sure"


def _counted(pair: TwoSided, reason: str, tally: Tally) -> bool:
    if reason:
        tally.counts[pair.operator, reason] += 1
    return bool(reason)
