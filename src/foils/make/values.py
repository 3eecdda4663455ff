"""Numbers in texts: how they are written, what they count, which bound they stand under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from foils.make.dates import counts, dates
from foils.make.edits import Span
from foils.make.lexicon import table, words
from foils.make.view import Text
from foils.make.words import stem, stop

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
WORDS = {
    **{w: n for n, w in enumerate(ONES)},
    **{t: 20 + 10 * n for n, t in enumerate(TENS)},
    **{f"{t}-{ONES[n]}": 20 + 10 * k + n for k, t in enumerate(TENS) for n in range(1, 10)},
}
# Digits that belong to a name, a version, a date, a score or a place in a list are no numbers.
DIGITS = (
    r"(?<![\w.,:/^#'’])(?<![\w)][-–−—])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w/^:]|[.,]\d|[-–−—/]\d|\s?[-–−—]\s?\d)"
)
GLUED = r"(?<![\w.,:/^#'’])(?<![\w)][-–−—])\d+(?:\.\d+)?(?=(?:%|°C|°F|kg|mg|km|cm|mm|mL|ml|GB|MB|kW|MW|Hz|g|m)\b|%)"
SPELT = "|".join(sorted((w for w in WORDS if w not in ("zero", "one")), key=len, reverse=True))
SAID = frozenset([*WORDS, *(f"{w}{a}s" for w in WORDS for a in "'’")])
DIGIT = re.compile(r"\d")
RUN = re.compile(r"\d+")
SCALE = re.compile(r"\s*(thousand|million|billion|trillion)\b", re.IGNORECASE)
PERCENT = re.compile(r"\s?(?:%|per\s?cent\b|percent\b)")
FOLLOWING = re.compile(r"[\s-]+([a-z]+)")
NUMBER = re.compile(
    rf"{DIGITS}|{GLUED}|(?<!ty - )\b(?:{SPELT})\b(?![-\w])"
    r"(?!\s+(?:-\s+)?(?:one|two|three|four|five|six|seven|eight|nine|hundred|of\s+(?:the|them|these|those|us))\b)",
    re.IGNORECASE,
)
BEFORE = re.compile(r"([^\W_]+)?[\s(\-]*([$£€¥~≈<>≤≥±]|US\$)?\s*$")

COMPARED = "more|less|fewer|greater|higher|lower|older|younger|longer|shorter|larger|smaller"
# "the past 30 years" follows from "the past 40 years": such windows are bounds too.
BOUND = re.compile(
    rf"(?:\b(?:at least|at most|(?:{COMPARED}) than|up to|over|under|above|below|exceeding|exceeds?|minimum of|"
    r"maximum of|in excess of|past|last|first|next|previous|another|additional|top|as \w+ as|"
    r"(?:under|over|above|below) the age of|"
    r"between|between \S+(?: \w+)? and|from|within|until|to|or|not|only|nearly|almost|every|per|\d and)|[<>≤≥±])"
    r"\s*[$£€]?\s*$",
    re.IGNORECASE,
)
BOUND_ENDS = frozenset([
    "least", "most", "than", "to", "over", "under", "above", "below", "exceeding", "exceed", "exceeds", "of", "past",
    "last", "first", "next", "previous", "another", "additional", "top", "as", "between", "and", "from", "within",
    "until", "or", "not", "only", "nearly", "almost", "every", "per",
])  # fmt: skip
AFTER_BOUND = re.compile(
    rf"^[\s-]*(?:[\w°%]+\s+)?(?:or (?:{COMPARED}|above|over)|and (?:over|older|above|under)|to[\s-](?:\d|"
    + SPELT
    + r")|±|\+)",
    re.IGNORECASE,
)
ABOUT_ENDS = frozenset(["about", "around", "approximately", "roughly", "some", "circa", "ca", "estimated"])
MINUS = frozenset("-–−—")
# "1 in 5,000", "1 of them": no noun follows.
ONE_THING = re.compile(r"\s(?!(?:in|of|out|per|to|and|or|at|on|for|from|by|with)\b)[a-z]{2}")
PARTING = frozenset(".;:!?,()")
ABOUT = re.compile(r"\b(?:about|around|approximately|roughly|some|circa|ca\.?|estimated|~|≈)\s*$", re.IGNORECASE)


class Unit(NamedTuple):
    """A unit of measure: ``value * factor + offset`` is the value in the base unit of its dimension."""

    dimension: str
    symbol: str
    one: tuple[str, ...]
    many: tuple[str, ...]
    factor: float
    offset: float
    near: tuple[str, ...]


@cache
def units() -> dict[str, Unit]:
    """Every spelling of every unit, words in lower case, symbols as they are."""
    found: dict[str, Unit] = {}
    for dimension, symbol, one, many, factor, offset, near in table("units"):
        names = tuple(one.split("|")), tuple(many.split("|"))
        unit = Unit(dimension, symbol, *names, float(factor), float(offset), tuple(near.split("|")))
        for spelling in (symbol, *unit.one, *unit.many):
            found.setdefault(spelling, unit)
    return found


@cache
def _unit_pattern() -> re.Pattern[str]:
    spellings = sorted(units(), key=len, reverse=True)
    # "in" and "pt" are words or other things far more often than units, a bare "t", "d" or "h" hardly ever one.
    plain = [re.escape(s).replace(r"\ ", r"\s+") for s in spellings if s not in ("in", "pt", "d", "t", "A", "yr", "mo")]
    return re.compile(rf"\s?-?\s?({'|'.join(plain)})(?![\w²³/])")


@dataclass(frozen=True)
class Quantity:
    """A number in a text.

    Args:
        span: the digits or words of the number, scale word left out.
        text: how it is written.
        value: what it is, scale word counted.
        scale: what its scale word multiplies by, 1 without.
        unit: the unit of measure after it, or None.
        unit_span: where the unit stands.
        heads: stems of the words around it that say what is counted; for a unit: its dimension.
        label: the stem of the word before it that it numbers (``type 2``), or an empty string.
        sign: ``%``, a currency, or an empty string.
        bound: it stands under a bound or in a range, so another number does not contradict it.
        about: it is approximate.
    """

    span: Span
    text: str
    value: float
    scale: float
    unit: Unit | None
    unit_span: Span | None
    heads: frozenset[str]
    label: str
    sign: str
    bound: bool
    about: bool

    @property
    def base(self) -> float | None:
        """The value in the base unit of its dimension."""
        return None if self.unit is None else self.value * self.unit.factor + self.unit.offset

    def same(self, other: Quantity) -> bool:
        """Both say the same: equal values with the same unit, sign, label or counted thing."""
        if self.unit is None and other.unit is None and self.value != other.value:
            return False
        if self.base is not None and other.base is not None and self.unit and other.unit:
            return self.unit.dimension == other.unit.dimension and abs(self.base - other.base) <= 1e-6 * abs(self.base)
        # "Five times" counts, "5 days" measures: that the dimension is called time, too, makes them no more alike.
        if self.value != other.value or self.sign != other.sign or (self.unit is None) != (other.unit is None):
            return False
        if self.label or other.label:
            return self.label == other.label
        return bool(self.heads & other.heads) or bool(self.sign)


def quantities(text: Text) -> tuple[Quantity, ...]:
    """The numbers of a text that may be edited or compared; years and dates are found elsewhere."""
    raw = text.raw
    if DIGIT.search(raw) is None and text.vocabulary.isdisjoint(WORDS):
        return ()
    taken = [d.span for d in dates(text)]
    found = (_quantity(text, m) for m in _written(text))
    return tuple(q for q in found if q is not None and not any(q.span.meets(t) for t in taken))


def _written(text: Text) -> Iterator[re.Match[str]]:
    """Where numbers are written, in order; only looked for where digits or a number's name begin."""
    places = [m.start() for m in RUN.finditer(text.raw)]
    if not text.vocabulary.isdisjoint(SAID):
        places = sorted({*places, *(w.start for w in text.words if w.low in SAID)})
    end = 0
    for place in places:
        match = NUMBER.match(text.raw, place) if place >= end else None
        if match is not None:
            end = match.end()
            yield match


def _quantity(text: Text, match: re.Match[str]) -> Quantity | None:
    raw, span = text.raw, Span(match.start(), match.end())
    written = match[0]
    value = _value(written)
    before, currency = _before(raw, span.start)
    # A number below zero has no other bound, unit or word than the same number above it: it stays as it is.
    dashed = written[0].isdecimal() and raw[max(0, span.start - 1) : span.start] in MINUS
    if dashed or before in ("minus", "negative"):
        return None
    after = SCALE.match(raw, span.end)
    scale = SCALES[after[1].lower()] if after else 1.0
    end = after.end() if after else span.end
    percent = PERCENT.match(raw, end)
    unit = None if percent or (currency in "$£€¥" and currency) else _unit_pattern().match(raw, end)
    label = (
        stem(before)
        if value < 1000
        and "," not in written
        and before in words("function", "label")
        and not unit
        and not percent
        and raw[span.start - 1 : span.start] != "-"
        else ""
    )
    if _is_year(written, raw, end, before, unit is not None or percent is not None or bool(currency)) and not label:
        return None
    heads = frozenset({units()[_spelling(unit[1])].dimension}) if unit else _heads(text, span, end, before)
    # Most numbers stand behind a word that ends no bound: looking that up spares the search.
    bound = (not before or before in BOUND_ENDS) and bool(BOUND.search(raw, max(0, span.start - 24), span.start))
    bound = bound or bool(AFTER_BOUND.match(raw[end : end + 24]))
    vague = not before or bool(currency) or before in ABOUT_ENDS
    return Quantity(
        span,
        written,
        value * scale,
        scale,
        units()[_spelling(unit[1])] if unit else None,
        Span(unit.start(1), unit.end(1)) if unit else None,
        heads,
        label,
        "%" if percent else currency.strip("~≈<>≤≥±"),
        bound or currency in ("<", ">", "≤", "≥", "±"),
        vague and bool(ABOUT.search(raw, max(0, span.start - 18), span.start)),
    )


def _before(raw: str, place: int) -> tuple[str, str]:
    """The word before a place in lower case, and the currency or sign between the two."""
    window = raw[max(0, place - 30) : place]
    last = window.split()[-1:]
    if last and last[0].isalnum():
        return last[0].lower(), ""
    left = BEFORE.search(window)
    return ((left[1] or "").lower(), left[2] or "") if left else ("", "")


def _spelling(found: str) -> str:
    """A unit as the lexicon spells it."""
    return re.sub(r"\s+", " ", found)


def _value(written: str) -> float:
    low = written.lower()
    return float(WORDS[low]) if low in WORDS else float(written.replace(",", ""))


def _heads(text: Text, span: Span, end: int, before: str) -> frozenset[str]:
    first = text.index(end)
    after = [w for w in text.words[first : first + 2] if w.start - end < 30 and w.low not in stop()]
    near = [stem(w.low) for w in after if PARTING.isdisjoint(text.raw[end : w.start])]
    return frozenset([*near, *([stem(before)] if before and before not in stop() else [])])


def _is_year(written: str, raw: str, end: int, before: str, measured: bool) -> bool:
    if measured or len(written) != 4 or not re.fullmatch(r"1\d\d\d|20[0-4]\d", written):
        return False
    after = FOLLOWING.match(raw, end)
    if after is None:
        return True
    return not counts(after[1], before)


def spelled(value: float, like: Quantity) -> str:
    """A value written as another number is: words, thousands separators and decimals kept."""
    number = value / like.scale
    if like.text.lower() in WORDS and number in WORDS.values():
        word = next(w for w, n in WORDS.items() if n == number)
        return word.capitalize() if like.text[:1].isupper() else word
    decimals = len(like.text.partition(".")[2])
    grouped = "," in like.text or (number >= 10_000 and "," in like.text)
    return f"{number:,.{decimals}f}" if grouped else f"{number:.{decimals}f}"


def single(raw: str, quantity: Quantity) -> bool:
    """The word behind a *1* is in the singular, so that with any other number it would be wrong: *1 mile*."""
    if quantity.text != "1" or quantity.scale != 1 or quantity.sign == "%" or quantity.label:
        return False
    if quantity.unit is not None and quantity.unit_span is not None:
        return raw[quantity.unit_span.start : quantity.unit_span.end] in quantity.unit.one and (
            raw[quantity.span.end : quantity.span.end + 1] != "-"
        )
    return ONE_THING.match(raw, quantity.span.end) is not None


def number_word(value: float) -> str | None:
    """The words of a whole number below 1,000, or None."""
    known = next((w for w, n in WORDS.items() if n == value), None)
    if known is not None or not value.is_integer() or not 100 <= value < 1000:
        return known
    hundreds, rest = divmod(int(value), 100)
    return f"{ONES[hundreds]} hundred" + (f" and {number_word(float(rest))}" if rest else "")
