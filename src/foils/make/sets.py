"""Closed sets: a thing is exactly one of their members, so another member is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from foils.make.edits import Edit, Span
from foils.make.flip import exchange, fixed
from foils.make.item import Item
from foils.make.lexicon import mapping, table, words
from foils.make.view import Text

# Members that are everyday words or names as well: only with a capital inside a sentence are they members.

# "In the Netherlands" cannot become "in the Russia"; of most sets all members take *the*, or none.
WITH_THE = frozenset(["netherlands", "philippines", "french open", "australian open"])
LOCATED = frozenset(["us states", "big cities", "countries", "continents"])


def group_of(word: str) -> tuple[str, ...]:
    """The members of the set of a lower-case word."""
    return _sets()[word][1]


class Member(NamedTuple):
    """A member of a closed set in a text."""

    span: Span
    word: str
    group: str


@cache
def _sets() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Lower-case member to its set and the set's members; a word in two sets belongs to the first."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for group, members in table("sets"):
        for member in members.split("|"):
            found.setdefault(member.lower(), (group, tuple(members.split("|"))))
    return found


@cache
def _firsts() -> dict[str, tuple[str, ...]]:
    """First word to the members that begin with it, the longest first."""
    found: dict[str, list[str]] = {}
    for member in sorted(_sets(), key=len, reverse=True):
        found.setdefault(Text(member).words[0].low, []).append(member)
    return {word: tuple(starting) for word, starting in found.items()}


def _places(text: Text) -> Iterator[tuple[Span, str]]:
    """Where members stand, as they are written in lower case; of two that overlap the first and longest."""
    firsts, done = _firsts(), 0
    if firsts.keys().isdisjoint(text.vocabulary):
        return
    for word in text.words:
        if word.low not in firsts or word.start < done:
            continue
        for member in firsts[word.low]:
            end = word.start + len(member)
            after = text.low[end : end + 1]
            if text.low.startswith(member, word.start) and not (after.isalnum() or after == "_"):
                yield Span(word.start, end), member
                done = end
                break


def members(text: Text) -> tuple[Member, ...]:
    """The members of closed sets in a text, those in fixed phrases and longer names left out."""
    found: list[Member] = []
    for span, low in _places(text):
        group, _ = _sets()[low]
        if group == "months":
            continue
        written = text.raw[span.start : span.end]
        proper = any(m.lower() == low and m[:1].isupper() for m in _sets()[low][1])
        number = text.index(span.start)
        if low in words("function", "ambiguous") and (
            not proper or not written[:1].isupper() or low in ("turkey", "china", "mercury")
        ):
            continue
        if fixed(text, number) or (not proper and written[:1].isupper() and number and not written.isupper()):
            continue
        if proper and _inside_name(text, span):
            continue
        found.append(Member(span, low, group))
    return tuple(found)


def _inside_name(text: Text, span: Span) -> bool:
    """Other capitalised words touch it (``New England``, ``Paris Hilton``): it is part of a longer name."""
    if not text.raw[span.start].isupper():
        return False
    before = re.search(r"(\w+)[\s-]$", text.raw[max(0, span.start - 20) : span.start])
    after = re.match(r"[\s-](\w+)", text.raw[span.end : span.end + 20])
    start = text.sentence(span.start).start
    first = before is not None and span.start - len(before[0]) <= start
    return bool((before and before[1][:1].isupper() and not first) or (after and after[1][:1].isupper()))


def another(item: Item, member: Member, salt: str) -> str | None:
    """Another member of the set, in neither text, nor its adjective there; with *the* only for one with *the*."""
    group = _sets()[member.word][1]
    there = item.text.low + " " + item.question.low
    free = [m for m in group if m.lower() != member.word and m.lower() not in there and not akin(m.lower(), there)]
    start = item.draw(salt, len(free))
    fit = (m for m in (*free[start:], *free[:start]) if (m.lower() in WITH_THE) == (member.word in WITH_THE))
    return next(fit, None)


@cache
def _akin() -> dict[str, str]:
    pairs = [(place.lower(), people.lower()) for place, people in mapping("demonyms").items()]
    return {one: two for place, people in pairs for one, two in ((place, people), (people, place))}


def akin(word: str, low: str) -> bool:
    """The adjective of a place, or the place of an adjective, stands in a lower-case text."""
    other = _akin().get(word)
    return other is not None and other in low


def written(new: str, old: str) -> str:
    """A member in the case of the word that it replaces."""
    if old.islower():
        return new.lower()
    if old[:1].islower():
        return new[:1].lower() + new[1:]
    return new.upper() if old.isupper() and len(old) > 1 else new[:1].upper() + new[1:]


def replaced(text: Text, found: list[Member], new: str, rule: str) -> list[Edit]:
    """The edits that put another member in place of all mentions, ``a`` or ``an`` before it corrected."""
    edits = []
    for member in found:
        number = text.index(member.span.start)
        if number + 1 < len(text.words) and text.words[number].span != member.span:
            old = text.raw[member.span.start : member.span.end]
            edits.append(Edit(*member.span, old, written(new, old), rule))
            continue
        for edit in exchange(text, number, new, rule):
            own = edit.start == member.span.start
            edits.append(Edit(edit.start, edit.end, edit.old, written(new, edit.old), rule) if own else edit)
    return edits
