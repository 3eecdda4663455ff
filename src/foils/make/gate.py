"""The gate: an edit must hit the answer or the query's own constraint, and nothing may save the passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from foils.make.edits import Span
from foils.make.item import Found, Item
from foils.make.lexicon import words
from foils.make.view import Text
from foils.make.words import stop

NEAR = 0.34
LETTERS = re.compile(r"[a-z]+")
ACRONYM = re.compile(r"\b(?=\w*[A-Z]\w*[A-Z])[A-Z][A-Za-z]{1,7}\d{0,2}\b")
PART = re.compile(r"[.;:!?]")
CLAIM = 0.5
EXPECTED = 0.6
Asked = Literal["date", "number", ""]
WH = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b|\?", re.IGNORECASE)
AUX = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "am",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "can",
        "could",
        "will",
        "would",
        "shall",
        "should",
        "may",
        "might",
        "must",
        "isn't",
        "aren't",
        "doesn't",
        "don't",
        "didn't",
    ]
)
WHEN = re.compile(r"\b(?:when|what (?:year|date|month|day)|which year|in which year|since when)\b", re.IGNORECASE)
HOW = re.compile(
    r"\bhow (many|much|long|tall|high|deep|far|wide|old|big|large|heavy|fast|hot|cold)\b(?:\s+(\w+))?", re.I
)
MEASURES = {
    "long": ("time", "length"), "tall": ("length",), "high": ("length",), "deep": ("length",), "far": ("length",),
    "wide": ("length",), "heavy": ("mass",), "fast": ("speed",), "hot": ("temperature",), "cold": ("temperature",),
}  # fmt: skip
SIGNS = {
    "long": ("long", "length", "last", "lasted", "lasts", "duration"), "tall": ("tall", "height", "high", "stands"),
    "high": ("high", "height", "tall", "rises"), "deep": ("deep", "depth"), "far": ("distance", "far", "away"),
    "wide": ("wide", "width"), "heavy": ("weigh", "weighs", "weight", "weighed"), "fast": ("speed", "fast", "per"),
    "hot": ("temperature", "hot"), "cold": ("temperature", "cold"), "much": ("cost", "costs", "price", "paid"),
}  # fmt: skip


def polar(question: Text) -> bool:
    """A yes/no question: a changed constraint is often answered with "no", so it is no gap in the passage."""
    return bool(question.words) and question.words[0].low in AUX


def claim(question: Text) -> bool:
    """A statement to be supported, not a question; keywords without a verb are none."""
    return _claims(question.raw)


@lru_cache(maxsize=4096)
def _claims(raw: str) -> bool:
    question = Text(raw)
    if WH.search(raw) or polar(question) or len(question.words) < 4:
        return False
    low = [w.low for w in question.words]
    # Typed without a capital and a full stop, "the layer of the eye is the" is a question that leaves out its end.
    if not question.raw[:1].isupper() and not question.raw.rstrip().endswith("."):
        return False
    if low[-1] in stop() or low[-1] in ("called", "known", "named", "termed"):
        return False
    return bool(set(low[1:]) & AUX) or any(re.search(r"(?:s|ed)$", w) and w not in stop() for w in low[1:])


def negated(text: Text, sentence: Span, place: int | None = None, but: str = "") -> bool:
    """The sentence holds a negator, before a place if one is given; the word ``but`` does not count."""
    low = text.low[sentence.start : place if place is not None else sentence.end]
    found = set(LETTERS.findall(low.replace("n't", " not ").replace("n’t", " not ")))
    return bool(found & words("polarity", "negator") - {but})


def unsound(item: Item, place: int, *, negators: bool = True) -> str | None:
    """Why an edit at a place of the passage would prove nothing: no prose, quoted, conditional, negated before."""
    text = item.text
    sentence = text.sentence(place)
    if reason := text.why_not_prose(sentence):
        return reason
    if text.quoted(place, sentence):
        return "quoted"
    before = set(LETTERS.findall(text.low[sentence.start : place]))
    if before & words("polarity", "conditional"):
        return "conditional"
    if negators and negated(text, sentence, place):
        return "negator before"
    return None


def share(item: Item, place: int) -> float:
    """Share of the query's content stems in the sentence at a place."""
    return next((value for span, value in item.shares if span.start <= place < span.end), 0.0)


def best(item: Item) -> tuple[Span, float]:
    """The sentence that holds most of the query, the first of equals."""
    return max(item.shares, key=lambda pair: pair[1], default=(Span(0, 0), 0.0))


def answered(item: Item, spans: Sequence[Span]) -> Span | None:
    """The occurrence of the answer that the spans touch, in the sentence that holds most of the query."""
    hits = [a for a in item.answers if any(a.meets(s) for s in spans)]
    return max(hits, key=lambda a: share(item, a.start), default=None)


def asks(question: Text) -> Asked:
    """What kind of value a question without a known answer asks for."""
    return _asks(question.raw)


@lru_cache(maxsize=4096)
def _asks(raw: str) -> Asked:
    first = WH.search(raw)
    if first is None:
        return ""
    if WHEN.match(raw, first.start()) or raw[:12].lower() == "in what year":
        return "date"
    return "number" if HOW.match(raw, first.start()) else ""


def sole(item: Item, span: Span, others: Sequence[Span]) -> bool:
    """A value stands in the one sentence that could answer: most of the query is there, no rival value near the query.

    Args:
        item: the item, without a known answer.
        span: the value.
        others: all values of the same kind in the passage that say something else.
    """
    sentence, most = best(item)
    if most < EXPECTED or not sentence.holds(span):
        return False
    return not any(share(item, o.start) > 0 for o in others)


def neighbours(text: Text, number: int) -> frozenset[str]:
    """Stems of the nearest word with a meaning on either side of a word, within its sentence part."""
    near, word = set(), text.words[number]
    for step in (-1, 1):
        for place in range(number + step, number + 4 * step, step):
            if not 0 <= place < len(text.words):
                break
            other = text.words[place]
            if PART.search(text.raw, min(other.end, word.end), max(other.start, word.start)):
                break
            if text.roots[place]:
                near.add(text.roots[place])
                break
    return frozenset(near)


def alias(item: Item, word: str) -> bool:
    """An acronym of the query's words stands in the passage, and the word has a part in it: *HAE* for *hereditary*."""
    initials = [w.low[0] for w in item.question.words if w.low not in stop()]
    for match in ACRONYM.finditer(item.passage):
        letters = [c.lower() for c in match[0] if c.isupper()]
        rest = iter(initials)
        if word[:1].lower() in letters and all(c in rest for c in letters):
            return True
    return False


def heading(item: Item, spans: Sequence[Span]) -> bool:
    """All the edits are in the heading: the body goes on telling what it told."""
    line = item.passage.find("\n")
    return line > 0 and all(s.end <= line for s in spans)


def again(item: Item, spans: Sequence[Span]) -> bool:
    """A sentence that is not edited holds half of the query: it may answer as well."""
    return any(value >= CLAIM and not any(s.meets(e) for e in spans) for s, value in item.shares)


def found(item: Item, place: int, route: str, why: str, answer: Span | None = None, **tests: str) -> Found:
    """What the gate lets through: the sentence at a place, the route, the tests."""
    gate = {"route": route, "share": f"{share(item, place):.2f}", **tests}
    return Found(item.text.sentence(place), answer, gate, why)
