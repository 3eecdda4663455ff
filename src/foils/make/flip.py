"""What operators share that exchange one word for its opposite at the aligned head."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from foils.make import gate
from foils.make.edits import Edit, Span, apply, like
from foils.make.item import Item, Made, Operator, Reasons, Refused
from foils.make.lexicon import words
from foils.make.view import Text
from foils.make.words import BE, article, opposites, stem

MENTIONS = 3
# What a claim says, a longer passage says more than once, in other words.
SENTENCES = 3
# Between *was* and its participle; an article stands before one that qualifies a noun: *the melted snow*.
BETWEEN = frozenset(["not", "never", "always", "often", "also", "still", "already", "just", "once"])
PREPOSED = {stem(verb): word for verb, word in (("sell", "to"), ("sold", "to"), ("lend", "to"), ("lent", "to"),
                                                ("buy", "from"), ("bought", "from"), ("borrow", "from"))}  # fmt: skip
BEFORE_PARTICIPLE = BE | {"has", "have", "had", "having", "get", "gets", "got", "a", "an", "the"}


class Hit(NamedTuple):
    """A word of the passage to exchange."""

    number: int
    new: str
    route: str


@dataclass(frozen=True)
class Flip(Operator):
    """Exchanges a word that the query uses, or that is part of the answer, for its opposite.

    The word must have a neighbour in common with its counterpart in the query (the aligned head), must not be part of
    a name or a fixed phrase, and neither it nor its opposite may stand in another sentence about the query.
    Implement ``opposite``.
    """

    @abstractmethod
    def opposite(self, item: Item, word: str) -> str | None:
        """What a lower-case word is exchanged for, or None."""

    def fits(self, text: Text, number: int) -> str | None:
        """Why a word must stay as it is, judged by the words around it; None: it may be exchanged."""
        return None

    def make(self, item: Item) -> Made | Refused:
        """The first word that passes the gate."""
        wanted = self._wanted(item)
        if not wanted or item.text.stemmed.isdisjoint(wanted):
            return Refused("no such word")
        if item.answer is None and gate.claim(item.question) and len(item.text.sentences) > SENTENCES:
            return Refused("said elsewhere")
        reasons = Reasons()
        for hit in self._hits(item, wanted):
            if problem := self._problem(item, hit):
                reasons.add(problem, item.text.words[hit.number].low)
                continue
            edits = self._edits(item, hit)
            if edits is None:
                reasons.add("value elsewhere", item.text.words[hit.number].low)
                continue
            spans = [e.span for e in edits]
            if hit.route == "query" and (gate.again(item, spans) or gate.heading(item, spans)):
                reasons.add("said elsewhere", item.text.words[hit.number].low)
                continue
            word = item.text.words[hit.number]
            why = f"{word.text!r}, which {_role(hit.route)}, is now {hit.new!r}"
            answer = gate.answered(item, [word.span])
            let = gate.found(item, word.start, hit.route, why, answer, head="aligned", elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no such word")

    def _wanted(self, item: Item) -> dict[str, int]:
        """Stems of the query's words that have an opposite, with the word's number in the query."""
        question = item.question
        found = {stem(w.low): n for n, w in enumerate(question.words) if self.opposite(item, w.low)}
        if item.answers:
            inside = item.text.within(item.answers[0])
            found |= {stem(w.low): -1 for w in inside if self.opposite(item, w.low)}
        return found

    def _hits(self, item: Item, wanted: dict[str, int]) -> list[Hit]:
        hits = []
        for number, word in enumerate(item.text.words):
            place = wanted.get(stem(word.low))
            new = self.opposite(item, word.low) if place is not None else None
            if place is None or new is None:
                continue
            new = inflected(item.text, number, new)
            if any(a.holds(word.span) for a in item.answers):
                hits.append(Hit(number, new, "answer"))
            elif place >= 0 and aligned(item, number, place):
                hits.append(Hit(number, new, "query"))
        return sorted(hits, key=lambda h: -gate.share(item, item.text.words[h.number].start))

    def _problem(self, item: Item, hit: Hit) -> str | None:
        text, word = item.text, item.text.words[hit.number]
        if gate.polar(item.question) and hit.route == "query":
            return "yes/no question"
        if gate.negated(item.question, Span(0, len(item.query)), but=word.low) and hit.route == "query":
            return "query negated"
        if problem := gate.unsound(item, word.start):
            return problem
        if gate.negated(text, text.sentence(word.start), but=word.low):
            return "negator"
        if tied(text, hit.number):
            return "fixed phrase"
        if gate.share(item, word.start) < gate.EXPECTED and hit.route == "query":
            return "not aligned"
        if hit.route == "query" and gate.claim(item.question) and len(item.shares) > SENTENCES:
            return "said elsewhere"
        if hit.route == "query" and gate.alias(item, word.low):
            return "alias"
        if hit.route == "query" and {stem(w) for w in hit.new.lower().split()} & item.question.content:
            return "query asks about both"
        return self.fits(text, hit.number)

    def _edits(self, item: Item, hit: Hit) -> list[Edit] | None:
        """The word and its repetitions with the same neighbour; None: it is said again in other surroundings."""
        text, first = item.text, item.text.words[hit.number]
        root, near = stem(first.low), gate.neighbours(text, hit.number)
        edits = []
        for number, word in enumerate(text.words):
            if stem(word.low) != root:
                continue
            new = self.opposite(item, word.low)
            if gate.neighbours(text, number) & near and new and not fixed(text, number):
                edits += exchange(text, number, new, self.name)
            else:
                return None
        against = {stem(w) for w in hit.new.lower().split()}
        for word in text.words:
            if stem(word.low) in against and gate.share(item, word.start) >= gate.NEAR:
                return None
        return edits if len(edits) <= 2 * MENTIONS else None


def _role(route: str) -> str:
    return "is part of the answer" if route == "answer" else "the query asks about"


def aligned(item: Item, number: int, place: int) -> bool:
    """A word of the passage and one of the query have a neighbour with a meaning in common."""
    return bool(gate.neighbours(item.text, number) & gate.neighbours(item.question, place))


def exchange(text: Text, number: int, new: str, rule: str) -> list[Edit]:
    """The edits that put another word in a word's place, ``a`` or ``an`` before it corrected."""
    word = text.words[number]
    new = inflected(text, number, new)
    edits = [Edit(word.start, word.end, word.text, like(new, word.text), rule)]
    if number and text.words[number - 1].low in ("a", "an"):
        before = text.words[number - 1]
        right = article(new)
        if right != before.low and text.raw[before.end : word.start].isspace():
            edits.insert(0, Edit(before.start, before.end, before.text, like(right, before.text), rule))
    return edits


def inflected(text: Text, number: int, new: str) -> str:
    """*Was allowed* to *was forbidden*, *it allowed* to *it forbade*: a past form stands for the participle, too."""
    found = (opposites(name).get(text.words[number].low) for name in ("antonyms", "affixal"))
    participle = next((o.participle for o in found if o is not None and o.word == new), new)
    lows = [w.low for w in text.words[max(0, number - 3) : number]]
    before = next((low for low in reversed(lows) if not low.endswith("ly") and low not in BETWEEN), "")
    return participle if before in BEFORE_PARTICIPLE or before.endswith(("n't", "n’t")) else new


def tied(text: Text, number: int) -> bool:
    """The word cannot be exchanged where it stands: part of a name or a phrase, or behind *less* or *least*."""
    before = text.words[number - 1].low if number else ""
    return before in ("less", "least", "than") or fixed(text, number) or named(text, number)


def named(text: Text, number: int) -> bool:
    """The word is capitalised inside a sentence, so it belongs to a name."""
    word = text.words[number]
    if not word.text[:1].isupper():
        return False
    start = text.sentence(word.start).start
    return bool(re.search(r"\w", text.raw[start : word.start])) or _capital_next(text, number)


def _capital_next(text: Text, number: int) -> bool:
    return number + 1 < len(text.words) and text.words[number + 1].text[:1].isupper()


@cache
def _phrases() -> dict[str, tuple[tuple[str, ...], ...]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in words("collocations"):
        parts = tuple(phrase.split())
        for part in parts:
            found.setdefault(part, []).append(parts)
    return {word: tuple(phrases) for word, phrases in found.items()}


def fixed(text: Text, number: int) -> bool:
    """The word is part of a fixed phrase, or tied to its neighbour by a hyphen."""
    word = text.words[number]
    # "How old" asks for a degree: "how young" would ask for the same one.
    before = text.words[number - 1].low if number else ""
    if before == "how" or (word.low in ("near", "far") and before != "the"):
        return True
    # "Sold to Ann" cannot become "bought to Ann".
    if (joined := PREPOSED.get(stem(word.low))) is not None:
        rest = text.low[word.end : text.sentence(word.start).end]
        if re.search(rf"\b{joined}\b", rest):
            return True
    around = text.raw[max(0, word.start - 2) : word.start].strip()[-1:] + text.raw[word.end : word.end + 2].strip()[:1]
    if set(around) & set("-‐/–"):
        return True
    for parts in _phrases().get(word.low, ()):
        for offset, part in enumerate(parts):
            start = number - offset
            if (
                part == word.low
                and start >= 0
                and tuple(w.low for w in text.words[start : start + len(parts)]) == parts
            ):
                return True
    return False


def span_of(text: Text, first: int, last: int) -> Span:
    """From the start of one word to the end of another."""
    return Span(text.words[first].start, text.words[last].end)
