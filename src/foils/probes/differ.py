"""Two texts that differ in little, with the differing words marked and the rest cut short."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from foils.report.markup import text
from foils.show import ELLIPSIS, opening

# A word, a character of a script without spaces, or a sign; the white space behind it belongs to it.
_TOKEN = re.compile(r"(?:[^\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+(?:['’.,]\w+)*|[^\s])\s*")
LONGEST = 2000
ALIKE = 0.3  # share of common words below which marks would cover nearly everything
APART = 800


def marked(one: str, other: str, around: int = 24) -> tuple[str, str]:
    """Both texts as HTML, what only one of them has inside ``<mark>``; texts that share little stay unmarked.

    Args:
        one: a text.
        other: a text much like it.
        around: words of context kept on either side of a difference; what is farther away becomes an ellipsis.

    Example:
        >>> marked("It does burn.", "It does not burn.")
        ('It does burn.', 'It does <mark>not</mark> burn.')
    """
    tokens = [_TOKEN.findall(" ".join(t.split()))[:LONGEST] for t in (one, other)]
    plain = [[t.strip() for t in side] for side in tokens]
    matcher = SequenceMatcher(None, plain[0], plain[1], autojunk=False)
    if matcher.ratio() < ALIKE:
        return text(opening(one, APART)), text(opening(other, APART))
    blocks = matcher.get_opcodes()
    parts: tuple[list[str], list[str]] = ([], [])
    for number, (what, *ends) in enumerate(blocks):
        for side, (start, end) in enumerate((ends[:2], ends[2:])):
            run = tokens[side][start:end]
            if what != "equal":
                parts[side].append(_mark("".join(run)))
            else:
                parts[side].append(text(_cut(run, around, number == 0, number == len(blocks) - 1)))
    return "".join(parts[0]).rstrip(), "".join(parts[1]).rstrip()


def _mark(raw: str) -> str:
    words = raw.rstrip()
    return f"<mark>{text(words)}</mark>{raw[len(words) :]}" if words else ""


def _cut(run: list[str], around: int, first: bool, last: bool) -> str:
    """A stretch that both texts have, its middle (or its outer end) left out if it is long."""
    head = 0 if first and not last else around
    tail = 0 if last and not first else around
    if len(run) <= head + tail + around // 2:
        return "".join(run)
    return "".join([*run[:head], f"{ELLIPSIS} ", *run[len(run) - tail :]])
