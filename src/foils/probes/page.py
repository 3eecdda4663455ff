"""A probing as one HTML page: the measures by type, and the worst pairs to read. No scripts, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foils.probes.differ import marked
from foils.probes.items import Probe
from foils.probes.measure import ALL, Answers, Row, clusters, worst
from foils.probes.session import Report
from foils.probes.told import DIFFERENCE, LEGEND, NONE, difference, ends, names, percent
from foils.report.charts import bar
from foils.report.markup import section, table, text
from foils.report.page import page
from foils.risk.estimate import Interval
from foils.show import count, number, opening, plural

READ = 5


def render(report: Report, per_type: int = READ) -> str:
    """The page; the same answers give the same bytes.

    Args:
        report: of one model, or of two.
        per_type: worst pairs shown per type; 0: none.
    """
    called = names(report)
    title = f"Probes of {opening(called[0], 80)}"
    first = report.answers[0]
    parts = [_tiles(first, report.rows[0])]
    parts += [
        _measures(f"by-type-{n}", name, rows) for n, (name, rows) in enumerate(zip(called, report.rows, strict=True))
    ]
    if report.differences:
        parts.append(_differences(report, called))
    parts.append(_findings(report))
    if per_type:
        parts += _worst(first, per_type)
    return page(title, _subtitle(report, called), parts, "foils probe")


def _subtitle(report: Report, called: Sequence[str]) -> str:
    first = report.answers[0]
    sets = list(dict.fromkeys(p.set for p in first.probes))
    versus = f", against {opening(called[1], 80)}" if len(called) > 1 else ""
    return text(f"{plural(len(first.probes), 'probe')} of {', '.join(sets)}{versus}")


def _tiles(answers: Answers, rows: Sequence[Row]) -> str:
    lost = float((~answers.won).mean())
    everything = clusters(answers.probes, np.arange(len(answers.probes)))
    paired = [m for m in everything if answers.probes[m[0]].pair and len(m) > 1]
    both = [bool(answers.won[m].all()) for m in paired]
    strict = answers.strict[answers.twofold]
    told = {
        "probes": count(len(answers.probes)),
        "types": count(sum(r.type != ALL for r in rows)),
        "wrong preference": f"{percent(lost)} %",
        "paired accuracy": f"{percent(float(np.mean(both)))} %" if both else NONE,
        "strict accuracy": f"{percent(float(strict.mean()))} %" if len(strict) else NONE,
    }
    tiles = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in told.items())
    return f'<dl class="tiles">{tiles}</dl>'


def _measures(key: str, name: str, rows: Sequence[Row]) -> str:
    body = [
        [
            text(row.type) if row.type != ALL else f"<b>{ALL}</b>",
            text(row.set),
            bar([("rest", 0, 100), ("rejected", 0, 100 * row.wrong.rate)], f"{percent(row.wrong.rate)} % wrong"),
            _share(row.wrong),
            ends(row.wrong),
            count(row.n),
            _share(row.paired),
            ends(row.paired),
            _share(row.strict),
            ends(row.strict),
        ]
        for row in rows
    ]
    header = ["type", "set", "share wrong", "#wrong %", "#95 %", "#probes", "#paired %", "#95 %", "#strict %", "#95 %"]
    ties = sum(r.ties for r in rows if r.type != ALL)
    more = f" {plural(ties, 'probe')} tied, which counts as wrong." if ties else ""
    return section(key, f"By type: {text(name)}", text(LEGEND + more), table(header, body, css="wide"))


def _share(value: Interval | None) -> str:
    return NONE if value is None else f"<b>{percent(value.rate)}</b>"


def _differences(report: Report, called: Sequence[str]) -> str:
    rows = [[text(cell) for cell in difference(d)] for d in report.differences]
    header = [f"#{h}" if n > 1 and h else h or "verdict" for n, h in enumerate(DIFFERENCE)]
    better = sum(d.significant and d.gained > d.lost for d in report.differences)
    worse = sum(d.significant and d.gained < d.lost for d in report.differences)
    lead = (
        f"First is {called[0]}, second is {called[1]}. The first is better at {plural(better, 'type')}, worse at "
        f"{worse}; McNemar's exact test, Holm's correction, 5 %. A unit is a pair, or the probes of one query, and is "
        "right if all of it is won."
    )
    return section("against", "Against the other model", text(lead), table(header, rows, css="wide"))


def _findings(report: Report) -> str:
    if not report.findings:
        return ""
    rows = [[text(f.what), count(f.count), text(f.policy)] for f in report.findings]
    return section("input", "In the probes", "What was irregular.", table(["what", "#count", "what was done"], rows))


def _worst(answers: Answers, per_type: int) -> list[str]:
    found = []
    for place, ((name, kind), rows) in enumerate(worst(answers, per_type).items()):
        listed = "\n".join(_case(answers, row) for row in rows)
        lead = text(f"{name}: the pairs lost by the widest margin, right text first. Words that differ are marked.")
        found.append(section(f"worst-{place}", f"Worst of {text(kind)}", lead, listed))
    return found


def _case(answers: Answers, row: int) -> str:
    probe = answers.probes[row]
    right, wrong = float(answers.right[row]), float(answers.wrong[row])
    texts = _texts(probe)
    shown = "".join(
        f'<li class="{css}"><p class="meta"><b class="id">{label}</b> score {number(score)}</p>'
        f'<p class="passage" dir="auto">{html}</p></li>'
        for css, label, score, html in (
            ("positive", "right", right, texts[1]),
            ("rejected", "wrong", wrong, texts[2]),
        )
    )
    chip = "tie" if right == wrong else f"lost by {number(wrong - right)}"
    return (
        f'<div class="query"><p class="question" dir="auto">{texts[0]}</p>'
        f'<p class="meta"><span class="chip reason">{chip}</span> {text(opening(probe.id, 80))}</p>'
        f'<ul class="docs">{shown}</ul></div>'
    )


def _opened(raw: str) -> str:
    """The opening of a text, in plain weight below a heading."""
    return f'<span class="line">{text(opening(raw, 160))}</span>'


def _texts(probe: Probe) -> tuple[str, str, str]:
    """Heading, right side and wrong side as HTML; where the queries differ, the text is the heading."""
    if probe.wrong_query is not None and probe.wrong == probe.right:
        return (f"Which query does this text answer? {_opened(probe.right)}", *marked(probe.query, probe.wrong_query))
    right, wrong = marked(probe.right, probe.wrong)
    return text(opening(probe.query, 400)), right, wrong
