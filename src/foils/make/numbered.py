"""Things that are numbered: *season 2*, *the second season*, *World War II* and *Series 2* say the same."""

from __future__ import annotations

import re

from foils.make import gate
from foils.make.item import Item
from foils.make.values import ONES, ORDINALS, TENS, Quantity, number_word
from foils.make.words import stem, stop

HIGHEST = 100
NEAR = 5
ALIKE = {"season": "seri", "seri": "season", "highway": "rout", "rout": "highway", "no": "number", "number": "no"}
TEENS = [f"{w.removesuffix('t')}th" if w.endswith("t") else f"{w}th" for w in ONES[13:]]
SCORES = [(10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]
PART = re.compile(r"[.;!?()\n]")
# One of a row in which every member has its own winner, date and length.
MEMBER = re.compile(r"\b(?:season|series|cycle|super bowl|episode)\b")
EDITION = re.compile(
    r"\b(?:olympics?|olympic games|world cup|super bowl|championships?|tournament|finals?|us open|australian open"
    r"|french open|wimbledon|elections?|world series|oscars?|grammys?|emmys?|all[ -]star game|national convention"
    r"|grand prix|pageant|miss universe|miss world|eurovision|elimination chamber|wrestlemania)\b"
)
OWN = re.compile(
    r"\b(?:won|wins?|winner|winning|starts?|begins?|premieres?|released?|com(?:e|es|ing) (?:out|back|on)"
    r"|episodes|air(?:s|ed)?|finale|held|hosts?|hosted|beat|played at|location|elected|nominated|defeated|lost|where"
    r"|when|halftime|speech)\b"
)


def roman(value: int) -> str:
    """``roman(52)`` is ``"LII"``."""
    found = ""
    for number, letters in [(100, "C"), (90, "XC"), (50, "L"), (40, "XL"), *SCORES]:
        found += letters * (value // number)
        value %= number
    return found


def ranks(value: int) -> frozenset[str]:
    """The ordinals of a number, in lower case: ``ranks(2)`` holds ``"second"`` and ``"2nd"``."""
    last = {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th") if value % 100 not in (11, 12, 13) else "th"
    words = [*ORDINALS, *TEENS]
    if value <= len(words):
        return frozenset([f"{value}{last}", words[value - 1]])
    tens, ones = divmod(value, 10)
    if value >= HIGHEST:
        return frozenset([f"{value}{last}"])
    word = f"{TENS[tens - 2]}-{ORDINALS[ones - 1]}" if ones else f"{TENS[tens - 2][:-1]}ieth"
    return frozenset([f"{value}{last}", word])


def before(item: Item, number: Quantity) -> str:
    """The stem of the word of the query that a number follows, and so may number: *war* in *world war 2*."""
    left = re.search(r"([^\W\d_]+)\s+$", item.query[max(0, number.span.start - 30) : number.span.start])
    word = left[1].lower() if left else ""
    return "" if word in stop() else stem(word)


def places(item: Item, number: Quantity, value: float) -> list[int]:
    """Where the passage gives a value to the thing that the query's number counts or numbers, in any form.

    Args:
        item: the item.
        number: a number of the query.
        value: its own, or another one.
    """
    label = number.label or before(item, number)
    found = _labelled(item, label, int(value)) if _whole(value) and label else []
    return [*_counted(item, number, value), *found, *_named(item, number, value)]


def held(item: Item, number: Quantity, value: float) -> bool:
    """The passage holds a value in any form, whatever it numbers: there the query could find its answer again."""
    if not _whole(value):
        return False
    vocabulary = item.text.vocabulary
    forms = {f"{value:.0f}", number_word(value) or "", *ranks(int(value))}
    if forms & vocabulary or any("-" in f and f in item.text.low for f in forms):
        return True
    letters = re.search(rf"\b{roman(int(value))}\b", item.passage) if value > 1 else None
    return letters is not None or bool(places(item, number, value))


def member(item: Item) -> bool:
    """The query asks for what only one season or game of a row has, as its winner or date, whether told apart or not.

    The passage need not say which one it is: as a known positive it speaks of the one that the query names.
    """
    low = item.question.low
    return gate.WH.search(low) is not None and MEMBER.search(low) is not None and OWN.search(low) is not None


def edition(item: Item) -> bool:
    """The same for what is held every so many years, and is told apart by its year."""
    low = item.question.low
    return gate.WH.search(low) is not None and EDITION.search(low) is not None and OWN.search(low) is not None


def _whole(value: float) -> bool:
    return 1 <= value <= HIGHEST and value == int(value)


def _counted(item: Item, number: Quantity, value: float) -> list[int]:
    """*five county-level divisions called boroughs* for *the 5 boroughs*: the thing counted stands not far behind."""
    if number.label or number.unit or number.sign:
        return []
    first = item.question.index(number.span.end)
    thing = item.question.roots[first] if first < len(item.question.words) else ""
    found = []
    for said in item.numbers if thing else ():
        if said.value != value or said.unit or said.sign or said.label:
            continue
        start = item.text.index(said.span.end)
        words = item.text.words[start : start + NEAR]
        end = words[-1].end if words else said.span.end
        cut = PART.search(item.passage, said.span.end, end)
        if thing in item.text.roots[start : start + NEAR] and cut is None:
            found.append(said.span.start)
    return found


def _named(item: Item, number: Quantity, value: float) -> list[int]:
    """*area code 479* for *what area code is 479*."""
    text, found = item.text, []
    for said in item.numbers:
        first = text.index(said.span.start)
        plain = said.value == value and not (said.unit or said.sign or number.unit or number.sign)
        if plain and first and text.roots[first - 1] in item.question.content:
            found.append(said.span.start)
    return found


def _labelled(item: Item, label: str, value: int) -> list[int]:
    text, labels = item.text, {label, ALIKE.get(label, label)}
    digits = {str(value), number_word(float(value)) or str(value), roman(value).lower()}
    found = []
    for number, word in enumerate(text.words):
        if word.low in digits and number and text.roots[number - 1] in labels:
            gap = text.raw[text.words[number - 1].end : word.start]
            if len(gap) <= NEAR and not PART.search(gap.replace(".", "", 1)):
                found.append(word.start)
    for rank in ranks(value):
        for match in re.finditer(rf"\b{re.escape(rank)}\b", text.low):
            first = text.index(match.end())
            if labels.intersection(text.roots[first : first + 2]):
                found.append(match.start())
    return found
