"""Edits that are beside the point: the passage goes on saying what it said, or takes it for granted."""

from __future__ import annotations

import re

from foils.make import gate
from foils.make.edits import Span
from foils.make.item import Item
from foils.make.values import Quantity
from foils.make.words import stop

SMALL = 12
JOINING = ("and", "but", "or", "also")
MORE = 1
DIGITS = 3
TOLD = 0.5
WORD = re.compile(r"[^\W_]+")
TELLING = re.compile(r"(?:\b(?:are|were|namely|being)\b|[,(–—]|\s-\s)(.*)", re.DOTALL)
ITEM = re.compile(r",\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+")
FORMULA = re.compile(r"[*=^+/]\s?\(?$"), re.compile(r"\)?\s?[*=^+]")
# "Cuba, the Bahamas and Hispaniola": with one of them changed the others still answer.
LISTED = re.compile(r"(?:\b(?:and|or)|,)\s+(?:the\s+)?$"), re.compile(r",?\s*(?:and|or)\b|,\s+(?:the\s+)?[A-Z]")
EXCEPT = re.compile(
    r"\b(?:besides|except(?: for)?|excluding|(?:aside|apart) from|other than|unlike|instead of|than)\b[^.;:?]*$"
)
# "Stade de France", "the University of Chicago": the member belongs to the name of something else.
OWNED = re.compile(r"\b[A-Z]\w+ (?:of|of the|de|du|da|del|della|di) $")
PLACED = re.compile(r"(?:in|on|at|by|for|from|to|of|with|as|and|or|who|which|that|was|were|is|are|had|has)\b")
LIKE = re.compile(r"\b(?:such as|like|including|called|named)\s+(?:the\s+)?$")
DEFINITE = re.compile(r"\b(?:the|his|her|its|their)\s+$", re.IGNORECASE)


def counted(item: Item, first: Quantity) -> bool:
    """A small count of things in a question, *two events*, *three variables*: seldom what the question turns on."""
    plain = not (first.unit or first.sign or first.label) and first.value <= SMALL and first.value == int(first.value)
    return plain and not gate.claim(item.question)


def listed_behind(item: Item, first: Quantity) -> bool:
    """The things that a number counts are told one by one: *three kinds: a, b and c*, *the two kinds are a and b*."""
    if first.unit or first.sign or first.value > SMALL:
        return False
    behind = item.passage[first.span.end : item.text.sentence(first.span.start).end + 1]
    tail = TELLING.search(behind)
    return ":" in behind or (tail is not None and len(ITEM.split(tail[1].strip(" .,)"))) == first.value)


def part_of_answer(item: Item, answer: Span, first: Quantity) -> bool:
    """The answer says much more than the number, or two of them: *seven deacons in the Papal Household*."""
    if any(answer.holds(q.span) and q.span != first.span for q in item.numbers if q.span.start >= answer.start):
        return True
    own = item.text.stems(Span(first.span.start, max(first.span.end, (first.unit_span or first.span).end)))
    rest = item.text.stems(answer) - own - first.heads - item.question.content
    return len([r for r in rest if not r[:1].isdecimal()]) > MORE


def glued_again(item: Item, group: tuple[Quantity, ...]) -> bool:
    """The digits stand once more where no word begins or ends: *let300,000 go*."""
    digits = re.sub(r"\D", "", group[0].text)
    if len(digits) < DIGITS:
        return False
    return item.passage.replace(",", "").count(digits) > len(group)


def both(item: Item, asked: list[Quantity]) -> bool:
    """The query speaks of two of a row, *type 1 and type 2*: what is said of the other one still tells."""
    return any(q.label and q.label == a.label and q.value != a.value for a in asked for q in item.asked_numbers)


def restated(item: Item, spans: list[Span]) -> bool:
    """The number stands in brackets right behind another one, which says the same: *2 °C (3.6 °F)*."""
    for span in spans:
        opened = item.passage.rfind("(", max(0, span.start - 3), span.start)
        if opened >= 0 and any(
            q.unit is not None and 0 <= opened - (q.unit_span or q.span).end <= 1 for q in item.numbers
        ):
            return True
    return False


def formula(item: Item, spans: list[Span]) -> bool:
    """The number is part of a formula: *f(x)*(1-f(x))*."""
    raw = item.passage
    return any(FORMULA[0].search(raw[max(0, s.start - 3) : s.start]) or FORMULA[1].match(raw[s.end :]) for s in spans)


def number(item: Item, group: tuple[Quantity, ...], answer: Span | None, asked: list[Quantity]) -> str | None:
    """Why another number would change nothing that the query turns on."""
    first, spans = group[0], [q.span for q in group]
    if answer is not None and part_of_answer(item, answer, first):
        return "beside the point"
    if answer is None and asked and (counted(item, first) or both(item, asked)):
        return "beside the point"
    if formula(item, spans):
        return "not prose"
    if restated(item, spans) or glued_again(item, group) or listed_behind(item, first):
        return "value elsewhere"
    return None


def member(item: Item, word: str) -> str | None:
    """Why another member of a closed set would change nothing that the query turns on: one of a list, or left out."""
    low = item.question.low
    for match in re.finditer(rf"\b{re.escape(word)}\b", low):
        if EXCEPT.search(low[: match.start()]):
            return "one of a list"
        if LISTED[0].search(low[: match.start()]) or LISTED[1].match(item.query[match.end() :]):
            return "one of a list"
    return None


def owned(text: str, place: int) -> bool:
    """A member stands at the end of a longer name: *the University of Chicago*, *Stade de France*."""
    return text[place : place + 1].isupper() and OWNED.search(text[max(0, place - 40) : place]) is not None


def spelt_out(text: str, word: str) -> bool:
    """The words of which a member is the initials stand in a text: *National Basketball Association* for *NBA*."""
    if not (word.isalpha() and 2 <= len(word) <= 6):
        return False
    initials = [(m[0][0].lower(), m[0][0].isupper()) for m in WORD.finditer(text) if m[0].lower() not in stop()]
    run = [letter for letter, _ in initials]
    return any(
        run[n : n + len(word)] == list(word) and all(up for _, up in initials[n : n + len(word)])
        for n in range(len(run) - len(word) + 1)
    )


def said_in_parts(low: str, word: str, count: int) -> bool:
    """A word of a member that has several stands alone, too: *olympic winter games* for *Winter Olympics*."""
    return " " in word and any(len(re.findall(rf"\b{re.escape(w)}\b", low)) > count for w in word.split())


def only_part(item: Item, answer: Span, span: Span) -> bool:
    """A member of a closed set is one of several things that answer: *Mongolian, Tibetan and Chinese*."""
    rest = item.text.stems(answer) - item.text.stems(span) - item.question.content
    return len(rest) > MORE or (bool(rest) and ITEM.search(item.passage[answer.start : answer.end]) is not None)


def presumed(item: Item, answer: Span) -> bool:
    """The answer is told by the way: *the 2011 film Always*, *his godfather Telemann*, *(Latin for ...)*."""
    raw, sentence = item.passage, item.text.sentence(answer.start)
    before, after = raw[sentence.start : answer.start], raw[answer.end : sentence.end]
    if before.count("(") > before.count(")"):
        return True
    if re.match(r",?\s+(?:who|which|that|whose|where)\b", after) or LIKE.search(before):
        return True
    following = WORD.match(after.lstrip()) if after[:1] == " " else None
    if DEFINITE.search(before) and following is not None and PLACED.match(after.lstrip()) is None:
        return True
    # A word of the question right before the name, or in brackets or between commas behind it, says what it is.
    inside = item.text.within(Span(sentence.start, answer.start))
    if inside and raw[inside[-1].end : answer.start] == " " and raw[answer.start].isupper():
        number = item.text.index(answer.start)
        if item.text.roots[number - 1] in item.question.content - {""} and len(inside) > 1:
            return DEFINITE.search(raw[: inside[-1].start]) is not None
    aside = re.match(r"\s*(?:,\s+(?:the|a|an|his|her|its|their)\b([^,.;]*)|\(([^)]*)\))", after)
    if aside is None:
        return False
    return bool(item.text.stems(Span(answer.end, answer.end + aside.end())) & item.question.content)


def told_elsewhere(item: Item, sentence: Span) -> bool:
    """Another sentence holds as much of the query as the one that is denied: it may answer, too."""
    own = gate.share(item, sentence.start)
    return any(value >= own for span, value in item.shares if span != sentence)


def predicated(item: Item, place: int, answer: Span, end: int) -> bool:
    """An answer before the verb is denied only where what is asked about it stands behind the verb."""
    before = item.text.within(Span(item.text.sentence(place).start, place))
    if before and before[-1].low in JOINING:
        return False
    wanted = item.question.content - item.text.stems(answer)
    return bool(wanted) and len(wanted & item.text.stems(Span(place, end))) > TOLD * len(wanted)


def headline(item: Item, share: float) -> bool:
    """The heading above the text says it, too."""
    line = item.passage.find("\n")
    return line > 0 and any(value >= share and span.end <= line for span, value in item.shares)
