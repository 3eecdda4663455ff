"""Years, months and days in texts, and the intervals that they stand for."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Sequence
from typing import NamedTuple

from foils.make.edits import Span
from foils.make.view import Text
from foils.make.words import stop

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
NAMES = {name.lower(): number for number, name in enumerate(MONTHS)}
FOUR = re.compile(r"\d{4}")
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FIRST, LAST = 1000, 2049
PEOPLE = frozenset(["people", "men", "women", "children", "persons", "patients", "deaths", "feet", "mice", "species"])
# "The 1990's" are ten years, "1998's" is one.
YEAR = re.compile(r"(?<![\w.,:/+#$£€¥'’])(?<!\w[-–—−])(?:1\d\d\d|20[0-4]\d)(?![\w%°]|[.,]\d|/\d|(?<=0)['’]s\b)")
RANGE = re.compile(
    r"(?P<a>(?:1\d\d\d|20[0-4]\d))(?P<link>\s?(?:[-–—−]|--)\s?|\s+(?:to|until|till|through|and)\s+)(?P<b>(?:1\d\d\d|20[0-4]\d)|\d\d)(?!\d)"
)
BEFORE = re.compile(
    r"(\b(?:since|after|from|until|till|before|by|between|through|not|prior to|up to|circa|ca\.?|c\.))\s+(?:the\s+)?"
    r"(?:\w+\s+)?(?:\d{1,2}(?:st|nd|rd|th)?,?\s+)?$",
    re.IGNORECASE,
)
MONTH = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?P<suffix>st|nd|rd|th)?\s+(?:of\s+)?)?(?P<month>{'|'.join(MONTHS)})\b"
    r"(?:\s+(?P<day2>\d{1,2})(?:st|nd|rd|th)?\b(?!\d))?(?:\s?,?\s+(?P<year>1\d\d\d|20[0-4]\d)\b)?",
    re.IGNORECASE,
)
LEFT = re.compile(
    r"\b(?:in|of|since|by|during|until|till|early|late|mid|every|each|last|this|next|on)\s+$", re.IGNORECASE
)
MEASURED = re.compile(r"[\s-]+([a-zA-Z%°]+)")
LAST_WORD = re.compile(r"([^\W\d_]+)\s+$")
PLURAL = re.compile(r"[^siu]s$")
# "A 1976 miniseries", "its 2007 elections", "the May 1998 elections".
DATING = frozenset([
    "in", "since", "during", "the", "of", "by", "from", "until", "till", "after", "before", "through",
    "a", "an", "its", "his", "her", "their", *(m.lower() for m in MONTHS),
])  # fmt: skip
UNITLIKE = frozenset(
    [
        "m",
        "km",
        "kg",
        "mg",
        "g",
        "ft",
        "feet",
        "miles",
        "metres",
        "meters",
        "years",
        "days",
        "hours",
        "minutes",
        "mm",
        "cm",
        "percent",
        "mph",
        "calories",
        "units",
    ]
)


class Year(NamedTuple):
    """A year in a text.

    Args:
        span: its four digits.
        value: the year.
        first, last: the interval that the words claim: ``since 1996`` is 1996 to ``LAST``.
        link: how it is bounded: ``since``, ``until``, ``range`` or nothing.
        partner: the other end of a range.
    """

    span: Span
    value: int
    first: int
    last: int
    link: str
    partner: Span | None = None

    def holds(self, year: int) -> bool:
        """The interval holds a year."""
        return self.first <= year <= self.last


def years(text: Text) -> tuple[Year, ...]:
    """The years of a text; a four-digit number that counts or measures something is none."""
    raw = text.raw
    if FOUR.search(raw) is None:
        return ()
    found = []
    ranges = {s: (a, b, m) for m in RANGE.finditer(raw) for a, b in [_ends(m)] for s in (m.start("a"), m.start("b"))}
    for match in YEAR.finditer(raw):
        if _measured(raw, match):
            continue
        span, value = Span(match.start(), match.end()), int(match[0])
        if match.start() in ranges:
            first, last, whole = ranges[match.start()]
            other = "b" if match.start() == whole.start("a") else "a"
            found.append(Year(span, value, first, last, "range", Span(*whole.span(other))))
        else:
            found.append(_bounded(raw, span, value))
    return tuple(found)


def _ends(match: re.Match[str]) -> tuple[int, int]:
    first, last = match["a"], match["b"]
    whole = int(last) if len(last) == 4 else int(first[:2] + last)
    return int(first), whole


def _measured(raw: str, match: re.Match[str]) -> bool:
    after = MEASURED.match(raw, match.end())
    if after is None:
        return raw[match.end() : match.end() + 1] in ("%", "°")
    word = after[1].lower()
    return word in UNITLIKE or counts(word, before_word(raw, match.start()))


def before_word(raw: str, place: int) -> str:
    """The word right before a place, in lower case; empty if a sign stands between."""
    left = LAST_WORD.search(raw, max(0, place - 30), place)
    return left[1].lower() if left else ""


def counts(word: str, before: str) -> bool:
    """The word behind four digits is a plural, so that they count: *1500 soldiers*, not *in 1998 farmers*.

    Args:
        word: in lower case.
        before: the word before the digits, in lower case.
    """
    if word in PEOPLE:
        return True
    return PLURAL.search(word) is not None and word not in stop() and before not in DATING


def may_become(known: Sequence[Date], old: int, new: int) -> bool:
    """A year may be exchanged for another one: no 29 February comes to stand in a year that has none."""
    return isleap(new) or not any((d.year, d.number, d.day) == (old, 1, 29) for d in known)


def _bounded(raw: str, span: Span, value: int) -> Year:
    left = BEFORE.search(raw, max(0, span.start - 30), span.start)
    word = re.sub(r"\s+", " ", left[1].lower()) if left else ""
    if word in ("since", "after", "from"):
        return Year(span, value, value, LAST, "since")
    if word in ("until", "till", "before", "by", "prior to", "up to", "through"):
        return Year(span, value, FIRST, value, "until")
    if word in ("between", "not", "circa", "ca", "ca.", "c."):
        return Year(span, value, value - 9, value + 9, word.rstrip("."))
    return Year(span, value, value, value, "")


class Date(NamedTuple):
    """A month, with its day and year where they are written."""

    span: Span
    month: Span
    number: int
    day: int
    day_first: bool
    year: int | None


def dates(text: Text) -> tuple[Date, ...]:
    """The months of a text; ``may`` and ``march`` count only with a day, a year, or ``in`` before them."""
    raw, found = text.raw, []
    if text.vocabulary.isdisjoint(NAMES):
        return ()
    for match in MONTH.finditer(raw):
        name = match["month"]
        day = int(match["day"] or match["day2"] or 0)
        known = bool(day or match["year"])
        before = LEFT.search(raw, max(0, match.start() - 12), match.start())
        if not known and (before is None or (name.lower() in ("may", "march") and name.islower())):
            continue
        number = NAMES[name.lower()]
        if day > 31:
            continue
        year = int(match["year"]) if match["year"] else None
        found.append(Date(Span(*match.span()), Span(*match.span("month")), number, day, bool(match["day"]), year))
    return tuple(found)
