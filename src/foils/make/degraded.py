"""Passages under degraded conditions: one constraint of the query dropped, or the named thing blurred to its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from foils.make import gate, wording
from foils.make.edits import Edit, Span, apply
from foils.make.item import Item, Kind, Made, Written
from foils.make.verify import folded
from foils.make.view import Text
from foils.make.writer import MOST_EDITS, NUMBER, Unfit, Writer, edits_of, names, numbers, prose, twin_of

LONGEST_BLUR = 8


@dataclass(frozen=True)
class DropConstraint(Writer):
    """Has a model take one constraint of the query out of the positive: where, when, for whom, of which.

    Conditional degradation (negatives made under damaged conditions, known to us from the CDNS paper on images) with
    its transfer to text [RECON]: there a query is damaged and a document generated for it, here the positive itself is
    edited, so that the record shows what was dropped. Milder than a changed value: the passage no longer says that it
    is about what was asked. Fails where the rest of the passage implies the constraint: too little degradation is a
    false negative, so give a judge.
    """

    name: ClassVar[str] = "drop-constraint"
    kind: ClassVar[Kind] = "degraded"
    keys: ClassVar[tuple[str, ...]] = ("constraint", "edits", "twin")

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return wording.DROP

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """The passage without the constraint: its words stand nowhere any more, and nothing new came in."""
        gone = _constraint(reply["constraint"], item)
        edits = edits_of(reply["edits"], item, self.name)
        text = apply(item.passage, edits)
        for edit in edits:
            if numbers(edit.new) - numbers(edit.old) or names(f"x {edit.new}") - names(f"x {edit.old}"):
                raise Unfit("a new name or number", edit.new[:60])
        if left := gone & Text(text).content:
            raise Unfit("constraint elsewhere", sorted(left)[0])
        prose(text, item)
        twin, told = twin_of(reply["twin"], item, text, by)
        said = " ".join(str(reply["constraint"]).split())
        place = max(edits, key=lambda e: gate.share(item, e.start)).start
        let = gate.found(item, place, "query", f"it no longer says {said!r}, which the query asks for", twin=told)
        return (self.made(text, edits, let, by, twin),)


@dataclass(frozen=True)
class BlurEntity(Writer):
    """Has a model say which named thing the positive hinges on, and blurs it to its kind: *Ann Lee* to *a weaver*.

    Conditional degradation, as ``drop-constraint``: the transfer of a blurred reference image to text [RECON]. The
    model names the mentions and the kind; the replacement is done and checked here. Fails where the passage still
    tells who or what is meant (*the author of Hamlet*).
    """

    name: ClassVar[str] = "blur-entity"
    kind: ClassVar[Kind] = "degraded"
    keys: ClassVar[tuple[str, ...]] = ("mentions", "blurred", "twin")

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return wording.BLUR

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """All mentions replaced; the name must be the answer or stand in the query, and be gone afterwards."""
        mentions = _mentions(reply["mentions"], item)
        blurred = _blurred(reply["blurred"], mentions)
        spans = _places(item, mentions)
        answer = gate.answered(item, spans)
        asked = any(Text(m).content & item.question.content for m in mentions)
        if answer is None and not asked:
            raise Unfit("not aligned", mentions[0])
        edits = tuple(Edit(*s, item.passage[s.start : s.end], _cased(item, s, blurred), self.name) for s in spans)
        text = apply(item.passage, edits)
        stems = frozenset().union(*(Text(m).content for m in mentions))
        if left := stems & Text(text).content:
            raise Unfit("named elsewhere", sorted(left)[0])
        initials = "".join(w[0] for w in mentions[0].split() if w[:1].isupper())
        if len(initials) > 1 and re.search(rf"\b{re.escape(initials)}\b", text):
            raise Unfit("acronym", initials)
        prose(text, item)
        twin, told = twin_of(reply["twin"], item, text, by)
        place = max(spans, key=lambda s: gate.share(item, s.start)).start
        why = f"{mentions[0]!r} is now only {blurred!r}"
        let = gate.found(item, place, "answer" if answer else "query", why, answer, twin=told)
        return (self.made(text, edits, let, by, twin),)


def _constraint(value: object, item: Item) -> frozenset[str]:
    """The stems of a constraint of the query that the passage holds."""
    said = folded(value) if isinstance(value, str) else ""
    if not said or f" {said} " not in f" {folded(item.query)} ":
        raise Unfit("constraint not in the query", str(value)[:60])
    stems = Text(said).content
    if not stems or stems >= item.question.content:
        raise Unfit("nothing left of the query", said)
    held = stems & item.text.content
    if not held:
        raise Unfit("not aligned", said)
    return held


def _mentions(value: object, item: Item) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_EDITS:
        raise Unfit("unreadable answer", f"the mentions are {str(value)[:60]}")
    found = []
    for mention in value:
        if not isinstance(mention, str) or not Text(mention).content:
            raise Unfit("unreadable answer", f"a mention is {str(mention)[:60]}")
        if mention not in item.passage:
            raise Unfit("edit not in the passage", mention[:60])
        if not re.search(r"[^\W\d_]", mention) or mention == mention.lower():
            raise Unfit("no name", mention[:60])
        found.append(mention)
    return sorted(dict.fromkeys(found), key=lambda m: (-len(m), m))


def _blurred(value: object, mentions: list[str]) -> str:
    """The phrase for the kind: short, without name or number, without a word of the name."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    words = text.split()
    if not 1 <= len(words) <= LONGEST_BLUR:
        raise Unfit("unreadable answer", f"the kind is {str(value)[:60]}")
    if any(w[:1].isupper() for w in words[1:]) or NUMBER.search(text):
        raise Unfit("a new name or number", text)
    if any(Text(m).content & Text(text).content for m in mentions):
        raise Unfit("still named", text)
    return text[:1].lower() + text[1:]


def _places(item: Item, mentions: list[str]) -> list[Span]:
    """Where the mentions stand, the longest first taken, none inside another."""
    found: list[Span] = []
    for mention in mentions:
        for match in re.finditer(rf"(?<!\w){re.escape(mention)}(?!\w)", item.passage):
            span = Span(*match.span())
            # "the Ostby Mill" would become "the a mill".
            before = re.search(r"\b(?:the|a|an)\s+$", item.passage[: span.start], re.IGNORECASE)
            whole = Span(before.start(), span.end) if before else span
            if not any(whole.meets(s) for s in found):
                found.append(whole)
    if not found:
        raise Unfit("edit not in the passage", mentions[0])
    return sorted(found)


def _cased(item: Item, span: Span, phrase: str) -> str:
    """With a capital where it begins a sentence, and without its article after a possessive."""
    begins = item.text.sentence(span.start).start == span.start
    before = item.passage[: span.start].rstrip()
    if before.endswith(("'s", "’s")):
        phrase = re.sub(r"^(?:an?|the)\s+", "", phrase)
    return phrase[:1].upper() + phrase[1:] if begins else phrase
