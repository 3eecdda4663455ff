"""Negation with *do*: needs a tagger to find the verb and a lemmatiser to find its base."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

from foils.make import beside, gate
from foils.make.edits import Edit, Span, apply
from foils.make.item import Item, Kind, Made, Operator, Reasons, Refused
from foils.make.lexicon import words
from foils.make.negation import FINITE, SECOND, WEAK, admits, clause
from foils.make.view import Text, Word
from foils.make.words import BE

TELLING = frozenset(
    [
        "said",
        "says",
        "say",
        "announced",
        "announces",
        "reported",
        "reports",
        "revealed",
        "confirmed",
        "claimed",
        "claims",
    ]
)
# "Its works do not include the novel Anna" still tells that there is one, "multimodal does not refer to" what it means.
LEAVING = frozenset(["include", "refer", "mention", "involve"])
# "A line of teddy bears leaning", "the tracks with", "draws are": what stands before these is seldom a verb.
NOUN_BEFORE = re.compile(r"\s+(?:\w+ing|that|which|who|with|by|is|are|was|were|has|have|had|can|will)\b|\s*[.,;]?\s*$")
# A verb further on in the clause: "the jobs lost that year belonged to women".
LATER = re.compile(r"\s[^,;.]*?\b(?:is|are|was|were|has|had|can|will|\w{3,}ed)\b")
TAGS = {"VBZ": "does", "VBD": "did", "VBP": "do"}


@dataclass(frozen=True)
class InsertDoNot(Operator):
    """Negates a clause without an auxiliary: *opens* becomes *does not open*, *opened* *did not open*.

    P1 of the survey behind docs/typed.md. The verb is found by the tagger of textblob and must be the first finite one
    of the sentence, its base by lemminflect. Refuses what ``insert-not`` refuses. Fails where the tagger takes a noun
    for a verb.
    """

    name: ClassVar[str] = "insert-do-not"
    kind: ClassVar[Kind] = "polarity"
    needs: ClassVar[frozenset[str]] = frozenset({"lemminflect", "textblob"})

    def make(self, item: Item) -> Made | Refused:
        """Try the two sentences that hold most of the query."""
        reasons = Reasons()
        for sentence, share in sorted(item.shares, key=lambda pair: -pair[1])[:2]:
            if share < gate.NEAR and not item.answers:
                continue
            if problem := gate.unsound(item, sentence.start) or self._refused(item.text, sentence):
                reasons.add(problem)
                continue
            site = verb(item.text, sentence)
            if isinstance(site, str):
                reasons.add(site)
                continue
            word, aux, base = site
            reach = clause(item.text, sentence, word.end)
            route, against = admits(item, word.start, reach, sentence)
            against = against or doubtful(item, sentence, word, base)
            if against:
                reasons.add(against, word.text)
                continue
            edits = [Edit(*word.span, word.text, f"{aux} not {base}", self.name)]
            answer = gate.answered(item, [reach.span])
            let = gate.found(item, word.start, route, f"{word.text!r} is negated", answer, negator="no", elsewhere="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no verb")

    def _refused(self, text: Text, sentence: Span) -> str | None:
        return "negator" if gate.negated(text, sentence) else None


def doubtful(item: Item, sentence: Span, word: Word, base: str) -> str:
    """Why a verb may be none, or may be denied in vain; empty: it may be denied."""
    text = item.text
    behind = text.low[word.end : sentence.end]
    if text.raw[max(0, word.start - 2) : word.start].strip() in (",", "(") or NOUN_BEFORE.match(behind):
        return "no verb"
    second = SECOND.search(text.raw, word.end, sentence.end)
    if LATER.match(behind[: second.start() - word.end] if second else behind):
        return "no verb"
    if base in LEAVING or second is not None or beside.again_nearly(item, sentence):
        return "said elsewhere"
    return ""


def supported(text: Text, sentence: Span, rule: str) -> Edit | None:
    """The edit that negates a sentence with *do*; None where that cannot be done, or its packages are missing."""
    if any(find_spec(name) is None for name in sorted(InsertDoNot.needs)):
        return None
    site = verb(text, sentence)
    if isinstance(site, str):
        return None
    word, aux, base = site
    return Edit(*word.span, word.text, f"{aux} not {base}", rule)


@cache
def tagger() -> Any:
    """The part-of-speech tagger of textblob, loaded once."""
    from textblob.en import tag

    with warnings.catch_warnings():
        # textblob leaves the file of its word list open, which Python complains about when it is read.
        warnings.simplefilter("ignore", ResourceWarning)
        tag("word")
    return tag


def verb(text: Text, sentence: Span) -> tuple[Word, str, str] | str:
    """The first finite verb, its form of *do* and its base; or the reason why there is none."""
    import lemminflect

    inside = text.within(sentence)
    tags = [t for _, t in tagger()(" ".join(w.text for w in inside), tokenize=False)]
    if len(tags) != len(inside):
        return "no verb"
    for number, (word, kind) in enumerate(zip(inside, tags, strict=True)):
        if word.low in words("polarity", "scope"):
            return "quantifier before"
        if word.low in words("polarity", "clause") - {"and", "or", "as"}:
            return "subordinate clause"
        if word.low in FINITE | WEAK | BE or kind == "MD":
            return "auxiliary"
        if kind not in TAGS or number == 0 or not word.text.islower() or word.low.endswith("n't"):
            continue
        subject = tags[number - 1]
        if inside[number - 1].low == "also" or word.low in TELLING:
            return "no verb"
        agrees = subject in ("NN", "NNP", "PRP", "NNS", "NNPS", "RB", "CD") and not (
            kind == "VBP" and subject in ("NN", "NNP")
        )
        lemmas = lemminflect.getLemma(word.low, upos="VERB")
        if not agrees or not lemmas or (lemmas[0] == word.low and kind != "VBP"):
            return "no verb"
        return word, TAGS[kind], lemmas[0]
    return "no verb"
