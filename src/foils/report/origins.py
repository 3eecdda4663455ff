"""Where candidates came from and where they went."""

from __future__ import annotations

from foils.explain import NOT_DRAWN
from foils.outcome import PROMOTED
from foils.report.charts import figure
from foils.report.facts import Tally
from foils.report.markup import table, text
from foils.report.plots import flow
from foils.show import count

MOST = 6  # ends on either side: more could not be told apart
LEAST = 0.004  # of all pairs; less is too thin to be seen
OTHER_ORIGINS, OTHER_REASONS = "other combinations", "other reasons"
GIVEN = "known, not found"
WORDS = {"positive": "known positives", PROMOTED: "new positives", NOT_DRAWN: "not drawn", "selected": "selected"}
CSS = {"positive": "positive", PROMOTED: "positive", "selected": "selected", NOT_DRAWN: "left"}


def origins(numbers: Tally) -> str:
    """The flow of all pairs from the sources that found them to what became of them; empty without sources."""
    if not numbers.sources or not numbers.flows:
        return ""
    ends = _ends(numbers)
    links = _links(numbers, ends)
    css = {WORDS.get(fate, fate): CSS.get(fate, "rejected") for fate in ends}
    rows = [[text(a), text(b), count(n)] for (a, b), n in links.items() if n]
    data = table(["found by", "became", "#pairs"], rows)
    note = "The width is the number of pairs. A pair that several sources found is counted once, under all of them."
    return figure("flow", "From source to fate", flow(links, css), note, data)


def _ends(numbers: Tally) -> list[str]:
    """What can become of a pair, in the order of the page; rare reasons are one."""
    every = sum(numbers.flows.values())
    reasons = [r for r, n in numbers.reasons.items() if r != NOT_DRAWN and n >= LEAST * every]
    common = sorted(reasons, key=lambda r: -numbers.reasons[r])[: MOST - 2]
    return ["positive", PROMOTED, "selected", *(r for r in reasons if r in common), OTHER_REASONS, NOT_DRAWN]


def _links(numbers: Tally, ends: list[str]) -> dict[tuple[str, str], int]:
    """Pairs by names of origin and fate; rare origins are one."""
    found: dict[tuple[str, ...], int] = {}
    for (origin, _), n in numbers.flows.items():
        found[origin] = found.get(origin, 0) + n
    common = sorted(found, key=lambda o: (-found[o], o))[:MOST]
    starts: list[tuple[str, ...] | None] = [*sorted(common, key=lambda o: (len(o), o)), None]
    links: dict[tuple[str, str], int] = {}
    for start in starts:
        for fate in ends:
            n = sum(
                size
                for (o, f), size in numbers.flows.items()
                if (o if o in common else None) == start and (f if f in ends else OTHER_REASONS) == fate
            )
            if n:
                name = OTHER_ORIGINS if start is None else _origin(start, numbers.sources)
                links[name, WORDS.get(fate, fate)] = links.get((name, WORDS.get(fate, fate)), 0) + n
    return links


def _origin(names: tuple[str, ...], sources: tuple[str, ...]) -> str:
    if not names:
        return GIVEN
    if len(names) == 1:
        return f"{names[0]} only" if names[0] in sources and len(sources) > 1 else names[0]
    return " and ".join(names) if len(names) == 2 else f"{len(names)} sources"
