"""Report: one HTML file that shows what a run did, to read in any browser, offline or on paper."""

from __future__ import annotations

from foils.explain import telling
from foils.ledger import Ledger
from foils.pairs import Pairs
from foils.report import facts, sections
from foils.report.advice import advise, headline
from foils.report.markup import section, text
from foils.report.page import page
from foils.report.risk import known, risk
from foils.report.samples import LEAD, samples
from foils.show import plural

PARTS = {
    "input": "Input",
    "funnel": "Funnel",
    "risk": "False negatives",
    "scores": "Scores",
    "hardness": "Hardness",
    "overlap": "Overlap",
    "reuse": "Reuse",
    "short": "Short rows",
    "samples": "Samples",
    "recipe": "Recipe",
}


def render(pairs: Pairs, *, title: str, recipe: str, ledger: Ledger) -> str:
    """The report as one HTML page: no scripts, nothing loaded, the same bytes for the same run.

    Times and memory of the ledger are left out, since they differ from run to run.

    Args:
        pairs: the finished table.
        title: heading of the page.
        recipe: the recipe as TOML text, shown as it is.
        ledger: what the steps did; may be empty.
    """
    rows = facts.slim(pairs)
    scores = facts.scored(pairs)
    numbers = facts.tally(pairs, rows, ledger)
    found = facts.lengths(rows, recipe)
    reuse = facts.reuse(pairs, rows)
    relative = tuple(s for s in scores if s not in ("p_relevant", "prob.detector"))
    sure = known(pairs, ledger)
    ahead = {s: facts.above(pairs, rows, s) for s in relative}
    advice = advise(numbers, found, reuse, ahead, sure.basis if sure else None)
    body = [
        headline(numbers, found, advice, sure.tile if sure else None),
        sections.findings(ledger.findings or pairs.collection.findings),
        sections.funnel(numbers),
        risk(pairs, sure, found.target, relative[0] if relative else None),
        sections.scores([facts.histogram(pairs, rows, s) for s in scores], ahead),
        sections.ranks(facts.by_rank(pairs, rows, relative), relative, telling(pairs)),
        sections.overlap(numbers),
        sections.reused(pairs, reuse, numbers.fates["selected"]),
        sections.shortest(pairs, found),
        section("samples", "Queries to read", LEAD, *samples(pairs)),
        sections.steps(ledger, recipe),
    ]
    return _page(pairs, title, [part for part in body if part], ledger)


def _page(pairs: Pairs, title: str, body: list[str], ledger: Ledger) -> str:
    collection = pairs.collection
    # A stored run keeps only the texts that occur; the ledger remembers how many there were.
    documents = ledger.sizes.get("documents", collection.corpus.height)
    queries = ledger.sizes.get("queries", collection.queries.height)
    sizes = f"{plural(documents, 'document')}, {plural(queries, 'query', 'queries')}"
    name = f"{text(collection.name)}: " if collection.name not in ("", title) else ""
    made = f"foils {text(ledger.versions.get('foils', ''))}".strip()
    return page(title, f"{name}{sizes}", body, made, parts=PARTS)
