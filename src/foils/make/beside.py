"""Edits that are beside the point: the passage goes on saying what it said, or takes it for granted."""

from __future__ import annotations

import re

from foils.make import gate
from foils.make.edits import Span
from foils.make.item import Item
from foils.make.numbered import ranks
from foils.make.values import ORDINALS, Quantity
from foils.make.words import stem, stop

SMALL = 12
JOINING = ("and", "but", "or", "also")
MORE = 1
DIGITS = 3
WHOLE = 100
ROUNDED = 0.6
OTHERS = 5
# Characters before a sentence in which the counts of its percentage are looked for.
BEFORE = 200
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
# "The biggest in 45 years" follows from "the biggest in 45 decades".
WINDOW = re.compile(
    r"\b(?:[a-z]{2,}est|most|least|only|never|record|first|second|third|fourth|fifth)\b[^.;:]*\b(?:in|over)\s+(?:the\s+)?$"
)
# Questions for a number that do without "how many".
AMOUNT = re.compile(r"\b(?:number|amount|percentage|percent|proportion|population|size|total|average|rate)\b")
# "918 million tonnes (Mt)": the short form of the unit stays.
SHORTENED = re.compile(r"\s?\(\s?[a-zA-Zµ°]{1,3}[²³]?\s?\)")
# "The Channel 4 documentary Undercover Mosque": what the number qualifies has a name of its own.
APPOSED = re.compile(r"((?:\s[a-z]+){1,2})\s[A-Z][a-z]")
COMMA = re.compile(r"[,;:()–—]")
ENUMERATED = re.compile(r"[^.;]*(?:\b(?:including|such as|namely|for example)\b|:)")
RELATIVE = re.compile(r"\b(?:which|who|that|where|wherein|whose|when|while|though|although|because|since|if|but)\b")
COUNTING = re.compile(r"\bhow (?:many|much|often|frequently|common(?:ly)?|usual(?:ly)?)\b")
BESIDES = re.compile(r"\b(?:but|also|however|although|though|while)\b|;")
NEXT = re.compile(r"\b(?:to|into|then|next|before|after)\s+(?:the\s+)?\w+\s$")
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
    """The answer says much more than the number, or two of them: *seven deacons in the Papal Household*.

    Where the question asks for no number, anything more answers: *what attacks?* *three major offensive actions*.
    """
    if any(answer.holds(q.span) and q.span != first.span for q in item.numbers if q.span.start >= answer.start):
        return True
    own = item.text.stems(Span(first.span.start, max(first.span.end, (first.unit_span or first.span).end)))
    rest = [r for r in item.text.stems(answer) - own - item.question.content if not r[:1].isdecimal()]
    if gate.asks(item.question) != "number" and not AMOUNT.search(item.question.low):
        return bool(rest)
    return len(set(rest) - first.heads) > MORE


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


def worked_out(item: Item, first: Quantity) -> bool:
    """Other values of the passage give it: *129 of 131* leave 2, *219,000 of 638,000* are 34 %, *1321 to 1323*."""
    if first.unit is not None:
        if first.unit.symbol != "yr":
            return False
        spans = {abs(one.value - two.value) for one in item.years for two in item.years}
        return any(abs(span - first.value) <= 1 for span in spans - {0})
    others = [q for q in item.numbers if q.unit is None and not q.label and q.value != first.value]
    if first.sign != "%":
        plain = {q.value for q in others if q.sign == first.sign}
        return any(one + first.value in plain or first.value - one in plain - {one} for one in plain)
    if [q.value for q in others if q.sign == "%"] == [WHOLE - first.value]:
        return True
    start, end = item.text.sentence(first.span.start)
    counts = {q.value for q in others if not q.sign and start - BEFORE <= q.span.start < end}
    exact = ROUNDED / 10 ** len(first.text.partition(".")[2])
    return any(abs(WHOLE * part / of - first.value) <= exact for part in counts for of in counts if of > part)


def rivalled(item: Item, group: tuple[Quantity, ...]) -> bool:
    """Another number of the same kind stands in a sentence that holds more of the query: it may answer as well."""
    first = group[0]
    own = max(gate.share(item, q.span.start) for q in group)
    others = (q for q in item.numbers if q not in group and _alike(first, q))
    return any(gate.share(item, q.span.start) > own for q in others)


def _alike(one: Quantity, two: Quantity) -> bool:
    if one.unit is not None and two.unit is not None:
        return one.unit.dimension == two.unit.dimension
    return one.sign == two.sign and (bool(one.sign) or bool(one.heads & two.heads))


def window(item: Item, span: Span) -> bool:
    """*The biggest in 45 years*, *the first time in 35 years*: true of any shorter time, too."""
    return WINDOW.search(item.text.low, item.text.sentence(span.start).start, span.start) is not None


def shortened(item: Item, quantity: Quantity) -> bool:
    """The unit stands again in brackets, in short."""
    return quantity.unit_span is not None and SHORTENED.match(item.passage, quantity.unit_span.end) is not None


def told_by_rank(item: Item, first: Quantity) -> bool:
    """*Stage 1 is the first*, *stage 1 ... then stage 2*: which one it is shows in its rank, or in what comes next."""
    if not first.label or first.value != int(first.value):
        return False
    forms = "|".join(sorted(ranks(int(first.value))))
    if re.search(rf"\b(?:the|a|an|its|his|her)\s+(?:{forms})\b", item.text.low):
        return True
    near = (q.span.start for q in item.numbers if q.label == first.label and abs(q.value - first.value) == 1)
    return any(NEXT.search(item.text.low, max(0, place - 30), place) for place in near)


def counted_on(item: Item, first: Quantity) -> bool:
    """The sentence goes on with the next rank: *two signals form a third signal*."""
    if first.unit or first.label or first.value not in range(1, len(ORDINALS)):
        return False
    return ORDINALS[int(first.value)] in {w.low for w in item.text.within(item.text.sentence(first.span.start))}


def one_of_many(item: Item, group: tuple[Quantity, ...], asked: list[Quantity]) -> bool:
    """The question tells its thing apart by more than a count or a measure: by a name, a year, many other words.

    *Who toured Europe for three years with the Blue Riders?* is answered whatever the years. A number with a label
    picks one of a row, unless what it qualifies is named right behind. Claims state the number itself.
    """
    if gate.WH.search(item.query) is None:
        return False
    for quantity in group:
        apposed = APPOSED.match(item.passage, quantity.span.end)
        if apposed is not None and stop().isdisjoint(apposed[1].split()):
            return True
    if any(q.label for q in group):
        return False
    # "A medium (16 oz) shake": told by the way.
    if any(item.passage[max(0, q.span.start - 2) : q.span.start].strip() == "(" for q in group):
        return True
    own = {r for q in asked for r in item.question.stems(Span(q.span.start, (q.unit_span or q.span).end))}
    rest = item.question.content - own
    if item.asked_years or item.asked_dates or len(rest) > OTHERS:
        return True
    # The question may be typed without capitals: the passage tells what of it is a name.
    inside = [w for s in item.text.sentences for w in item.text.within(s)[1:] if w.text[:1].isupper()]
    free = (w for w in inside if not any(a.holds(w.span) for a in item.answers))
    return any(item.text.roots[item.text.index(w.start)] in rest for w in free)


def qualified(item: Item, number: int, route: str) -> str | None:
    """Why a quantifier or an adverb is beside the point of the query.

    *A working animal is an animal, usually domesticated* does not say what a working animal usually is.

    Args:
        item: the item.
        number: of the word in the passage.
        route: ``answer`` if it is part of the answer, else the query uses it, too.
    """
    text, question, word = item.text, item.question, item.text.words[number]
    if route == "answer":
        # "Because they survived many wars" says as much of few wars, unless it is the number that is asked for.
        return None if COUNTING.search(question.low) else "beside the point"
    root = stem(word.low)
    places = [w.start for w in question.words if stem(w.low) == root]
    start, end = text.sentence(word.start)
    cuts = [m.end() for m in COMMA.finditer(text.raw, start, word.start)]
    behind = COMMA.search(text.raw, word.end, end)
    part = text.stems(Span(max(cuts, default=start), behind.start() if behind else end))
    if not (part & question.content) - {root}:
        return "not aligned"
    # "Shaped by few influences, including A, B and C", "rarely apply only to": what was said shows through.
    if ENUMERATED.match(text.raw[word.end : end]) or "only" in text.low[word.end : end].split()[:4]:
        return "said elsewhere"
    if again_nearly(item, Span(start, end)) or (word.low == "without" and lacking(text.low, question.low)):
        return "said elsewhere"
    first = gate.WH.search(question.raw)
    if first is None:
        return None
    # "The layout, wherein there are few restrictions": not what is asked.
    if all(RELATIVE.search(question.low, first.end(), place) for place in places):
        return "beside the point"
    return "said elsewhere" if BESIDES.search(text.low, word.end, end) else None


def again_nearly(item: Item, sentence: Span) -> bool:
    """Another sentence holds so much of the query that it may say the same in other words."""
    return any(value > gate.NEAR for span, value in item.shares if span != sentence)


def lacking(passage: str, query: str) -> bool:
    """*Without wires* is told again by *wireless*."""
    missed = re.search(r"\bwithout (?:an? |any |the )?([a-z]{3,})", query)
    return missed is not None and re.search(rf"\b{missed[1].rstrip('s')}s?-?(?:less|free)\b", passage) is not None


def formula(item: Item, spans: list[Span]) -> bool:
    """The number is part of a formula: *f(x)*(1-f(x))*."""
    raw = item.passage
    return any(FORMULA[0].search(raw[max(0, s.start - 3) : s.start]) or FORMULA[1].match(raw[s.end :]) for s in spans)


def number(item: Item, group: tuple[Quantity, ...], answer: Span | None, asked: list[Quantity]) -> str | None:
    """Why another number would change nothing that the query turns on."""
    first, spans = group[0], [q.span for q in group]
    if answer is not None and part_of_answer(item, answer, first):
        return "beside the point"
    if answer is not None and rivalled(item, group):
        return "said elsewhere"
    if answer is None and asked and (counted(item, first) or both(item, asked) or one_of_many(item, group, asked)):
        return "beside the point"
    if answer is None and (told_by_rank(item, first) or any(window(item, s) for s in spans)):
        return "value elsewhere" if first.label else "bound"
    if worked_out(item, first) or counted_on(item, first) or any(shortened(item, q) for q in group):
        return "value elsewhere"
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
