"""What tells a candidate from a known positive, as HTML: the edit of a near copy, else names and numbers of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from foils.report.markup import matcher, text, words

NEAR = 0.6  # share of common words from which two texts are shown as an edit of each other
TOKENS = 600  # compared at most: the matching is quadratic
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_SPECIFIC = re.compile(r"\w*\d\w*|(?<=[^\s.!?…:\"'(]\s)[^\W\d_a-z][\w'’-]*[\w]")


def edited(before: str, after: str, near: float = NEAR) -> str | None:
    """The second text with what was deleted from and inserted into the first; null if they are no near copies.

    Args:
        before: a text.
        after: another.
        near: share of words in common from which they are; 0 for a text that was made from the first.

    Example:
        >>> edited("It is open in June.", "It is not open in May.")
        'It is<ins> not</ins> open in <del>June</del><ins>May</ins>.'
    """
    old, new = _TOKEN.findall(before)[:TOKENS], _TOKEN.findall(after)[:TOKENS]
    match = SequenceMatcher(None, old, new, autojunk=False)
    if not old or not new or match.quick_ratio() < near or match.ratio() < near:
        return None
    parts = []
    for kind, a, b, c, d in match.get_opcodes():
        if kind == "equal":
            parts.append(text("".join(new[c:d])))
            continue
        parts += [f"<del>{text(''.join(old[a:b]))}</del>"] if b > a else []
        parts += [f"<ins>{text(''.join(new[c:d]))}</ins>"] if d > c else []
    rest = after[sum(map(len, new)) :]
    return "".join(parts) + text(rest)


def common(texts: Iterable[str]) -> frozenset[str]:
    """Words that stand in a fourth of the texts: marking them tells nothing, in any language."""
    read = list(texts)
    seen = Counter(word for raw in read for word in words(raw[:1000]))
    return frozenset(word for word, n in seen.items() if n > max(3, 0.25 * len(read)))


def differing(query: str, positives: str, candidate: str, dull: frozenset[str] = frozenset()) -> str:
    """A candidate with the words of the query marked, and underlined the numbers and names the positives lack.

    Args:
        query: its words are marked,
        positives: the known ones, joined.
        candidate: to be marked.
        dull: words that are not.

    Example:
        >>> differing("bridge of Ostby", "The bridge opened in 1932.", "The old bridge of Lund opened in 1951.")
        'The old <mark>bridge</mark> <mark>of</mark> <u>Lund</u> opened in <u>1951</u>.'
    """
    asked = matcher(words(query[:2000]) - dull)
    known = words(positives)
    spans = [] if asked is None else [(m.start(), m.end(), "mark") for m in asked.finditer(candidate)]
    taken = {i for a, b, _ in spans for i in range(a, b)}
    for found in _SPECIFIC.finditer(candidate):
        first = found.group()[0]
        named = first.isupper() or any(c.isdigit() for c in found.group())
        if named and found.start() not in taken and not words(found.group()) <= known:
            spans.append((found.start(), found.end(), "u"))
    parts, last = [], 0
    for start, end, tag in sorted(spans):
        if start >= last:
            parts += [text(candidate[last:start]), f"<{tag}>{text(candidate[start:end])}</{tag}>"]
            last = end
    return "".join([*parts, text(candidate[last:])])
