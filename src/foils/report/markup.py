"""HTML by small functions; what comes from documents is escaped here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from foils.show import ELLIPSIS, count, visible

# Scripts written without spaces between words: there, two characters in a row stand for a word.
_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
BARS = '<span class="unseen">bar</span>'
_WORD = re.compile(rf"[{_DENSE}]+|[^\W{_DENSE}]+")


def text(raw: str) -> str:
    """Escaped, with hidden characters made visible.

    >>> text("<b>&" + chr(0))
    '&lt;b&gt;&amp;␀'
    """
    return escape(visible(raw))


def words(raw: str) -> set[str]:
    """The words of a text in lower case; of a script without spaces, every two characters in a row.

    >>> sorted(words("Heat flow 2.0")), sorted(words("热传导"))
    (['0', '2', 'flow', 'heat'], ['传导', '热传'])
    """
    found: set[str] = set()
    for match in _WORD.findall(raw.lower()):
        dense = re.match(f"[{_DENSE}]", match) and len(match) > 2
        found.update((match[i : i + 2] for i in range(len(match) - 1)) if dense else (match,))
    return found


def matcher(wanted: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern that finds these words in a text; null if there are none."""
    ordered = sorted(set(wanted), key=lambda w: (-len(w), w))
    plain = "|".join(re.escape(w) for w in ordered if not re.match(f"[{_DENSE}]", w))
    dense = "|".join(re.escape(w) for w in ordered if re.match(f"[{_DENSE}]{{2}}", w))
    parts = [rf"(?<![^\W{_DENSE}])(?:{plain})(?![^\W{_DENSE}])"] if plain else []
    # Pairs of characters overlap: a run goes on as long as a wanted pair starts at each of its characters.
    parts += [f"(?:(?={dense}).)+."] if dense else []
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def marked(raw: str, pattern: re.Pattern[str] | None) -> str:
    """Escaped text with the words that the pattern finds inside ``<mark>``."""
    if pattern is None:
        return text(raw)
    parts, last = [], 0
    for match in pattern.finditer(raw):
        parts += [text(raw[last : match.start()]), f"<mark>{text(match.group())}</mark>"]
        last = match.end()
    return "".join([*parts, text(raw[last:])])


def passage(raw: str, pattern: re.Pattern[str] | None = None, *, short: int = 240, long: int = 1600) -> str:
    """A document to read: its opening, and the rest on demand, cut after ``long`` characters."""
    # Cut first: the joining of white space must not walk through a text of many megabytes.
    whole = " ".join(raw[: 2 * long].split())
    if len(whole) <= short and len(raw) <= 2 * long:
        return f'<p class="passage" dir="auto">{marked(whole, pattern)}</p>'
    cut = whole.rfind(" ", short - 40, short)
    cut = cut if cut > 0 else short
    rest = whole[cut:long]
    lost = "" if len(raw) <= long else f" {ELLIPSIS}"
    return (
        f'<p class="passage" dir="auto">{marked(whole[:cut], pattern)}{ELLIPSIS}</p>'
        f'<details class="more"><summary>more of {count(len(raw))} characters</summary>'
        f'<p class="passage" dir="auto">{ELLIPSIS}{marked(rest, pattern)}{lost}</p></details>'
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", css: str = "") -> str:
    """A table of cells that are HTML already; a header that starts with ``#`` stands over numbers.

    The first column names the row; an empty header stands over bars.
    """
    right = [h.startswith("#") for h in header]
    names = "".join(
        f'<th scope="col"{" class=num" if r else ""}>{h.removeprefix("#") or BARS}</th>'
        for h, r in zip(header, right, strict=True)
    )
    body = "".join(f"<tr>{''.join(_cell(i, c, right[i]) for i, c in enumerate(row))}</tr>\n" for row in rows)
    title = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{text(caption) or "table"}">'
        f'<table class="{css}">{title}<thead><tr>{names}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _cell(place: int, html: str, right: bool) -> str:
    css = " class=num" if right else ""
    return f'<th scope="row"{css}>{html}</th>' if place == 0 else f"<td{css}>{html}</td>"


def details(summary: str, body: str, css: str = "data") -> str:
    """What a reader opens on demand."""
    return f'<details class="{css}"><summary>{summary}</summary>{body}</details>'


def section(key: str, title: str, lead: str, *parts: str) -> str:
    """A titled part of the page; the lead says in words what the numbers below show."""
    body = "\n".join(p for p in parts if p)
    head = f'<h2 id="{key}-title">{title}</h2>\n<p class="lead">{lead}</p>'
    return f'<section id="{key}" aria-labelledby="{key}-title">\n{head}\n{body}\n</section>'


def code(raw: str) -> str:
    """A name or a line of a recipe."""
    return f"<code>{text(raw)}</code>"
