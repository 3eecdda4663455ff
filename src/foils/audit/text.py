"""An audit for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from foils.audit.bias import Measure
from foils.audit.findings import SEVERITIES, Example, Finding
from foils.audit.within import Within
from foils.show import count, opening, plural, share

NAMES = {"error": "errors", "warning": "warnings", "note": "notes"}
INDENT = "    "
LINES = 9

Style = Callable[[str, str], str]
"""Words and what they are (a severity, ``faint``, ``command``) to words as they shall look."""


def plain(words: str, kind: str) -> str:
    """No colours."""
    return words


def render(
    path: Path,
    sizes: dict[str, int],
    findings: Sequence[Finding],
    measures: Sequence[Measure],
    within: Within | None = None,
    width: int = 100,
    style: Style = plain,
) -> str:
    """Sizes, findings with an example and the remedy each, measures, and where the file stands against a risk."""
    lines = [summary(path, sizes, findings), ""]
    for finding in findings:
        lines += [*_finding(finding, width, style), ""]
    # What is a finding has said its number already.
    rest = [measure for measure in measures if measure.key not in {finding.key for finding in findings}]
    if rest:
        lines.append("measured, and no finding")
        lines += [line for measure in rest for line in _wrapped(measured(measure), width, "  ")]
        lines.append("")
    if within is not None:
        kind = {"within": "note", "undecided": "warning", "above": "error"}[within.state]
        lines += [style(line, kind) for line in _wrapped(within.text(), width, "")]
        if within.why not in {finding.why for finding in findings}:
            lines += [style(line, "faint") for line in _wrapped(within.why, width, "  ")]
    return "\n".join(lines).rstrip() + "\n"


def summary(path: Path, sizes: dict[str, int], findings: Sequence[Finding]) -> str:
    """One line: how much was read, how much is wrong."""
    size = (
        f"{plural(sizes['rows'], 'row')}, {plural(sizes['queries'], 'query', 'queries')}, "
        f"{plural(sizes['positives'], 'positive')}, {plural(sizes['negatives'], 'negative')}"
    )
    return f"{opening(path.name, 80)}: {size}; {verdict(findings)}"


def verdict(findings: Sequence[Finding]) -> str:
    """How many findings there are of each severity.

    >>> verdict(())
    'nothing found'
    """
    counts = [(sum(f.severity == s for f in findings), s) for s in SEVERITIES]
    told = [f"{n} {NAMES[s] if n > 1 else s}" for n, s in counts if n]
    return ", ".join(told) or "nothing found"


def amount(finding: Finding) -> str:
    """Count and share, with the interval where it is estimated."""
    part = f"{count(finding.count)} of {count(finding.total)} {finding.unit} ({share(finding.count, finding.total)}"
    if finding.low is None or finding.high is None:
        return part + ")"
    return f"about {part}, 95 %: {100 * finding.low:.1f}-{100 * finding.high:.1f}%)"


def measured(measure: Measure) -> str:
    """A number of the whole file in words."""
    return f"{measure.name}: {measure.value:.3f} (95 %: {measure.low:.3f}-{measure.high:.3f}); {measure.note}"


def _finding(finding: Finding, width: int, style: Style) -> list[str]:
    lines = [f"{style(finding.severity.upper(), finding.severity)} {finding.key}: {finding.name}"]
    lines += [line for words in (amount(finding), finding.meaning) for line in _wrapped(words, width, INDENT)]
    for words in (finding.measure, finding.why):
        lines += [style(line, "faint") for line in _wrapped(words, width, INDENT)]
    lines += _columns(finding.table[:LINES], width)
    for example in finding.examples[:1]:
        lines += _example(example, width)
    # Never wrapped: it is there to be copied.
    return [*lines, f"{INDENT}repair: {style(finding.remedy, 'command')}"]


def _columns(table: Sequence[Sequence[str]], width: int) -> Iterable[str]:
    """A small table, the numbers (their header begins with #) to the right."""
    if not table:
        return []
    right = [name.startswith("#") for name in table[0]]
    rows = [[opening(cell.removeprefix("#") if i == 0 else cell, 48) for cell in row] for i, row in enumerate(table)]
    wide = [max(len(row[at]) for row in rows) for at in range(len(right))]
    cells = (
        (cell.rjust(n) if r else cell.ljust(n) for cell, n, r in zip(row, wide, right, strict=True)) for row in rows
    )
    return [f"{INDENT}{'  '.join(row).rstrip()}"[:width] for row in cells]


def _example(example: Example, width: int) -> list[str]:
    note = f" [{opening(example.note, 60)}]" if example.note else ""
    head = f"{INDENT}row {example.row}{note}: "
    query = opening(example.query, max(20, width - len(head) - 1))
    lines = [head + query if query else head[:-2]]
    if example.document:
        lines.append(f"{INDENT}  > {opening(example.document, width - len(INDENT) - 5)}")
    return lines


def _wrapped(words: str, width: int, indent: str) -> list[str]:
    return [indent + line for line in textwrap.wrap(words, max(40, width - len(indent)))]
