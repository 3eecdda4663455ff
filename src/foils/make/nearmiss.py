"""Near misses: the same passage with another number or another unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from foils.make import beside, gate
from foils.make.edits import Edit, Span, apply, like
from foils.make.item import ANY, Found, Item, Kind, Made, Operator, Reasons, Refused
from foils.make.values import ORDINALS, Quantity, number_word, single, spelled, units
from foils.make.words import stem

MENTIONS = 4
KNOWN = 0.75
SURE = 0.7
BRACKET = re.compile(r"\s?\(\s?[^()]{1,60}\)")
MEASURE = re.compile(r"how many ((?:square |cubic |metric )?[a-z]+)")
CURRENCIES = frozenset(["USD", "EUR", "GBP", "PLN", "CAD", "AUD", "CHF", "JPY", "INR", "RS", "US", "HK"])
ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


@dataclass(frozen=True)
class Number(Operator):
    """Gives the number that answers, or that the query asks about, another value; every mention of it alike.

    Bound-aware: a number under a bound or in a range is left alone, since "at least 14,000" follows from "at least
    20,000" (`N3s` of the survey behind docs/typed.md). The new value differs by a quarter to a half, keeps digits
    and rounding, and stands nowhere in the passage. Fails where the passage says the same in other words
    ("a dozen", "half").
    """

    name: ClassVar[str] = "number"
    kind: ClassVar[Kind] = "near-miss"
    languages: ClassVar[frozenset[str]] = ANY
    duration: ClassVar[bool] = False

    def make(self, item: Item) -> Made | Refused:
        """The first number that passes the gate."""
        if not sought(item):
            return Refused("no number asked about")
        reasons = Reasons()
        for group in groups(likely(item)):
            if timed(group[0]) is not self.duration:
                continue
            let = admit(item, group, reasons)
            if let is None:
                continue
            new = fresh(item, group[0], f"{self.name}{self.seed}")
            if new is None or any(single(item.passage, q) for q in group):
                reasons.add("no new value", group[0].text)
                continue
            edits = [e for q in group for e in renumber(item.passage, q, new, self.name)]
            edits += [e for q in group for e in unconverted(item, q, self.name)]
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("not aligned" if any(timed(q) is self.duration for q in item.numbers) else "no number")


@dataclass(frozen=True)
class Duration(Number):
    """Gives the length of time that answers, or that the query asks about, another value; see ``number``.

    Fails where the passage gives the length in other words ("a decade"), too.
    """

    name: ClassVar[str] = "duration"
    kind: ClassVar[Kind] = "temporal"
    duration: ClassVar[bool] = True


@dataclass(frozen=True)
class UnitSwap(Operator):
    """Exchanges the unit of the quantity that answers or is asked about for another one of the same dimension.

    The number stays. Only units of neighbouring size are exchanged, since absurd magnitudes give themselves away
    (8 of 20 free unit edits were absurd). Fails where the passage repeats the quantity in words.
    """

    name: ClassVar[str] = "unit"
    kind: ClassVar[Kind] = "near-miss"

    def make(self, item: Item) -> Made | Refused:
        """The first unit that passes the gate."""
        if not sought(item):
            return Refused("no number asked about")
        reasons = Reasons()
        for group in groups(likely(item)):
            if group[0].unit is None or any(abbreviated(item, q) for q in group):
                continue
            let = admit(item, group, reasons)
            if let is None:
                continue
            edits = self._edits(item, group)
            if edits is None:
                reasons.add("no new value", group[0].unit.symbol)
                continue
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("not aligned" if any(q.unit for q in item.numbers) else "no unit")

    def _edits(self, item: Item, group: tuple[Quantity, ...]) -> list[Edit] | None:
        unit = group[0].unit
        if unit is None:
            return None
        again = {q for g in group for q in aside(item, g)}
        taken = {q.unit.symbol for q in item.numbers if q.unit is not None and q not in again}
        near = [s for s in unit.near if s in units() and s not in taken and plausible(group[0], s)]
        if not near:
            return None
        other = units()[near[item.draw(f"unit{self.seed}", len(near))]]
        edits = []
        for quantity in group:
            span = quantity.unit_span or quantity.span
            old = item.passage[span.start : span.end]
            new = other.symbol
            for names, others in ((unit.one, other.one), (unit.many, other.many)):
                if " ".join(old.split()) in names:
                    new = others[min(names.index(" ".join(old.split())), len(others) - 1)]
            edits += [Edit(span.start, span.end, old, new, "unit"), *unconverted(item, quantity, "unit")]
        return edits


def timed(quantity: Quantity) -> bool:
    """A length of time."""
    return quantity.unit is not None and quantity.unit.dimension == "time"


def abbreviated(item: Item, quantity: Quantity) -> bool:
    """A number in words before the short form of a unit is none of that unit: *two TB infections*."""
    span, unit = quantity.unit_span, quantity.unit
    symbol = span is None or unit is None or item.passage[span.start : span.end] == unit.symbol
    return symbol and quantity.text[:1].isalpha()


def plausible(quantity: Quantity, symbol: str) -> bool:
    """The number with the new unit stays within a factor of 1,100 of the old quantity, and is not the same one."""
    other = units()[symbol]
    old = quantity.base or 0.0
    new = quantity.value * other.factor + other.offset
    return old > 0 and new > 0 and 1 / 1100 <= new / old <= 1100 and not 0.97 <= new / old <= 1.03


def aside(item: Item, quantity: Quantity) -> list[Quantity]:
    """The same quantity in other units, in brackets behind it: *70 miles (113 km)*."""
    bracket = _bracket(item, quantity)
    inside = [q for q in item.numbers if bracket is not None and bracket.holds(q.span)]
    return inside if all(_nearly(quantity, q) for q in inside) else []


def unconverted(item: Item, quantity: Quantity, rule: str) -> list[Edit]:
    """The edit that takes the brackets with the same quantity in other units out."""
    bracket = _bracket(item, quantity) if aside(item, quantity) else None
    return [] if bracket is None else [Edit(*bracket, item.passage[bracket.start : bracket.end], "", rule)]


def _bracket(item: Item, quantity: Quantity) -> Span | None:
    if quantity.unit_span is None:
        return None
    match = BRACKET.match(item.passage, quantity.unit_span.end)
    return None if match is None else Span(*match.span())


def likely(item: Item) -> tuple[Quantity, ...]:
    """The numbers of the passage that may answer or that the query may ask about: long passages hold many others."""
    if item.answers or gate.asks(item.question) == "number":
        return item.numbers
    values = {q.value for q in item.asked_numbers}
    bases = [q.base for q in item.asked_numbers if q.base is not None]
    return tuple(
        q
        for q in item.numbers
        if q.value in values or (q.base is not None and any(abs(q.base - b) <= 1e-6 * abs(b) for b in bases))
    )


def groups(numbers: tuple[Quantity, ...]) -> Iterator[tuple[Quantity, ...]]:
    """Numbers that say the same, together, in the order of their first mention."""
    left = list(numbers)
    while left:
        first, *rest = left
        group = [first, *(q for q in rest if q.same(first))]
        left = [q for q in rest if not q.same(first)]
        yield tuple(group)


def sought(item: Item) -> bool:
    """The query holds or asks for a number, or the answer is known; looked at before the passage is read."""
    return bool(item.answer or item.asked_numbers) or gate.asks(item.question) == "number"


def admit(item: Item, group: tuple[Quantity, ...], reasons: Reasons) -> Found | None:
    """The gate for a number of the passage."""
    first, spans = group[0], [q.span for q in group]
    answer = gate.answered(item, spans)
    asked = [q for q in item.asked_numbers if any(q.same(g) for g in group)]
    route = "answer" if answer else "query" if asked else "expected" if _expected(item, group) else ""
    if not route:
        reasons.add("not aligned", first.text)
        return None
    place = max(group, key=lambda q: gate.share(item, q.span.start)).span.start
    problem = gate.unsound(item, place)
    if problem is None and any(item.text.quoted(s.start, item.text.sentence(s.start)) for s in spans):
        problem = "quoted"
    if problem is None and any(q.bound for q in (*group, *asked)):
        problem = "bound"
    if problem is None and (len(group) > MENTIONS or elsewhere(item, group)):
        problem = "value elsewhere"
    if problem is None and route == "query":
        problem = incidental(item, first, place, spans, asked)
    problem = problem or beside.number(item, group, answer, asked)
    if problem is not None:
        reasons.add(problem, first.text)
        return None
    why = {
        "answer": f"the answer {first.text!r} is no longer in the passage",
        "query": f"the query asks about {first.text!r}, which the passage no longer mentions",
        "expected": f"{first.text!r} was the only value that answers the question",
    }[route]
    return gate.found(item, place, route, why, answer, elsewhere="no", bound="no", negator="no")


def incidental(item: Item, first: Quantity, place: int, spans: list[Span], asked: list[Quantity]) -> str | None:
    """Why a number of the query is not what the query turns on."""
    if gate.share(item, place) < gate.NEAR:
        return "not aligned"
    if definite(item, asked) or titled(item, spans):
        return "part of a name"
    if glued(item, first):
        return "alias"
    if gate.heading(item, spans):
        return "said elsewhere"
    return "yes/no question" if gate.polar(item.question) and not first.label else None


def definite(item: Item, asked: list[Quantity]) -> bool:
    """*the ten commandments*: the number belongs to the name of a thing that stays what it is."""
    before = (item.question.low[: q.span.start].rstrip() for q in asked if not (q.unit or q.sign or q.label))
    return any(re.search(r"\b(?:the|my|our|your)$", b) for b in before)


def titled(item: Item, spans: list[Span]) -> bool:
    """A number in words with a capital inside a sentence, or beside capitals: *My Two Dads*, *50 Shades*, *HD 36*."""
    for span in spans:
        start = item.text.sentence(span.start).start
        if item.passage[span.start].isupper() and re.search(r"\w", item.passage[start : span.start]):
            return True
        if re.match(r"\s[A-Z][a-z.]", item.passage[span.end : span.end + 3]):
            return True
        # "The HD 36", not "PLN 94".
        before = re.search(r"\b([A-Z]{2,})[\s-]$", item.passage[max(0, span.start - 8) : span.start])
        if before is not None and before[1] not in CURRENCIES:
            return True
    return False


def glued(item: Item, quantity: Quantity) -> bool:
    """A short name holds the number: *PFIC2* for type 2, *CDA II*."""
    value = int(quantity.value) if quantity.value < 100 and quantity.value == int(quantity.value) else 0
    digits = rf"[A-Z][A-Za-z]*-?{value}[A-Z]?\b" if value else r"(?!)"
    roman = rf"[A-Z]{{2,}}[\s-]{ROMAN[value]}\b" if 1 <= value < len(ROMAN) else r"(?!)"
    if re.search(rf"\b(?:{digits}|{roman})", item.passage):
        return True
    # *LCHAD* for long-chain 3-hydroxyacyl-CoA dehydrogenase: the short name goes on without the number.
    initials = [w.low[0] for w in item.question.words]
    short = (m[0].lower() for m in re.finditer(r"\b[A-Z]{3,8}\b", item.passage))
    return any(s[0] in initials and sum(c in initials for c in s) >= KNOWN * len(s) for s in short)


def _expected(item: Item, group: tuple[Quantity, ...]) -> bool:
    """The question asks for a number, and this is the only one that can be meant."""
    if item.answer is not None or gate.asks(item.question) != "number":
        return False
    first = group[0]
    if not fits(item, first):
        return False
    others = [q for q in item.numbers if q not in group and not any(q in aside(item, g) for g in group)]
    rivals = [q.span for q in others if fits(item, q)]
    sentence = gate.best(item)[0]
    beside = [q for q in others if sentence.holds(q.span)]
    ranked = {w.low for w in item.text.within(sentence)} & set(ORDINALS[1:])
    if gate.HOW.search(item.query) and (beside or ranked):
        return False
    # "Two species" answers no question for the species that were validated.
    told = gate.best(item)[1] >= SURE
    return told and gate.sole(item, first.span, rivals) and not gate.best(item)[0].end <= first.span.start


def fits(item: Item, quantity: Quantity) -> bool:
    """The number counts or measures what ``how many ...`` or ``how long ...`` asks for."""
    match = gate.HOW.search(item.query)
    if match is None or quantity.label:
        return False
    measure = MEASURE.match(item.question.low, match.start())
    if measure is not None and (unit := units().get(" ".join(measure[1].split()))) is not None:
        return quantity.unit is not None and quantity.unit.dimension == unit.dimension
    if match[1].lower() == "many":
        asked = stem((match[2] or "").lower())
        return asked not in ("", "number", "percent", "time") and asked in quantity.heads
    dimensions = gate.MEASURES.get(match[1].lower(), ())
    if match[1].lower() == "much":
        return quantity.sign not in ("", "%") and "percent" not in item.question.vocabulary
    if quantity.unit is None or quantity.unit.dimension not in dimensions:
        return False
    sentence = item.text.sentence(quantity.span.start)
    return bool({w.low for w in item.text.within(sentence)} & set(gate.SIGNS[match[1].lower()]))


def elsewhere(item: Item, group: tuple[Quantity, ...]) -> bool:
    """The value stands in the passage in another form: counting other things, in words, in other units."""
    first = group[0]
    if any(q.value != first.value for q in group):
        return True
    again = [q for g in group for q in aside(item, g)]
    # "By 2 °C (3.6 °F)": a difference is converted otherwise than a temperature, and the brackets would stay.
    kept = [bracket for g in group if (bracket := _bracket(item, g)) is not None and not aside(item, g)]
    alike = [q.span for q in item.numbers if q.unit and first.unit and q.unit.dimension == first.unit.dimension]
    if any(bracket.holds(span) for bracket in kept for span in alike):
        return True
    for other in item.numbers:
        if other not in group and other not in again and (other.value == first.value or _nearly(first, other)):
            return True
    digits = f"{first.value:.10g}"
    forms = {digits, f"{first.value:,.10g}", first.text.lower()}
    if word := number_word(first.value):
        forms.add(word)
    inside = [Span(*q.span) for q in group]
    tokens = (w for w in item.text.words if w.low in forms)
    return any(not any(s.meets(w.span) for s in inside) for w in tokens)


def _nearly(one: Quantity, two: Quantity) -> bool:
    """Two measures of one dimension that differ by no more than rounding: 100 km and 62 miles."""
    if one.base is None or two.base is None or one.unit is None or two.unit is None:
        return False
    return one.unit.dimension == two.unit.dimension and abs(one.base - two.base) <= 0.06 * abs(one.base)


def fresh(item: Item, quantity: Quantity, salt: str, held: Callable[[float], bool] = lambda _: False) -> float | None:
    """Another value: a quarter to a half away, as round as the old one, plausible, and new to query and passage."""
    taken = {q.value for q in (*item.numbers, *item.asked_numbers)}
    taken |= {float(w.low) for w in (*item.text.words, *item.question.words) if w.low.isdecimal() and w.low.isascii()}
    steps = candidates(quantity)
    start = item.draw(salt, len(steps))
    for step in (*steps[start:], *steps[:start]):
        value = step * quantity.scale
        text = spelled(value, quantity)
        if value in taken or text.lower() == quantity.text.lower() or held(value):
            continue
        if sensible(value, quantity):
            return value
    return None


def candidates(quantity: Quantity) -> list[float]:
    """New values of the number as written (scale word left out), far enough from the old one to contradict it."""
    value = quantity.value / quantity.scale
    decimals = len(quantity.text.partition(".")[2])
    if quantity.label or (value < 13 and decimals == 0):
        return [v for d in (1, -1, 2, -2, 3, -3) if (v := value + d) >= (1 if quantity.label else 2)]
    least = 0.4 if quantity.about else 0.2
    # Trailing zeros stay, so that a round number is exchanged for a round one.
    whole = round(value * 10**decimals)
    grain = 1
    while whole and whole % (grain * 10) == 0:
        grain *= 10
    found = []
    for ratio in (1.5, 0.6, 1.3, 0.7, 1.4, 0.55, 1.25, 0.75, 1.6, 0.5):
        new = round(whole * ratio / grain) * grain
        if new > 0 and abs(new - whole) >= least * whole:
            found.append(new / 10**decimals)
    return list(dict.fromkeys(found))


def sensible(value: float, quantity: Quantity) -> bool:
    """No percentage above 100, no 30 hours, no age of 150."""
    if quantity.sign == "%":
        return 0 < value < 100
    if quantity.label == "war":
        return value < 3
    if quantity.unit is not None and quantity.unit.dimension == "time":
        limit = {"h": 72, "min": 180, "s": 600, "mo": 60, "d": 400, "wk": 120}.get(quantity.unit.symbol, 1e5)
        return 0 < value <= max(limit, quantity.value)
    if quantity.text.lower() == (number_word(quantity.value) or ""):
        return number_word(value) is not None
    return value > 0


def renumber(raw: str, quantity: Quantity, value: float, rule: str) -> list[Edit]:
    """The edits that give a number a new value: the number itself, and ``a`` or ``an`` before it."""
    span, new = quantity.span, spelled(value, quantity)
    edits = [Edit(span.start, span.end, raw[span.start : span.end], new, rule)]
    before = re.search(r"\b([Aa]n?) $", raw[max(0, span.start - 4) : span.start])
    if before is not None:
        right = "an" if re.match(r"8|1[18](?!\d)|eight|eleven|eighteen", new.lower()) else "a"
        if right != before[1].lower():
            start = span.start - 1 - len(before[1])
            edits.insert(0, Edit(start, span.start - 1, before[1], like(right, before[1]), rule))
    return edits
