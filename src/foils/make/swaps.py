"""Two things, or two properties, that change places: found by word classes, without a parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from foils.make.dosupport import tagger
from foils.make.edits import Edit, Span, like
from foils.make.flip import exchange, fixed
from foils.make.lexicon import words
from foils.make.view import Text, Word
from foils.make.words import BE, article, forms, stem

THINGS = frozenset({"NN", "NNS"})
VERBS = frozenset({"VBZ", "VBD", "VBP", "VBG", "VBN"})
FINITE = frozenset({"VBZ", "VBD", "VBP"})
DETERMINERS = frozenset({"DT", "PDT", "PRP$", "WP$", "CD", "POS"})
# What belongs to the thing before it would belong to another one after it has moved.
HANGING = frozenset(
    ["of", "with", "and", "or", "who", "whom", "whose", "which", "that", "from", "for", "called", "named"]
)


class Phrase(NamedTuple):
    """A thing with what stands before it: *the small red car*.

    Args:
        first: number of its first word, without the article.
        last: number of the noun.
        adjective: number of its only adjective; -1: none, or several.
        many: the noun is in the plural.
    """

    first: int
    last: int
    adjective: int
    many: bool


class Swap(NamedTuple):
    """Two places whose words change places.

    Args:
        operator: ``swap-attribute`` or ``swap-object``.
        edits: of the passage.
        same: edits that say the unchanged sentence in other words, for the query; none: as it stands.
        turned: the same for the changed sentence.
    """

    operator: str
    edits: tuple[Edit, ...]
    same: tuple[Edit, ...]
    turned: tuple[Edit, ...]


@dataclass(frozen=True, eq=False)
class Tagged:
    """A sentence with the class of each word.

    Args:
        text: that it stands in.
        offset: number of its first word in the text.
        tags: Penn classes, one a word.
    """

    text: Text
    offset: int
    tags: tuple[str, ...]

    @property
    def phrases(self) -> list[Phrase]:
        """Its things, from left to right."""
        found, start = [], 0
        while start < len(self.tags):
            end = start
            while end < len(self.tags) and self.tags[end] in ("JJ", *THINGS) and (end == start or self._joined(end)):
                end += 1
            if end > start and self.tags[end - 1] in THINGS:
                adjectives = [n for n in range(start, end) if self.tags[n] == "JJ"]
                only = self.offset + adjectives[0] if adjectives == [end - 2] and end - 2 == start else -1
                found.append(Phrase(self.offset + start, self.offset + end - 1, only, self.tags[end - 1] == "NNS"))
            start = max(end, start + 1)
        return found

    def _joined(self, number: int) -> bool:
        before, word = self.text.words[self.offset + number - 1], self.text.words[self.offset + number]
        return self.text.raw[before.end : word.start] == " "

    def tag(self, number: int) -> str:
        """The class of a word of the text."""
        return self.tags[number - self.offset]


def tagged(text: Text, sentence: Span) -> Tagged | None:
    """Word classes of a sentence by the tagger of textblob; None: it cut the words otherwise."""
    inside = text.within(sentence)
    tags = tuple(t for _, t in tagger()(" ".join(w.text for w in inside), tokenize=False))
    return Tagged(text, text.index(sentence.start), _mended(tags)) if len(tags) == len(inside) else None


def _mended(tags: tuple[str, ...]) -> tuple[str, ...]:
    """A word between a thing and an article is its verb, whatever the tagger took it for: *the dog chases the cat*."""
    found = list(tags)
    for n in range(1, len(tags) - 1):
        before, following = tags[n - 1], tags[n + 1]
        if before not in THINGS or following not in ("DT", "TO", "PRP$"):
            continue
        if tags[n] == "NNS" and before == "NN":
            found[n] = "VBZ"
        elif tags[n] in ("VB", "VBN"):
            found[n] = "VBP" if tags[n] == "VB" else "VBD"
    return tuple(found)


def swaps(text: Text, sentence: Span) -> Iterator[Swap]:
    """All swaps of a sentence that change what it says.

    SugarCrepe's swap-att and swap-obj (Hsieh et al., NeurIPS 2023) and PAWS' word swaps by rule. Refuses what is joined
    by *and* or a comma, symmetric verbs, plural against singular, fixed phrases. [RECON] of the rules: the authors had
    a language model write theirs. Fails where the tagger errs, and where the swapped sentence happens to hold as well.

    Args:
        text: the passage.
        sentence: of it.
    """
    found = tagged(text, sentence)
    phrases = [] if found is None else found.phrases
    for n, one in enumerate(phrases):
        for two in phrases[n + 1 : n + 3]:
            if found is not None and (swap := _attributes(text, one, two)) is not None:
                yield swap
        if found is not None and n + 1 < len(phrases) and (swap := _things(found, one, phrases[n + 1])) is not None:
            yield swap


def _attributes(text: Text, one: Phrase, two: Phrase) -> Swap | None:
    """*a red car and a white house* to *a white car and a red house*."""
    if one.adjective < 0 or two.adjective < 0:
        return None
    a, b = text.words[one.adjective], text.words[two.adjective]
    nouns = text.words[one.last].low, text.words[two.last].low
    same = stem(a.low) == stem(b.low) or stem(nouns[0]) == stem(nouns[1])
    if same or {a.low, b.low} & words("turning", "pointing") or not (a.text.islower() and b.text.islower()):
        return None
    if any(fixed(text, n) or text.raw[text.words[n].end : text.words[n].end + 1] == "-" for n in _both(one, two)):
        return None
    edits = (
        *exchange(text, one.adjective, b.low, "swap-attribute"),
        *exchange(text, two.adjective, a.low, "swap-attribute"),
    )
    plain = (_behind(text, one, a.low), _behind(text, two, b.low))
    turned = (_behind(text, one, b.low), _behind(text, two, a.low))
    return Swap("swap-attribute", tuple(edits), (*plain[0], *plain[1]), (*turned[0], *turned[1]))


def _both(one: Phrase, two: Phrase) -> tuple[int, int]:
    return one.adjective, two.adjective


def _behind(text: Text, phrase: Phrase, adjective: str) -> list[Edit]:
    """*a red car* to *a car that is red*, the article corrected."""
    first, last = text.words[phrase.adjective], text.words[phrase.last]
    noun = last.text
    be = "are" if phrase.many else "is"
    edits = [Edit(first.start, last.end, text.raw[first.start : last.end], f"{noun} that {be} {adjective}", "behind")]
    return [*_articled(text, phrase.adjective, noun, "behind"), *edits]


def _articled(text: Text, number: int, new: str, rule: str) -> list[Edit]:
    """The edit that makes the article before a word fit a new one."""
    before = text.words[number - 1] if number else None
    if before is None or before.low not in ("a", "an") or article(new) == before.low:
        return []
    return [Edit(before.start, before.end, before.text, like(article(new), before.text), rule)]


def _things(found: Tagged, one: Phrase, two: Phrase) -> Swap | None:
    """*a dog chases the cat* to *a cat chases the dog*."""
    text, between = found.text, range(one.last + 1, two.first)
    lows = [text.words[n].low for n in between]
    raw = text.raw[text.words[one.last].end : text.words[two.first].start]
    tags = [found.tag(n) for n in between]
    parted = bool(words("turning", "apart") & set(lows)) or any(t in VERBS for t in tags)
    if not parted or words("turning", "joining") & set(lows) or set(raw) & set(",;:()-–—/\"'") or len(lows) > 6:
        return None
    if one.many != two.many or stem(text.words[one.last].low) == stem(text.words[two.last].low):
        return None
    # "Paris is the capital" says the same the other way round.
    if _symmetric() & set(lows) or set(lows) <= BE | {"a", "an", "the"}:
        return None
    spans = [Span(text.words[p.first].start, text.words[p.last].end) for p in (one, two)]
    told = [text.raw[s.start : s.end] for s in spans]
    if any(fixed(text, n) for p in (one, two) for n in range(p.first, p.last + 1)) or any(
        t[1:] != t[1:].lower() for t in told
    ):
        return None
    rule = "swap-object"
    edits = [Edit(*spans[0], told[0], like(told[1], told[0]), rule), Edit(*spans[1], told[1], told[0].lower(), rule)]
    edits += _articled(text, one.first, told[1], rule) + _articled(text, two.first, told[0], rule)
    passive = _passive(found, one, two)
    same, turned = passive if passive is not None else ((), tuple(edits))
    return Swap(rule, tuple(edits), same, turned)


@cache
def _symmetric() -> frozenset[str]:
    """Every form of the verbs and relations that hold both ways."""
    listed = words("symmetric")
    return listed | {form for word in listed for form in forms(word)}


def _passive(found: Tagged, one: Phrase, two: Phrase) -> tuple[tuple[Edit, ...], tuple[Edit, ...]] | None:
    """*a dog chases the cat* as *the cat is chased by a dog*, and the same of the swapped sentence."""
    import lemminflect

    text = found.text
    between = [n for n in range(one.last + 1, two.first) if text.words[n].low not in ("a", "an", "the")]
    if len(between) != 1 or found.tag(between[0]) not in FINITE:
        return None
    verb = text.words[between[0]]
    lemmas = lemminflect.getLemma(verb.low, upos="VERB")
    participle = lemminflect.getInflection(lemmas[0], tag="VBN") if lemmas else ()
    if not participle or lemmas[0] in ("be", "have", "become", "remain", "seem"):
        return None
    heads = [_articles(found, p) for p in (one, two)]
    if any(h is None for h in heads) or not _alone(found, one.first - len(_given(heads[0])), two.last):
        return None
    be = ("were" if two.many else "was") if found.tag(between[0]) == "VBD" else ("are" if two.many else "is")
    told = [text.raw[text.words[p.first].start : text.words[p.last].end].lower() for p in (one, two)]
    whole = Span(text.words[one.first - len(_given(heads[0]))].start, text.words[two.last].end)

    def said(actor: str, other: str) -> tuple[Edit, ...]:
        new = f"{_with(heads[1], other)} {be} {participle[0]} by {_with(heads[0], actor)}"
        return (Edit(whole.start, whole.end, text.raw[whole.start : whole.end], new, "passive"),)

    return said(told[0], told[1]), said(told[1], told[0])


def _given(head: str | None) -> list[str]:
    return [head] if head else []


def _articles(found: Tagged, phrase: Phrase) -> str | None:
    """The article before a thing, an empty text without one; None: another word that determines it."""
    text = found.text
    if phrase.first == found.offset:
        return ""
    before: Word = text.words[phrase.first - 1]
    if text.raw[before.end : text.words[phrase.first].start] != " ":
        return ""
    if before.low in ("a", "an", "the"):
        return before.low
    return None if found.tag(phrase.first - 1) in DETERMINERS else ""


def _alone(found: Tagged, first: int, last: int) -> bool:
    """Nothing hangs on the two but what the verb says: no *mother of the king*, no *sister of the bishop*.

    Args:
        found: the sentence.
        first: number of the first word of the one, its article counted.
        last: number of the last word of the other.
    """
    if first > found.offset and found.text.raw[found.text.words[first - 1].end : found.text.words[first].start] != ", ":
        return False
    following = last + 1
    if following >= found.offset + len(found.tags):
        return True
    return found.text.words[following].low not in HANGING


def _with(head: str | None, noun: str) -> str:
    if not head:
        return noun
    return f"the {noun}" if head == "the" else f"{article(noun)} {noun}"
