"""Time: the same passage about another year, another month, another order, another period."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foils.make import gate
from foils.make.dates import FIRST, LAST, LENGTHS, MONTHS, Date, Year, may_become
from foils.make.edits import Edit, Span, apply, like
from foils.make.flip import Flip
from foils.make.item import ANY, Item, Kind, Made, Operator, Reasons, Refused
from foils.make.lexicon import mapping
from foils.make.view import Text
from foils.make.words import stop

MENTIONS = 4
LATEST = 2024
RECURRING = re.compile(
    r"\b(?:olympics?|games|cup|bowl|league|championships?|tournament|finals?|awards?|prize|oscars?|grammys?|emmys?"
    r"|elections?|elected|season|series|census|population|budget|conference|summit|festival|race|draft|contest|pageant"
    r"|champions?|president|minister|governor|mayor|king|queen|ceo|captain|coach|host|nominees?)\b",
    re.IGNORECASE,
)
# What is reported of a day is not what happened on it, and a birthday answers only who asks for it.
REPORTED = re.compile(
    r"\b(?:announce[sd]?|announcing|report(?:s|ed)|interview(?:ed)?|stated|said|renewed|ordered|confirmed|scheduled)\b"
)
DECADE = re.compile(r"\b\d{3}0['’]?s\b|\bcentury\b", re.IGNORECASE)


@dataclass(frozen=True)
class YearShift(Operator):
    """Moves the year that answers, or that the query asks about, by 1 to 9 years; every mention of it alike.

    Years are compared as intervals: "since 1996" moves later and "until 1996" earlier, both ends of a range move
    until the old and the new range have no year in common (T1 of the survey behind docs/typed.md: 14 of 15 right with
    the gate, 43 % relevant without). Fails where the query names something that can be told without its year.
    """

    name: ClassVar[str] = "year"
    kind: ClassVar[Kind] = "temporal"
    languages: ClassVar[frozenset[str]] = ANY

    def make(self, item: Item) -> Made | Refused:
        """The first year that passes the gate."""
        if not sought(item, item.asked_years):
            return Refused("no date asked about")
        reasons = Reasons()
        for value in dict.fromkeys(y.value for y in item.years):
            group = [y for y in item.years if y.value == value]
            answer = gate.answered(item, [y.span for y in group])
            route = self._route(item, group, answer)
            if problem := self._problem(item, group, route):
                reasons.add(problem, str(value))
                continue
            edits = self._edits(item, group)
            if edits is None:
                reasons.add("no new value", str(value))
                continue
            why = {
                "answer": f"the answer {value} is no longer in the passage",
                "query": f"the query asks about {value}, the passage now speaks of other years",
                "expected": f"{value} was the only date that answers the question",
            }[route]
            place = max(group, key=lambda y: gate.share(item, y.span.start)).span.start
            let = gate.found(item, place, route, why, answer, elsewhere="no", interval="disjoint")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no year")

    def _route(self, item: Item, group: Sequence[Year], answer: Span | None) -> str:
        if answer is not None:
            return "answer"
        asked = [y for y in item.asked_years if any(g.value == y.value or inside(g, y) for g in group)]
        if asked:
            # A year that only dates what has a name of its own changes nothing of what is told.
            spanned = any(inside(g, y) for y in asked for g in group)
            if not spanned and not RECURRING.search(item.query):
                return ""
            return "query" if all(not y.link or y.link == group[0].link for y in asked) else ""
        if item.answer is not None or gate.asks(item.question) != "date":
            return ""
        first = group[0]
        if DECADE.search(item.passage):
            return ""
        # Another year may answer in words that the question does not hold: "took effect in 2016".
        if any(y.value != first.value and y.span != first.partner for y in item.years) or aside(item, first.span):
            return ""
        return "expected" if gate.sole(item, first.span, ()) and lone(item, first.value) else ""

    def _problem(self, item: Item, group: Sequence[Year], route: str) -> str | None:
        if not route:
            return "not aligned"
        place = max(group, key=lambda y: gate.share(item, y.span.start)).span.start
        if problem := gate.unsound(item, place):
            return problem
        if any(item.text.quoted(y.span.start, item.text.sentence(y.span.start)) for y in group):
            return "quoted"
        spans = {y.span for y in group} | {y.partner for y in group}
        if any(y.holds(group[0].value) and y.link == "range" and y.span not in spans for y in item.years):
            return "value elsewhere"
        if any(y.link in ("between", "not", "circa", "ca", "c") for y in group):
            return "bound"
        if len({y.link for y in group}) > 1:
            return "bound"
        if len(group) > MENTIONS or item.passage.count(str(group[0].value)) > len(group):
            return "value elsewhere"
        value = group[0].value
        short = re.search(rf"['’]{value % 100:02d}(?!\d)|\b{value // 10}0['’]?s\b", item.passage)
        return "value elsewhere" if short else None if gate.share(item, place) >= gate.NEAR else "not aligned"

    def _edits(self, item: Item, group: Sequence[Year]) -> list[Edit] | None:
        shift = self._shift(item, group)
        if shift is None:
            return None
        spans = {y.span: y.value for y in group}
        for year in group:
            if year.partner is not None:
                text = item.passage[year.partner.start : year.partner.end]
                if len(text) != 4:
                    return None
                spans[year.partner] = int(text)
        edits = [Edit(s.start, s.end, str(v), str(v + shift), self.name) for s, v in sorted(spans.items())]
        left = {y.value for y in item.years if y.span not in spans}
        # The other end of a range may be told elsewhere too: then the passage would contradict itself.
        return None if left & set(spans.values()) else edits

    def _shift(self, item: Item, group: Sequence[Year]) -> int | None:
        taken = {y.value for y in (*item.years, *item.asked_years)}
        width = max(y.last - y.first for y in group) if group[0].link == "range" else 0
        steps = [width + s for s in (1, 2, 3, 4, 5, 6, 7, 8, 9)]
        signed = [d for s in steps for d in (s, -s)]
        start = item.draw(f"year{self.seed}", len(signed))
        for shift in (*signed[start:], *signed[:start]):
            direction = {"since": 1, "until": -1}.get(group[0].link, 0)
            news = {y.value + shift for y in group}
            if direction * shift < 0 or news & taken:
                continue
            if not all(may_become(item.dates, y.value, y.value + shift) for y in group):
                continue
            # No edited year may lie in the future, nor the end of a range.
            ends = [*news, *(y.last + shift for y in group if y.link in ("", "range"))]
            if min(news) >= FIRST and max(ends) <= max(LATEST, *(y.value for y in group)):
                return shift
        return None


def sought(item: Item, asked: Sequence[object]) -> bool:
    """The query holds or asks for a date, or the answer is known; looked at before the passage is read."""
    return bool(item.answer or asked) or gate.asks(item.question) == "date"


def aside(item: Item, span: Span) -> bool:
    """A date that the sentence gives of something else than what happened: of a report, of a birth in brackets."""
    sentence = item.text.sentence(span.start)
    if REPORTED.search(item.text.low, sentence.start, sentence.end):
        return not REPORTED.search(item.question.low)
    born = re.search(r"\(\s*(?:born\b|b\.)?[^()]*$", item.text.low[sentence.start : span.start])
    return born is not None and not re.search(r"\b(?:born|birth|birthday|die|died|death)\b", item.question.low)


def lone(item: Item, year: int | None) -> bool:
    """Every month near the query belongs to one year, so that the year and the months answer together."""
    near = [d for d in item.dates if gate.share(item, d.span.start) >= gate.NEAR]
    return all(d.year == year for d in near)


def inside(year: Year, asked: Year) -> bool:
    """The passage gives a range, and the query asks about a year in it."""
    return year.link == "range" and year.first <= asked.value <= year.last < LAST


@dataclass(frozen=True)
class MonthShift(Operator):
    """Exchanges the month that answers, or that the query asks about, for another one; the day stays if it exists.

    T2 of the survey behind docs/typed.md. Fails where the query can be told without its month.
    """

    name: ClassVar[str] = "month"
    kind: ClassVar[Kind] = "temporal"

    def make(self, item: Item) -> Made | Refused:
        """The first month that passes the gate."""
        if not sought(item, item.asked_dates):
            return Refused("no date asked about")
        reasons = Reasons()
        for number in dict.fromkeys(d.number for d in item.dates):
            group = [d for d in item.dates if d.number == number]
            answer = gate.answered(item, [d.month for d in group])
            route = self._route(item, group, answer)
            if problem := self._problem(item, group, route):
                reasons.add(problem, MONTHS[number])
                continue
            taken = {d.number for d in (*item.dates, *item.asked_dates)}
            free = [n for n in range(12) if n not in taken and all(d.day <= LENGTHS[n] for d in group)]
            if not free:
                reasons.add("no new value", MONTHS[number])
                continue
            new = MONTHS[free[item.draw(f"month{self.seed}", len(free))]]
            edits = []
            for date in group:
                old = item.passage[date.month.start : date.month.end]
                word = new.lower() if old.islower() else like(new, old)
                edits.append(Edit(date.month.start, date.month.end, old, word, self.name))
            why = f"the passage now says {new} instead of {MONTHS[number]}"
            let = gate.found(item, group[0].span.start, route, why, answer, elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no month")

    def _route(self, item: Item, group: Sequence[Date], answer: Span | None) -> str:
        if answer is not None:
            return "answer"
        if any(d.number == group[0].number and (not d.day or d.day == group[0].day) for d in item.asked_dates):
            return "query"
        if item.answer is not None or gate.asks(item.question) != "date" or "year" in item.question.vocabulary:
            return ""
        # Another date may answer in words that the question does not hold.
        if any(d.number != group[0].number for d in item.dates) or len({y.value for y in item.years}) > 1:
            return ""
        alone = all(any(d.span.holds(y.span) for d in group) for y in item.years)
        return "expected" if alone and not aside(item, group[0].span) and gate.sole(item, group[0].span, ()) else ""

    def _problem(self, item: Item, group: Sequence[Date], route: str) -> str | None:
        if not route:
            return "not aligned"
        name = MONTHS[group[0].number].lower()
        if problem := gate.unsound(item, group[0].span.start):
            return problem
        written = len(re.findall(rf"\b{name}\b", item.text.low))
        short = not item.text.vocabulary.isdisjoint({name[:3], name[:4]} - {name})
        if len(group) > MENTIONS or written > len(group) or short:
            return "value elsewhere"
        return None if gate.share(item, group[0].span.start) >= gate.NEAR else "not aligned"


@dataclass(frozen=True)
class Order(Flip):
    """Turns an order in time round: before and after, first and last, began and ended; at the aligned head only.

    T3 of the survey behind docs/typed.md (6 of 10 right without the aligned head, off there). Fails where both orders
    hold, and where the order is not what the query turns on.
    """

    name: ClassVar[str] = "order"
    kind: ClassVar[Kind] = "temporal"

    def opposite(self, item: Item, word: str) -> str | None:
        """The other end of the relation."""
        return mapping("temporal").get(word)

    def fits(self, text: Text, number: int) -> str | None:
        """*in 1774 after the war*: the year goes on telling when it was."""
        word = text.words[number]
        sentence = text.sentence(word.start)
        following = text.words[number + 1].low if number + 1 < len(text.words) else ""
        if word.low in ("current", "former") and following in stop() | {""}:
            return "fixed phrase"
        dated = re.search(r"\b\d{4}\b", text.raw[sentence.start : sentence.end]) is not None
        return "value elsewhere" if dated and word.low in ("before", "after", "since", "until") else None
