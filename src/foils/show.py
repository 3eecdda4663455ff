"""Numbers and texts of others as people read them: short, and with nothing hidden in them."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

# Characters that change how the rest of a line looks, or cannot be seen: control characters (a terminal obeys
# them), bidirectional overrides, tag characters, line separators, what is no character at all.
_HIDDEN = (
    *range(0x09),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
    0xFFFE,
    0xFFFF,
    *range(0xE0000, 0xE0080),
)
_SEEN = {code: chr(0x2400 + code) if code < 0x20 else f"[U+{code:04X}]" for code in _HIDDEN} | {0x09: " "}


def visible(text: str) -> str:
    r"""Replace characters that cannot be seen, or that reorder what follows, by a visible sign.

    >>> visible("a\x1b[31mb\u202ec"), visible("one\r\ntwo")
    ('a␛[31mb[U+202E]c', 'one\ntwo')
    """
    return text.replace("\r\n", "\n").translate(_SEEN)


def opening(text: str, length: int) -> str:
    """The first ``length`` characters, white space joined, with an ellipsis where something was cut.

    >>> opening("a  long" + chr(10) + "text", 6)
    'a long…'
    """
    # Four times the length is enough to find the opening without walking through a text of many megabytes.
    head = " ".join(visible(text[: 4 * length + 4]).split())
    whole = len(head) <= length and len(text) <= 4 * length + 4
    return head if whole else head[:length].rstrip() + ELLIPSIS


def count(number: int) -> str:
    """A whole number with separators.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def number(value: float | None, *, sign: bool = False) -> str:
    """Three significant digits, never an exponent for what people compare; ``–`` where there is none.

    >>> number(11.237), number(0.04371), number(12345.6), number(-0.5, sign=True), number(None)
    ('11.2', '0.0437', '12,346', '−0.500', '–')
    """
    if value is None:
        return "\N{EN DASH}"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.1 or size == 0 else 4
    text = f"{value:.3g}" if 0 < size < 0.001 else f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    return text.replace("-", MINUS)


def score(column: str, value: float | None, *, sign: bool = False) -> str:
    """A value of a score column: three decimals where the unit is bounded by 1, so that differences line up.

    >>> score("cos.dense", 0.0437, sign=True), score("bm25.bm25", 11.237)
    ('+0.044', '11.2')
    """
    if value is not None and column.partition(".")[0] in ("cos", "prob", "jaccard", "p_relevant"):
        return f"{value:{'+' if sign else ''}.3f}".replace("-", MINUS)
    return number(value, sign=sign)


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; ``–`` of nothing.

    >>> share(1, 3), share(1, 5000), share(4999, 5000), share(0, 4), share(1, 0)
    ('33%', '<0.1%', '>99.9%', '0%', '–')
    """
    if not whole:
        return "\N{EN DASH}"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.1f}%" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f}%"


def plural(n: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "query", "queries"), plural(2, "row")
    ('1 query', '2 rows')
    """
    return f"{count(n)} {one if n == 1 else many or one + 's'}"
