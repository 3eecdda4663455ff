"""A text as the operators see it: words, sentences, and what kind of writing it is; worked out once, when asked for."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from foils.make.edits import Span
from foils.make.lexicon import words
from foils.make.words import root, stem

WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
PARTED = re.compile(f"({WORD.pattern})")
# A sentence ends before white space and a capital, at a line break, or at a full stop that stands alone. The pattern
# begins with one set of characters, which the engine looks for by itself; of four alternatives it would try each at
# every place.
END = re.compile(
    r"[.!?\n。！？](?:(?<=[.!?])[.!?]*[\"'”’)\]]*\s+(?=(?:`` )?[\"'“‘(\[`]*[A-Z0-9À-Þ])|(?<=\s[.!?])\s+"
    r"|(?<=\n)\s*|(?<=[。！？]))"
)
SHORT = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nos|vs|etc|approx|Fig|Figs|al|Jr|Sr|Inc|Ltd|Co|Corp|Vol|cf|ca|Gen|Jan|Feb|Mar"
    r"|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Lt|Col|Capt|Maj|Sgt|Adm|Rev|Hon|Gov|Sen|Rep|Pres|Mt|Ft|Dept|Univ|pp?)"
    r"|\b[A-Z]|\b[a-z]\.[a-z]|\b[A-Z]\.[A-Z])\.$"
)
LONGEST_SHORT = len("approx.")
MARKUP = re.compile(r"</?[a-zA-Z!][^>]{0,200}>|&[a-z]{2,6};|[{}|\\]|\t|==|::|->|https?://|\(\)|;\s*$")
QUESTION = re.compile(r"\?\s*[\"'”’)]*\s*$")
SIGN = re.compile(r"[^\w\s]")
LONGEST = 20_000
# Scripts in which a word does not end at a space: Thai, Lao, Myanmar, Khmer, kana, Han; in Hangul endings hang on it.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def stands(wanted: str, text: str) -> bool:
    """A word or phrase stands in a text: at the boundaries of words, or anywhere where those are not written.

    >>> stands("ann", "by ann lee"), stands("ann", "by anna"), stands("巴黎", "法国的首都巴黎很大")
    (True, False, True)
    """
    if not wanted:
        return False
    left, right = ("" if UNSPACED.match(c) else edge for c, edge in ((wanted[0], r"(?<!\w)"), (wanted[-1], r"(?!\w)")))
    return re.search(left + re.escape(wanted) + right, text) is not None


class Word(NamedTuple):
    """A word and where it stands."""

    start: int
    end: int
    text: str
    low: str

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.start, self.end)


@dataclass(frozen=True, eq=False)
class Text:
    """A text and what can be read off it.

    Args:
        raw: the characters, as given.
    """

    raw: str

    @cached_property
    def low(self) -> str:
        """In lower case, character for character: places stay the same."""
        lowered = self.raw.lower()
        return lowered if len(lowered) == len(self.raw) else "".join(c.lower()[:1] or c for c in self.raw)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """All words in order; hyphens part words, apostrophes do not."""
        # Passages have hundreds of words: the checked constructor of a named tuple would double the time.
        raw, build = self.raw, tuple.__new__
        placed = zip(self._starts, self._lows, strict=True)
        return tuple(
            [build(Word, (start, end, raw[start:end], low)) for start, low in placed for end in (start + len(low),)]
        )

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The stem of every word, an empty string for one that carries no meaning."""
        return tuple(map(root, self._lows))

    @cached_property
    def _parts(self) -> list[str]:
        # Gap, word, gap, ..., word, gap: one pass tells which words there are and where they stand.
        return PARTED.split(self.low)

    @cached_property
    def _lows(self) -> list[str]:
        return self._parts[1::2]

    @cached_property
    def content(self) -> frozenset[str]:
        """Stems of the words that carry meaning."""
        return frozenset(self.roots) - {""}

    @cached_property
    def stemmed(self) -> frozenset[str]:
        """Stems of all words, those without a meaning of their own too."""
        return frozenset(self._stems)

    @cached_property
    def _stems(self) -> list[str]:
        return list(map(stem, self._lows))

    def numbers(self, wanted: str) -> list[int]:
        """Numbers of the words with a stem."""
        return [n for n, s in enumerate(self._stems) if s == wanted] if wanted in self.stemmed else []

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """All lower-case words."""
        return frozenset(self._lows)

    @cached_property
    def sentences(self) -> tuple[Span, ...]:
        """Sentences in order, without the white space around them."""
        found, start = [], 0
        for match in END.finditer(self.raw):
            end = match.end()
            dot = match.start() + 1
            if "\n" not in match[0] and SHORT.search(self.raw, max(start, dot - LONGEST_SHORT), dot):
                continue
            found.append(self._trim(start, end))
            start = end
        found.append(self._trim(start, len(self.raw)))
        return tuple(s for s in found if s.end > s.start)

    def _trim(self, start: int, end: int) -> Span:
        piece = self.raw[start:end]
        left = len(piece) - len(piece.lstrip())
        return Span(start + left, start + max(left, len(piece.rstrip())))

    def sentence(self, place: int) -> Span:
        """The sentence that holds a character; an empty span if none does."""
        for sentence in self.sentences:
            if place < sentence.end:
                return sentence if sentence.start <= place else Span(place, place)
        return Span(place, place)

    def within(self, span: Span) -> tuple[Word, ...]:
        """The words inside a span."""
        part = self.words[self.index(span.start) : self.index(span.end)]
        return part if not part or part[-1].end <= span.end else part[:-1]

    def stems(self, span: Span) -> frozenset[str]:
        """Stems of the words inside a span that carry meaning."""
        return frozenset(self.roots[self.index(span.start) : self.index(span.end)]) - {""}

    def index(self, place: int) -> int:
        """Number of the first word that starts at a place or after it."""
        return bisect_left(self._starts, place)

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate(map(len, self._parts)))[:-1:2]

    def held(self, span: Span, stems: frozenset[str]) -> int:
        """How many of some stems are inside a span."""
        return len(stems.intersection(self.roots[self.index(span.start) : self.index(span.end)]))

    @cached_property
    def english(self) -> bool:
        """It reads like English: Latin letters, and English function words among the words."""
        # The beginning tells enough, and most passages are refused before their words are needed.
        found = WORD.findall(self.raw[:400].lower())[:60]
        if not found or sum(map(str.isascii, found)) < 0.8 * len(found):
            return False
        known, other = (
            len(words("function", "english").intersection(found)),
            len(words("function", "foreign").intersection(found)),
        )
        return known >= (2 if len(found) >= 12 else 1) and known > other

    def why_not_prose(self, span: Span) -> str | None:
        """Why a sentence is not to be edited: too short, too long, a question, markup, code or a table."""
        piece = self.raw[span.start : span.end]
        count = len(self.within(span))
        if count < 3:
            return "fragment"
        if count > 120 or MARKUP.search(piece):
            return "not prose"
        if QUESTION.search(piece):
            return "question"
        return "not prose" if len(SIGN.findall(piece)) > 0.25 * len(piece) else None

    def quoted(self, place: int, sentence: Span) -> bool:
        """The place lies inside quotation marks of its sentence."""
        before = self.raw[sentence.start : place]
        opened = before.rfind("“") > before.rfind("”") or before.rfind("``") > before.rfind("''")
        return before.count('"') % 2 == 1 or opened
