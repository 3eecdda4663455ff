"""Polarity: *not* put in or taken out, quantifiers turned round, opposites, negating prefixes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from foils.make import beside, gate
from foils.make.edits import Edit, Span, apply
from foils.make.flip import Flip, Hit
from foils.make.item import Item, Kind, Made, Operator, Reasons, Refused
from foils.make.lexicon import table, words
from foils.make.negation import SENTENCES, admits, asked, clause, explained, insertion, removal, told
from foils.make.values import units
from foils.make.view import Text
from foils.make.words import opposites


@dataclass(frozen=True)
class InsertNot(Operator):
    """Puts *not* behind the first finite auxiliary of the clause that answers.

    P1 of the survey behind docs/typed.md, after FactCC's NegateSentences. Refuses a sentence that holds a negator (two
    make the claim true again), a quantifier before the verb (its scope would be open), a subordinate clause. Fails
    where another sentence gives the answer in other words.
    """

    name: ClassVar[str] = "insert-not"
    kind: ClassVar[Kind] = "polarity"

    def make(self, item: Item) -> Made | Refused:
        """Try the sentences that hold most of the query first."""
        if item.answer is None and not gate.claim(item.question) and (not told(item) or len(item.text.sentences) > 1):
            return Refused("answer not known")
        if item.answer is None and len(item.text.sentences) > SENTENCES:
            return Refused("said elsewhere")
        reasons = Reasons()
        sentences = sorted(item.shares, key=lambda pair: -pair[1])[:3]
        if item.answers:
            sentences = [(item.text.sentence(a.start), 1.0) for a in item.answers[:1]]
        for sentence, _ in sentences:
            site = insertion(item.text, sentence)
            if isinstance(site, str):
                reasons.add(site)
                continue
            reach = clause(item.text, sentence, site.end)
            route, against = admits(item, site.start, reach, sentence)
            if against:
                reasons.add(against, site.text)
                continue
            new = " not" if site.low != "can" else "not"
            edits = [Edit(site.end, site.end, "", new, self.name)]
            answer = gate.answered(item, [reach.span])
            why = f"the clause that answers is negated after {site.text!r}"
            let = gate.found(item, site.start, route, why, answer, negator="no", elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no auxiliary")


@dataclass(frozen=True)
class RemoveNot(Operator):
    """Takes the only negator out of the clause that answers: *is not* to *is*, *does not open* to *opens*.

    P2 of the survey behind docs/typed.md; the counterpart of ``insert-not``, so that the word *not* gives no negative
    away. Refuses *not only*, *may not*, words such as *any* that need a negator, and sentences with two negators.
    Fails where another sentence denies the same in other words.
    """

    name: ClassVar[str] = "remove-not"
    kind: ClassVar[Kind] = "polarity"

    def make(self, item: Item) -> Made | Refused:
        """Try the sentences that hold most of the query first."""
        if item.text.vocabulary.isdisjoint(("not", "no", "cannot")) and "n't" not in item.text.low.replace("’", "'"):
            return Refused("no negator")
        claimed = gate.claim(item.question)
        denying = gate.negated(item.question, Span(0, len(item.query)))
        most = SENTENCES if claimed else 1 if told(item) else 0
        if item.answer is None and not denying and len(item.text.sentences) > most:
            return Refused("said elsewhere" if claimed else "answer not known")
        reasons = Reasons()
        for sentence, value in sorted(item.shares, key=lambda pair: -pair[1])[:3]:
            edits = removal(item.text, sentence)
            if isinstance(edits, str):
                reasons.add(edits)
                continue
            place = edits[0].start
            reach = clause(item.text, sentence, edits[-1].end)
            route, against = admits(item, place, reach, sentence)
            if against and asked(item, place, reach, sentence):
                route, against = "query", ""
            if not against and explained(item, place, sentence):
                against = "said elsewhere"
            if against or value < gate.NEAR:
                reasons.add(against or "not aligned")
                continue
            answer = gate.answered(item, [reach.span])
            let = gate.found(item, place, route, "the clause that answers is no longer negated", answer, elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no negator")


@dataclass(frozen=True)
class Antonym(Flip):
    """Exchanges a word that the query turns on for its opposite, from the reviewed list.

    P5s of the survey behind docs/typed.md (10 of 15 right with the gate and any antonym: hence the strict list, the
    aligned head and the fixed phrases). Fails where the word qualifies something the query does not turn on.
    """

    name: ClassVar[str] = "antonym"
    kind: ClassVar[Kind] = "polarity"
    listed: ClassVar[str] = "antonyms"

    def opposite(self, item: Item, word: str) -> str | None:
        """From the list: adjectives, adverbs, and verbs in the past; *show* is part of a name too often."""
        found = opposites(self.listed).get(word)
        if found is None or found.pos == "noun" or word in words("function", "compass"):
            return None
        past = found.pos != "verb" or word.endswith("ed") or word in pasts() or gate.claim(item.question)
        return found.word if past else None

    def fits(self, text: Text, number: int) -> str | None:
        """``high in``: a word with a particle, and a superlative's *more* and *most*, stay as they are."""
        word = text.words[number].low
        following = text.words[number + 1].low if number + 1 < len(text.words) else ""
        if word in ("more", "most", "less", "least") and not following:
            return "fixed phrase"
        # Without capitals a title cannot be told from a phrase: "big time rush is a series".
        if opposites(self.listed)[word].sort != "k" and text.raw == text.low:
            return "no capitals"
        if opposites(self.listed)[word].pos == "verb" and following in ("up", "off", "out", "down", "over", "away"):
            return "fixed phrase"
        return None


@dataclass(frozen=True)
class Affixal(Antonym):
    """Puts a negating prefix or suffix on, or takes it off: *legible* to *illegible*, from the reviewed list.

    P4s of the survey behind docs/typed.md: only pairs whose affix negates. Fails like ``antonym``.
    """

    name: ClassVar[str] = "affixal"
    listed: ClassVar[str] = "affixal"


@dataclass(frozen=True)
class Quantifier(Flip):
    """Turns a quantifier or adverb round: *never* and *always*, *many* and *few*, *without* and *with*.

    P3 of the survey behind docs/typed.md. Fails where both hold of different things.
    """

    name: ClassVar[str] = "quantifier"
    kind: ClassVar[Kind] = "polarity"

    def opposite(self, item: Item, word: str) -> str | None:
        """From the list of quantifiers that are one word."""
        return quantifiers().get(word)

    def _problem(self, item: Item, hit: Hit) -> str | None:
        problem = super()._problem(item, hit)
        return problem or beside.qualified(item, hit.number, hit.route)

    def fits(self, text: Text, number: int) -> str | None:
        """*the most common* and *associated with* are no quantifiers."""
        word = text.words[number].low
        before = text.words[number - 1].low if number else ""
        following = text.words[number + 1].low if number + 1 < len(text.words) else ""
        if before in ("the", "at", "not", "as", "so", "how", "too", "a", "very") and word in (
            "most",
            "many",
            "few",
            "all",
        ):
            return "fixed phrase"
        # "As often as" compares, "5 % of all cases" counts: the opposite says the same, or nothing.
        if before in ("as", "more", "less", "how", "so", "too") or (before == "of" and word == "all"):
            return "fixed phrase"
        # "Many years ago" and "each month" tell when.
        if word != "without" and (unit := units().get(following)) is not None and unit.dimension == "time":
            return "fixed phrase"
        plural = following.endswith("s") and not following.endswith("ss")
        if (
            word in ("all", "many", "few", "most")
            and not plural
            and following not in ("people", "children", "patients")
        ):
            return "no plural after"
        if word == "most" and (before or text.words[number].text.islower()):
            return "fixed phrase"
        if word in ("every", "each") and following in ("of", "other", "one", "time", "year", "day"):
            return "fixed phrase"
        # "Between each transit", "raters who each classify": only before a subject can *no* take its place.
        opening = not number or text.sentence(text.words[number].start).start == text.words[number].start
        if word in ("every", "each") and not opening and before not in ("so", "that", "where", "and", "but", "because"):
            return "no subject after"
        return None


@cache
def pasts() -> frozenset[str]:
    """Irregular past forms that are not the base form as well: *began*, not *cut*."""
    return frozenset(form for row in table("verbs") for form in row[1:3] if form != row[0])


@cache
def quantifiers() -> dict[str, str]:
    """Quantifiers and adverbs of one word, with what turns them round."""
    return {r[0]: r[1] for r in table("quantifiers") if " " not in r[0] and " " not in r[1]}
