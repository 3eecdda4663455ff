"""How far two people agree beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from foils.review.book import Book


@dataclass(frozen=True)
class Agreement:
    """What two people say of the same pairs.

    Args:
        one: who.
        other: who else.
        pairs: that both have answered.
        same: of them with the same answer.
        kappa: Cohen's; null where chance alone would make them agree (each gave one and the same answer to all).
    """

    one: str
    other: str
    pairs: int
    same: int
    kappa: float | None


def cohen(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Cohen's kappa: agreement beyond what two people with these shares of answers would have by chance.

    (observed - expected) / (1 - expected), expected = sum over answers of the product of both shares (Educational and
    Psychological Measurement 20, 1960). Fails where nearly all answers are the same: kappa is then low at high
    agreement, so both are shown.

    Args:
        one: (n,) answers of the first.
        other: (n,) of the second, on the same pairs.

    Example:
        >>> round(cohen(["yes"] * 25 + ["no"] * 25, ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15), 3)
        0.4
    """
    n = len(one)
    if n == 0:
        return None
    seen = sum(a == b for a, b in zip(one, other, strict=True)) / n
    chance = sum(one.count(x) * other.count(x) for x in {*one, *other}) / n**2
    return None if chance >= 1 - 1e-12 else (seen - chance) / (1 - chance)


def agreements(book: Book) -> list[Agreement]:
    """Every two people who have answered a pair in common; "cannot tell" is an answer of its own."""
    said = {by: {row: a.answer for row in book.answered(by) if (a := book.answer(row, by))} for by in book.people()}
    found = []
    for one, other in combinations(said, 2):
        both = [row for row in said[one] if row in said[other]]
        if both:
            left, right = [said[one][r] for r in both], [said[other][r] for r in both]
            same = sum(x == y for x, y in zip(left, right, strict=True))
            found.append(Agreement(one, other, len(both), same, cohen(left, right)))
    return found
