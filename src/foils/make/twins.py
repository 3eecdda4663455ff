"""Twins: hard positives with the same kind of change at the surface, the meaning kept.

"The Hard Positive Truth" (ECCV 2024): models tuned with hard negatives alone learn to distrust every small change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from foils.make.dates import dates, years
from foils.make.edits import Edit, Span, apply, like
from foils.make.flip import fixed
from foils.make.item import Item, Made, Twin
from foils.make.negation import CONTRACTED, NOT
from foils.make.pool import entities
from foils.make.roles import passive
from foils.make.sets import members
from foils.make.values import WORDS, Quantity, number_word, quantities, units
from foils.make.view import Text
from foils.make.words import BE, forms, opposites, synonyms

AFFIRM = ("indeed", "in fact", "actually", "of course", "really", "certainly", "truly", "undoubtedly")
Rule = Callable[[Text, Span], Iterator[Edit]]
KINDS = {
    "countries": "the country of",
    "us states": "the state of",
    "big cities": "the city of",
    "continents": "the continent of",
    "metals": "the metal",
    "precious metals": "the metal",
    "elements": "the element",
    "planets": "the planet",
}


def with_twin(made: Made, item: Item) -> Made:
    """The same with its hard positive; without one where no rule fits."""
    text = item.question if made.side == "query" else item.text
    if made.operator == "role-swap":
        edit = passive(item, made.evidence)
        return replace(made, twin=Twin(apply(item.passage, [edit]), (edit,), edit.rule)) if edit else made
    if made.operator == "delete-evidence":
        return replace(made, twin=_other_deletion(made, item))
    whole = Span(0, len(text.raw)) if made.side == "query" else made.evidence
    spots = [e.span for e in made.edits] or [whole]
    for rule in (*RULES.get(made.operator, ()), reworded, contracted, as_word, year_named, said_fully, emphasised):
        for spot in (*spots, whole):
            for edit in rule(text, spot):
                if edit.new != edit.old and apply(text.raw, [edit]) != made.text:
                    return replace(made, twin=Twin(apply(text.raw, [edit]), (edit,), edit.rule))
    return made


def _other_deletion(made: Made, item: Item) -> Twin | None:
    """Another sentence is taken out, the one that has least to do with the query."""
    gone = {e.start for e in made.edits}
    kept = [(value, span) for span, value in item.shares if span.start not in gone]
    if len(kept) < 2 or not item.shares:
        return None
    _, span = min(kept, key=lambda pair: (pair[0], pair[1]))
    end = next((s.start for s, _ in item.shares if s.start > span.start), len(item.passage))
    edit = Edit(span.start, end, item.passage[span.start : end], "", "delete-other")
    return Twin(apply(item.passage, [edit]), (edit,), edit.rule)


def date_form(text: Text, spot: Span) -> Iterator[Edit]:
    """*February 6, 2011* and *6 February 2011* say the same."""
    for date in dates(text):
        if not date.span.meets(spot) or not date.day or date.year is None:
            continue
        old = text.raw[date.span.start : date.span.end]
        month = text.raw[date.month.start : date.month.end]
        if date.day_first:
            yield Edit(*date.span, old, f"{month} {date.day}, {date.year}", "date-form")
        elif re.match(rf"{month} \d", old):
            yield Edit(*date.span, old, f"{date.day} {month} {date.year}", "date-form")


def year_named(text: Text, spot: Span) -> Iterator[Edit]:
    """*in 1996* and *in the year 1996* say the same; so do *1990–1995* and *1990 to 1995*."""
    for year in years(text):
        if not year.span.meets(spot):
            continue
        before = re.search(
            r"\b(?:in|since|of|until|by|during)\s+$", text.low[max(0, year.span.start - 8) : year.span.start]
        )
        following = re.match(
            r"\s+(?!(?:and|or|by|to|in|at|as|with|was|is|were|has|had|when|he|she|it|the|for|from)\b)[a-z]",
            text.raw[year.span.end :],
        )
        if before is not None and not following:
            yield Edit(year.span.start, year.span.start, "", "the year ", "year-named")
        link = re.match(r"\s?(?:[-–—]|--)\s?", text.raw[year.span.end :])
        if year.partner is not None and year.partner.start > year.span.end and link:
            end = year.span.end + link.end()
            yield Edit(year.span.end, end, text.raw[year.span.end : end], " to ", "year-named")


def month_named(text: Text, spot: Span) -> Iterator[Edit]:
    """*in May 1996* and *in the month of May 1996* say the same."""
    for date in dates(text):
        if (
            date.month.meets(spot)
            and not date.day
            and re.search(r"\b(?:in|since|during)\s+$", text.low[: date.month.start])
        ):
            yield Edit(date.month.start, date.month.start, "", "the month of ", "month-named")


def as_word(text: Text, spot: Span) -> Iterator[Edit]:
    """*6* and *six*, *1500* and *1,500*, *50%* and *50 percent* say the same."""
    for quantity in quantities(text):
        if not quantity.span.meets(spot):
            continue
        word = number_word(quantity.value) if quantity.scale == 1 else None
        tail = text.raw[quantity.span.end : quantity.span.end + 2]
        if tail.startswith("%") or tail == " %":
            end = quantity.span.end + (1 if tail.startswith("%") else 2)
            yield Edit(quantity.span.end, end, text.raw[quantity.span.end : end], " percent", "percent-word")
        elif quantity.text.lower() in WORDS:
            yield Edit(*quantity.span, quantity.text, f"{quantity.value / quantity.scale:.0f}", "number-digits")
        elif word and not quantity.sign and _before_word(text, quantity):
            yield Edit(*quantity.span, quantity.text, word, "number-word")
        elif "," in quantity.text:
            yield Edit(*quantity.span, quantity.text, quantity.text.replace(",", ""), "number-form")
        elif quantity.value >= 1000 and quantity.scale == 1 and "." not in quantity.text:
            yield Edit(*quantity.span, quantity.text, f"{quantity.value:,.0f}", "number-form")


def _before_word(text: Text, quantity: Quantity) -> bool:
    """A word or the end of the clause follows; a symbol, a hyphen or a part of a name does not."""
    following = text.raw[quantity.span.end :]
    return bool(re.match(r"\s[a-z]{3}" if not quantity.label else r"\s[a-z]{2}|\s?[?.,;)]|$", following))


def converted(text: Text, spot: Span) -> Iterator[Edit]:
    """*5 km* and *5,000 m* say the same: an exact conversion of the whole quantity."""
    for quantity in quantities(text):
        if quantity.unit is None or quantity.unit_span is None or quantity.bound:
            continue
        whole = Span(quantity.span.start, quantity.unit_span.end)
        if not whole.meets(spot) or quantity.scale != 1:
            continue
        for symbol in quantity.unit.near:
            if symbol in units() and (new := _equal(quantity, symbol, text.raw[slice(*quantity.unit_span)])):
                yield Edit(*whole, text.raw[whole.start : whole.end], new, "unit-converted")


def _equal(quantity: Quantity, symbol: str, old: str) -> str | None:
    other = units()[symbol]
    if quantity.unit is None or quantity.base is None:
        return None
    # "5 °C warmer" is not "41 °F warmer": whether a temperature or a difference is meant cannot be told.
    if quantity.unit.offset != other.offset:
        return None
    value = (quantity.base - other.offset) / other.factor
    if abs(value - round(value)) > 1e-9 * max(1.0, abs(value)) or not 1 <= round(value) < 1e7:
        return None
    spelt = old.lower() in (*quantity.unit.one, *quantity.unit.many)
    name = (other.one[0] if round(value) == 1 else other.many[0]) if spelt else other.symbol
    return f"{round(value):,} {name}"


def affirmed(text: Text, spot: Span) -> Iterator[Edit]:
    """*is open* and *is not closed*, or *is indeed open*, say the same: a word put in where *not* would go."""
    number = text.index(spot.start)
    if number == 0 or spot.start != spot.end:
        return
    following = text.words[number] if number < len(text.words) else None
    if following is not None and not fixed(text, number):
        for name in ("affixal", "antonyms"):
            found = opposites(name).get(following.low)
            if found is not None and found.sort == "c" and found.pos == "adj":
                gap = text.raw[spot.start : following.start]
                edit = f" not{gap}{found.word}"
                yield Edit(spot.start, following.end, text.raw[spot.start : following.end], edit, "negated-antonym")
    # Several words in turn, so that none of them gives the twins away.
    word = AFFIRM[len(text.raw) % len(AFFIRM)]
    yield Edit(spot.start, spot.start, "", f" {word}", "affirmed")


def denied(text: Text, spot: Span) -> Iterator[Edit]:
    """*is legal* and *is not illegal* say the same where nothing lies between the two."""
    number = text.index(spot.start)
    if not 0 < number < len(text.words):
        return
    word, before = text.words[number], text.words[number - 1]
    for name in ("affixal", "antonyms"):
        found = opposites(name).get(word.low)
        if (
            found is not None
            and found.sort == "c"
            and found.pos == "adj"
            and before.low in BE
            and not fixed(text, number)
        ):
            yield Edit(*word.span, word.text, f"not {found.word}", "negated-antonym")


def supported(text: Text, spot: Span) -> Iterator[Edit]:
    """*opens* and *does indeed open* say the same."""
    import lemminflect

    for word in text.within(spot):
        lemmas = lemminflect.getLemma(word.low, upos="VERB")
        if lemmas:
            known = forms(lemmas[0])
            aux = {known.third: "does", known.past: "did"}.get(word.low, "do")
            yield Edit(*word.span, word.text, f"{aux} {AFFIRM[len(text.raw) % len(AFFIRM)]} {lemmas[0]}", "affirmed")


def emphasised(text: Text, spot: Span) -> Iterator[Edit]:
    """*the highest* and *the very highest* say the same."""
    for word in text.within(spot):
        number = text.index(word.start)
        top = word.low in ("first", "last", "best", "worst") or (word.low.endswith("est") and len(word.low) > 5)
        if top and number and text.words[number - 1].low == "the":
            yield Edit(word.start, word.start, "", "very ", "emphasised")


def introduced(text: Text, spot: Span) -> Iterator[Edit]:
    """*by Ann Lee* and *by a person named Ann Lee* say the same."""
    for entity in entities(text):
        after = text.raw[entity.span.end : entity.span.end + 3]
        if entity.span.meets(spot) and entity.sort.startswith("person") and "'" not in after and "’" not in after:
            before = text.raw[: entity.span.start]
            words = "A person named " if not before.strip() or before.rstrip()[-1:] in ".!?" else "a person named "
            yield Edit(entity.span.start, entity.span.start, "", words, "introduced")


def contracted(text: Text, spot: Span) -> Iterator[Edit]:
    """*is not* and *isn't* say the same."""
    for match in NOT.finditer(text.raw, spot.start, max(spot.end, min(len(text.raw), spot.start + 40))):
        aux = match["aux"].lower()
        if aux not in ("am", "can", "will") and match["not"].strip().islower():
            yield Edit(*match.span("not"), match["not"], "n't", "contracted")
        elif aux == "can":
            yield Edit(*match.span(), match[0], like("can't", match[0]), "contracted")
    for match in CONTRACTED.finditer(text.raw, spot.start, max(spot.end, min(len(text.raw), spot.start + 40))):
        full = {"ca": "cannot", "wo": "will not"}.get(match[1].lower(), f"{match[1]} not")
        yield Edit(*match.span(), match[0], like(full, match[0]), "spelt out")


def reworded(text: Text, spot: Span) -> Iterator[Edit]:
    """A word exchanged for one that means the same."""
    for word in text.within(spot):
        new = synonyms().get(word.low)
        if new is not None and word.text[1:].islower() and not fixed(text, text.index(word.start)):
            yield Edit(*word.span, word.text, like(new, word.text), "synonym")


def said_fully(text: Text, spot: Span) -> Iterator[Edit]:
    """*Spain* and *the country of Spain* mean the same."""
    for member in members(text):
        if member.span.meets(spot) and member.group in KINDS and not _tied(text, member.span):
            yield Edit(member.span.start, member.span.start, "", f"{KINDS[member.group]} ", "said-fully")


def _tied(text: Text, span: Span) -> bool:
    after = text.raw[span.end : span.end + 1]
    before = re.search(r"(?:\b(?:the|a|an|'s)|[-,])\s*$", text.low[max(0, span.start - 6) : span.start])
    follows = re.match(r"['’]|\s*'s|\s+[a-z]+", text.raw[span.end :])
    verb = re.match(
        r"\s+(?:is|was|has|had|and|in|on|at|by|for|from|to|with|since|during|or|are|were)\b", text.raw[span.end :]
    )
    return before is not None or after == "-" or (follows is not None and verb is None)


RULES: dict[str, tuple[Rule, ...]] = {
    "number": (as_word, converted),
    "duration": (as_word, converted),
    "unit": (converted, as_word),
    "year": (date_form, year_named),
    "month": (date_form, month_named),
    "other-period": (date_form, year_named),
    "query-date": (date_form, year_named, month_named),
    "query-number": (as_word, converted),
    "insert-not": (affirmed,),
    "insert-do-not": (supported,),
    "query-negation": (contracted, affirmed),
    "remove-not": (contracted,),
    "antonym": (emphasised, reworded, denied),
    "order": (emphasised, reworded),
    "entity": (introduced,),
    "query-entity": (introduced,),
    "affixal": (denied, reworded),
    "query-antonym": (emphasised, reworded, denied),
    "co-hyponym": (said_fully,),
    "query-exclusion": (said_fully,),
}
