"""Texts of any script to word numbers: split, fold, leave stop words out, stem."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.sources.languages import LANGUAGES

# Scripts written without spaces between words. Hangul has spaces, but glues particles to nouns: as in Lucene's
# CJKBigramFilter it is treated like the others. The prolonged sound mark belongs to no single script.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\x{30FC}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
# \w of this engine follows Unicode (UTS 18): vowel signs and other combining marks belong to their word.
PATTERN = rf"[{_UNSPACED}]+|[\w&&[^{_UNSPACED}_]]+"
CHUNK = 32_768


@dataclass
class Vocabulary:
    """Numbers for words, given in the order in which texts bring them.

    Args:
        languages: the language of each script whose words are stemmed and freed of stop words; words of other
            scripts are only folded.
    """

    languages: dict[str, str]
    numbers: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    _stem: dict[str, Any] = field(default_factory=dict)
    _stop: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import Stemmer

        for script, code in self.languages.items():
            _, stemmer, words = LANGUAGES[code]
            # Older releases of PyStemmer know fewer languages: their words are left as they are.
            self._stem[script] = Stemmer.Stemmer(stemmer).stemWord if stemmer in Stemmer.algorithms() else str
            self._stop[script] = frozenset(map(fold, words.split()))

    def number(self, texts: pl.Series, *, grow: bool) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Word numbers of many texts.

        Args:
            texts: n strings.
            grow: give new words a number; otherwise they are left out.

        Returns:
            Bounds (n + 1,) and, for all texts in one array, the numbers of their words in the order of the text.
        """
        bounds, parts = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int32)]
        for start in range(0, len(texts), CHUNK):
            lengths, numbers = self._chunk(split(texts[start : start + CHUNK]), grow)
            bounds.append(bounds[-1][-1] + np.cumsum(lengths))
            parts.append(numbers)
        return np.concatenate(bounds), np.concatenate(parts)

    def _chunk(self, words: pl.Series, grow: bool) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        lengths = words.list.len().to_numpy().astype(np.int64)
        flat = words.explode().drop_nulls()
        distinct = flat.unique(maintain_order=True)
        codes = flat.cast(pl.Enum(distinct)).to_physical().to_numpy()
        # Each distinct word is spelled once: into no number, one, or (scripts without spaces) several.
        unspaced = distinct.str.contains(f"^[{_UNSPACED}]").to_list()
        spelled = [self._spell(w, u, grow) for w, u in zip(distinct.to_list(), unspaced, strict=True)]
        sizes = np.fromiter(map(len, spelled), dtype=np.int64, count=len(spelled))
        table = np.fromiter((n for s in spelled for n in s), dtype=np.int32, count=int(sizes.sum()))
        repeats = sizes[codes]
        ends = np.cumsum(repeats)
        total = int(ends[-1]) if len(ends) else 0
        offsets = np.repeat((np.cumsum(sizes) - sizes)[codes] - (ends - repeats), repeats)
        numbers = table[offsets + np.arange(total)]
        before = np.concatenate(([0], ends))
        last = np.cumsum(lengths)
        return before[last] - before[last - lengths], numbers

    def _spell(self, word: str, unspaced: bool, grow: bool) -> tuple[int, ...]:
        known = self._seen.get(word)
        if known is not None:
            return (known,) if known >= 0 else ()
        if unspaced:
            # Overlapping pairs of characters; a character alone stands for itself.
            pieces = [word[i : i + 2] for i in range(len(word) - 1)] or [word]
            numbers = (self._enter(piece, grow) for piece in pieces)
            return tuple(n for n in numbers if n >= 0)
        folded = fold(word)
        script = script_of(folded[0])
        if script in self._stem:
            folded = "" if folded in self._stop[script] else self._stem[script](folded)
        number = self._enter(folded, grow) if folded else -1
        if grow or number >= 0:
            self._seen[word] = number
        return (number,) if number >= 0 else ()

    def _enter(self, word: str, grow: bool) -> int:
        return self.numbers.setdefault(word, len(self.numbers)) if grow else self.numbers.get(word, -1)


def split(texts: pl.Series) -> pl.Series:
    """The words of each text as lists, in NFKC form; a run of a script without spaces stays one piece.

    >>> split(pl.Series(["Don't panic_now", "東京タワー 2024"])).to_list()
    [['Don', 't', 'panic', 'now'], ['東京タワー', '2024']]
    """
    return texts.str.normalize("NFKC").str.extract_all(PATTERN)


@lru_cache(maxsize=4096)
def script_of(character: str) -> str:
    """The first word of a character's Unicode name: LATIN, CYRILLIC, ARABIC, DIGIT..."""
    return unicodedata.name(character, "").partition(" ")[0]


def fold(word: str) -> str:
    """One form for upper and lower case; the dot that folding leaves on a Turkish capital İ goes."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFKC", word.casefold()).replace("i̇", "i")


@dataclass(frozen=True)
class Detected:
    """The language of a script, and how clear it was."""

    language: str
    votes: int
    of: int


def detect(texts: pl.Series, sample: int = 1000, clear: float = 2 / 3) -> dict[str, Detected]:
    """The language of each script in a corpus, where one language clearly prevails.

    Each of up to ``sample`` texts, evenly spaced, votes for the language that most of its words are function words
    of: at least two words and a tenth of the text, and more than of any other language. A script gets a language if
    that has at least ``clear`` of the votes for the script; in a mixed corpus the script gets none, so that queries
    and documents of all its languages are treated alike.
    """
    owners: dict[str, list[str]] = {}
    for code, (_, _, words) in LANGUAGES.items():
        for word in set(map(fold, words.split())):
            owners.setdefault(word, []).append(code)
    rows = np.unique(np.linspace(0, max(len(texts) - 1, 0), min(len(texts), sample)).astype(np.int64))
    votes: dict[str, Counter[str]] = {}
    for words in split(texts.gather(rows).str.slice(0, 2000)).to_list():
        hits = Counter(code for word in words for code in owners.get(fold(word), ()))
        (best, most), (_, next_most) = [*hits.most_common(2), ("", 0), ("", 0)][:2]
        if most >= max(2, len(words) / 10) and most > next_most:
            votes.setdefault(LANGUAGES[best].script, Counter())[best] += 1
    found = {script: (*counter.most_common(1)[0], counter.total()) for script, counter in votes.items()}
    return {s: Detected(code, n, total) for s, (code, n, total) in sorted(found.items()) if n >= clear * total}
