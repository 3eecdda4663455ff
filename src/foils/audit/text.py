"""An audit for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from foils.audit.bias import Measure
from foils.audit.findings import SEVERITIES, Example, Finding
from foils.show import count, opening, plural, share

NAMES = {"error": "errors", "warning": "warnings", "note": "notes"}


def render(
    path: Path, sizes: dict[str, int], findings: Sequence[Finding], measures: Sequence[Measure], width: int = 100
) -> str:
    """Sizes, findings with examples and remedies, measures."""
    lines = [summary(path, sizes, findings), ""]
    for finding in findings:
        lines += [*_finding(finding, width), ""]
    if measures:
        lines.append("measured")
        lines += [f"  {line}" for measure in measures for line in _wrapped(measured(measure), width - 4, "  ")]
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


def _finding(finding: Finding, width: int) -> list[str]:
    lines = [f"{finding.severity.upper()} {finding.key}: {finding.name}, {amount(finding)}"]
    lines += _wrapped(finding.meaning, width - 2, "  ")
    for words in (finding.measure, finding.why):
        if words:
            lines += _wrapped(words, width - 2, "  ")
    lines += [f"  {opening('; '.join(row), width - 4)}" for row in _columns(finding.table[:9])]
    for example in finding.examples:
        lines += _example(example, width)
    return [*lines, f"  repair: {finding.remedy}"]


def _columns(table: Sequence[Sequence[str]]) -> Iterable[list[str]]:
    return ([cell.removeprefix("#") for cell in row] for row in table)


def _example(example: Example, width: int) -> list[str]:
    note = f" [{opening(example.note, 60)}]" if example.note else ""
    lines = [f"  row {example.row}{note}: {opening(example.query, max(20, width - 24 - len(note)))}"]
    if example.document:
        lines.append(f"      {opening(example.document, width - 6)}")
    return lines


def _wrapped(words: str, width: int, indent: str) -> list[str]:
    return [indent + line for line in textwrap.wrap(words, max(40, width))]
