"""Polarity: *not* put in or taken out, quantifiers turned round, opposites, negating prefixes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

from foils.make import gate
from foils.make.edits import Edit, Span, apply, like
from foils.make.flip import Flip
from foils.make.item import Item, Kind, Made, Operator, Reasons, Refused
from foils.make.lexicon import table, words
from foils.make.view import Text, Word
from foils.make.words import STOP, Forms, article, forms, opposites, stem

# A finite verb after which "not" negates the clause; "may not" and the like leave the claim possible.
FINITE = frozenset(
    ["is", "are", "was", "were", "can", "will", "has", "have", "had", "does", "do", "did", "should", "must"]
)
WEAK = frozenset(["may", "might", "could", "would", "need", "ought"])
SECOND = re.compile(
    r"\b(?:and|but|which|who|where|while|having|with an?)\s+(?:\w+ly\s+)?(?:is|are|was|were|has|had|\w+ed|\w+s)\b|;"
)
HAVE = frozenset(["has", "have", "had"])
CONTRACTED = re.compile(r"\b(is|are|was|were|has|have|had|does|do|did|should|would|could|must|ca|wo)(n['’]t)\b", re.I)
NOT = re.compile(r"\b(?P<aux>is|are|was|were|can|will|has|have|had|does|do|did|should|must|am)(?P<not>\s*not)\b", re.I)


class Clause(NamedTuple):
    """The part of a sentence that a negation reaches: from its start or the last boundary to the next one."""

    span: Span
    main: bool


def clause(text: Text, sentence: Span, place: int) -> Clause:
    """The clause around a place; ``main``: nothing before it opens a subordinate clause."""
    before = [w for w in text.within(Span(sentence.start, place)) if w.low in words("polarity", "clause")]
    after = [
        w for w in text.within(Span(place, sentence.end)) if w.low in words("polarity", "clause") - {"as", "or", "and"}
    ]
    stop = re.compile(r"[;:]|\s[-–—]\s").search(text.raw, place, sentence.end)
    end = min([w.start for w in after] + ([stop.start()] if stop else []), default=sentence.end)
    return Clause(Span(sentence.start, end), not [w for w in before if w.low not in ("and", "as", "or")])


def admits(item: Item, place: int, reach: Span) -> tuple[str, str]:
    """The gate for a negation at a place: the route, or an empty route and the reason against it.

    The clause must hold the answer, or (for a claim, or a passage of at most two sentences) half of the query; no
    other sentence may say it too.
    """
    text, sentence = item.text, item.text.sentence(place)
    if item.answer is not None:
        if not item.answers:
            return "", "answer not in passage"
        if not any(reach.holds(a) for a in item.answers):
            return "", "answer outside the clause"
        if any(not sentence.holds(a) for a in item.answers):
            return "", "answer elsewhere"
        return "answer", ""
    if ";" in item.passage[place : sentence.end]:
        return "", "said elsewhere"
    asked = item.question.content
    held = len(asked & text.stems(reach))
    if not asked or held < max(2, gate.CLAIM * len(asked)) or held < 2:
        return "", "not aligned"
    rivals = [value for span, value in item.shares if span != sentence]
    if gate.claim(item.question):
        predicate = [w for w in text.within(Span(place, reach.end)) if w.low not in STOP and w.low not in FINITE][:1]
        if not asked & {stem(w.low) for w in predicate}:
            return "", "not aligned"
        if gate.negated(item.question, Span(0, len(item.query))):
            return "", "query negated"
        again = any(value >= 0.6 * gate.share(item, place) for value in rivals)
        return ("", "said elsewhere") if again else ("query", "")
    if len(item.shares) > 2:
        return "", "answer not known"
    if gate.polar(item.question):
        return "", "yes/no question"
    if any(value >= gate.CLAIM for value in rivals) or not _governs(item, place, sentence):
        return "", "said elsewhere"
    return "expected", ""


def _governs(item: Item, place: int, sentence: Span) -> bool:
    """What the question asks for stands behind the negation, in the same clause, and nothing of it before."""
    text = item.text
    before = text.within(Span(sentence.start, place))
    if before and before[-1].low in ("and", "but", "or", "also"):
        return False
    stop = SECOND.search(text.raw, place, sentence.end)
    cut = stop.start() if stop else sentence.end
    asked = gate.asks(item.question)
    if asked:
        values = [y.span for y in item.years] + [d.span for d in item.dates] if asked == "date" else []
        values += [q.span for q in item.numbers] if asked == "number" else []
        inside = [v for v in values if sentence.holds(v)]
        return bool(inside) and all(place < v.start < cut for v in inside)
    definition = re.match(r"(?:what|who|whats|what's)\s+(?:is|are|was|were)\b", item.question.low)
    behind = {stem(w.low) for w in text.within(Span(place, cut))}
    return definition is not None or bool(item.question.content & behind)


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
        if item.answer is None and not gate.claim(item.question) and item.text.raw.count(". ") > 3:
            return Refused("answer not known")
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
            route, against = admits(item, site.start, reach.span) if reach.main else ("", "subordinate clause")
            against = against or gate.unsound(item, site.start) or ""
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


def insertion(text: Text, sentence: Span) -> Word | str:
    """The auxiliary behind which *not* may go, or the reason why none."""
    inside = text.within(sentence)
    if gate.negated(text, sentence):
        return "negator"
    for number, word in enumerate(inside):
        if word.low in WEAK:
            return "weak modal"
        if word.low in words("polarity", "scope"):
            return "quantifier before"
        if word.low not in FINITE or not word.text.islower():
            continue
        following = inside[number + 1].low if number + 1 < len(inside) else ""
        if number == 0 or not following:
            return "no auxiliary"
        if inside[number - 1].low in ("there", "that", "which", "who", "what", "it", "this"):
            if inside[number - 1].low in ("there", "that", "which", "who", "what"):
                return "subordinate clause"
        if word.low in HAVE and not (following == "been" or following.endswith(("ed", "en")) or _participle(following)):
            return "no auxiliary"
        if (
            following in words("polarity", "after not") | words("polarity", "scope") | {"the", "one"}
            and following != "the"
        ):
            return "quantifier after"
        if not re.fullmatch(r"\s+", text.raw[word.end : inside[number + 1].start]):
            return "no auxiliary"
        return word
    return "no auxiliary"


def _participle(word: str) -> bool:
    return any(row[2] == word for row in table("verbs"))


@dataclass(frozen=True)
class RemoveNot(Operator):
    """Takes the only negator out of the clause that answers: *is not* to *is*, *does not open* to *opens*.

    P2 of the survey behind docs/typed.md; the counterpart of ``insert-not``, so that the word *not* gives no negative
    away. Refuses *not only*, *may not*, words such as *any* that need a negator, and sentences with two negators.
    """

    name: ClassVar[str] = "remove-not"
    kind: ClassVar[Kind] = "polarity"

    def make(self, item: Item) -> Made | Refused:
        """Try the sentences that hold most of the query first."""
        if "not" not in item.text.vocabulary and "cannot" not in item.text.vocabulary and "n't" not in item.text.low:
            return Refused("no negator")
        reasons = Reasons()
        for sentence, value in sorted(item.shares, key=lambda pair: -pair[1])[:3]:
            edits = removal(item.text, sentence)
            if isinstance(edits, str):
                reasons.add(edits)
                continue
            place = edits[0].start
            reach = clause(item.text, sentence, edits[-1].end)
            route, against = admits(item, place, reach.span) if reach.main else ("", "subordinate clause")
            against = against or gate.unsound(item, place) or ""
            if against or value < gate.NEAR:
                reasons.add(against or "not aligned")
                continue
            answer = gate.answered(item, [reach.span])
            let = gate.found(item, place, route, "the clause that answers is no longer negated", answer, elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no negator")


def removal(text: Text, sentence: Span) -> list[Edit] | str:
    """The edits that take the negator out of a sentence, or the reason why not."""
    raw = text.raw
    low = (
        text.low[sentence.start : sentence.end]
        .replace("n't", " not ")
        .replace("n’t", " not ")
        .replace("cannot", "can not")
    )
    negators = [w for w in re.findall(r"[a-z]+", low) if w in words("polarity", "negator")]
    if negators == ["no"]:
        return _without_no(raw, sentence)
    if negators != ["not"]:
        return "no negator" if not negators else "negator"
    match = NOT.search(raw, sentence.start, sentence.end) or CONTRACTED.search(raw, sentence.start, sentence.end)
    if match is None:
        return "weak modal"
    after = text.within(Span(match.end(), sentence.end))
    if not after or after[0].low in words("polarity", "after not"):
        return "not only"
    if {w.low for w in after} & (words("polarity", "npi") | {"but", "instead", "rather"}):
        return "polarity item"
    before = text.within(Span(sentence.start, match.start()))
    if {w.low for w in before} & (words("polarity", "conditional") | {"why", "or"}):
        return "conditional"
    aux, negator = match[1], Span(*match.span(2))
    verb = after[0]
    if aux.lower() not in ("do", "does", "did"):
        return _drop(raw, match, aux, negator)
    if not raw[match.end() : verb.start].isspace() or verb.low in ("so", "the", "a", "that", "this"):
        return "no verb after"
    shape = affirmative(verb.low, aux.lower())
    return [Edit(match.start(), verb.end, raw[match.start() : verb.end], shape, "remove-not")]


NO = re.compile(
    r"\b(?:has|have|had|having|shows?|showed|with|found|there (?:is|are|was|were))(?P<no>\s+no)\s+"
    r"(?!longer|more|less|fewer|one|doubt|later|matter|such|other|idea|way)(?P<next>[a-z]+)(?P<noun>\s+[a-z]+)?",
    re.IGNORECASE,
)
MASS = frozenset(
    [
        "evidence",
        "information",
        "knowledge",
        "research",
        "proof",
        "help",
        "access",
        "money",
        "water",
        "food",
        "power",
        "time",
        "space",
        "room",
        "interest",
        "support",
        "damage",
        "pain",
        "influence",
        "progress",
        "treatment",
        "cure",
    ]
)


def _without_no(raw: str, sentence: Span) -> list[Edit] | str:
    """*has no effect* to *has an effect*, *has no known uses* to *has known uses*."""
    match = NO.search(raw, sentence.start, sentence.end)
    if match is None:
        return "negator"
    following = [w.strip().lower() for w in (match["next"], match["noun"] or "")]
    if {w.low for w in Text(raw[match.end() : sentence.end]).words} & words("polarity", "npi"):
        return "polarity item"
    bare = (
        following[0] in MASS or any(w.endswith("s") and not w.endswith("ss") for w in following) or following[1] in MASS
    )
    new = "" if bare else f" {article(following[0])}"
    return [Edit(*match.span("no"), match["no"], new, "remove-not")]


def _drop(raw: str, match: re.Match[str], aux: str, negator: Span) -> list[Edit]:
    full = {"ca": "can", "wo": "will"}.get(aux.lower())
    if full:
        return [Edit(match.start(), match.end(), match[0], like(full, aux), "remove-not")]
    return [Edit(negator.start, negator.end, raw[negator.start : negator.end], "", "remove-not")]


def affirmative(verb: str, aux: str) -> str:
    """The form that says without *do* what ``aux verb`` says: ``affirmative("open", "does")`` is ``"opens"``."""
    known: Forms = forms(verb)
    return {"do": known.base, "does": known.third, "did": known.past}[aux]


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
        """From the list, every form."""
        found = opposites(self.listed).get(word)
        return None if found is None else found.word

    def fits(self, text: Text, number: int) -> str | None:
        """``high in``: a word with a particle, and a superlative's *more* and *most*, stay as they are."""
        word = text.words[number].low
        following = text.words[number + 1].low if number + 1 < len(text.words) else ""
        if word in ("more", "most", "less", "least") and not following:
            return "fixed phrase"
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
        return None


@cache
def quantifiers() -> dict[str, str]:
    """Quantifiers and adverbs of one word, with what turns them round."""
    return {r[0]: r[1] for r in table("quantifiers") if " " not in r[0] and " " not in r[1]}
