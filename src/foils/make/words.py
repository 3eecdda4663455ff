"""English words: stems, forms of verbs and nouns, and opposites in every form."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

from foils.make.lexicon import mapping, table, words

# Vowels that are spoken as *you* or *wun*, and an *h* that is not spoken: "a unit", "an unidentified", "an honest".
AS_CONSONANT = re.compile(
    r"uni(?!m(?!o)|n|de|r|ss|oni[sz]ed)|unanim|us(?:[eu]|ing|a[gb])|ur[aeiou]|ut[aeio]|uga|uk|ubiq|ufo|e[uw]|one(?!r|i)|once\b"
)
SILENT = re.compile(r"hon(?:est|ou?r)|hour|heir")
# Of initials that are spelt out the name of the first letter counts: "an NBA team".
NAMED_WITH_VOWEL = frozenset("AEFHILMNORSX")
BE = frozenset(["be", "is", "are", "was", "were", "been", "being", "am", "'s", "'re"])


def stop() -> frozenset[str]:
    """Words that carry no meaning of their own."""
    return words("function", "stop")


@cache
def _stemmer() -> Callable[[str], str]:
    import Stemmer

    function: Callable[[str], str] = Stemmer.Stemmer("english").stemWord
    return function


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The Snowball stem of a lower-case word, without a possessive ending."""
    return _stemmer()(word.removesuffix("'s").removesuffix("’s"))


@lru_cache(maxsize=200_000)
def root(word: str) -> str:
    """The stem of a lower-case word that carries a meaning, else an empty string."""
    return "" if word in stop() else stem(word)


class Forms(NamedTuple):
    """A verb's five forms."""

    base: str
    third: str
    past: str
    participle: str
    gerund: str


@cache
def forms(base: str) -> Forms:
    """The forms of a verb: listed if irregular, else by rule.

    >>> forms("stop").past, forms("carry").third, forms("freeze").participle
    ('stopped', 'carries', 'frozen')
    """
    irregular = {row[0]: row for row in table("verbs")}
    doubled = base
    vowels = len(re.findall(r"[aeiouy]+", base))
    closed = re.search(r"[^aeiou][aeiou][bdfglmnprtvz]$", base)
    if (closed and vowels == 1) or base in words("doubling"):
        doubled = base + base[-1]
    if base.endswith("e"):
        past, gerund = base + "d", (base if base.endswith("ee") else base[:-1]) + "ing"
    elif re.search(r"[^aeiou]y$", base):
        past, gerund = base[:-1] + "ied", base + "ing"
    else:
        past, gerund = doubled + "ed", doubled + "ing"
    if base in irregular:
        _, old, part = irregular[base]
        return Forms(base, third(base), old, part, gerund.replace("iing", "ying"))
    return Forms(base, third(base), past, past, gerund)


def third(base: str) -> str:
    """The third person singular, or the plural of a noun: ``goes``, ``carries``, ``wishes``."""
    listed = {"be": "is", "have": "has"}
    if base in listed:
        return listed[base]
    if re.search(r"(s|x|z|ch|sh|[^aeiou]o)$", base):
        return base + "es"
    return base[:-1] + "ies" if re.search(r"[^aeiou]y$", base) else base + "s"


class Opposite(NamedTuple):
    """What a word may be exchanged for.

    Args:
        word: its opposite, in the same form.
        participle: the same where the word is a participle.
        pos: ``adj``, ``verb``, ``noun`` or ``adv``.
        sort: ``c``: one is the negation of the other; ``g``: ends of a scale; ``k``: compared; ``d``: directions.
    """

    word: str
    participle: str
    pos: str
    sort: str


@cache
def opposites(name: str) -> dict[str, Opposite]:
    """Every form of every word of ``antonyms`` or ``affixal`` with its opposite; the first one listed counts."""
    found: dict[str, Opposite] = {}
    for row in table(name):
        pos, sort = row[2], row[3] if len(row) > 3 else "c"
        for one, two in ((row[0], row[1]), (row[1], row[0])):
            for form, other, participle in _paired(one, two, pos):
                found.setdefault(form, Opposite(other, participle, pos, sort))
    return found


def _paired(one: str, two: str, pos: str) -> list[tuple[str, str, str]]:
    if pos == "verb":
        a, b = forms(one), forms(two)
        # A past form that is also the participle may stand for either: both readings are kept.
        pairs = [(a.base, b.base, b.base), (a.third, b.third, b.third), (a.gerund, b.gerund, b.gerund)]
        return [*pairs, (a.past, b.past, b.participle), (a.participle, b.participle, b.participle)]
    if pos == "noun":
        return [(one, two, two), (third(one), third(two), third(two))]
    return [(one, two, two)]


@cache
def synonyms() -> dict[str, str]:
    """Word to a word that means the same."""
    return mapping("synonyms")


def article(word: str) -> str:
    """``a`` or ``an`` before a word, by its first letter and a few exceptions.

    >>> [article(w) for w in ("unit", "unimportant", "usual", "unusual", "honest", "Honduran", "NBA")]
    ['a', 'an', 'a', 'an', 'an', 'a', 'an']
    """
    low = word.lower()
    if len(word) > 1 and word.isupper():
        return "an" if word[0] in NAMED_WITH_VOWEL else "a"
    if SILENT.match(low):
        return "an"
    return "a" if AS_CONSONANT.match(low) or low[:1] not in tuple("aeiou") else "an"
