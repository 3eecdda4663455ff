"""Cheap checks of the audit, on the negatives of a run: what is wrong with them whatever a judge would say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from foils.made import MARK, is_made
from foils.pairs import Pairs
from foils.report.facts import Reuse
from foils.report.markup import code, details, section, table, text
from foils.show import count, opening, plural, share

if TYPE_CHECKING:
    from foils.audit.bias import Measure
    from foils.audit.findings import Found
    from foils.audit.table import Table

QUERIES = 2000  # that are read; the exact checks of a training file are those of foils audit
EXAMPLES = 3
SHORT = 60  # characters of a field whose values are compared
AGAIN = "foils mine DATA --recipe RUN/recipe.toml -o RUN2"
COPIES = f"put the step exact-duplicate before the sampler: {AGAIN}"
REPAIRS = {
    "own-positive": f"put the step known-positive before the sampler: {AGAIN}",
    "sibling-positive": f"put the step known-positive before the sampler: {AGAIN}",
    "copy-of-positive": COPIES,
    "query-as-negative": COPIES,
    "repeated-negative": COPIES,
    "empty-negative": "take the empty documents out of DATA, then mine again",
    "empty-positive": "take the empty documents out of DATA, then mine again",
    "one-letter": "look where these documents come from: a text was read letter by letter",
    "query-as-positive": "look where these labels come from: nothing is learned from a text that is its own answer",
    "reuse-hub": f"put the step reuse-cap around the sampler: {AGAIN}",
    "give-away": "add a source of another kind, for instance --encoder MODEL, so that negatives read like positives",
    "give-away-words": "foils export RUN --to st-triplet -o FILE.jsonl, and look at foils audit FILE.jsonl",
    "length-bias": "cut documents into passages of one length, or add a source that finds the other length",
    "source-bias": "mine among the documents that positives come from, or mix in another source",
}


class Check(NamedTuple):
    """A finding of the audit as the report tells it.

    Args:
        key: of its kind.
        severity: ``error``, ``warning`` or ``note``.
        size: how many of ``total``.
        total: of how many.
        examples: query and document, shortened.
        detail: what was measured; a table of words or values, the header first.
    """

    key: str
    severity: str
    size: int
    total: int
    examples: tuple[tuple[str, str], ...]
    measure: str
    detail: tuple[tuple[str, ...], ...]

    @property
    def said(self) -> str:
        """How many of what, and what is wrong with them."""
        from foils.audit.findings import BY_KEY

        kind = BY_KEY[self.key]
        return f"{count(self.size)} of {count(self.total)} {kind.unit} are wrong beyond doubt ({kind.name})"


class Looked(NamedTuple):
    """What the checks found.

    Args:
        found: the worst first.
        measures: numbers with their intervals, whether or not they are a finding.
        queries: how many were read.
    """

    found: list[Check]
    measures: list[Measure]
    queries: int

    @property
    def wrong(self) -> list[Check]:
        """What is wrong beyond doubt."""
        return [c for c in self.found if c.severity == "error"]


def look(pairs: Pairs, reuse: Reuse) -> Looked:
    """Run the checks on the positives and the selected negatives.

    Args:
        pairs: the finished table.
        reuse: of its documents.
    """
    from foils.audit import bias
    from foils.audit.copies import copies
    from foils.audit.findings import SEVERITIES
    from foils.audit.sample import twins

    asked = pairs.queries
    some = asked[:: max(1, -(-len(asked) // QUERIES))]
    read = _table(pairs, some)
    drawn = twins(read)
    measured = [check(read, drawn) for check in (bias.wording, bias.length)]
    found = [*copies(read), *bias.source(read), *(f for more, _ in measured for f in more)]
    told = [_check(read, f) for f in found if (f.count if f.count is not None else len(f.entries))]
    told += _hubs(pairs, reuse)
    told.sort(key=lambda c: (SEVERITIES.index(c.severity), -c.size / max(1, c.total), c.key))
    return Looked(told, [m for _, more in measured for m in more], len(some))


def _table(pairs: Pairs, queries: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> Table:
    """Positives and selected negatives of some queries as the audit sees a training file: a row per query."""
    from pathlib import Path

    from foils.audit.table import TRAITS, Table
    from foils.audit.tables import Frame

    collection = pairs.collection
    wanted = pl.col("query").is_in(pl.Series(queries).implode()) & ~is_made(pairs)
    rows = pairs.frame.lazy().filter(wanted & (pl.col("positive") | pairs.live)).select("query", "doc", "positive")
    kept = rows.sort("query", "positive", "doc", descending=[False, True, False]).collect()
    asked, docs = kept["query"].unique().sort(), kept["doc"].unique().sort()
    place = pl.col("query").rank("dense").cast(pl.Int32) - 1
    doc = pl.col("doc").rank("dense").cast(pl.Int32) - 1
    entries = kept.select(
        record=place, place=pl.int_range(pl.len(), dtype=pl.Int32).over("query"),
        side=(~pl.col("positive")).cast(pl.Int8), doc=doc, id=doc, score=pl.lit(float("nan")),
        flags=pl.lit(0, dtype=pl.Int8), label=pl.lit(None, dtype=pl.Int32), fixed=pl.lit(0, dtype=pl.Int8),
    )  # fmt: skip
    number = pl.int_range(asked.len(), dtype=pl.Int32, eager=True)
    records = pl.DataFrame({"record": number, "number": number.cast(pl.Int64) + 1, "query": number, "query_id": number})
    corpus, known = collection.corpus[docs], pl.lit(value=True).alias("known")
    title = pl.col("title").fill_null("") if "title" in corpus.columns else pl.lit("").alias("title")
    return Table(
        Frame(Path("pairs.parquet")),
        records.with_columns(first=pl.lit(0, dtype=pl.Int64), readable=pl.lit(value=True), columns=pl.lit(0)),
        entries, corpus.select(title, "text", known), collection.queries[asked].select("text", known),
        corpus["id"].to_list(), collection.queries["id"][asked].to_list(),
        pl.DataFrame(schema={"record": pl.Int32, "kind": pl.String, "what": pl.String}), [],
        _traits(corpus, entries) if entries.height else pl.DataFrame(schema=TRAITS),
    )  # fmt: skip


def _traits(corpus: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Short fields of the documents: entry, name, value."""
    parts = [pl.DataFrame(schema={"entry": pl.UInt32, "name": pl.String, "value": pl.String})]
    for name in corpus.columns:
        if corpus[name].dtype != pl.String or name in ("id", "title", "text", MARK):
            continue
        if (corpus[name].str.len_chars() <= SHORT).all():
            values = pl.DataFrame({"value": corpus[name].gather(entries["doc"])}).with_row_index("entry")
            parts.append(values.select("entry", pl.lit(name).alias("name"), "value").drop_nulls())
    return pl.concat(parts)


def _check(read: Table, found: Found) -> Check:
    from foils.audit.findings import BY_KEY

    kind = BY_KEY[found.key]
    size = found.count if found.count is not None else len(found.entries)
    sides = read.entries["side"]
    totals = {"negatives": int(sides.sum()), "positives": int((sides == 0).sum())}
    shown = found.extra.get("shown", found.entries)[:EXAMPLES]
    rows = read.full[np.asarray(shown).tolist()].select("query", "doc").iter_rows() if len(shown) else ()
    examples = tuple((read.queries["text"][q], read.passages[d]) for q, d in rows)
    total = found.total or totals.get(kind.unit, read.entries.height)
    detail = found.extra.get("table", ())
    return Check(kind.key, kind.severity, size, total, examples, str(found.extra.get("measure", "")), detail)


def _hubs(pairs: Pairs, reuse: Reuse) -> list[Check]:
    """Documents that serve too many queries, by the audit's rule, in the whole run."""
    if not reuse.often:
        return []
    texts = pairs.collection.passages
    rows = [(opening(texts[d], 60), count(n), count(p)) for d, n, p in reuse.hubs.head(reuse.often).iter_rows()]
    head = ("document", "#negative of queries", "#positive of queries")
    told = f"from {count(reuse.limit)} queries on; by the audit's rule, in the whole run"
    return [Check("reuse-hub", "warning", reuse.often, reuse.documents, (), told, (head, *rows))]


def checks(looked: Looked, queries: int) -> str:
    """The section: findings with severity and repair, the worst first, and what was measured.

    Args:
        looked: what was found.
        queries: how many the run has.
    """
    from foils.audit.findings import BY_KEY

    found, measures, read = looked
    few = "" if read >= queries else f", on {plural(read, 'query', 'queries')} evenly spread"
    kinds = "copies of positives, repeats, the query itself, empty texts, hubs, length, wording and origin"
    lead = f"The cheap checks of <code>foils audit</code>{few}: {kinds}. "
    lead += f"{plural(len(found), 'finding')}, the worst first." if found else "Nothing was found."
    rows = []
    for c in found:
        kind = BY_KEY[c.key]
        name = f"{kind.name[:1].upper()}{kind.name[1:]}"
        repair = REPAIRS.get(c.key, kind.advice)
        amount = f"{count(c.size)} of {count(c.total)} {kind.unit} ({share(c.size, c.total)})"
        if kind.unit == "documents" and c.size == c.total:
            amount = "all that were compared"
        about = f'<b>{text(name)}</b><br><span class="sub">{text(kind.meaning)}</span>{_detail(c)}'
        rows.append([f'<span class="chip {c.severity}">{c.severity}</span>', about, text(amount), _repair(repair)])
    shown = table(["severity", "finding", "how many", "repair"], rows, css="checks") if rows else ""
    values = [[text(m.name), f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}", text(m.note)] for m in measures]
    header = ["what", "#value", "#95 % interval", "from"]
    numbers = details("what was measured", table(header, values, css="wide")) if values else ""
    return section("checks", "Checks", lead, shown, numbers)


def _repair(words: str) -> str:
    """The words, with the command in them as code."""
    at = words.find("foils ")
    return text(words) if at < 0 else text(words[:at]) + code(words[at:])


def _detail(check: Check) -> str:
    parts = []
    if check.measure:
        parts.append(f'<p class="note">{text(check.measure[:1].upper() + check.measure[1:])}.</p>')
    if check.detail:
        head, *rows = check.detail
        parts.append(table(list(head), [[text(cell) for cell in row] for row in rows], css="narrow"))
    for query, document in check.examples:
        parts.append(f"<p class=note><b>{text(opening(query, 120))}</b> {text(opening(document, 200))}</p>")
    return details("examples and numbers", "".join(parts)) if parts else ""
