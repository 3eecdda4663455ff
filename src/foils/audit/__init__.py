"""Audit: any tool's training file checked, and repaired in its own format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

import polars as pl

from foils.audit import beside, bias, hard, page, text, told
from foils.audit.bias import Measure
from foils.audit.copies import copies
from foils.audit.findings import Example, Finding, Found
from foils.audit.fix import Fixed, check_target, write
from foils.audit.hubs import hubs
from foils.audit.judged import judged
from foils.audit.lineage import corpora, fields
from foils.audit.near import near
from foils.audit.opening import opened
from foils.audit.plan import Change, Short, chosen, make_plan
from foils.audit.rows import rows, scores
from foils.audit.sample import sampled_queries, twins
from foils.audit.table import Table, read_table
from foils.audit.tongue import tongues
from foils.audit.within import KEY, Within, compared, plan_within
from foils.collection import Collection
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.protocols import Engine
from foils.verdicts import Verdicts

__all__ = ["Audit", "Change", "Example", "Finding", "Fixed", "Measure", "audit"]

QUERIES = 1000


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found, and the way to repair it.

    Args:
        path: the file.
        sizes: ``rows``, ``queries``, ``documents``, ``positives``, ``negatives``.
        findings: the worst first.
        measures: numbers of the whole file, whether or not they are a finding.
        seconds: what it took, by part.
        table: the file as columns.
        found: what the checks saw.
        known: positives of ``--data``.
        within: the estimate against ``--risk``.
        collection: of ``--data``.
        relevant_from: the lowest label of a positive.
        engine: where heavy work runs.
    """

    path: Path
    sizes: dict[str, int]
    findings: tuple[Finding, ...]
    measures: tuple[Measure, ...]
    seconds: dict[str, float]
    table: Table = field(repr=False)
    found: list[Found] = field(repr=False)
    known: pl.DataFrame | None = field(default=None, repr=False)
    within: Within | None = None
    collection: Collection | None = field(default=None, repr=False)
    relevant_from: int = 1
    engine: Engine = field(default_factory=Local, repr=False)

    @property
    def clean(self) -> bool:
        """True if there is neither an error nor a warning."""
        return all(f.severity == "note" for f in self.findings)

    def fix(
        self,
        out: str | Path,
        *,
        also: Iterable[str] = (),
        skip: Iterable[str] = (),
        promote: bool = False,
        short: Short = "fewer",
    ) -> Fixed:
        """Write the file repaired, in the same format; rows that need no repair keep their bytes.

        With a risk every negative is rated first, and the likeliest go until the estimate of the others is within it.

        Args:
            out: the new file, with the same ending.
            also: kinds of findings to repair that a fix leaves alone otherwise (``near-positive``, ...).
            skip: kinds to leave alone.
            promote: what is known to answer the query becomes a positive where the row can hold one.
            short: in columns that must all hold a document, leave the row out (``fewer``) or draw another document
                of the file (``random``).

        Raises:
            DataError: the target is of another kind, or nothing would be left.
            RecipeError: a kind is not known.
        """
        target = Path(out)
        check_target(self.path, target)
        if KEY in also and self.within is None:
            raise RecipeError(f"{KEY}: say how many may stay: a risk, for instance 0.05")
        keys = chosen(also, skip)
        if self.within is None or KEY in skip:
            plan, within = make_plan(self.table, self.found, keys, promote=promote, short=short, known=self.known), None
        else:
            queries = sampled_queries(self.table, self.table.records.height)
            rated = hard.rate(self.table, queries, queries.len(), self.engine, data=self.collection, everything=True)
            plan, within = plan_within(
                self.table, self.found, keys, rated, self.within.risk, promote=promote, short=short, known=self.known
            )
        return replace(write(self.table, plan, target, self.relevant_from), within=within)

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return {
            "file": str(self.path),
            "sizes": self.sizes,
            "clean": self.clean,
            "findings": [finding.data() for finding in self.findings],
            "measures": [measure._asdict() for measure in self.measures],
            "risk": None if self.within is None else self.within.data(),
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }

    def text(self, width: int = 100, style: text.Style = text.plain) -> str:
        """For a terminal; safe to print whatever the documents hold."""
        return text.render(self.path, self.sizes, self.findings, self.measures, self.within, width, style)

    def html(self) -> str:
        """One page that needs no network and no script."""
        return page.render(self.path, self.sizes, self.findings, self.measures, self.within)


def audit(
    path: str | Path,
    *,
    data: Collection | str | Path | None = None,
    verdicts: Verdicts | str | Path | None = None,
    risk: float | None = None,
    negatives: int | None = None,
    margin: float = 0.0,
    relevant_from: int = 1,
    sample: int = QUERIES,
    engine: Engine | None = None,
    tell: Callable[[str], None] | None = None,
) -> Audit:
    """Check a training file of any tool.

    Exact checks look at every row. Four look at a sample and give an interval: the false negatives, the too easy
    negatives, the wording and the length.

    Args:
        path: the file; any format of ``docs/formats-read.md`` that is a file of rows.
        data: the collection that the file was mined from: its positives and texts.
        verdicts: of a judge, as a table or as ``verdicts.parquet``; matched by the texts.
        risk: the largest share of false negatives; the estimate is compared with it, and a fix takes out the likeliest.
        negatives: how many a row needs; null: as many as most rows have.
        margin: how far below its row's lowest positive a negative must stand by the file's own scores.
        relevant_from: the lowest label of a positive.
        sample: queries that are searched for false negatives; 0: none.
        engine: where progress is shown.
        tell: called with the name of each part as it begins.

    Raises:
        DataError: the file cannot be read, or hardly any of its rows can, or too few for a risk.
        RecipeError: an option makes no sense.
    """
    _check(risk, negatives, sample, margin)
    engine, part = engine or Local(), _Clock(tell)
    source = opened(Path(path))
    if isinstance(verdicts, str | Path) and not Path(verdicts).is_file():
        raise DataError(f"{verdicts} does not exist; verdicts are a file such as RUN/verdicts.parquet")
    given = Verdicts.read(verdicts) if isinstance(verdicts, str | Path) else verdicts
    with part("read"):
        collection = Collection.read(data, relevant_from=relevant_from) if isinstance(data, str | Path) else data
        table = read_table(source, relevant_from)
    with part("texts"):
        table, why = beside.with_texts(table, collection)
        found = [*corpora(table), *fields(table, collection)]
        found += beside.strange(table, collection) if collection is not None else []
        collection = collection or beside.collection_beside(table)
        known = None if collection is None else beside.labels_of(collection)
    with part("rows, scores, copies"):
        found += [*_missing(rows(table, negatives), why), *scores(table, margin), *copies(table, known)]
    with part("near-copies"):
        found += near(table)
    with part("languages, reuse, sources"):
        found += [*tongues(table), *hubs(table), *bias.source(table)]
    with part("wording, length"):
        drawn = twins(table)
        checked = [check(table, drawn) for check in (bias.wording, bias.length)]
    with part("false negatives"):
        checked += [judged(table, given)] if given is not None else []
        estimate = _rated(table, collection, sample, engine)
        checked += [hard.hard(table, estimate)] if estimate is not None else []
        within = _within(estimate, risk) if risk is not None else None
    options = _options(data, verdicts, negatives, margin, relevant_from)
    found += [one for more, _ in checked for one in more]
    measures = tuple(one for _, measured in checked for one in measured)
    return Audit(
        source.path, told.sizes(table), told.findings(table, found, options, risk or 0.05), measures, part.seconds,
        table, found, known, within, collection, relevant_from, engine,
    )  # fmt: skip


def _check(risk: float | None, negatives: int | None, sample: int, margin: float) -> None:
    if risk is not None and not 0 < risk < 1:
        raise RecipeError(f"risk={risk:g} must be a share over 0 and under 1, for instance 0.05")
    if negatives is not None and negatives < 1:
        raise RecipeError(f"negatives={negatives} must be at least 1")
    if not 0 <= margin < float("inf"):
        raise RecipeError(f"margin={margin:g} must be a distance of scores, 0 or more")
    if sample < 0 or (sample == 0 and risk is not None):
        raise RecipeError(f"sample={sample}: a risk needs queries to be rated; 0 turns the search off")


def _options(data: Any, verdicts: Any, negatives: int | None, margin: float, relevant_from: int) -> str:
    """What a repair must be told again, as on the command line; tables that stand in memory have no name there."""
    files = {"data": data, "verdicts": verdicts}
    named: dict[str, Any] = {k: v for k, v in files.items() if isinstance(v, str | Path)}
    named |= {"negatives": negatives} if negatives is not None else {}
    named |= {"margin": f"{margin:g}"} if margin else {}
    named |= {"relevant-from": relevant_from} if relevant_from != 1 else {}
    return "".join(f" --{name} {quote(str(value))}" for name, value in named.items())


def _missing(found: list[Found], why: str) -> list[Found]:
    """Why texts are not there belongs to the finding that says so."""
    return [replace(f, notes=(why,), extra={"why": why}) if f.key == "corpus-missing" and why else f for f in found]


def _rated(table: Table, collection: Collection | None, sample: int, engine: Engine) -> hard.Rated | None:
    if sample == 0 or not table.queries["known"].all():
        return None
    every = sampled_queries(table, table.records.height)
    if every.len() == 0:
        return None
    return hard.rate(table, every[:sample], every.len(), engine, data=collection)


def _within(estimate: hard.Rated | None, risk: float) -> Within:
    queries = 0 if estimate is None else estimate.frame["asked"].n_unique()
    if estimate is None or queries < hard.FEW:
        raise DataError(
            f"risk {risk:g} cannot be judged: of {queries} queries text, positive and negative could be compared, and "
            f"{hard.FEW} are needed; leave the risk out"
        )
    return compared(estimate.frame, risk)


class _Clock:
    """Seconds by part, and who wants to know which part begins."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self.seconds: dict[str, float] = {}
        self.tell = tell

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        if self.tell is not None:
            self.tell(part)
        start = time.perf_counter()
        yield
        self.seconds[part] = time.perf_counter() - start
