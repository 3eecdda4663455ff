"""What the checks saw, in words: findings with shares, examples and the command that repairs them."""

from __future__ import annotations

from shlex import quote

import polars as pl

from foils.audit.findings import BY_KEY, SEVERITIES, Example, Finding, Found, Kind
from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table

EXAMPLES = 3
LONG = 400


def findings(table: Table, found: list[Found], given: str = "", risk: float = 0.05) -> tuple[Finding, ...]:
    """Findings that found something, the worst first, then the most frequent.

    Args:
        table: the file.
        found: what the checks saw.
        given: the options that the audit was called with; a repair needs the same.
        risk: for the command that drops what is probably a false negative.
    """
    totals = _totals(table)
    told = [_finding(table, one, totals, (given, risk)) for one in found if _count(one)]
    return tuple(sorted(told, key=lambda f: (SEVERITIES.index(f.severity), -f.share, f.key)))


def sizes(table: Table) -> dict[str, int]:
    """How much the file holds."""
    sides = table.entries["side"]
    return {
        "rows": table.records.height,
        "queries": table.full["asked"].n_unique(),
        "documents": table.docs.height,
        "positives": int((sides == POSITIVE).sum()),
        "negatives": int((sides == NEGATIVE).sum()),
    }


def _totals(table: Table) -> dict[str, int]:
    counts = sizes(table)
    entries = counts["positives"] + counts["negatives"]
    return counts | {"documents": entries, "words": 0, "paths": 0, "fields": 0}


def _count(one: Found) -> int:
    return one.count if one.count is not None else max(len(one.entries), len(one.records))


def _finding(table: Table, one: Found, totals: dict[str, int], options: tuple[str, float]) -> Finding:
    kind, count = BY_KEY[one.key], _count(one)
    extra = {k: v for k, v in one.extra.items() if k != "shown"}
    return Finding(
        key=kind.key, name=kind.name, severity=extra.pop("severity", kind.severity), count=count,
        total=one.total or totals[kind.unit], unit=kind.unit, meaning=kind.meaning,
        remedy=remedy(kind, table, *options), fixed=kind.standard, examples=tuple(_examples(table, one)), **extra,
    )  # fmt: skip


def remedy(kind: Kind, table: Table, given: str = "", risk: float = 0.05) -> str:
    """The command that repairs this kind, with the file's name in it."""
    source = table.source.path
    path, out = (quote(str(p)) for p in (source, source.with_name(f"fixed-{source.name}")))
    fix = f"foils audit {path}{given} --fix -o {out}"
    if kind.standard:
        return fix
    return kind.advice.format(also=f"{fix} --also {kind.key}", path=path, risk=f"{fix} --risk {risk:g}")


def _examples(table: Table, one: Found) -> list[Example]:
    notes = [*one.notes, *[""] * EXAMPLES]
    if len(one.entries):
        shown = one.extra.get("shown", one.entries)[:EXAMPLES]
        rows = table.full[shown.tolist()].select("record", "query", "doc").iter_rows()
    elif len(one.records):
        records = pl.DataFrame({"record": pl.Series(one.records[:EXAMPLES]).cast(pl.Int32)})
        queries = records.join(table.records.select("record", "query"), on="record", how="left", maintain_order="left")
        rows = ((record, query, None) for record, query in queries.iter_rows())
    else:
        return []
    numbers = table.records["number"]
    return [
        Example(
            numbers[record],
            table.queries["text"][query][:LONG] if query is not None and query >= 0 else "",
            "" if doc is None else table.passages[doc][:LONG] or table.docs["text"][doc],
            note,
        )
        for (record, query, doc), note in zip(rows, notes, strict=False)
    ]
