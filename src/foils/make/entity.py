"""Typed entities: another person, another university, another country in the place of the one that matters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from foils.make import beside, gate
from foils.make.edits import Edit, Span, apply
from foils.make.item import Item, Kind, Made, Operator, Reasons, Refused
from foils.make.lexicon import words
from foils.make.pool import Entity, first_words
from foils.make.premise import Change, Premise
from foils.make.sets import Member, akin, another, members, replaced
from foils.make.view import Text

MENTIONS = 5
WORK = re.compile(
    r"\b(?:movies?|films?|shows?|series|songs?|books?|novels?|play(?:s|ed|ing)?|character|season|albums?|cast|tour|lyrics"
    r"|sang|sings?|sung|episodes?|story|tv|game|translated|starr(?:ed|ing)|actor|actress|voice|theme|trailer)\b"
)


@dataclass(frozen=True)
class Cohyponym(Operator):
    """Exchanges the member of a closed set that answers, or that the query asks about, for another one; all mentions.

    Closed sets only (N5s of the survey behind docs/typed.md: free sister terms are near-synonyms too often). Fails
    where the passage goes on naming the thing in other words.
    """

    name: ClassVar[str] = "co-hyponym"
    kind: ClassVar[Kind] = "near-miss"

    def make(self, item: Item) -> Made | Refused:
        """The first member that passes the gate."""
        asked = {m.word for m in members(item.question)}
        if not item.answers and not any(word in item.text.low for word in asked):
            return Refused("no member of a set")
        there, reasons = members(item.text), Reasons()
        for word in dict.fromkeys(m.word for m in there):
            group = [m for m in there if m.word == word]
            answer = gate.answered(item, [m.span for m in group])
            route = "answer" if answer else "query" if word in asked else ""
            new = another(item, group[0], f"{self.name}{self.seed}")
            if problem := self._problem(item, group, there, route) or ("" if new else "no new value"):
                reasons.add(problem, word)
                continue
            place = max(group, key=lambda m: gate.share(item, m.span.start)).span.start
            edits = replaced(item.text, group, new or "", self.name)
            spans = [e.span for e in edits]
            if route == "query" and (gate.again(item, spans) or gate.heading(item, spans)):
                reasons.add("said elsewhere", word)
                continue
            let = gate.found(item, place, route, f"{word!r} is now {new!r}", answer, elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no member of a set")

    def _problem(self, item: Item, group: list[Member], there: tuple[Member, ...], route: str) -> str | None:
        word = group[0].word
        if not route or (route == "query" and gate.polar(item.question)):
            return "not aligned" if not route else "yes/no question"
        place = max(group, key=lambda m: gate.share(item, m.span.start)).span.start
        if problem := gate.unsound(item, place):
            return problem
        count = len(re.findall(rf"\b{re.escape(word)}", item.text.low))
        if len(group) > MENTIONS or count > len(group) or akin(word, item.text.low):
            return "value elsewhere"
        if route == "query" and (gate.alias(item, word) or group[0].group not in words("function", "named set")):
            return "alias"
        if route == "query" and gate.share(item, place) < gate.EXPECTED:
            return "not aligned"
        if problem := _beside(item, group, route, count):
            return problem
        # A list of several members: the others may answer just as well.
        sentence = item.text.sentence(place)
        if sum(m.group == group[0].group and sentence.holds(m.span) for m in there) > len(group):
            return "two of a set"
        return None if route == "answer" or gate.share(item, place) >= gate.NEAR else "not aligned"


def _beside(item: Item, group: list[Member], route: str, count: int) -> str | None:
    word, spans = group[0].word, [m.span for m in group]
    answer = gate.answered(item, spans)
    if answer is not None and beside.only_part(item, answer, next(s for s in spans if s.meets(answer))):
        return "beside the point"
    if beside.spelt_out(item.passage, word) or beside.said_in_parts(item.text.low, word, count):
        return "alias"
    if any(beside.owned(item.passage, s.start) for s in spans):
        return "part of a name"
    return beside.member(item, word) if route == "query" else None


@dataclass(frozen=True)
class EntitySwap(Operator):
    """Exchanges the person or institution that answers, or that the query asks about, for another of its type.

    The type is written on the name (a known first name, a word such as *University* at the end); the new one comes
    from the corpus and shares no word with either text. Fails where a pronoun or a nickname still tells who is meant.
    """

    name: ClassVar[str] = "entity"
    kind: ClassVar[Kind] = "near-miss"
    needs: ClassVar[frozenset[str]] = frozenset({"corpus"})

    def make(self, item: Item) -> Made | Refused:
        """The first name that passes the gate."""
        reasons = Reasons()
        if (item.answer is None and not hinted(item.question)) or not item.names:
            return Refused("no typed name")
        for entity in dict.fromkeys(item.names):
            answer = gate.answered(item, [entity.span])
            route = "answer" if answer else "query" if _named(item, entity) else ""
            if not route:
                reasons.add("not aligned", entity.text)
                continue
            if route == "query" and (titled(item, entity) or gate.best(item)[1] < gate.CLAIM):
                reasons.add("part of a name", entity.text)
                continue
            new = other(item, entity, f"{self.name}{self.seed}")
            edits = mentions(item.passage, entity, new, self.name) if new else []
            problem = gate.unsound(item, entity.span.start) or ("" if new else "no new value")
            if problem or remains(apply(item.passage, edits), entity):
                reasons.add(problem or "value elsewhere", entity.text)
                continue
            let = gate.found(item, entity.span.start, route, f"{entity.text!r} is now {new!r}", answer, elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no typed name")


def hinted(text: Text) -> bool:
    """A text may hold a typed name: cheaper than to look for one."""
    return not text.vocabulary.isdisjoint(first_words())


def titled(item: Item, entity: Entity) -> bool:
    """A work, or somebody in one: *Harry Potter and the ...*, *who plays Claire Underwood*."""
    if WORK.search(item.question.low):
        return True
    after = (item.passage[m.end() : m.end() + 12] for m in re.finditer(re.escape(entity.text), item.passage))
    return any(re.match(r"\s+(?:and the|Returns|[IVX]+\b|\d)|\s*''", a) for a in after)


def other(item: Item, entity: Entity, salt: str) -> str | None:
    """Another name of the type, from the corpus, that shares no word with the query or the passage."""
    names = item.pool.names.get(entity.sort, ()) if item.pool is not None else ()
    start = item.draw(salt, len(names))
    known = item.text.vocabulary | item.question.vocabulary
    for name in (*names[start:], *names[:start]):
        parts = name.split() if entity.sort.startswith("person") else name.split()[:-1]
        if not any(p.lower().strip(".") in known for p in parts):
            return name
    return None


def mentions(raw: str, entity: Entity, new: str, rule: str) -> list[Edit]:
    """The edits that exchange a name everywhere, a person's last name alone too."""
    edits = [Edit(m.start(), m.end(), m[0], new, rule) for m in re.finditer(rf"\b{re.escape(entity.text)}\b", raw)]
    if entity.sort.startswith("person"):
        for match in re.finditer(rf"\b{re.escape(entity.text.split()[-1])}\b", raw):
            span = Span(*match.span())
            if not any(e.span.meets(span) for e in edits):
                edits.append(Edit(*span, match[0], new.split()[-1], rule))
    return edits


def remains(raw: str, entity: Entity) -> bool:
    """A distinctive word of the name, or its initials, can still be read in a text."""
    parts = entity.text.split() if entity.sort.startswith("person") else entity.text.split()[:-1]
    initials = "".join(p[0] for p in entity.text.split() if p[0].isupper())
    if len(initials) > 2 and re.search(rf"\b{initials}\b", raw):
        return True
    return any(len(p) > 2 and re.search(rf"\b{re.escape(p)}", raw, re.IGNORECASE) for p in parts)


@dataclass(frozen=True)
class QueryEntity(Premise):
    """Asks about another person or institution of the same type, from the corpus.

    Syn-(QA)2 exchanges an entity for one that shares properties with it; the type written on the name stands in for
    those. Fails where the passage tells of the other one under another name.
    """

    name: ClassVar[str] = "query-entity"
    needs: ClassVar[frozenset[str]] = frozenset({"corpus"})

    def changes(self, item: Item) -> Iterator[Change | Refused]:
        """Typed names of the passage that the query holds."""
        for entity in item.names if hinted(item.question) else ():
            places = _named(item, entity)
            if not places:
                continue
            if (new := other(item, entity, f"{self.name}{self.seed}")) is None:
                yield Refused("no new value", entity.text)
                continue
            olds = [(place, item.query[place.start : place.end]) for place in places]
            edits = [Edit(*place, old, new.lower() if old.islower() else new, self.name) for place, old in olds]
            yield Change(edits, entity.span.start, entity.text, new)


def _named(item: Item, entity: Entity) -> list[Span]:
    """Where the query holds a name of the passage, as whole words: *Ann Lee*, not *Ann Lee-Brown*."""
    name = rf"(?<![\w-]){re.escape(entity.text.lower())}(?!-?\w)"
    return [Span(*m.span()) for m in re.finditer(name, item.question.low)]
