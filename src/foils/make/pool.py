"""What the rest of a corpus holds: entities by type, and sentences that tell the same of other times."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from foils.make.dates import years
from foils.make.edits import Span
from foils.make.lexicon import mapping, words
from foils.make.view import Text

NAME = r"[A-Z][a-zà-þ]+(?:-[A-Z][a-zà-þ]+)?"
PERSON = re.compile(
    rf"\b({NAME}) ((?:[A-Z]\. )?{NAME})\b(?! {NAME}| (?:van|von|de|da|del|al|bin|ibn|[IVX]+)\b|\s?[-–]"
    r"|\s(?:syndrome|disease|disorder|deficiency|anomaly|tumou?r|method|test|effect|scale|theorem|law)\b)"
)
LONGER = re.compile(r"(?<![.!?] )(?<!^)\b(?!The |In |At |On |By |And |But |When |As |With |For |From )[A-Z][a-z]+\s$")
LARGEST = 2_000


class Entity(NamedTuple):
    """A name and its type: ``person f``, ``person m``, or the word that ends it (``University``)."""

    span: Span
    text: str
    sort: str


@cache
def _ended() -> re.Pattern[str]:
    endings = "|".join(sorted(words("function", "name ending")))
    return re.compile(rf"\b((?:{NAME} ){{1,3}}(?:{endings}))\b(?! of\b| {NAME})")


@cache
def _first_names() -> dict[str, str]:
    return mapping("names")


@cache
def first_words() -> frozenset[str]:
    """Words without which a text holds no typed name, in lower case."""
    return frozenset(w.lower() for w in (*_first_names(), *words("function", "name ending")))


def entities(text: Text) -> Iterator[Entity]:
    """The names whose type is written on them: known first names, and words such as *University* at the end."""
    for match in PERSON.finditer(text.raw):
        gender = _first_names().get(match[1])
        # "Wardell Stephen Curry" and "Long John Silver" are longer than they look.
        if LONGER.search(text.raw, max(0, match.start() - 20), match.start()):
            continue
        last = match[2].split()[-1]
        if gender is not None and last not in words("function", "no name") | words("function", "name ending"):
            yield Entity(Span(*match.span()), match[0], f"person {gender}")
    for match in _ended().finditer(text.raw):
        if match[1].split()[0] not in ("The", "A", "This", "In", "At", "On", "His", "Her", "Its"):
            yield Entity(Span(*match.span(1)), match[1], match[1].split()[-1])


@dataclass(frozen=True, eq=False)
class Pool:
    """Built once per corpus; see ``Pool.build``.

    Args:
        names: type to the names of the corpus, the most frequent first.
        passages: the texts.
        index: stem to the passages in which a sentence with a year holds it.
    """

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    passages: tuple[str, ...] = ()
    index: dict[str, frozenset[int]] = field(default_factory=dict)

    @staticmethod
    def build(passages: Sequence[str]) -> Pool:
        """Read a corpus: its names by type, its sentences with years."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        index: dict[str, set[int]] = defaultdict(set)
        for number, passage in enumerate(passages):
            text = Text(passage)
            for entity in entities(text):
                counts[entity.sort][entity.text] += 1
            if re.search(r"\d{4}", passage) and years(text):
                for root in text.content:
                    index[root].add(number)
        names = {s: tuple(n for n, _ in c.most_common(LARGEST)) for s, c in sorted(counts.items())}
        return Pool(names, tuple(passages), {s: frozenset(p) for s, p in index.items()})

    def about(self, stems: frozenset[str], share: float) -> list[int]:
        """Passages that hold a share of the stems, those with most of them first."""
        found: Counter[int] = Counter()
        for root in stems:
            found.update(self.index.get(root, ()))
        least = share * len(stems)
        return [p for p, n in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])) if n >= least][:50]
