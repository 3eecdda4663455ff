"""The query side: one constraint of the query is changed, so that the passage no longer answers it."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from foils.make import beside, gate, numbered, opposed
from foils.make.dates import MONTHS, Date, Year, may_become
from foils.make.dosupport import supported
from foils.make.edits import Edit, Span, apply, like
from foils.make.flip import aligned, exchange, fixed, named, tied
from foils.make.item import ANY, Found, Item, Kind, Made, Operator, Reasons, Refused, Side
from foils.make.lexicon import mapping, words
from foils.make.nearmiss import fresh, renumber, titled
from foils.make.negation import insertion, removal
from foils.make.polarity import quantifiers
from foils.make.sets import akin, another, group_of, members, replaced
from foils.make.temporal import LATEST
from foils.make.values import ORDINALS, Quantity, single
from foils.make.words import opposites, stem

ABOUT = 0.25
# "How do you combine two distributions" is answered as well for three.
GENERAL = re.compile(
    r"how (?:do|does|can|to|would|should|are|is)\b|(?:when|why|what if) (?:do |does |can |would )?(?:you|we|one)\b"
)
FEW = 3
COMPARED = re.compile(r"\b(?:differences?|different|differs?|versus|vs|compared?|comparison)\b")


class Change(NamedTuple):
    """A change of the query: its edits, where the passage states the old constraint, what is new."""

    edits: list[Edit]
    place: int
    old: str
    new: str


@dataclass(frozen=True)
class Premise(Operator):
    """Changes one constraint of the query that the passage states, to a value that the passage does not hold.

    The question that results may rest on a false premise, as in (QA)2 and FalseQA, or ask for something that the
    passage does not tell, as in SQuAD 2.0; the passage is its negative. The passage must hold half of the query's
    words, so that it is the constraint that decides. Implement ``changes``.
    """

    kind: ClassVar[Kind] = "false premise"
    side: ClassVar[Side] = "query"

    def make(self, item: Item) -> Made | Refused:
        """The first change that passes the gate."""
        reasons = Reasons()
        for change in self.changes(item):
            if isinstance(change, Refused):
                reasons.met.append(change)
                continue
            edited = [e.span for e in change.edits]
            asked = frozenset(
                r
                for w, r in zip(item.question.words, item.question.roots, strict=True)
                if r and not any(e.meets(w.span) for e in edited)
            )
            about = len(asked & item.text.content) / max(1, len(asked))
            if about < ABOUT:
                reasons.add("not aligned", change.old)
                continue
            if item.question.quoted(change.edits[-1].start, Span(0, len(item.query))):
                reasons.add("quoted", change.old)
                continue
            why = f"the query now asks about {change.new!r}, the passage speaks of {change.old!r}"
            tests = {"route": "query", "share": f"{about:.2f}", "new value": "not in the passage"}
            let = Found(item.text.sentence(change.place), gate.answered(item, [Span(0, len(item.passage))]), tests, why)
            return self.made(item, apply(item.query, change.edits), change.edits, let)
        return reasons.result("no constraint")

    @abstractmethod
    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """The changes to try, or why a constraint is left alone."""


@dataclass(frozen=True)
class QueryNumber(Premise):
    """Asks about another number: ``type 2`` becomes ``type 4``. Fails where the passage answers for all numbers."""

    name: ClassVar[str] = "query-number"
    languages: ClassVar[frozenset[str]] = ANY

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """Numbers of the query that the passage holds with the same label, unit or counted thing."""
        question = item.question
        for number in item.asked_numbers:
            said = [q for q in item.numbers if q.same(number)]
            places = [q.span.start for q in said] or numbered.places(item, number, number.value)
            if not places and number.label and numbered.member(item):
                places = [gate.best(item)[0].start]
            if not places:
                yield Refused("not aligned", number.text)
            elif number.bound or any(q.bound for q in said):
                yield Refused("bound", number.text)
            elif not number.label and gate.polar(item.question):
                yield Refused("yes/no question", number.text)
            elif (
                number.value <= FEW and GENERAL.match(question.low) and not (number.unit or number.label or number.sign)
            ):
                yield Refused("holds for any number", number.text)
            elif a_name(item, number) or (not number.label and titled(item, [q.span for q in said])):
                yield Refused("part of a name", number.text)
            elif gate.negated(item.question, Span(0, len(item.query)), number.span.start):
                yield Refused("negator before", number.text)
            elif (new := self._new(item, number)) is None:
                yield Refused("no new value", number.text)
            else:
                again = (q for q in item.asked_numbers if q is number or q.same(number))
                edits = [e for q in again for e in renumber(item.query, q, new, self.name)]
                yield Change(edits, places[0], number.text, edits[-1].new)

    def _new(self, item: Item, number: Quantity) -> float | None:
        """A value that the passage holds in no form: *the third season*, *Season III*."""
        # "5,000 feet (1,524 metres)": the conversion would have to follow.
        converted = any(q.same(number) and (q.value, q.unit) != (number.value, number.unit) for q in item.asked_numbers)
        if converted or single(item.query, number):
            return None
        return fresh(item, number, f"{self.name}{self.seed}", lambda value: numbered.held(item, number, value))


def a_name(item: Item, number: Quantity) -> bool:
    """``xbox 360``: a large number behind a word that numbers nothing, and before nothing that it counts."""
    if number.unit or number.sign or number.value < 13:
        return False
    before = re.search(r"([^\W\d_]+)[\s-]+$", item.query[: number.span.start])
    return (
        before is not None
        and stem(before[1].lower()) in number.heads
        and before[1].lower() not in words("function", "label")
    )


@dataclass(frozen=True)
class QueryDate(Premise):
    """Asks about another year or month, outside every period that the passage gives.

    Fails where the passage answers for all times.
    """

    name: ClassVar[str] = "query-date"
    languages: ClassVar[frozenset[str]] = ANY

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """Years of the query that the passage names or whose period it gives; months that it names."""
        for year in item.asked_years:
            said = [y for y in item.years if y.value == year.value or (y.link == "range" and y.holds(year.value))]
            if not said and not (numbered.edition(item) and str(year.value) not in item.passage):
                yield Refused("not aligned", str(year.value))
            elif year.link or any(y.link not in ("", "range") for y in said):
                yield Refused("bound", str(year.value))
            elif (new := self._year(item, year)) is None:
                yield Refused("no new value", str(year.value))
            else:
                edit = Edit(*year.span, str(year.value), str(new), self.name)
                place = said[0].span.start if said else gate.best(item)[0].start
                yield Change([edit], place, str(year.value), str(new))
        for date in item.asked_dates:
            yield self._month(item, date)

    def _year(self, item: Item, year: Year) -> int | None:
        near = [year.value + d for s in range(1, 10) for d in (s, -s)]
        edges = [y for p in item.years if p.link == "range" for d in range(1, 6) for y in (p.first - d, p.last + d)]
        start = item.draw(f"{self.name}{self.seed}", len(near))
        for new in (*near[start:], *near[:start], *edges):
            # "In the 1980s" may hold for 1984, too.
            held = any(y.holds(new) for y in item.years) or str(new) in item.passage or f"{new // 10}0" in item.passage
            short = f"{new % 100:02d}" in item.passage
            known = may_become(item.asked_dates, year.value, new)
            if known and not held and not short and new != year.value and new <= max(LATEST, year.value):
                return new
        return None

    def _month(self, item: Item, date: Date) -> Change | Refused:
        name = MONTHS[date.number]
        said = [d for d in item.dates if d.number == date.number]
        free = [m for m in MONTHS if m.lower()[:3] not in item.text.low and m.lower() not in item.question.low]
        if not said:
            return Refused("not aligned", name)
        # "From 3 May to 9 May" moves as a whole.
        months = [d for d in item.asked_dates if d.number == date.number]
        if not free or any(d.day > 28 for d in months):
            return Refused("no new value", name)
        new = free[item.draw(f"{self.name}{self.seed}", len(free))]
        olds = [(d.month, item.query[d.month.start : d.month.end]) for d in months]
        edits = [Edit(*at, old, new.lower() if old.islower() else like(new, old), self.name) for at, old in olds]
        return Change(edits, said[0].span.start, name, new)


@dataclass(frozen=True)
class QueryAntonym(Premise):
    """Asks for the opposite: *the highest* becomes *the lowest*, *first* becomes *last*.

    The word must have a neighbour in common with its counterpart in the passage, and the passage must nowhere hold the
    opposite. Leaves yes/no questions alone: there the answer becomes "no". Fails where the passage tells of both in
    other words.
    """

    name: ClassVar[str] = "query-antonym"

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """Words of the query with an opposite that the passage uses in the same way, or that excludes it."""
        question = item.question
        if gate.polar(question):
            yield Refused("yes/no question")
            return
        if COMPARED.search(question.low):
            yield Refused("query asks about both")
            return
        for place in range(len(question.words)):
            # A word that stands twice would be changed once only.
            if not question.roots[place] or question.roots.count(question.roots[place]) == 1:
                found = self._change(item, place)
                if found is not None:
                    yield found

    def _change(self, item: Item, place: int) -> Change | Refused | None:
        question, word = item.question, item.question.words[place]
        new = self.opposite(word.low)
        if new is None and word.low not in opposed.events():
            return None
        negated = gate.negated(question, Span(0, len(item.query)))
        said = [n for n in item.text.numbers(stem(word.low)) if aligned(item, n, place)]
        if not said and not negated and (other := opposed.excluded(item, place)) is not None:
            return Change(exchange(question, place, other, self.name), gate.best(item)[0].start, word.low, other)
        if new is None or not said:
            return None if new is None else Refused("not aligned", word.low)
        if negated and word.low != "without":
            return Refused("negator", word.low)
        if tied(question, place) or all(tied(item.text, n) for n in said):
            return Refused("fixed phrase", word.low)
        if self._held(item, new) or gate.negated(item.text, *self._before(item, said[0])):
            return Refused("value elsewhere", new)
        return Change(exchange(question, place, new, self.name), item.text.words[said[0]].start, word.low, new)

    def _before(self, item: Item, number: int) -> tuple[Span, int]:
        word = item.text.words[number]
        return item.text.sentence(word.start), word.start

    def _held(self, item: Item, new: str) -> bool:
        return not item.text.stemmed.isdisjoint(map(stem, new.split()))

    def opposite(self, word: str) -> str | None:
        """From the lists of antonyms, affixal pairs, quantifiers and orders in time."""
        for name in ("antonyms", "affixal"):
            if (found := opposites(name).get(word)) is not None:
                return found.word
        return mapping("temporal").get(word) or (quantifiers().get(word) if word == "without" else None)


@dataclass(frozen=True)
class QueryNegation(Premise):
    """Negates a claim, or takes its negator out; questions are left alone.

    A claim without an auxiliary needs the packages of ``insert-do-not``. Fails where the
    passage supports neither: then it was no positive.
    """

    name: ClassVar[str] = "query-negation"

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """One change at most."""
        question = item.question
        if not gate.claim(question):
            yield Refused("no claim")
            return
        whole = Span(0, len(item.query))
        sentence, most = gate.best(item)
        site = insertion(question, whole)
        edits = removal(question, whole)
        if most < ABOUT:
            yield Refused("not aligned")
        elif not isinstance(edits, str):
            yield Change(edits, sentence.start, edits[0].old.strip() or "not", edits[0].new.strip() or "no negation")
        elif gate.negated(item.text, sentence):
            yield Refused("negator")
        elif isinstance(site, str):
            edit = supported(question, whole, self.name) if site == "no auxiliary" else None
            if edit is None:
                yield Refused(site)
            else:
                yield Change([edit], sentence.start, edit.old, edit.new)
        else:
            edit = Edit(site.end, site.end, "", "not" if site.low == "can" else " not", self.name)
            yield Change([edit], sentence.start, site.text, f"{site.text}{edit.new}")


@dataclass(frozen=True)
class QueryExclusion(Premise):
    """Asks about another member of a closed set: another country, weekday, colour, metal.

    SQuAD2-CR's *mutual exclusion* and the entity swaps of (QA)2. Fails where the passage tells of the other member
    under another name.
    """

    name: ClassVar[str] = "query-exclusion"

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """Members in the query that the passage names too."""
        asked = members(item.question)
        for member in asked:
            if re.search(rf"(?<!\w){re.escape(member.word)}(?!\w)", item.text.low) is None:
                yield Refused("not aligned", member.word)
            elif gate.polar(item.question):
                yield Refused("yes/no question", member.word)
            elif _in_names(item, member.word):
                yield Refused("part of a name", member.word)
            elif len([m for m in asked if m.group == member.group]) > 1:
                yield Refused("two of a set", member.word)
            elif problem := beside.member(item, member.word):
                yield Refused(problem, member.word)
            elif (new := another(item, member, f"{self.name}{self.seed}")) is None or akin(new.lower(), item.text.low):
                yield Refused("no new value", member.word)
            else:
                edits = replaced(item.question, [member], new, self.name)
                yield Change(edits, item.text.low.find(member.word), member.word, new)


def _in_names(item: Item, word: str) -> bool:
    """The passage writes an everyday word with a capital inside a sentence: it belongs to a title there."""
    first = next((n for n, w in enumerate(item.text.words) if w.low == word), None)
    everyday = not any(m.lower() == word and m[:1].isupper() for m in group_of(word))
    return first is not None and everyday and named(item.text, first)


@dataclass(frozen=True)
class QueryOrdinal(Premise):
    """Asks about one in a row that the passage does not tell of: her *third* prize instead of her second.

    The false premises of FalseQA ("her third Nobel Prize"). Fails where the passage numbers the row in other words.
    """

    name: ClassVar[str] = "query-ordinal"

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """Ordinals of the query, from ``second`` on, that the passage uses of the same thing."""
        question = item.question
        if gate.polar(question):
            yield Refused("yes/no question")
            return
        for place, word in enumerate(question.words):
            if word.low not in ORDINALS[1:] or named(question, place) or fixed(question, place):
                continue
            following = question.words[place + 1].low if place + 1 < len(question.words) else ""
            number, there = ORDINALS.index(word.low), item.text.vocabulary
            taken = {q.value - 1 for q in item.numbers if q.label}
            free = [
                o
                for n, o in enumerate(ORDINALS)
                if 0 < abs(n - number) <= 2 and n not in {0, *taken} and o not in there
            ]
            said = [n for n, w in enumerate(item.text.words) if w.low == word.low and aligned(item, n, place)]
            digits = {f"{n + 1}{s}" for n, o in enumerate(ORDINALS) if o in free for s in ("st", "nd", "rd", "th")}
            if not said or opposites("antonyms").get(following):
                yield Refused("not aligned", word.low)
            elif sum(w.low == word.low for w in question.words) > 1:
                yield Refused("two of a set", word.low)
            elif not free or digits & there:
                yield Refused("no new value", word.low)
            else:
                new = free[item.draw(f"{self.name}{self.seed}", len(free))]
                yield Change(exchange(question, place, new, self.name), item.text.words[said[0]].start, word.low, new)
