"""Opposites that exclude each other: *the oldest* is not *the newest*, and when it began is not when it ended."""

from __future__ import annotations

import re
from functools import cache

from foils.make import gate
from foils.make.flip import fixed, named
from foils.make.item import Item
from foils.make.lexicon import table
from foils.make.words import forms, opposites, stem

TOPS = frozenset(["most", "best", "worst"])
# "Most of", "the most recent" and "most likely" single nothing out by degree.
LOOSE = frozenset(["of", "recent", "recently", "likely", "people", "common", "commonly", "part", "often", "states"])
IRREGULAR = {"best": ("good", "better"), "worst": ("bad", "worse", "poor"), "most": ("many", "more", "much")}
CONTEST = re.compile(
    r"\b(?:battles?|wars?|games?|match|finals?|elections?|championships?|series|cup|bowl|case|debate|race|tournament|title)\b"
)
SPANNED = re.compile(r"\bfrom\b[^.;]{3,40}\bto\b|\d\s?[-–—]{1,2}\s?\d")


@cache
def events() -> dict[str, tuple[str, frozenset[str]]]:
    """Every form of an event's verb: the form to ask with instead, and the stems that tell of the other event."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for event, opposite, field in table("events"):
        told = frozenset(stem(f) for word in field.split() for f in (word, *forms(word)))
        one, two = ((event,), (opposite,)) if event.endswith("ed") else (forms(event)[:4], forms(opposite)[:4])
        for old, new in zip(one, two, strict=True):
            found.setdefault(old, (new, told))
    return found


def excluded(item: Item, place: int) -> str | None:
    """What a word of the query may be exchanged for although the passage does not use it; null: nothing.

    A superlative singles out one end of a scale, so the passage that gives that end does not give the other, unless
    it speaks of both. The passage that dates or names who did one event of a pair does not tell of the other, unless
    a word of that other event, or a second date, stands in it.
    """
    word = item.question.words[place]
    if fixed(item.question, place) or gate.polar(item.question) or gate.claim(item.question):
        return None
    return _superlative(item, place) if word.low in TOPS or word.low.endswith("est") else _event(item, place)


def _superlative(item: Item, place: int) -> str | None:
    question = item.question
    word = question.words[place].low
    found = opposites("antonyms").get(word)
    following = question.words[place + 1].low if place + 1 < len(question.words) else ""
    if found is None or found.sort != "k" or following in LOOSE or _titled(item, place):
        return None
    new = found.word
    told = ("least", "few", "less", "little", "minimal") if word == "most" else _degrees(new)
    if any(w.text.islower() and w.low.startswith(told) for w in item.text.words):
        return None
    plural = following.endswith("s") and not following.endswith(("ss", "us", "is", "ous"))
    return "fewest" if word == "most" and plural else new


def _degrees(superlative: str) -> tuple[str, ...]:
    """How words begin that are forms of a superlative: *lowest* with *low*, *worst* with *bad* too."""
    base = superlative.removesuffix("est")
    return (superlative, base.removesuffix("i"), *IRREGULAR.get(superlative, ()))


def _event(item: Item, place: int) -> str | None:
    question, text = item.question, item.text
    known = events().get(question.words[place].low)
    if known is None or not re.match(r"(?:who|when|what year|in what year|in which year|which year)\b", question.low):
        return None
    new, field = known
    if field & text.stemmed or {stem(new)} & question.content or _titled(item, place):
        return None
    if stem(question.words[place].low) == "win" and not CONTEST.search(question.low):
        return None
    return None if gate.asks(question) == "date" and _two_dates(item) else new


def _two_dates(item: Item) -> bool:
    """The passage gives more than one date: one of them may be that of the other event."""
    days = {(d.number, d.day) for d in item.dates}
    spanned = any(y.link for y in item.years) or SPANNED.search(item.passage)
    return len({y.value for y in item.years}) > 1 or len(days) > 1 or bool(spanned)


def _titled(item: Item, place: int) -> bool:
    """The word belongs to a title or a name in the passage."""
    return any(named(item.text, n) for n in item.text.numbers(stem(item.question.words[place].low)))
