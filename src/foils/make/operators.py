"""All operators, their measured safety, and running them over items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from foils.errors import RecipeError
from foils.make.counter import AUTHORS, PairAuthor
from foils.make.degraded import BlurEntity, DropConstraint
from foils.make.deletion import DeleteEvidence, OtherPeriod
from foils.make.dosupport import InsertDoNot
from foils.make.entity import Cohyponym, EntitySwap, QueryEntity
from foils.make.generated import Graded, QueryOnly
from foils.make.item import Item, Made, Operator
from foils.make.nearmiss import Duration, Number, UnitSwap
from foils.make.polarity import Affixal, Antonym, InsertNot, Quantifier, RemoveNot
from foils.make.premise import QueryAntonym, QueryDate, QueryExclusion, QueryNegation, QueryNumber, QueryOrdinal
from foils.make.rewritten import Paraphrase, SwapRoles
from foils.make.roles import RoleSwap
from foils.make.temporal import MonthShift, Order, YearShift
from foils.make.twins import with_twin
from foils.make.verify import Corpus, Structure, proven, verify
from foils.make.wordnet import WordnetAntonym
from foils.make.writer import Writer

CLASSES: tuple[type[Operator], ...] = (
    InsertNot, RemoveNot, InsertDoNot, Quantifier, Antonym, Affixal, WordnetAntonym,
    Number, Duration, UnitSwap, Cohyponym, EntitySwap, RoleSwap,
    YearShift, MonthShift, Order, OtherPeriod, DeleteEvidence,
    QueryNumber, QueryDate, QueryAntonym, QueryNegation, QueryExclusion, QueryOrdinal, QueryEntity,
)  # fmt: skip
# Written by a language model. Nobody has read what they make, so each is off unless it is named.
WRITERS: tuple[type[Writer], ...] = (QueryOnly, Graded, DropConstraint, BlurEntity, SwapRoles, Paraphrase)


class Safety(NamedTuple):
    """What reading found of an operator.

    Args:
        operator: its name.
        read: how many of its negatives were read.
        right: how many of those were wrong answers indeed, as they should be.
        needed: the share from which it is on by default.
    """

    operator: str
    read: int
    right: int
    needed: float

    @property
    def share(self) -> float:
        """Right of read; 0 if none was read."""
        return self.right / self.read if self.read else 0.0

    @property
    def on(self) -> bool:
        """On by default: enough were read, and enough of them were right."""
        return self.read >= 30 and self.share >= self.needed


@cache
def safety() -> dict[str, Safety]:
    """The table that ships with the package: how it was measured stands in docs/safety.md."""
    text = files("foils.make").joinpath("safety.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: Safety(name, int(n), int(right), float(least)) for name, n, right, least in lines[1:]}


def operators(least: float | None = None, *, seed: int = 0) -> tuple[Operator, ...]:
    """The operators that are on by default, or all whose measured safety reaches ``least``.

    Args:
        least: a share in [0, 1]; 0 gives every operator, measured or not.
        seed: draws other new values.

    Raises:
        RecipeError: the share is none, or no operator reaches it.
    """
    if least is not None and not 0 <= least <= 1:
        raise RecipeError(f"safety={least:g} is no share; needs 0 to 1")
    known = safety()
    kept = []
    for cls in CLASSES:
        measured = known.get(cls.name)
        if (measured is not None and measured.on) if least is None else (measured.share if measured else 0.0) >= least:
            kept.append(cls(seed=seed))
    if not kept:
        top = max((s.share for s in known.values()), default=0.0)
        raise RecipeError(f"no operator has a measured safety of {least:g}; the safest reaches {top:.2f}")
    return tuple(kept)


class Row(NamedTuple):
    """One operator, for a table."""

    name: str
    kind: str
    side: str
    languages: str
    what: str
    safety: str
    on: bool
    missing: str


def table() -> list[Row]:
    """Every operator: what it does, whether it is on, and what would unlock it on this machine."""
    rows = []
    each: tuple[type[Operator] | type[Writer] | type[PairAuthor], ...] = (*CLASSES, *WRITERS, *AUTHORS)
    for cls in each:
        measured = safety().get(cls.name)
        share = f"{measured.right}/{measured.read}" if measured and measured.read else "not measured"
        lacking = "; ".join(f"{n}: {how}" for n, how in cls().missing().items())
        what = (cls.__doc__ or "").strip().splitlines()[0]
        languages = ", ".join(sorted(cls.languages))
        rows.append(Row(cls.name, cls.kind, cls.side, languages, what, share, bool(measured and measured.on), lacking))
    return rows


@dataclass
class Tally:
    """What came of every operator: how many were made, and why nothing was where nothing was."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def made(self) -> dict[str, int]:
        """Operator to negatives."""
        return {o: n for (o, what), n in sorted(self.counts.items()) if what == "made"}

    def reasons(self) -> dict[str, dict[str, int]]:
        """Operator to reasons to counts, the most frequent first."""
        found: dict[str, dict[str, int]] = {}
        for (operator, reason), count in self.counts.most_common():
            if reason != "made":
                found.setdefault(operator, {})[reason] = count
        return found


def make(
    items: Iterable[Item], chosen: Sequence[Operator] | None = None, corpus: Corpus | None = None, *, per_item: int = 0
) -> tuple[list[tuple[Item, Made]], Tally]:
    """Make typed negatives: gate, twin, structure, corpus; what fails a check is counted, not returned.

    Args:
        items: what to make them of.
        chosen: the operators; null: those that are on by default.
        corpus: what L1 compares with; null: only the item's own other positives.
        per_item: at most so many per item, of different operators; 0: all.
    """
    chosen = operators() if chosen is None else chosen
    rungs = (Structure(), corpus or Corpus())
    known, tally, kept = safety(), Tally(), []
    for item in items:
        count = 0
        for operator in chosen:
            if per_item and count >= per_item:
                break
            result = operator(item)
            if not isinstance(result, Made):
                tally.counts[operator.name, result.reason] += 1
                continue
            (result,) = verify([(item, result)], rungs)
            if not proven(result):
                failed = next(c for c in result.checks if c.passed is False)
                tally.counts[operator.name, f"{failed.level}: {failed.found}"] += 1
                continue
            measured = known.get(operator.name)
            result = replace(with_twin(result, item), safety=measured.share if measured and measured.read else None)
            tally.counts[operator.name, "made"] += 1
            kept.append((item, result))
            count += 1
    return kept, tally
