"""What a fix will do to each record, decided before anything is written."""

from __future__ import annotations

from collections.abc import Collection as Set
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.copies import copies
from foils.audit.findings import BY_KEY, Found, Kind
from foils.audit.rows import rows, scores
from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table
from foils.errors import DataError, RecipeError

Short = Literal["fewer", "random"]
ROUNDS = 20
SCORE = "score emptied"


class Change(NamedTuple):
    """One thing that a fix does: why (key of the finding), what, how often."""

    key: str
    action: str
    times: int


@dataclass
class Plan:
    """What becomes of the entries and records of a file.

    Args:
        drop: entries that are left out.
        promote: entries that become positives where the row can hold another one, and are left out elsewhere.
        blank: entries whose scores are emptied.
        replace: entries of fixed columns that get another document.
        records: records that are left out.
        columns: columns of records that are emptied.
        retype: records whose lists are written as lists.
        done: what was decided, in order: finding, action, entries or records, whether they are entries.
        changes: the same as counts, without what was done to rows that are left out in the end.
    """

    drop: set[int] = field(default_factory=set)
    promote: set[int] = field(default_factory=set)
    blank: set[int] = field(default_factory=set)
    replace: dict[int, int] = field(default_factory=dict)
    records: set[int] = field(default_factory=set)
    columns: dict[int, set[str]] = field(default_factory=dict)
    retype: set[int] = field(default_factory=set)
    done: list[tuple[str, str, set[int], bool]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, ...]:
        """How much it does."""
        return tuple(map(len, (self.drop, self.promote, self.blank, self.records, self.columns, self.retype)))

    @property
    def empty(self) -> bool:
        """True if the file is fine as it is."""
        return not self.done


def chosen(also: Iterable[str], skip: Iterable[str]) -> frozenset[str]:
    """The kinds that a fix acts on.

    Args:
        also: kinds on top of those that every fix repairs.
        skip: kinds to leave alone.

    Raises:
        RecipeError: a kind is not known, or nothing in the file can repair it.
    """
    can = {kind.key for kind in BY_KEY.values() if kind.action}
    for key in (*also, *skip):
        if key not in can:
            raise RecipeError(f"no fix is called {key!r}; one of {', '.join(sorted(can))}")
    return frozenset({k for k in can if BY_KEY[k].standard} | set(also)) - set(skip)


def make_plan(
    table: Table, found: list[Found], keys: frozenset[str], *, promote: bool, short: Short, known: pl.DataFrame | None
) -> Plan:
    """Decide until nothing that a standard fix repairs is left, so that a second fix has nothing to do.

    Args:
        table: the file.
        found: by the audit.
        keys: the kinds to repair.
        promote: make positives of what is known to answer.
        short: what becomes of columns that must hold a document: ``fewer`` leaves the row out, ``random`` draws
            another document of the file.
        known: positives from elsewhere.

    Raises:
        DataError: no row would be left.
    """
    plan = Plan()
    fixed = set(_fixed(table))
    paired = bool((table.entries["side"] == NEGATIVE).any())
    for _ in range(ROUNDS):
        before = plan.size
        for one in found:
            if one.key in keys:
                _take(plan, table, one, promote=promote)
        _rows_of_fixed(plan, table, fixed, short)
        if plan.size == before:
            break
        rest = after_plan(table, plan)
        if rest.records.height == 0:
            raise DataError("no row would be left; --skip the finding that takes them all, or mine again")
        found = [*rows(rest, paired=paired), *scores(rest), *copies(rest, known)]
        keys = frozenset(k for k in keys if BY_KEY[k].standard)
    plan.changes = _counted(plan, table)
    return plan


def after_plan(table: Table, plan: Plan) -> Table:
    """The table as it would be read after the fix."""
    out = plan.drop - set(plan.replace)
    rest = table.without(_array(out), _array(plan.records))
    entry, record = pl.col("entry"), pl.col("record")
    blank, new = entry.is_in(list(plan.blank)), entry.is_in(list(plan.promote))
    entries = rest.entries.with_columns(
        score=pl.when(~blank).then("score").otherwise(float("nan")),
        flags=pl.when(~blank).then("flags").otherwise(pl.lit(0, dtype=pl.Int8)),
        side=pl.when(new).then(pl.lit(POSITIVE, dtype=pl.Int8)).otherwise("side"),
    )
    if plan.replace:
        swapped = pl.DataFrame({"entry": list(plan.replace), "other": list(plan.replace.values())})
        swapped = swapped.with_columns(pl.col("entry").cast(pl.UInt32), pl.col("other").cast(pl.Int32))
        entries = entries.join(swapped, on="entry", how="left", maintain_order="left")
        entries = entries.with_columns(doc=pl.coalesce("other", "doc")).drop("other")
    emptied = [(r, c) for r, columns in plan.columns.items() for c in columns]
    gone = pl.DataFrame(emptied, schema={"record": pl.Int32, "what": pl.String}, orient="row")
    stale = rest.trouble.filter(pl.col("kind") == "stale").join(gone, on=["record", "what"], how="semi")
    listed = record.is_in(list(plan.retype)) & pl.col("kind").is_in(["text for list", "list as text"])
    trouble = rest.trouble.filter(~listed).join(stale, on=["record", "kind", "what"], how="anti")
    done = replace(rest, entries=entries, trouble=trouble)
    done.__dict__.update({k: rest.__dict__[k] for k in ("body", "asked", "passages") if k in rest.__dict__})
    return done


def _take(plan: Plan, table: Table, one: Found, *, promote: bool) -> None:
    kind = BY_KEY[one.key]
    if kind.action == "drop row":
        records = set(one.records.tolist()) - plan.records
        plan.records |= records
        _note(plan, kind.key, "row dropped", records)
    elif kind.action == "write list":
        records = set(one.records.tolist()) - plan.retype - plan.records
        plan.retype |= records
        _note(plan, kind.key, "list written as a list", records)
    elif kind.action == "empty column":
        new = [(r, c) for r, c in one.columns if r not in plan.records and c not in plan.columns.get(r, ())]
        for record, column in new:
            plan.columns.setdefault(record, set()).add(column)
        _note(plan, kind.key, "column emptied", {r for r, _ in new})
    else:
        _take_entries(plan, table, one, kind, promote=promote)


def _take_entries(plan: Plan, table: Table, one: Found, kind: Kind, *, promote: bool) -> None:
    entries = set(one.entries.tolist()) - plan.drop - plan.promote
    if plan.records and entries:
        records = table.full["record"].gather(sorted(entries)).to_list()
        entries = {e for e, r in zip(sorted(entries), records, strict=True) if r not in plan.records}
    if kind.action == "empty score":
        entries -= plan.blank
        plan.blank |= entries
        _note(plan, kind.key, SCORE, entries, entry=True)
    elif promote and kind.promotes:
        plan.promote |= entries
        _note(plan, kind.key, "made a positive where the row can hold one, else dropped", entries, entry=True)
    else:
        plan.drop |= entries
        _note(plan, kind.key, "dropped", entries, entry=True)


def _rows_of_fixed(plan: Plan, table: Table, fixed: set[int], short: Short) -> None:
    """Where a dropped document is a column of its own: another one, or no row."""
    open_ones = sorted((plan.drop | plan.promote) & fixed - set(plan.replace))
    if not open_ones:
        return
    full = table.full[open_ones]
    relabelled = pl.col("entry").is_in(list(plan.promote)) & pl.col("label").is_not_null()
    rest = full.filter(~pl.col("record").is_in(list(plan.records)) & ~relabelled)
    if short == "random":
        filled = _drawn(table, rest.filter((pl.col("side") == NEGATIVE) & pl.col("label").is_null()), plan)
        plan.replace |= filled
        plan.promote -= set(filled)
        plan.drop |= set(filled)
        _note(plan, "short", "another document drawn from the file", set(filled), entry=True)
        rest = rest.filter(~pl.col("entry").is_in(list(filled)))
    records = set(rest["record"].to_list()) - plan.records
    plan.records |= records
    labelled = rest["label"].is_not_null().all()
    if records and not labelled:
        _note(plan, "short", "row dropped, since its columns must all hold a document", records)


def _drawn(table: Table, entries: pl.DataFrame, plan: Plan) -> dict[int, int]:
    """A document of the file for each entry: none of its query's, drawn by a hash of record and place."""
    body, empty = table.body, table.empty.to_numpy()
    full = table.full
    records = entries["record"].unique()
    # A drawn document has no score and no id of its own: where rows have them, nothing can be filled in.
    plain = (
        full.filter(pl.col("record").is_in(records.implode()))
        .group_by("record")
        .agg(fine=(pl.col("score").is_nan() & (pl.col("flags") == 0) & (pl.col("id") < 0)).all())
    )
    fine = set(plain.filter("fine")["record"].to_list())
    negatives = np.unique(full.filter(pl.col("side") == NEGATIVE)["doc"].to_numpy())
    pool = negatives[~empty[negatives]]
    asked = full.filter(pl.col("asked").is_in(entries["asked"].unique().implode()))
    taken: dict[int, set[int]] = {}
    for query, text in asked.select("asked", "body").iter_rows():
        taken.setdefault(query, {query}).add(text)
    found: dict[int, int] = {}
    for entry, record, place, query in entries.select("entry", "record", "place", "asked").iter_rows():
        for turn in range(8 if record in fine and len(pool) else 0):
            draw = np.random.default_rng([record, place, turn]).integers(len(pool))
            if body[int(pool[draw])] not in taken[query]:
                found[entry] = int(pool[draw])
                taken[query].add(body[found[entry]])
                break
    return found


def _note(plan: Plan, key: str, action: str, what: set[int], *, entry: bool = False) -> None:
    if what:
        plan.done.append((key, action, what, entry))


def _counted(plan: Plan, table: Table) -> list[Change]:
    """How often each thing was done; scores, lists and columns of rows that go in the end do not count."""
    counts: dict[tuple[str, str], int] = {}
    for key, action, what, entry in plan.done:
        left = what
        if action == SCORE:
            records = table.full["record"].gather(sorted(what)).to_list()
            left = {
                e for e, r in zip(sorted(what), records, strict=True) if r not in plan.records and e not in plan.drop
            }
        elif not entry and "row dropped" not in action:
            left = what - plan.records
        counts[key, action] = counts.get((key, action), 0) + len(left)
    return [Change(key, action, n) for (key, action), n in counts.items() if n]


def _fixed(table: Table) -> list[int]:
    full = table.full
    entries: list[int] = full.filter(pl.col("fixed") == 1)["entry"].to_list()
    return entries


def _array(values: Set[int]) -> NDArray[np.int64]:
    return np.fromiter(values, dtype=np.int64, count=len(values))
