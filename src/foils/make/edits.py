"""Edits of a text: where, what stood there, what stands there now; they apply and revert exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from foils.errors import DataError


class Span(NamedTuple):
    """A stretch of a text: characters ``start`` to ``end``, the end left out."""

    start: int
    end: int

    def holds(self, other: Span) -> bool:
        """The other span lies within this one."""
        return self.start <= other.start and other.end <= self.end

    def meets(self, other: Span) -> bool:
        """The two share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, order=True)
class Edit:
    """One replacement.

    Args:
        start: first character of ``old`` in the text before the edits.
        end: first character after it; equal to ``start`` for an insertion.
        old: what stands there.
        new: what is put there.
        rule: which rule made it.
    """

    start: int
    end: int
    old: str
    new: str
    rule: str

    @property
    def span(self) -> Span:
        """Where it is, in the text before the edits."""
        return Span(self.start, self.end)


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made at once.

    Raises:
        DataError: the edits overlap, or the text does not read as they say.
    """
    ordered = sorted(edits)
    for one, two in pairwise(ordered):
        if two.start < one.end or two.span == one.span:
            raise DataError(f"the edits {one.old!r} at {one.start} and {two.old!r} at {two.start} overlap")
    parts, done = [], 0
    for edit in ordered:
        if text[edit.start : edit.end] != edit.old:
            raise DataError(f"at {edit.start} stands {text[edit.start : edit.end]!r}, the edit expects {edit.old!r}")
        parts += [text[done : edit.start], edit.new]
        done = edit.end
    return "".join([*parts, text[done:]])


def inverse(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits of the new text that bring the old one back."""
    back, shift = [], 0
    for edit in sorted(edits):
        start = edit.start + shift
        back.append(Edit(start, start + len(edit.new), edit.new, edit.old, edit.rule))
        shift += len(edit.new) - len(edit.old)
    return tuple(back)


def moved(span: Span, edits: Sequence[Edit]) -> Span:
    """Where a stretch of the old text lies in the new one; an edit that it touches counts as part of it."""
    start, end = span
    for edit in edits:
        growth = len(edit.new) - len(edit.old)
        if edit.end <= span.start and edit.start < span.start:
            start, end = start + growth, end + growth
        elif edit.start < span.end:
            end += growth
    return Span(start, end)


def like(new: str, old: str) -> str:
    """The new word in the case of the old one: ``like("few", "Many")`` is ``"Few"``."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
