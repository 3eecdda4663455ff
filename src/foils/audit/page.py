"""An audit as one HTML page: no scripts, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foils.audit.bias import Measure
from foils.audit.findings import Example, Finding
from foils.audit.text import amount, verdict
from foils.audit.within import Within
from foils.report.charts import bar
from foils.report.markup import code, passage, section, table, text
from foils.report.page import page
from foils.show import count, opening, plural

TILES = ("rows", "queries", "documents", "positives", "negatives")
STYLE = """
.chip.error { border-color: var(--rejected); color: var(--rejected); }
.chip.warning { border-color: var(--selected); color: var(--selected); }
.chip.note { font-size: inherit; }
h2 .chip { margin-left: 8px; font-size: 13px; font-weight: 500; letter-spacing: 0; vertical-align: 3px; }
.asked { margin: 0 0 2px; font-weight: 600; }
.narrow { width: auto; min-width: 22em; }
.docs { margin-top: 18px; }
#overview td:last-child { white-space: nowrap; }
"""
CSS = {"error": "rejected", "warning": "selected", "note": "left"}


def render(
    path: Path,
    sizes: dict[str, int],
    findings: Sequence[Finding],
    measures: Sequence[Measure],
    within: Within | None = None,
) -> str:
    """The page; the same findings give the same bytes.

    Args:
        path: of the file that was audited.
        sizes: what it holds.
        findings: the worst first.
        measures: numbers of the whole file.
        within: where the file stands against a risk.
    """
    tiles = "".join(f"<div><dt>{name}</dt><dd>{count(sizes[name])}</dd></div>" for name in TILES)
    body = [
        f'<dl class="tiles">{tiles}</dl>',
        _risk(within),
        _overview(findings),
        *(_finding(f) for f in findings),
        _measures(measures),
    ]
    title = f"Audit of {opening(path.name, 80)}"
    return page(title, text(verdict(findings)), body, "foils audit", style=STYLE)


def _risk(within: Within | None) -> str:
    if within is None:
        return ""
    return (
        f'<div class="next"><p>{text(_upper(within.text()))}.</p><p class="also">{text(_upper(within.why))}.</p></div>'
    )


def _overview(findings: Sequence[Finding]) -> str:
    if not findings:
        return section("overview", "Findings", "Nothing was found: no error, no warning, no note.")
    rows = [
        [
            f'<a href="#{f.key}">{text(f.name)}</a>',
            _chip(f.severity),
            bar([("rest", 0, 100), (CSS[f.severity], 0, min(100.0, 100 * f.share))], amount(f)),
            text(amount(f)),
            "yes" if f.fixed else "on request" if "--also" in f.remedy or "--risk" in f.remedy else "no",
        ]
        for f in findings
    ]
    lead = (
        f"{plural(len(findings), 'finding')}, the worst first. Errors are wrong beyond doubt, warnings probably "
        "do harm, notes are worth knowing. A fix repairs what says yes."
    )
    header = ["finding", "severity", "share", "how many", "fix"]
    command = next((f.remedy for f in findings if f.fixed), "")
    repair = f'<div class="next"><p>Repair all that says yes: {code(command)}</p></div>' if command else ""
    return section("overview", "Findings", lead, table(header, rows, css="wide"), repair)


def _chip(severity: str) -> str:
    return f'<span class="chip {severity}">{severity}</span>'


def _finding(finding: Finding) -> str:
    examples = "".join(_example(e, finding) for e in finding.examples)
    facts = "".join(f'<p class="note">{text(_upper(words))}.</p>' for words in (finding.measure, finding.why) if words)
    rows = finding.table
    inner = table(list(rows[0]), [[text(cell) for cell in row] for row in rows[1:]], css="narrow") if rows else ""
    head = f"{text(_upper(finding.name))} {_chip(finding.severity)}"
    lead = f"{text(_upper(amount(finding)))}. {text(finding.meaning)}"
    command = finding.remedy.startswith("foils ")
    repair = f'<div class="next"><p>Repair: {code(finding.remedy) if command else text(finding.remedy)}</p></div>'
    listed = f"<ul class=docs>{examples}</ul>" if examples else ""
    return section(finding.key, head, lead, facts, inner, listed, repair)


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]


def _example(example: Example, finding: Finding) -> str:
    note = f'<span class="chip">{text(example.note)}</span>' if example.note else ""
    query = f'<p class="asked" dir="auto">{text(opening(example.query, 300))}</p>' if example.query.strip() else ""
    document = passage(example.document) if example.document else ""
    row = f'<b class="id">row {example.row}</b>'
    return f'<li class="{CSS[finding.severity]}"><p class="meta">{row} {note}</p>{query}{document}</li>'


def _measures(measures: Sequence[Measure]) -> str:
    if not measures:
        return ""
    rows = [[text(m.name), f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}", text(m.note)] for m in measures]
    lead = "Numbers of the whole file, whether or not they are a finding, with their 95 % interval."
    return section("measured", "Measured", lead, table(["what", "#value", "#95 % interval", "from"], rows, css="wide"))
