"""A sentence as something that is asked: a claim, a question for its subject, or keywords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from foils.make.edits import Edit, Span, apply
from foils.make.lexicon import words
from foils.make.negation import FINITE
from foils.make.view import Text
from foils.make.words import stop

Form = Literal["claim", "question", "keywords", "asked"]
# What a rule can make of a sentence; what is asked in other words, a language model writes.
FORMS: tuple[Form, ...] = ("claim", "question", "keywords")
BOUNDARY = re.compile(r"[,;:]\s|\(|\s[-–—]\s|\s(?:which|who|whose|because|although|while|whereas|so that)\s")
# "In 1998, " says when, and is told of the changed sentence too.
OPENING = re.compile(
    r"(?:In|On|At|By|For|During|After|Before|With|From|Since|Under|Over|Through|However|Also|Then|Thus|Therefore)\b"
    r"[^,;:()]{0,60},\s+"
)
LONGEST = 22  # words of a query
SUBJECT = 9  # words that a question may leave out


def stretch(text: Text, sentence: Span, edits: Sequence[Edit]) -> Span | None:
    """The part of a sentence that is asked: from its main clause to the first boundary behind the edits.

    Args:
        text: the passage.
        sentence: of it.
        edits: that must lie inside.

    Returns:
        Null where what is left is too long, or too short to be found by.
    """
    first, last = min(e.start for e in edits), max(e.end for e in edits)
    begin = sentence.start
    opening = OPENING.match(text.raw, sentence.start, first)
    if opening:
        begin = opening.end()
    end = sentence.start + len(text.raw[sentence.start : sentence.end].rstrip(".!? "))
    for match in BOUNDARY.finditer(text.raw, max(last, begin), end):
        if len(text.within(Span(last, match.start()))) >= 2 or len(text.within(Span(begin, match.start()))) >= 8:
            end = match.start()
            break
    part = Span(begin, end)
    told = len(text.within(part))
    return part if 5 <= told <= LONGEST and begin <= first and last <= end else None


def asked(text: Text, part: Span, edits: Sequence[Edit], form: Form) -> str | None:
    """The part of a sentence, after edits, as a query.

    A question asks for the subject: *the valve does not open at dawn* becomes *what does not open at dawn*. Keywords
    keep the words that carry a meaning, and those that deny, place or order.

    Args:
        text: the passage.
        part: from ``stretch``.
        edits: inside the part, in places of the passage; none: as it stands.
        form: of the query.

    Returns:
        Null where the sentence has no such form.
    """
    inside = [Edit(e.start - part.start, e.end - part.start, e.old, e.new, e.rule) for e in edits]
    start = 0
    if form == "question":
        place = _verb(text, part)
        if place is None or any(e.start < place - part.start for e in inside):
            return None
        start = place - part.start
    raw = text.raw[part.start : part.end]
    told = " ".join(apply(raw, inside)[start:].split())
    if form == "question":
        return f"what {told}"
    if form == "keywords":
        kept = [
            w.text
            for w in Text(told).words
            if w.low not in stop() or w.low in words("turning", "telling") or "n't" in w.low
        ]
        return " ".join(kept).lower() if len(kept) >= 3 else None
    return told


def _verb(text: Text, part: Span) -> int | None:
    """Where the first finite auxiliary stands, if a short subject is all that stands before it."""
    for number, word in enumerate(text.within(part)):
        if word.low in words("polarity", "clause") or number > SUBJECT:
            return None
        if word.low in FINITE or word.low in words("polarity", "negator"):
            return word.start if number else None
    return None
