"""One call: probes from wherever they are, put to one model or two, with everything that is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foils.collection import Finding
from foils.engine import Local
from foils.errors import DataError
from foils.probes.compare import Difference, compare
from foils.probes.from_run import from_run, is_run
from foils.probes.items import Probe
from foils.probes.measure import Answers, Row, ask, measure, worst
from foils.probes.reading import read
from foils.probes.shipped import NAME, shipped
from foils.probes.subject import Subject
from foils.protocols import Engine
from foils.readers.values import Hazards
from foils.risk.estimate import Interval


@dataclass(frozen=True, eq=False)
class Report:
    """What a probing found.

    Args:
        answers: of each model, the one under test first.
        rows: the measures of each, in the same order.
        differences: of the first against the second model; none for one model.
        findings: what was irregular in the probes.
    """

    answers: tuple[Answers, ...]
    rows: tuple[list[Row], ...]
    differences: tuple[Difference, ...]
    findings: tuple[Finding, ...]

    def data(self, per_type: int = 5) -> dict[str, Any]:
        """Everything as plain values, for JSON.

        Args:
            per_type: how many of the worst pairs of each type.
        """
        first = self.answers[0]
        return {
            "models": [{"model": a.model, "facts": a.facts} for a in self.answers],
            "probes": len(first.probes),
            "findings": [{"what": f.what, "count": f.count, "policy": f.policy} for f in self.findings],
            "measures": [
                {"model": a.model} | _plain(row)
                for a, rows in zip(self.answers, self.rows, strict=True)
                for row in rows
            ],
            "differences": [d._asdict() | {"significant": d.significant} for d in self.differences],
            "worst": [_pair(first, n) for rows in worst(first, per_type).values() for n in rows],
        }


def load(sources: Sequence[str | Path], hazards: Hazards | None = None) -> list[Probe]:
    """The probes of all sources.

    Args:
        sources: files, folders and runs, or the word ``shipped``; none: the shipped ones.
        hazards: counts what is irregular.

    Raises:
        DataError: a source holds no probes, or is given twice.
    """
    given = [str(s) for s in sources] or [NAME]
    if twice := [s for n, s in enumerate(given) if s in given[:n]]:
        raise DataError(f"{twice[0]} is given twice; name each source once")
    found: list[Probe] = []
    for source in given:
        path = Path(source)
        if source == NAME and not path.exists():
            found += shipped()
        else:
            found += from_run(path, hazards) if is_run(path) else read(path, hazards)
    return found


def probe(
    model: Subject,
    sources: Sequence[str | Path] = (),
    *,
    against: Subject | None = None,
    engine: Engine | None = None,
    confidence: float = 0.95,
) -> Report:
    """Put probes to a model, and to a second one to compare.

    Args:
        model: what is probed.
        sources: as in ``load``.
        against: a second model, asked the same.
        engine: where it runs; null: this process, without a cache.
        confidence: of the intervals.

    Raises:
        DataError: a source holds no probes, or a model gives scores that are no numbers.
    """
    hazards = Hazards()
    models = [model] + ([against] if against is not None else [])
    for one in models:
        one.check()
    probes = load(sources, hazards)
    answers = tuple(ask(probes, one, engine or Local()) for one in models)
    differences = tuple(compare(*answers)) if len(answers) == 2 else ()
    return Report(answers, tuple(measure(a, confidence) for a in answers), differences, hazards.findings)


def _plain(row: Row) -> dict[str, Any]:
    return {k: _interval(v) if isinstance(v, Interval) else v for k, v in row._asdict().items()}


def _interval(value: Interval) -> dict[str, Any]:
    return {"rate": value.rate, "low": value.low, "high": value.high, "method": value.method}


def _pair(answers: Answers, row: int) -> dict[str, Any]:
    probe, scores = answers.probes[row], (float(answers.right[row]), float(answers.wrong[row]))
    told = {k: v for k, v in probe._asdict().items() if v not in (None, "", False)}
    return told | {"right_score": scores[0], "wrong_score": scores[1]}
