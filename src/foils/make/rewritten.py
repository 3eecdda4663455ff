"""What rules cannot do without a parser: two parties exchanged around any verb, and a passage in other words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from foils.make import gate, wording
from foils.make.edits import Edit, Span, apply
from foils.make.item import Found, Item, Kind, Made, Written
from foils.make.lexicon import words
from foils.make.verify import copied
from foils.make.view import Text
from foils.make.words import forms, stem
from foils.make.writer import Unfit, Writer, keeps, prose, twin_of

ARTICLES = re.compile(r"^(?:The|A|An|His|Her|Its|Their|This|That)\b")
CHANGED = 0.8


@dataclass(frozen=True)
class SwapRoles(Writer):
    """Has a model name two parties and the verb between them, and exchanges the two: who did it to whom.

    N2 of the survey behind docs/typed.md, after PAWS; symmetric verbs are left alone, since PAWS counts 9.6 % of its
    swaps as still paraphrases. As ``role-swap``, without a parser: the model only points, the exchange is done and
    checked here. Fails where the verb holds both ways and is not on our list, or another sentence tells it rightly.
    """

    name: ClassVar[str] = "swap-roles"
    kind: ClassVar[Kind] = "near-miss"
    keys: ClassVar[tuple[str, ...]] = ("one", "two", "verb", "twin")

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return wording.SWAP

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """Both names and the verb in one sentence, no other sentence with both, the query's or the answer's own."""
        one, two, verb = (_word(reply[key], key) for key in ("one", "two", "verb"))
        if set(one.lower().split()) & set(two.lower().split()) - {"the", "a", "an", "of"}:
            raise Unfit("no new value", f"{one} and {two}")
        actor, other, place = _where(item, one, two, verb)
        self._sound(item, actor, other, place, verb)
        new_one, new_two = _recased(item, actor, one, two)
        edits = (Edit(*actor, one, new_one, self.name), Edit(*other, two, new_two, self.name))
        text = apply(item.passage, edits)
        prose(text, item)
        twin, told = twin_of(reply["twin"], item, text, by)
        answer = gate.answered(item, [actor, other])
        why = f"{one!r} and {two!r} have changed sides of {verb!r}"
        route = "answer" if answer else "query"
        let = gate.found(item, place, route, why, answer, symmetric="no", twin=told)
        return (self.made(text, edits, let, by, twin),)

    def _sound(self, item: Item, actor: Span, other: Span, place: int, verb: str) -> None:
        asked = item.question
        if any(w.low in _symmetric() for w in Text(verb).words):
            raise Unfit("symmetric verb", verb)
        if problem := gate.unsound(item, place):
            raise Unfit(problem)
        between = item.passage[actor.end : other.start].lower()
        if re.search(r"\b(?:and|or|with)\b|[,;]", between):
            raise Unfit("side by side", between.strip())
        low = [item.text.low[s.start : s.end] for s in (actor, other)]
        sentence = item.text.sentence(place)
        for span in item.text.sentences:
            said = item.text.low[span.start : span.end]
            if span != sentence and all(name in said for name in low):
                raise Unfit("value elsewhere")
        stems = {stem(w.low) for w in Text(verb).words} & asked.content
        named = any(Text(item.passage[s.start : s.end]).content & asked.content for s in (actor, other))
        if gate.answered(item, [actor, other]) is None and not (stems and named):
            raise Unfit("not aligned", verb)


@dataclass(frozen=True)
class Paraphrase(Writer):
    """Has a model write the positive in other words: a hard positive for negatives that have no twin.

    "The Hard Positive Truth" (ECCV 2024): models tuned with hard negatives alone distrust every change. It makes no
    negative of its own; name it beside kinds that do. Numbers, names, negations and the known answer must all be
    there again. The prompt is ours. Fails where words are exchanged for others of another meaning: a twin of a model
    enters the run as a positive only where a judge or a reader says that it answers.
    """

    name: ClassVar[str] = "paraphrase"
    kind: ClassVar[Kind] = "twin"
    keys: ClassVar[tuple[str, ...]] = ("passage",)

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return wording.PARAPHRASE

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """The positive in other words, to be the twin of what was made of it."""
        text = prose(reply["passage"], item)
        keeps(text, item)
        if copied(text, item.passage) > CHANGED:
            raise Unfit("twin: nothing changed")
        let = Found(gate.best(item)[0], None, {"route": "none"}, "the positive in other words")
        return (self.made(text, (), let, by, None),)


@cache
def _symmetric() -> frozenset[str]:
    """All forms of the verbs that hold both ways."""
    return frozenset(form for base in words("symmetric") for form in (base, *forms(base)))


def _word(value: object, key: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > 120 or not Text(text).words:
        raise Unfit("unreadable answer", f"{key} is {str(value)[:60]}")
    return text


def _where(item: Item, one: str, two: str, verb: str) -> tuple[Span, Span, int]:
    """Where the three stand, in this order, in one sentence; the one that holds most of the query."""
    word = r"(?<!\w){}(?!\w)".format
    shape = f"{word(re.escape(one))}(?P<gap>.*?){word(re.escape(verb))}.*?(?P<two>{word(re.escape(two))})"
    hits = []
    for sentence, share in item.shares:
        match = re.compile(shape).search(item.passage, sentence.start, sentence.end)
        said = item.passage[sentence.start : sentence.end]
        if match and said.count(one) == 1 and said.count(two) == 1:
            start = match.start()
            hits.append((share, -start, Span(start, start + len(one)), Span(*match.span("two")), match.end("gap")))
    if not hits:
        raise Unfit("edit not in the passage", f"{one} … {verb} … {two}")
    _, _, actor, other, place = max(hits)
    return actor, other, place


def _recased(item: Item, actor: Span, one: str, two: str) -> tuple[str, str]:
    """What stands in the places of the two: a capital at the beginning, a small article in the middle."""
    if item.text.sentence(actor.start).start != actor.start:
        return two, one
    lowered = one[:1].lower() + one[1:] if ARTICLES.match(one) else one
    return two[:1].upper() + two[1:], lowered
