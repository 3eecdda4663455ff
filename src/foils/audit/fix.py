"""A training file written again with a plan applied: the same format, and the same bytes for what stays."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from foils.audit.edit import Edit, can_promote, edited
from foils.audit.plan import Change, Plan
from foils.audit.records import KEEP, Record, Row
from foils.audit.slots import view
from foils.audit.table import Table, stamp
from foils.audit.within import Within
from foils.errors import DataError
from foils.files import atomic
from foils.readers.sources import kind_of

CHANGED = "has changed since it was audited; audit it again"


@dataclass(frozen=True)
class Fixed:
    """What a fix wrote.

    Args:
        path: the repaired file.
        rows: how many rows it holds.
        before: how many the file held.
        changes: what was done, by finding.
        notes: what else to know.
        within: the estimate of what is left, where a risk was given.
    """

    path: Path
    rows: int
    before: int
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    within: Within | None = None

    def text(self, width: int = 100) -> str:
        """The summary, a line per change."""
        if not self.changes:
            lines = [f"nothing to repair: {self.path} is a copy of the file, byte for byte"]
        else:
            lines = [f"wrote {self.path}: {self.rows:,} of {self.before:,} rows"]
            lines += [f"  {change.times:,} {change.key}: {change.action}" for change in self.changes]
        if self.within is not None:
            words = f"after the repair, {self.within.text()}; by the shipped detector, without verdicts"
            lines += [f"  {line}" for line in wrap(words, max(40, width - 2))]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + "\n"

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return {
            "path": str(self.path),
            "rows": self.rows,
            "before": self.before,
            "changes": [change._asdict() for change in self.changes],
            "notes": list(self.notes),
            "risk": None if self.within is None else self.within.data(),
        }


def check_target(source: Path, out: Path) -> None:
    """Refuse a target of another kind, or the file itself.

    Raises:
        DataError: says what would work.
    """
    packed = source.suffix == ".gz"
    if kind_of(out) != kind_of(source) or (out.suffix == ".gz") != packed:
        ending = "".join(source.suffixes[-2:]) if packed else source.suffix
        raise DataError(f"a fix keeps the format: {out.name} must end in {ending}, as {source.name} does")
    if out.resolve() == source.resolve():
        raise DataError(f"{out} is the file itself; a fix writes another one, so that both can be compared")


def write(table: Table, plan: Plan, out: Path, relevant_from: int = 1) -> Fixed:
    """Write the file with the plan applied.

    Args:
        table: the file as it was audited.
        plan: what to do.
        out: where to.
        relevant_from: as in the audit.

    Raises:
        DataError: the target cannot be written, or the file has changed since the audit.
    """
    source = table.source
    check_target(source.path, out)
    before = table.records.height
    if stamp(source) != table.stamp:
        raise DataError(f"{source.path.name} {CHANGED}")
    if plan.empty:
        with atomic(out) as temporary:
            shutil.copyfile(source.path, temporary)
        return Fixed(out, before, before, ())
    work = _Work(table, plan, relevant_from)
    source.write(out, work)
    if work.at != before:
        raise DataError(f"{source.path.name} {CHANGED}")
    return Fixed(out, before - len(plan.records), before, tuple(plan.changes), tuple(_notes(table, out)))


class _Work:
    """What becomes of each record, in the order of the file."""

    def __init__(self, table: Table, plan: Plan, relevant_from: int) -> None:
        self.at, self.plan, self.relevant_from = 0, plan, relevant_from
        self.numbers = table.records["number"].to_list()
        self.edits: dict[int, Edit] = {}
        self.table = table
        full = table.full
        for name in ("drop", "promote", "blank"):
            wanted = sorted(getattr(plan, name) - (set(plan.replace) if name == "drop" else set()))
            for record, place in full[wanted].select("record", "place").iter_rows():
                getattr(self._edit(record), name).add(place)
        texts = table.docs["text"]
        swapped = sorted(plan.replace)
        for entry, (record, place) in zip(swapped, full[swapped].select("record", "place").iter_rows(), strict=True):
            self._edit(record).replace[place] = texts[plan.replace[entry]]
        for record, columns in plan.columns.items():
            self._edit(record).columns |= columns
        for record in plan.retype:
            self._edit(record).retype = True

    def _edit(self, record: int) -> Edit:
        return self.edits.setdefault(record, Edit())

    def __call__(self, record: Record) -> Row | None:
        at = self.at
        self.at += 1
        if at >= len(self.numbers) or self.numbers[at] != record.number:
            raise DataError(f"{self.table.source.path.name} {CHANGED}")
        if at in self.plan.records:
            return None
        edit = self.edits.get(at)
        if edit is None or record.row is None:
            return KEEP
        seen = view(record.row, self.relevant_from)
        cannot = {place for place in edit.promote if not can_promote(seen, seen.slots[place])}
        edit.promote -= cannot
        edit.drop |= cannot
        return edited(record.row, seen, edit, self.relevant_from)


def _notes(table: Table, out: Path) -> list[str]:
    """What a person must see to when the file goes elsewhere."""
    by_id = (table.entries["id"] >= 0).any() and out.resolve().parent != table.source.path.resolve().parent
    if by_id and table.listed_by_id:
        return [
            "the file names documents by id: copy the corpus to the new folder, or write the repair beside the file"
        ]
    return []
