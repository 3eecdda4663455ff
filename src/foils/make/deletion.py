"""Deletion of the evidence, and other periods mined from the corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from foils.make import gate
from foils.make.dates import dates, years
from foils.make.edits import Edit, Span, apply
from foils.make.item import ANY, Found, Item, Kind, Made, Operator, Refused
from foils.make.nearmiss import fits
from foils.make.values import quantities
from foils.make.view import MARKUP, Text
from foils.make.words import stem, stop

LEFT = 2
RELATIVE = re.compile(
    r"\b(?:years?|seasons?) (?:later|after|before|earlier|ago)\b|\b(?:following|next|previous) (?:year|season)\b"
    r"|\bin \w+ years\b|\b\d{4}s\b",
    re.IGNORECASE,
)
# An amount without a number is an answer, too: *only a few families*, *several million Americans*.
VAGUE = re.compile(
    r"\b(?:few|several|many|dozens?|hundreds?|thousands?|millions?|billions?|percent|unknown|number of|rare|common)\b"
)


@dataclass(frozen=True)
class DeleteEvidence(Operator):
    """Takes out the sentences that hold the answer; the rest still speaks of the query's subject.

    The deletion intervention of the semantic-faithfulness studies: about half of the models go on answering. Needs the
    answer, or a question for a date or a number of things in a passage that holds one in one sentence only. Fails
    where what is left implies the answer.
    """

    name: ClassVar[str] = "delete-evidence"
    kind: ClassVar[Kind] = "deletion"
    languages: ClassVar[frozenset[str]] = ANY

    def make(self, item: Item) -> Made | Refused:
        """Delete, then look whether anything of the answer is left."""
        if item.answer is None and not gate.asks(item.question):
            return Refused("answer not known")
        if len(item.text.sentences) <= LEFT:
            return Refused("too short")
        gone = self._gone(item)
        if isinstance(gone, str):
            return Refused(gone)
        if len(item.text.sentences) - len(gone) < LEFT:
            return Refused("too short")
        if any(MARKUP.search(item.passage, *s) for s in item.text.sentences):
            return Refused("not prose")
        edits = [self._cut(item, s) for s in gone]
        text = apply(item.passage, edits)
        if self._left(item, text):
            return Refused("answer elsewhere")
        answer = item.answers[0] if item.answers else None
        route = "answer" if answer else "expected"
        tests = {"route": route, "share": f"{gate.share(item, gone[0].start):.2f}", "elsewhere": "no"}
        why = "the sentences that hold the answer are gone"
        return self.made(item, text, edits, Found(gone[0], answer, tests, why))

    def _gone(self, item: Item) -> list[Span] | str:
        sentences = item.text.sentences
        if item.answer is not None:
            if not item.answers:
                return "answer not in passage"
            return [s for s in sentences if any(s.meets(a) for a in item.answers)]
        values = [*(y.span for y in item.years), *(d.span for d in item.dates)]
        if gate.asks(item.question) == "number":
            values = [q.span for q in item.numbers if fits(item, q)]
        found = [s for s in sentences if any(s.meets(v) for v in values)]
        if len(found) != 1 or gate.best(item)[0] != found[0]:
            return "answer not known"
        return found

    def _cut(self, item: Item, sentence: Span) -> Edit:
        raw, end = item.passage, sentence.end
        while end < len(raw) and raw[end].isspace():
            end += 1
        return Edit(sentence.start, end, raw[sentence.start : end], "", self.name)

    def _left(self, item: Item, text: str) -> bool:
        rest = Text(text)
        if item.answer is None:
            if gate.asks(item.question) == "number" and VAGUE.search(rest.low):
                return True
            return bool(years(rest) or dates(rest) if gate.asks(item.question) == "date" else quantities(rest))
        # "Stewart" goes on telling James Stewart.
        named = [w for w in Text(item.answer).words if w.text[:1].isupper()]
        if len(named) > 1 and named[-1].low in rest.vocabulary:
            return True
        stems = {stem(w.low) for w in Text(item.answer).words if w.low not in stop()} - item.question.content
        return bool(stems) and stems <= rest.content


@dataclass(frozen=True)
class OtherPeriod(Operator):
    """Finds a passage of the corpus that tells the same of another time: out of date rather than edited.

    T5 of the survey behind docs/typed.md, after TimeQA: same subject and relation, other period. The query must name a
    year that the found passage neither names nor includes in a period, and the passage must hold all other words of
    the query. Fails where the found passage tells of the year without naming it.
    """

    name: ClassVar[str] = "other-period"
    kind: ClassVar[Kind] = "temporal"
    languages: ClassVar[frozenset[str]] = ANY
    needs: ClassVar[frozenset[str]] = frozenset({"corpus"})

    def make(self, item: Item) -> Made | Refused:
        """The passage that holds most of the query."""
        pool = item.pool
        if not item.asked_years or pool is None:
            return Refused("no date asked about")
        asked = item.question.content - {str(y.value) for y in item.asked_years}
        wanted = {y.value for y in item.asked_years}
        if len(asked) < LEFT:
            return Refused("query too short")
        known = {item.passage, *item.positives}
        for number in pool.about(asked, 1.0):
            passage = pool.passages[number]
            if passage in known or any(str(v) in passage for v in wanted):
                continue
            text = Text(passage)
            said = years(text)
            # "Two years later", and the season that ends in the year, tell of it without naming it.
            if any(y.holds(v) or abs(y.value - v) <= 1 for y in said for v in wanted) or RELATIVE.search(passage):
                continue
            sentence = next((s for s in text.sentences if asked <= text.stems(s)), None)
            if sentence is None or text.why_not_prose(sentence) or not any(sentence.holds(y.span) for y in said):
                continue
            evidence = gate.best(item)[0]
            other = ", ".join(str(y.value) for y in said if sentence.holds(y.span))
            why = f"the query asks about {min(wanted)}, this passage tells the same of {other}"
            tests = {"route": "mined", "share": "1.00", "interval": "disjoint"}
            return self.made(item, passage, (), Found(evidence, None, tests, why))
        return Refused("no other period")
