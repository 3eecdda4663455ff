"""Who did what to whom: the two sides of a verb swapped. Needs a parser."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple

from foils.errors import MissingExtra
from foils.make import gate
from foils.make.edits import Edit, Span, apply
from foils.make.item import UNLOCKS, Item, Kind, Made, Operator, Reasons, Refused
from foils.make.lexicon import words
from foils.make.view import Text
from foils.make.words import forms


class Roles(NamedTuple):
    """A verb with two names: who acts, upon whom."""

    actor: Span
    other: Span
    verb: Span
    lemma: str
    past: bool


def pipelines() -> list[str]:
    """The English spaCy pipelines that are installed."""
    try:
        import spacy.util
    except ImportError:
        return []
    return sorted(str(p) for p in spacy.util.get_installed_models() if p.startswith("en"))


@cache
def _pipeline() -> Any:
    import spacy

    return spacy.load(pipelines()[0], exclude=["ner"])


def roles(text: Text, sentence: Span) -> list[Roles]:
    """The verbs of a sentence in the active voice whose subject and object are both names.

    Raises:
        MissingExtra: no parser is installed.
    """
    if not pipelines():
        raise MissingExtra("spacy", "make", "swapping roles")
    # spaCy cannot read half of a surrogate pair; a question mark in its place moves nothing.
    raw = text.raw[sentence.start : sentence.end].encode("utf-8", "replace").decode("utf-8")
    found = []
    for token in _pipeline()(raw):
        if token.pos_ != "VERB" or any(c.dep_ in ("neg", "auxpass", "aux", "conj") for c in token.children):
            continue
        actors = [c for c in token.children if c.dep_ == "nsubj" and c.pos_ == "PROPN"]
        others = [c for c in token.children if c.dep_ in ("dobj", "obj") and c.pos_ == "PROPN"]
        if (
            len(actors) == 1
            and len(others) == 1
            and not any(c.dep_ in ("conj", "appos") for a in (actors[0], others[0]) for c in a.children)
        ):
            actor, other = (_phrase(t, sentence.start) for t in (actors[0], others[0]))
            verb = Span(sentence.start + token.idx, sentence.start + token.idx + len(token.text))
            found.append(Roles(actor, other, verb, token.lemma_.lower(), token.tag_ == "VBD"))
    return found


def _phrase(token: Any, offset: int) -> Span:
    inside = [t for t in token.subtree if t.dep_ in ("compound", "det", "poss") or t == token]
    first, last = inside[0], inside[-1]
    return Span(offset + first.idx, offset + last.idx + len(last.text))


@dataclass(frozen=True)
class RoleSwap(Operator):
    """Swaps the two names around a verb: *Ana beat Ben* becomes *Ben beat Ana*.

    N2 of the survey behind docs/typed.md, after PAWS; symmetric verbs (*met*, *married*) are left alone, since PAWS
    counts 9.6 % of its swaps as still paraphrases. The query must hold the verb and a name, or the answer must be one
    of the two. Fails where the parser does.
    """

    name: ClassVar[str] = "role-swap"
    kind: ClassVar[Kind] = "near-miss"
    needs: ClassVar[frozenset[str]] = frozenset({"spacy"})

    def missing(self) -> dict[str, str]:
        """spaCy, and a pipeline with a parser."""
        return {} if pipelines() else {"spacy": UNLOCKS["spacy"]}

    def make(self, item: Item) -> Made | Refused:
        """The first verb of the best sentence that passes the gate."""
        sentence, share = gate.best(item)
        if item.answers:
            sentence = max((item.text.sentence(a.start) for a in item.answers), key=lambda s: gate.share(item, s.start))
        elif share < gate.CLAIM:
            return Refused("not aligned")
        if item.text.why_not_prose(sentence):
            return Refused("not prose")
        reasons = Reasons()
        for found in roles(item.text, sentence):
            if problem := self._problem(item, found):
                reasons.add(problem, found.lemma)
                continue
            one, two = (item.passage[s.start : s.end] for s in (found.actor, found.other))
            edits = [Edit(*found.actor, one, two, self.name), Edit(*found.other, two, one, self.name)]
            answer = gate.answered(item, [found.actor, found.other])
            why = f"{one!r} and {two!r} have changed sides of {found.lemma!r}"
            let = gate.found(item, found.verb.start, "answer" if answer else "query", why, answer, symmetric="no")
            return self.made(item, apply(item.passage, edits), edits, let)
        return reasons.result("no verb between two names")

    def _problem(self, item: Item, found: Roles) -> str | None:
        if found.lemma in words("symmetric"):
            return "symmetric verb"
        if problem := gate.unsound(item, found.verb.start):
            return problem
        names = [item.text.low[s.start : s.end] for s in (found.actor, found.other)]
        verb = {w for w in forms(found.lemma)}
        asked = item.question.vocabulary
        hit = gate.answered(item, [found.actor, found.other]) is not None
        if not (hit or (verb & asked and any(n in item.question.low for n in names))):
            return "not aligned"
        return None if names[0] != names[1] else "no new value"


def passive(item: Item, sentence: Span) -> Edit | None:
    """The twin: *Ana beat Ben* becomes *Ben was beaten by Ana*; the first verb between two names."""
    for found in roles(item.text, sentence):
        one, two, verb = (item.passage[s.start : s.end] for s in (found.actor, found.other, found.verb))
        between = item.passage[found.actor.end : found.verb.start], item.passage[found.verb.end : found.other.start]
        if between != (" ", " ") or not verb.islower():
            continue
        be = "was" if found.past else "is"
        new = f"{two} {be} {forms(found.lemma).participle} by {one}"
        return Edit(found.actor.start, found.other.end, f"{one} {verb} {two}", new, "passive")
    return None
