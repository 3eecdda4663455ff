"""One evaluation: systems ranked, measured, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from foils.collection import Collection
from foils.errors import DataError, RecipeError
from foils.evaluate.curve import agreement, dropout
from foils.evaluate.metrics import NAMES, Measure, measures, parse
from foils.evaluate.paired import COMPARISON, Test, compare, interval
from foils.evaluate.systems import Ranking, System
from foils.evaluate.tables import ties
from foils.evaluate.words import SHALLOW, Labels, Means, alone, power, safety
from foils.protocols import Engine
from foils.show import plural

SUMMARY = {
    "system": pl.String,
    "measure": pl.String,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "queries": pl.UInt32,
}

UNDEFINED = "undefined, no query has a document that was judged and is not relevant"


@dataclass(frozen=True)
class Plan:
    """What to measure, and how.

    Args:
        names: of the measures; the first one leads.
        relevant_from: the lowest grade that is relevant.
        complete: what has no judgment is not relevant.
        depth: places per query, at least the deepest cutoff of a measure.
        test: of differences, ``permutation`` or ``t``.
        dropout: repetitions of the label-dropout curve per share; 0: no curve.
        seed: of all random draws.
    """

    names: tuple[str, ...] = NAMES
    relevant_from: int = 1
    complete: bool = False
    depth: int = 100
    test: Test = "permutation"
    dropout: int = 0
    seed: int = 0

    def check(self) -> list[Measure]:
        """The measures.

        Raises:
            RecipeError: a measure is not known, or a number is out of range.
            MissingExtra: ir_measures is not installed.
        """
        if not self.names or self.depth < 1 or self.dropout < 0 or self.seed < 0:
            raise RecipeError(
                f"{len(self.names)} measures, depth={self.depth}, dropout={self.dropout}, seed={self.seed}: at least "
                "one measure, a depth of 1, no negative number of repetitions and no negative seed are needed"
            )
        return [parse(name, self.relevant_from) for name in self.names]

    @property
    def places(self) -> int:
        """How deep the lists must reach for the deepest cutoff."""
        return max([self.depth, *(m.cutoff or 0 for m in self.check())])

    @property
    def judged(self) -> str:
        """The share of judged documents at the first measure's cutoff."""
        return f"Judged@{parse(self.names[0], self.relevant_from).cutoff or 10}"

    @property
    def condensed(self) -> str:
        """The first measure on condensed lists; the measure itself where there is no such form."""
        first = parse(self.names[0], self.relevant_from)
        if first.condensed or first.inner is None or first.inner.NAME in ("Bpref", "infAP", "Judged"):
            return self.names[0]
        front, at, cutoff = self.names[0].partition("@")
        base, bracket, rest = front.partition("(")
        return f"{base}'{bracket}{rest}{at}{cutoff}"

    @property
    def partial(self) -> tuple[str, ...]:
        """What is measured on top where labels can be missing."""
        extra = () if self.complete else (self.condensed, "Bpref", "infAP", "RBP", "RBP residual")
        return tuple(n for n in dict.fromkeys((self.judged, *extra)) if n not in self.names)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    Args:
        collection: the documents and queries.
        labels: what the queries are labelled with.
        plan: what was asked for.
        rankings: of the systems, the first one is compared with the others.
        values: system to its table of measures, a row per query.
        summary: means and 95 % intervals: ``system``, ``measure``, ``mean``, ``low``, ``high``, ``queries``.
        comparisons: as in ``compare``, with ``safe``: whether the labels allow the comparison.
        curve: of the label dropout; null if none was asked for.
        notes: what a reader must know.
        warnings: where missing labels make a comparison unsafe.
    """

    collection: Collection
    labels: Labels
    plan: Plan
    rankings: tuple[Ranking, ...]
    values: dict[str, pl.DataFrame]
    summary: pl.DataFrame
    comparisons: pl.DataFrame
    curve: pl.DataFrame | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def mean(self, system: str, measure: str) -> float | None:
        """A mean over queries; null where it is undefined."""
        row = self.summary.filter((pl.col("system") == system) & (pl.col("measure") == measure))
        value: float | None = row["mean"][0] if row.height else None
        return value

    def per_query(self) -> pl.DataFrame:
        """A row per system and query: text, known labels, every measure."""
        counts = _counts(self.collection)
        texts = self.collection.queries.select(query_id="id", text="text").join(counts, on="query_id")
        tables = [
            table.join(texts, on="query_id", how="left", maintain_order="left").select(
                "query_id", "text", "relevant", "not_relevant", pl.lit(name).alias("system"), pl.exclude(texts.columns)
            )
            for name, table in self.values.items()
        ]
        return pl.concat(tables)

    def data(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "collection": self.collection.name,
            "documents": self.collection.corpus.height,
            "labels": self.labels._asdict(),
            "systems": {r.name: r.facts for r in self.rankings},
            "summary": self.summary.to_dicts(),
            "comparisons": self.comparisons.to_dicts(),
            "dropout": None if self.curve is None else self.curve.to_dicts(),
            "order_kept": None if self.curve is None else agreement(self.curve).to_dicts(),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def evaluate(collection: Collection, systems: Sequence[System], plan: Plan, engine: Engine) -> Evaluation:
    """Rank, measure and compare: the first system with every other.

    Only queries with a known relevant document are asked. Fails where labels are missing, and says so: ``warnings``.

    Args:
        collection: with judgments; read it with the same ``relevant_from`` as the plan says.
        systems: with distinct names.
        plan: what to measure.
        engine: where models run.

    Raises:
        DataError: a model or file cannot be used, or ids do not match.
        RecipeError: the plan cannot be carried out.
    """
    wanted = plan.check()
    for one in systems:
        one.check()
    qrels = judgments(collection)
    rankings = tuple(one.rank(collection, plan.places, engine) for one in systems)
    # Without marks "in the pool, not judged" infAP is AP.
    marked = bool((qrels["grade"] < 0).any())
    names = (*plan.names, *(n for n in plan.partial if marked or n != "infAP"))
    options: dict[str, Any] = {"relevant_from": plan.relevant_from, "complete": plan.complete}
    values = {r.name: measures(r.table, qrels, names, **options) for r in rankings}
    counts = _counts(collection).filter(pl.col("relevant") > 0)
    labels = Labels(counts.height, _mean(counts["relevant"]), _mean(counts["not_relevant"]), plan.complete)
    undefined = [n for n in plan.names if not any(t[n].count() for t in values.values())]
    if len(undefined) == len(plan.names):
        raise DataError(f"{', '.join(undefined)}: {UNDEFINED}; ask for another measure, or say complete")
    plan = replace(plan, names=tuple(n for n in plan.names if n not in undefined))
    names = tuple(n for n in names if any(t[n].count() for t in values.values()))
    values = {s: t.select("query_id", *names) for s, t in values.items()}
    rows = [
        (s, name, *interval(t[name].drop_nulls().to_numpy(), seed=plan.seed))
        for s, t in values.items()
        for name in names
    ]
    summary = pl.DataFrame(rows, schema=SUMMARY, orient="row")
    comparisons, warnings = _compared(plan, labels, values, summary)
    curve = None
    if plan.dropout:
        chosen = [n for n in dict.fromkeys((plan.names[0], plan.condensed)) if n in names]
        tables = {r.name: r.table for r in rankings}
        curve = dropout(tables, qrels, chosen, seeds=plan.dropout, relevant_from=plan.relevant_from)
        if labels.relevant < SHALLOW:
            warnings.append(
                "With about one known positive per query a dropped label drops its query: the curve shows what fewer "
                "queries do, not what missing labels do."
            )
    notes = (
        *_data_notes(collection),
        *(f"{n}: {UNDEFINED}; left out" for n in undefined),
        *(n for r in rankings for n in (*r.notes, *_list_notes(r, wanted, labels.queries))),
    )
    return Evaluation(
        collection, labels, plan, rankings, values, summary, comparisons, curve, notes, tuple(warnings)
    )  # fmt: skip


def judgments(collection: Collection) -> pl.DataFrame:
    """The judgments of a collection: ``query_id``, ``doc_id``, ``grade``; negatives that nobody judged are left out."""
    table = pl.concat([collection.positives, collection.negatives.drop_nulls("grade")])
    return table.select(
        query_id=collection.queries["id"].gather(table["query"]),
        doc_id=collection.corpus["id"].gather(table["doc"]),
        grade="grade",
    )


def _compared(
    plan: Plan, labels: Labels, values: dict[str, pl.DataFrame], summary: pl.DataFrame
) -> tuple[pl.DataFrame, list[str]]:
    first, *others = values
    found: dict[str, dict[str, float | None]] = {}
    for system, measure, mean in summary.select("system", "measure", "mean").iter_rows():
        found.setdefault(measure, {})[system] = mean
    means = Means(plan.names[0], plan.judged, plan.condensed, found)
    if not others:
        told = alone(labels, means, first)
        return pl.DataFrame(schema=COMPARISON | {"safe": pl.Boolean}), [told] if told else []
    family = [n for n in plan.names if n in values[first].columns]
    table = compare(values, [(first, o) for o in others], measures=family, test=plan.test, seed=plan.seed)
    said = {other: safety(labels, means, first, other) for other in others}
    safe = pl.DataFrame({"against": list(said), "safe": [ok for ok, _ in said.values()]})
    joined = table.join(safe, on="against", how="left", maintain_order="left")
    sentence = power(table, plan.names[0])
    return joined, [*(text for _, text in said.values()), *([sentence] if sentence else [])]


def _data_notes(collection: Collection) -> list[str]:
    notes = [f"{f.count:,} {f.what}: {f.policy}" for f in collection.findings]
    without = _counts(collection).filter(pl.col("relevant") == 0).height
    unasked = collection.queries.height - collection.positives["query"].n_unique() - without
    if without:
        notes.append(f"{plural(without, 'query', 'queries')} with judgments but no relevant document: left out")
    if unasked:
        notes.append(f"{plural(unasked, 'query', 'queries')} without a judgment in this split: left out")
    return notes


def _list_notes(ranking: Ranking, wanted: Sequence[Measure], queries: int) -> list[str]:
    notes = []
    lengths = ranking.table.group_by("query_id").len()
    deepest = max((m.cutoff for m in wanted if m.cutoff), default=0)
    short = lengths.filter(pl.col("len") < deepest).height + queries - lengths.height
    if deepest and short:
        notes.append(f"{ranking.name}: {short:,} of {queries:,} lists hold fewer than {deepest} documents and count so")
    k = next((m.cutoff for m in wanted if m.cutoff), 10)
    if equal := ties(ranking.table, k):
        notes.append(
            f"{ranking.name}: in {plural(equal, 'query', 'queries')} places {k} and {k + 1} have equal scores; the "
            "higher document id stands first, as in trec_eval"
        )
    return notes


def _counts(collection: Collection) -> pl.DataFrame:
    positives = collection.positives.group_by("query").agg(relevant=pl.len())
    judged = collection.negatives.filter(pl.col("grade") >= 0)
    negatives = judged.group_by("query").agg(not_relevant=pl.len())
    both = positives.join(negatives, on="query", how="full", coalesce=True).fill_null(0)
    return both.select("relevant", "not_relevant", query_id=collection.queries["id"].gather(both["query"]))


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else 0.0
