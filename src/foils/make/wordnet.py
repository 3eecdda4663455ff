"""Opposites from WordNet, where the package ``wn`` and an English lexicon are installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import ClassVar

from foils.make.flip import Flip
from foils.make.item import UNLOCKS, Item, Kind
from foils.make.lexicon import words
from foils.make.view import Text
from foils.make.words import opposites, stop


@dataclass(frozen=True)
class WordnetAntonym(Flip):
    """Exchanges an adjective that the query turns on for its opposite in WordNet, where our own lists have none.

    P5 of the survey behind docs/typed.md (10 of 15 right with the gate and any antonym), hence narrowed: words that are
    nothing but an adjective, their first sense, its only direct antonym. Nobody has read a sample, so it is off. Fails
    where the word is part of a term (*periodic paralysis*), or used in another sense than the first.
    """

    name: ClassVar[str] = "wordnet-antonym"
    kind: ClassVar[Kind] = "polarity"
    needs: ClassVar[frozenset[str]] = frozenset({"wn"})

    def missing(self) -> dict[str, str]:
        """The package, and a lexicon in it."""
        return {} if lexicon() else {"wn": UNLOCKS["wn"]}

    def opposite(self, item: Item, word: str) -> str | None:
        """Of an adjective in its base form that is on neither of our lists."""
        listed = word in opposites("antonyms") or word in opposites("affixal") or word in stop()
        if listed or word in words("quantifiers") or not lexicon():
            return None
        return _antonym(word, lexicon())

    def fits(self, text: Text, number: int) -> str | None:
        """Without capitals a title cannot be told from a phrase."""
        return "no capitals" if text.raw == text.low else None


@cache
def lexicon() -> str:
    """The first English lexicon of ``wn``; empty: there is none."""
    if find_spec("wn") is None:
        return ""
    import wn

    found = sorted(f"{known.id}:{known.version}" for known in wn.lexicons(lang="en"))
    return found[0] if found else ""


@lru_cache(maxsize=100_000)
def _antonym(word: str, source: str) -> str | None:
    """The one direct antonym of the first sense of an adjective, a plain word; *annual* has several, so none."""
    import wn

    entries = wn.words(word, lexicon=source)
    # "on", "local" and "white" are adjectives too, and more often something else.
    if any(entry.pos not in ("a", "s") for entry in entries):
        return None
    senses = [s for entry in entries if entry.pos == "a" for s in entry.senses()]
    related = senses[0].get_related("antonym") if senses else []
    lemmas = {s.word().lemma() for s in related} - {word}
    only = lemmas.pop() if len(lemmas) == 1 else ""
    return only if only.isalpha() and only.islower() else None
