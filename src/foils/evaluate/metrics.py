"""Measures of a ranking, one value per query: from ir_measures where it has them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from foils.errors import DataError, MissingExtra, RecipeError
from foils.evaluate.tables import Qrels, Run, labels, ranked

NAMES = ("nDCG@10", "MRR@10", "R@100", "AP@100", "Success@5")
MISSING = ("Judged@10", "nDCG'@10", "Bpref", "infAP", "RBP", "RBP residual")
ALIASES = {
    "ndcg": "nDCG",
    "mrr": "RR",
    "map": "AP",
    "recall": "R",
    "precision": "P",
    "success": "Success",
    "judged": "Judged",
    "bpref": "Bpref",
    "infap": "infAP",
}
NAME = re.compile(r"(?P<base>\w+)(?P<condensed>')?(?P<options>\([^()]*\))?(?:@(?P<cutoff>\d+))?")
RBP = re.compile(r"RBP(?:\(p=(?P<p>0?\.\d+)\))?(?:@(?P<cutoff>\d+))?(?P<residual> residual)?")


@dataclass(frozen=True)
class Measure:
    """A measure by name, and what it needs.

    Args:
        name: as the user wrote it; the column of the table.
        condensed: computed after the unjudged documents were taken out of the list (Sakai, SIGIR 2007).
        cutoff: the deepest place that counts; null: the whole list.
        judged: undefined for a query without a judged document that is not relevant.
        inner: what ir_measures computes; null for RBP.
        p: persistence of RBP.
        residual: what the unjudged documents could add to RBP, instead of RBP itself.
    """

    name: str
    condensed: bool = False
    cutoff: int | None = None
    judged: bool = False
    inner: Any = None
    p: float = 0.8
    residual: bool = False


def measures(
    run: Run, qrels: Qrels, names: Sequence[str] = NAMES, *, relevant_from: int = 1, complete: bool = False
) -> pl.DataFrame:
    """Measure a ranking: one row per query that has a relevant document, one column per measure.

    Names are those of ir_measures (``nDCG@10``, ``RR@10`` or ``MRR@10``, ``AP``, ``R@100``, ``Success@5``, ``Bpref``,
    ``infAP``, ``Judged@10``), with two additions. A quote marks the condensed list: ``nDCG'@10`` is nDCG@10 after the
    unjudged documents were taken out (Sakai, SIGIR 2007). ``RBP`` is rank-biased precision (Moffat and Zobel,
    TOIS 2008): (1 - p) sum of p^(i-1) over the relevant ranks i, p = 0.8 or ``RBP(p=0.95)``; ``RBP residual`` is what
    the unjudged documents could add, (1 - p) sum of p^(i-1) over the unjudged ranks plus p^n.

    A query that the run lacks scores 0 (its ``RBP residual`` is 1, its ``Judged`` null). ``Bpref``, ``infAP`` and
    condensed lists are null for a query without a judged document that is not relevant. A list shorter than k counts
    as it is. nDCG takes every positive grade as gain, also one below ``relevant_from``.

    Fails where labels are missing: an unjudged document counts as not relevant, except where the measure says
    otherwise. Condensed lists tend to overestimate systems that did not feed the pool.

    Args:
        run: query id to (document id to score), or a frame ``query_id``, ``doc_id``, ``score``.
        qrels: query id to (document id to grade), or a frame ``query_id``, ``doc_id``, ``grade``. Grade 0 means judged
            and not relevant, a negative one in the pool but not judged.
        names: of the measures.
        relevant_from: the lowest grade that is relevant, at least 1.
        complete: every document that has no judgment counts as judged not relevant.

    Returns:
        ``query_id`` and a float column per name, sorted by query id.

    Raises:
        DataError: a score is not finite, or no query has a relevant document.
        MissingExtra: ir_measures is not installed.
        RecipeError: a measure is not known.

    >>> found = measures({"q": {"a": 2.0, "b": 1.0}}, {"q": {"b": 1, "c": 0}}, ("MRR@10", "Judged@10", "RBP"))
    >>> found.with_columns(pl.col("RBP").round(6)).rows()
    [('q', 0.5, 0.5, 0.16)]
    """
    wanted = [parse(name, relevant_from) for name in dict.fromkeys(names)]
    judged = labels(qrels)
    counts = judged.group_by("query_id").agg(
        relevant=(pl.col("grade") >= relevant_from).sum(),
        other=pl.col("grade").is_between(0, relevant_from - 1).sum(),
    )
    asked = counts.filter(pl.col("relevant") > 0).sort("query_id")
    if asked.height == 0:
        raise DataError(f"no query has a relevant document: no grade of at least {relevant_from} was given")
    judged = judged.join(asked, on="query_id", how="semi")
    ranking = ranked(run).join(asked, on="query_id", how="semi").select("query_id", "doc_id", "rank")
    if complete:
        unlisted = ranking.join(judged, on=["query_id", "doc_id"], how="anti")
        judged = pl.concat([judged, unlisted.select("query_id", "doc_id", grade=pl.lit(0, dtype=pl.Int32))])
    values = _by_ir_measures(wanted, ranking, judged)
    found = asked.select("query_id", "other")
    for measure in wanted:
        column = values[measure.name] if measure.inner is not None else _rbp(measure, ranking, judged, relevant_from)
        found = found.join(column, on="query_id", how="left", maintain_order="left")
        if measure.judged and not complete:
            found = found.with_columns(pl.when(pl.col("other") > 0).then(pl.col(measure.name)))
    absent = [pl.col(m.name).fill_null(1.0 if m.residual else 0.0) for m in wanted if not _nullable(m, complete)]
    return found.with_columns(absent).drop("other")


def parse(name: str, relevant_from: int = 1) -> Measure:
    """Understand the name of a measure.

    Raises:
        RecipeError: it is not known, or ``relevant_from`` is below 1.
        MissingExtra: ir_measures is not installed.

    >>> parse("nDCG'@10").condensed, parse("RBP(p=0.95)").p
    (True, 0.95)
    """
    if relevant_from < 1:
        raise RecipeError(f"relevant_from={relevant_from}: a document is relevant from grade 1 or higher")
    if found := RBP.fullmatch(name):
        cutoff = int(found["cutoff"]) if found["cutoff"] else None
        return Measure(name, cutoff=cutoff, p=float(found["p"] or 0.8), residual=bool(found["residual"]))
    if importlib.util.find_spec("ir_measures") is None:
        raise MissingExtra("ir_measures", "evaluate", "an evaluation")
    import ir_measures

    parts = NAME.fullmatch(name)
    known = f"try {', '.join(dict.fromkeys((*NAMES, *MISSING)))}, or another name of ir_measures"
    if parts is None:
        raise RecipeError(f"the measure {name!r} is not known; {known}")
    base = ALIASES.get(parts["base"].lower(), parts["base"])
    written = f"{base}{parts['options'] or ''}{'@' + parts['cutoff'] if parts['cutoff'] else ''}"
    try:
        inner = ir_measures.parse_measure(written)
        if "rel" in inner.SUPPORTED_PARAMS and "rel" not in inner.params and relevant_from > 1:
            inner = inner(rel=relevant_from)
        pipeline: Any = ir_measures.DefaultPipeline
        usable = pipeline.supports(inner)
    # ir_measures checks its options by assert.
    except (NameError, ValueError, TypeError, SyntaxError, AttributeError, AssertionError) as error:
        raise RecipeError(f"the measure {name!r} is not known ({error}); {known}") from None
    if not usable:
        raise RecipeError(f"no installed package computes {name!r}; {known}")
    if parts["cutoff"] == "0":
        raise RecipeError(f"the measure {name!r} looks at no document; the cutoff must be at least 1")
    condensed = bool(parts["condensed"])
    judged = condensed or base in ("Bpref", "infAP")
    return Measure(name, condensed, int(parts["cutoff"]) if parts["cutoff"] else None, judged, inner)


def average(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The mean per query of several tables of ``measures``, for instance of one model trained with several seeds.

    Only queries of all tables are kept.

    Raises:
        DataError: there is no table, or no query that all have.
    """
    given = list(tables)
    if not given:
        raise DataError("there is nothing to average; at least one table of measures is needed")
    stacked = pl.concat(given, how="diagonal")
    whole = (
        stacked.group_by("query_id").agg(pl.len(), pl.exclude("query_id").mean()).filter(pl.col("len") == len(given))
    )
    if whole.height == 0:
        raise DataError("the tables of measures have no query in common")
    return whole.drop("len").sort("query_id")


def _nullable(measure: Measure, complete: bool) -> bool:
    return (measure.judged and not complete) or (measure.inner is not None and measure.inner.NAME == "Judged")


def _by_ir_measures(wanted: Sequence[Measure], ranking: pl.DataFrame, judged: pl.DataFrame) -> dict[str, pl.DataFrame]:
    rows: dict[str, dict[str, float]] = {m.name: {} for m in wanted if m.inner is not None}
    if not rows:
        return {}
    import ir_measures

    # The script behind ERR knows numbered queries only (of "a-1" it reads the 1), and ids without white space.
    queries = judged["query_id"].unique().sort()
    docs = pl.concat([ranking["doc_id"], judged["doc_id"]]).unique().sort()
    ranking, judged = (_numbered(table, query_id=queries, doc_id=docs) for table in (ranking, judged))
    # infAP alone knows what to do with "in the pool, not judged".
    graded = judged.filter(pl.col("grade") >= 0)
    for condensed, pooled in ((False, False), (True, False), (False, True)):
        names: dict[Any, list[str]] = {}
        for measure in wanted:
            if measure.inner is not None and (measure.condensed, measure.inner.NAME == "infAP") == (condensed, pooled):
                names.setdefault(measure.inner, []).append(measure.name)
        if not names:
            continue
        lists = ranking.join(graded, on=["query_id", "doc_id"], how="semi") if condensed else ranking
        # Falling whole numbers in place of the scores: no tool can break ties, or round, in another way than we do.
        run = _nested(lists.select("query_id", "doc_id", (10_000_000 - pl.col("rank").cast(pl.Float64))))
        truth = _nested((judged if pooled else graded).select("query_id", "doc_id", "grade"))
        for metric in ir_measures.iter_calc(list(names), truth, run):
            for name in names[metric.measure]:
                if metric.query_id in run or (metric.query_id in truth and metric.measure.NAME != "Judged"):
                    rows[name][metric.query_id] = float(metric.value)
    return {
        name: pl.DataFrame(
            {"query_id": queries.gather([int(q) for q in found]), name: list(found.values())},
            {"query_id": pl.String, name: pl.Float64},
        )
        for name, found in rows.items()
    }


def _numbered(table: pl.DataFrame, **ids: pl.Series) -> pl.DataFrame:
    """The table with the places of ids in these lists for the ids."""
    return table.with_columns(pl.col(c).cast(pl.Enum(known)).to_physical().cast(pl.String) for c, known in ids.items())


def _nested(frame: pl.DataFrame) -> Mapping[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for query, doc, value in frame.iter_rows():
        nested.setdefault(query, {})[doc] = value
    return nested


def _rbp(measure: Measure, ranking: pl.DataFrame, judged: pl.DataFrame, relevant_from: int) -> pl.DataFrame:
    lists = ranking if measure.cutoff is None else ranking.filter(pl.col("rank") <= measure.cutoff)
    known = judged.filter(pl.col("grade") >= 0)
    graded = lists.join(known, on=["query_id", "doc_id"], how="left")
    weight = (1 - measure.p) * pl.lit(measure.p).pow(pl.col("rank").cast(pl.Float64) - 1)
    if measure.residual:
        value = pl.when(pl.col("grade").is_null()).then(weight).sum() + pl.lit(measure.p).pow(pl.len().cast(pl.Float64))
    else:
        value = pl.when(pl.col("grade") >= relevant_from).then(weight).sum()
    return graded.group_by("query_id").agg(value.alias(measure.name))
