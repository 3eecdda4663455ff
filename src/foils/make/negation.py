"""Negation: where *not* can go, what it reaches, and how it comes out again."""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from foils.make import beside, gate
from foils.make.edits import Edit, Span, like
from foils.make.item import Item
from foils.make.lexicon import table, words
from foils.make.view import Text, Word
from foils.make.words import article, forms, stem, stop

# A finite verb after which "not" negates the clause; "may not" and the like leave the claim possible.
FINITE = frozenset(
    ["is", "are", "was", "were", "can", "will", "has", "have", "had", "does", "do", "did", "should", "must"]
)
WEAK = frozenset(["may", "might", "could", "would", "need", "ought"])
SECOND = re.compile(
    r"\b(?:and|but|which|who|where|while|having|with an?)\s+(?:\w+ly\s+)?(?:is|are|was|were|has|had|\w+ed|\w+s)\b|;"
    # ", portraying the wife": what hangs on behind a comma is told whether the clause is negated or not.
    r"|,\s+(?:\w+ly\s+)?\w+(?:ing|ed)\b"
)
DEFINED = re.compile(r"(?:what|who|whats|what's)\s+(?:is|are|was|were)\b")
# "She is not known for her role as Anna" still tells whose role Anna was.
PRESUMED = frozenset(["known", "famous", "noted", "named", "called", "best", "regarded", "considered", "famed"])
# "Not a brewer founded in 1984" still tells when it was founded.
ATTACHED = re.compile(
    r"\b\w+(?:ed|en|ung|ught|ound|own|orn|ade)\s+(?:in|on|at|from|by|for|as|between|during|with|to|over)\b"
)
# What is called how, and what differs from what, a denied definition may still tell.
NAMING = re.compile(r"\b(?:called|named|name|difference|differ|different)\b")
AGE = re.compile(r"\b(?:born|birth|older|younger|died|death|came first)\b")
SENTENCES = 3
HEADED = 0.3
DENYING = frozenset(["not", "no", "never", "cannot"])
HAVE = frozenset(["has", "have", "had"])
CONTRACTED = re.compile(r"\b(is|are|was|were|has|have|had|does|do|did|should|would|could|must|ca|wo)(n['’]t)\b", re.I)
NOT = re.compile(r"\b(?P<aux>is|are|was|were|can|will|has|have|had|does|do|did|should|must|am)(?P<not>\s*not)\b", re.I)


# "As the technology is developed": what the clause is about stands elsewhere in the sentence.
JOINED = re.compile(r"\b(?:and|but|which|that|who)\b")
WHILE = re.compile(r"\bas (?:the|an?|it|they|he|she|its|their|this|these)\b[^,]*$")
# ", initially, all the points belong to one cluster and split is performed": told whether denied or not.
MAIN = re.compile(r",\s+(?!(?:which|who|that|where|whose)\b)[^,]*?\b(?:is|are|was|were|has|had|have|can|will)\b")


# What stands behind a comma is often told whether the clause is negated or not.
HANGING = re.compile(r",|\bwith\b|\bwhen\b|" + SECOND.pattern)


# Why something is not so is told by the reason, which stays.
WHY = re.compile(r"\b(?:why|how come|reasons?)\b")


# Why it is not so, or what follows from it, tells that it is not so: "is not fixed, as it follows from ...".
EXPLAINED = re.compile(
    r"[,;:(–—]|\b(?:because|as|since|due|owing|leading|which|so|therefore|thus|but|only|rather|instead|although"
    r"|surpris\w+)\b"
)
CONTRASTED = re.compile(r"\b(?:unlike|while|whereas|surpris\w+|unfortunately|hidden|lacks?|deficien\w+|meaning|as)\b")
FOLLOWS = re.compile(
    r"(?:instead|so|this|these|due to|in other words|therefore|thus|hence|rather|however|because|consequently|otherwise"
    r"|but)\b"
)


class Clause(NamedTuple):
    """The part of a sentence that a negation reaches: from its start or the last boundary to the next one."""

    span: Span
    main: bool


def clause(text: Text, sentence: Span, place: int) -> Clause:
    """The clause around a place; ``main``: nothing before it opens a subordinate clause."""
    before = [w for w in text.within(Span(sentence.start, place)) if w.low in words("polarity", "clause")]
    opening = words("polarity", "clause") - {"as", "or", "and"}
    after = [w for w in text.within(Span(place, sentence.end)) if w.low in opening]
    cut = re.compile(r"[;:]|\s[-–—]\s|,\s+(?:and|but|or)\b").search(text.raw, place, sentence.end)
    end = min([w.start for w in after] + ([cut.start()] if cut else []), default=sentence.end)
    return Clause(Span(sentence.start, end), not [w for w in before if w.low not in ("and", "as", "or")])


def admits(item: Item, place: int, reach: Clause, sentence: Span) -> tuple[str, str]:
    """The gate for a negation at a place: the route, or an empty route and the reason against it.

    The clause must hold the answer, or (for a claim, or a passage of at most two sentences) half of the query; no
    other sentence may say it too.
    """
    if not reach.main or WHILE.search(item.text.low[sentence.start : place]):
        return "", "subordinate clause"
    if problem := gate.unsound(item, place, negators=False):
        return "", problem
    if item.answer is not None:
        return _answer_in(item, place, reach.span, sentence)
    if set(";:") & set(item.passage[place : sentence.end]) or MAIN.search(item.text.low, place, sentence.end):
        return "", "said elsewhere"
    asked = item.question.content
    held = len(asked & item.text.stems(reach.span))
    if held < max(2, gate.CLAIM * len(asked)):
        return "", "not aligned"
    if gate.claim(item.question):
        return _claim_in(item, place, reach.span, sentence)
    if len(item.shares) > 1 or not told(item):
        return "", "answer not known"
    if gate.polar(item.question):
        return "", "yes/no question"
    rivals = (value for span, value in item.shares if span != sentence)
    if any(value >= gate.CLAIM for value in rivals) or not _governs(item, place, sentence):
        return "", "said elsewhere"
    return "expected", ""


def told(item: Item) -> bool:
    """The question asks for a definition, a date or a number: there a denied clause gives no answer any more."""
    defined = DEFINED.match(item.question.low) is not None or gate.asks(item.question) != ""
    return defined and not NAMING.search(item.question.low)


def _answer_in(item: Item, place: int, reach: Span, sentence: Span) -> tuple[str, str]:
    if not item.answers:
        return "", "answer not in passage"
    if not any(reach.holds(a) for a in item.answers):
        return "", "answer outside the clause"
    if any(not sentence.holds(a) for a in item.answers):
        return "", "answer elsewhere"
    if any(HANGING.search(item.passage, place, a.start) or _attached(item, place, a.start) for a in item.answers):
        return "", "answer outside the clause"
    if beside.told_elsewhere(item, sentence):
        return "", "said elsewhere"
    if any(_by_the_way(item, place, reach, answer) for answer in item.answers):
        return "", "answer outside the clause"
    if AGE.search(item.question.low) and "(" in item.passage[sentence.start : place]:
        return "", "answer outside the clause"
    return "answer", ""


def _by_the_way(item: Item, place: int, reach: Span, answer: Span) -> bool:
    joined = JOINED.search(item.text.low, place, reach.end)
    end = joined.start() if joined else reach.end
    if answer.start < place:
        return not beside.predicated(item, place, answer, end) or beside.presumed(item, answer)
    return answer.start > end or beside.presumed(item, answer)


def _attached(item: Item, place: int, value: int) -> bool:
    """A participle stands between the verb and the value, which hangs on it rather than on the verb."""
    behind = item.text.within(Span(place, value))
    # The first word behind the verb may be its own participle: "was founded in 1984".
    start = next((w.end for w in behind if w.low not in FINITE | WEAK | {"not", "been"}), place)
    return ATTACHED.search(item.text.low, start, value + 1) is not None


def _claim_in(item: Item, place: int, reach: Span, sentence: Span) -> tuple[str, str]:
    """The word behind the negation is the claim's own, and no other sentence holds as much of the claim."""
    if len(item.shares) > SENTENCES:
        return "", "said elsewhere"
    words_behind = item.text.within(Span(place, reach.end))
    first = next((stem(w.low) for w in words_behind if w.low not in stop() | FINITE), "")
    if first not in item.question.content:
        return "", "not aligned"
    if gate.negated(item.question, Span(0, len(item.query))):
        return "", "query negated"
    rivals = (value for span, value in item.shares if span != sentence)
    again = any(value >= 0.6 * gate.share(item, place) for value in rivals)
    again = again or beside.headline(item, HEADED)
    return ("", "said elsewhere") if again else ("query", "")


def _governs(item: Item, place: int, sentence: Span) -> bool:
    """What the question asks for stands behind the negation, in the same clause, and nothing of it before."""
    text = item.text
    before = text.within(Span(sentence.start, place))
    if before and before[-1].low in ("and", "but", "or", "also"):
        return False
    # What stands in brackets before the verb is told whether the clause is negated or not.
    aside = " ".join(re.findall(r"\(([^)]*)\)", text.raw[sentence.start : place]))
    if Text(aside).content & item.question.content:
        return False
    second = SECOND.search(text.raw, place, sentence.end)
    cut = second.start() if second else sentence.end
    asked = gate.asks(item.question)
    if asked:
        values = [y.span for y in item.years] + [d.span for d in item.dates] if asked == "date" else []
        values += [q.span for q in item.numbers] if asked == "number" else []
        inside = [v for v in values if sentence.holds(v)]
        told = text.stems(Span(sentence.start, place)) & item.question.content
        if not told or any(HANGING.search(text.raw, place, v.start) for v in inside):
            return False
        return bool(inside) and all(place < v.start < cut and not _attached(item, place, v.start) for v in inside)
    # A definition denied: all that is asked about is the subject, or all of it is told behind the verb.
    wanted = item.question.content
    ahead = text.stems(Span(sentence.start, place))
    hanging = HANGING.search(text.raw, place, sentence.end)
    behind = text.stems(Span(place, min(cut, hanging.start()) if hanging else cut))
    return bool(wanted) and (wanted <= ahead or wanted <= behind)


def denied(text: Text, reach: Span) -> str:
    """The stem of what the first negator of a stretch denies: *disclos* for *need not be disclosed*."""
    first = text.index(reach.start)
    for number in range(first, text.index(reach.end)):
        low = text.words[number].low
        if low in DENYING or low.endswith(("n't", "n’t")):
            return next((r for r in text.roots[number + 1 : number + 5] if r), "")
    return ""


def asked(item: Item, place: int, reach: Clause, sentence: Span) -> bool:
    """The query denies the same thing, so that the passage contradicts what it takes for granted once it does not."""
    if not reach.main or gate.polar(item.question) or gate.unsound(item, place, negators=False):
        return False
    said = denied(item.text, sentence)
    if not said or said != denied(item.question, Span(0, len(item.query))):
        return False
    # "While the cause is unknown", "it is required only when": another sentence still tells that it is not so.
    rest = item.text.low[: sentence.start] + " " + item.text.low[sentence.end :]
    if re.search(rf"\b(?:un|in|im|ir|non-?|dis)?{re.escape(said)}", rest):
        return False
    return gate.share(item, place) >= gate.EXPECTED and not gate.again(item, [Span(place, place + 1)])


def explained(item: Item, place: int, sentence: Span) -> bool:
    """The rest of the sentence, what stands before it, or the next sentence gives the reason or the consequence."""
    low = item.text.low
    # "Half of them have none": so does the other half not.
    if WHY.search(item.question.low) or gate.asks(item.question) == "number":
        return True
    if EXPLAINED.search(low, place, sentence.end) or CONTRASTED.search(low, sentence.start, place):
        return True
    following = next((s for s, _ in item.shares if s.start >= sentence.end), None)
    if following is None:
        return False
    return FOLLOWS.match(low, following.start) is not None or gate.share(item, following.start) > 0


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
        if word.low in FINITE and word.text.islower():
            return _takes_not(text, inside, number) or word
    return "no auxiliary"


def _takes_not(text: Text, inside: tuple[Word, ...], number: int) -> str | None:
    """Why *not* may not follow an auxiliary; None: it may."""
    if number == 0 or number + 1 == len(inside):
        return "no auxiliary"
    word, before, following = inside[number], inside[number - 1].low, inside[number + 1]
    if before in ("there", "here", "that", "which", "who", "what", "following", "below"):
        return "subordinate clause"
    joined = not text.raw[word.end : following.start].isspace()
    participle = following.low == "been" or following.low.endswith(("ed", "en")) or _participle(following.low)
    if joined or (word.low in HAVE and not participle):
        return "no auxiliary"
    scope = words("polarity", "after not") | words("polarity", "scope") | {"one"} | PRESUMED
    return "quantifier after" if following.low in scope or following.low == "also" else None


def _participle(word: str) -> bool:
    return word in _participles()


@cache
def _participles() -> frozenset[str]:
    return frozenset(row[2] for row in table("verbs"))


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
    if not raw[match.end() : verb.start].isspace() or not _base(verb.low):
        return "no verb after"
    shape = like(affirmative(verb.low, aux.lower()), aux)
    return [Edit(match.start(), verb.end, raw[match.start() : verb.end], shape, "remove-not")]


def _base(word: str) -> bool:
    """A verb behind *do not*, rather than an adverb or a pronoun before it: *did not immediately respond*."""
    if word in words("function", "base"):
        return True
    return not (word.endswith("ly") or word in stop() or word in words("function", "adverb"))


NO = re.compile(
    r"\b(?:has|have|had|having|shows?|showed|with|found|there (?:is|are|was|were))(?P<no>\s+no)\s+"
    r"(?!longer|more|less|fewer|one|doubt|later|matter|such|other|idea|way)(?P<noun>[a-z]+(?:\s+[a-z]+){0,2})",
    re.IGNORECASE,
)


def _without_no(raw: str, sentence: Span) -> list[Edit] | str:
    """*has no effect* to *has an effect*, *has no known uses* to *has known uses*."""
    match = NO.search(raw, sentence.start, sentence.end)
    if match is None:
        return "negator"
    if {w.low for w in Text(raw[match.start("noun") : sentence.end]).words} & words("polarity", "npi"):
        return "polarity item"
    # The adjectives and the noun: what stands before the next word without a meaning of its own.
    following = list(takewhile(lambda w: w not in stop(), match["noun"].lower().split()))
    if not following:
        return "negator"
    # "No serious harm", "no bus" hold no plurals; "no water supply" is counted, "no water left" is not.
    plural = any(re.search(r"[^siu]s$", w) for w in following)
    mass = words("function", "mass")
    noun = [w for w in following if w in mass or not w.endswith(("ing", "ed", "left"))][-1:]
    bare = plural or not mass.isdisjoint(noun)
    new = "" if bare else f" {article(match['noun'].split()[0])}"
    return [Edit(*match.span("no"), match["no"], new, "remove-not")]


def _drop(raw: str, match: re.Match[str], aux: str, negator: Span) -> list[Edit]:
    full = {"ca": "can", "wo": "will"}.get(aux.lower())
    if full:
        return [Edit(match.start(), match.end(), match[0], like(full, aux), "remove-not")]
    return [Edit(negator.start, negator.end, raw[negator.start : negator.end], "", "remove-not")]


def affirmative(verb: str, aux: str) -> str:
    """The form that says without *do* what ``aux verb`` says: ``affirmative("open", "does")`` is ``"opens"``."""
    known = forms(verb)
    return {"do": known.base, "does": known.third, "did": known.past}[aux]
