"""Report: one HTML file that shows what a run did, to read in any browser, offline or on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from foils.explain import telling
from foils.ledger import Ledger
from foils.pairs import Pairs
from foils.report import facts, hardness, sections
from foils.report.advice import advise, headline
from foils.report.checks import checks, look
from foils.report.kinds import both, kinds
from foils.report.markup import section, text
from foils.report.options import leading
from foils.report.page import page
from foils.report.risk import known, risk
from foils.report.samples import LEAD, samples
from foils.show import plural

PARTS = {
    "funnel": "Source to fate",
    "risk": "False negatives",
    "checks": "Checks",
    "scores": "Scores",
    "hardness": "Hardness",
    "overlap": "Overlap",
    "reuse": "Reuse",
    "short": "Short rows",
    "kinds": "Typed",
    "both": "Two-sided",
    "samples": "Read",
    "input": "Input",
    "recipe": "Recipe",
}


def render(
    pairs: Pairs,
    *,
    title: str,
    recipe: str,
    ledger: Ledger,
    made: Sequence[Mapping[str, Any]] = (),
    sides: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The report as one HTML page: no scripts, nothing loaded, the same bytes for the same run.

    Times and memory of the ledger are left out, since they differ from run to run.

    Args:
        pairs: the finished table.
        title: heading of the page.
        recipe: the recipe as TOML text, shown as it is.
        ledger: what the steps did; may be empty.
        made: the records of made negatives (``foils.made.read``), of which examples are shown.
        sides: the records of two-sided pairs (``foils.counterparts.read``), of which examples are shown.
    """
    rows = facts.slim(pairs)
    scores = facts.scored(pairs)
    numbers = facts.tally(pairs, rows, ledger)
    found = facts.lengths(rows, recipe)
    reuse = facts.reuse(pairs, rows)
    relative = tuple(s for s in scores if s not in ("p_relevant", "prob.detector"))
    first = leading(recipe, relative)
    ordered = _ordered(relative, first)
    sure = known(pairs, ledger)
    ahead = {s: facts.above(pairs, rows, s) for s in relative}
    looked = look(pairs, reuse)
    advice = advise(numbers, found, reuse, ahead, sure.basis if sure else None, looked.wrong)
    body = [
        headline(numbers, found, advice, sure.tile if sure else None),
        sections.funnel(numbers),
        risk(pairs, sure, found.target, first, recipe),
        checks(looked, found.queries),
        hardness.scores([facts.histogram(pairs, rows, s) for s in _ordered(scores, first)], ahead),
        hardness.ranks(
            facts.by_rank(pairs, rows, ordered[: hardness.OPEN]),
            ordered[: hardness.OPEN],
            telling(pairs),
            facts.by_source(pairs, first) if first else None,
        ),
        sections.overlap(numbers),
        sections.reused(pairs, reuse),
        sections.shortest(pairs, found),
        kinds(pairs, made, ledger),
        both(sides),
        section("samples", "Queries to read", LEAD, *samples(pairs, first)),
        sections.findings(ledger.findings or pairs.collection.findings),
        sections.steps(ledger, recipe),
    ]
    return _page(pairs, title, [part for part in body if part], ledger)


def _ordered(scores: tuple[str, ...], first: str | None) -> tuple[str, ...]:
    """The leading score, then the probability, then the others as they came."""
    ahead = [first, "p_relevant" if "p_relevant" in scores else "prob.detector"]
    return tuple(sorted(scores, key=lambda s: ahead.index(s) if s in ahead else len(ahead)))


def _page(pairs: Pairs, title: str, body: list[str], ledger: Ledger) -> str:
    collection = pairs.collection
    # A stored run keeps only the texts that occur; the ledger remembers how many there were.
    documents = ledger.sizes.get("documents", collection.corpus.height)
    queries = ledger.sizes.get("queries", collection.queries.height)
    sizes = f"{plural(documents, 'document')}, {plural(queries, 'query', 'queries')}"
    name = f"{text(collection.name)}: " if collection.name not in ("", title) else ""
    made = f"foils {text(ledger.versions.get('foils', ''))}".strip()
    return page(title, f"{name}{sizes}", body, made, parts=PARTS)
