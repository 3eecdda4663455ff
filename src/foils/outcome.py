"""What can become of a candidate once it is judged: the reasons it is dropped for, and how it becomes a positive.

A promoted row has ``positive`` true and ``kind`` "promoted"; ``judged_by`` and ``p_relevant`` say who judged it, and
``was`` why it had been dropped before (null: it was live). Positives of the collection never have that kind, so both
are told apart, and ``demote`` takes a promotion back.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from foils.pairs import Pairs

PROMOTED = "promoted"
JUDGED, LIKELY, UNKNOWN, UNJUDGED = "judged relevant", "likely relevant", "unknown", "not judged"
TRUTH = (JUDGED, LIKELY, UNKNOWN, UNJUDGED)
RIGHT = 0.85  # how often a model's verdict is taken to be right, both ways: measured .7 to .85 on mined candidates
TAUGHT = 5  # judged queries from which the detector learns from verdicts
SURE = 1e-3  # an estimate is never taken to be surer than this


def column(judge: str) -> str:
    """The score column of a judge, by its name.

    Example:
        >>> column("llm:Qwen3-32B@3f9a")
        'prob.llm-qwen3-32b-3f9a'
    """
    return f"prob.{re.sub(r'[^a-z0-9]+', '-', judge.lower()).strip('-')}"


def promoted() -> pl.Expr:
    """True for positives that a judge found."""
    return pl.col("positive") & (pl.col("kind").cast(pl.String) == PROMOTED).fill_null(value=False)


def given() -> pl.Expr:
    """True for the positives that the collection knew."""
    return pl.col("positive") & ~promoted()


def said() -> pl.Expr:
    """True where ``p_relevant`` is a verdict and not an estimate."""
    return pl.col("judged_by").is_not_null()


def human() -> pl.Expr:
    """True where a person gave the verdict."""
    by = pl.col("judged_by").cast(pl.String)
    return ((by == "human") | by.str.starts_with("human:")).fill_null(value=False)


def by_model() -> pl.Expr:
    """True where a verdict comes neither from a person nor with the collection."""
    return said() & ~human() & (pl.col("judged_by").cast(pl.String) != "qrels")


def belief(evidence: pl.Expr) -> pl.Expr:
    """``p_relevant``, and where a model gave it, Bayes' rule on its verdict and the evidence.

    The odds of the verdict, cut to what ``RIGHT`` allows, times the odds of the evidence; null where a model's verdict
    stands without evidence. Fails where both err on the same documents: the same thing then counts twice.

    Args:
        evidence: a probability of another kind than the verdict's.
    """
    verdict = pl.col("p_relevant").cast(pl.Float64).clip(1 - RIGHT, RIGHT)
    other = evidence.cast(pl.Float64).clip(SURE, 1 - SURE)
    odds = verdict / (1 - verdict) * other / (1 - other)
    return pl.when(by_model()).then(odds / (1 + odds)).otherwise(pl.col("p_relevant").cast(pl.Float64))


def cautious(pairs: Pairs) -> pl.Expr:
    """``p_relevant`` as a draw should read it: a model's "no" makes nothing safer than the detector finds it.

    What a model clears would be the hardest there is, and of what it calls related but no answer 17 to
    27 % is relevant: training does not gain from it (docs/pays.md).
    """
    p = pl.col("p_relevant").cast(pl.Float64)
    if "prob.detector" not in pairs.frame.columns:
        return p
    return pl.when(by_model()).then(pl.max_horizontal(p, pl.col("prob.detector").cast(pl.Float64))).otherwise(p)


def likely(pairs: Pairs, least: float = 0.5) -> pl.Expr:
    """True for what was dropped as relevant, and is so at least this likely by verdict and detector together.

    Likely enough for a training row, not for a list of positives: by the labels of four collections about half are
    right (docs/pays.md). Without a verdict only once verdicts on five queries have taught the detector; before that its
    level is rough (docs/detector.md).

    Args:
        pairs: the table.
        least: the least ``belief``.
    """
    taught = pairs.frame.filter(by_model() | human())["query"].n_unique() >= TAUGHT
    detector = pl.col("prob.detector") if "prob.detector" in pairs.frame.columns else pl.lit(None, dtype=pl.Float32)
    yes = said() & (pl.col("p_relevant") >= 0.5)
    gone = pl.col("dropped").cast(pl.String).is_in([JUDGED, LIKELY])
    counts = (yes | ~said()) if taught else yes
    return (gone & counts & (belief(detector) >= least)).fill_null(value=False)


def open_to(pairs: Pairs) -> pl.Expr:
    """True for candidates that a verdict may still make a positive.

    Live ones, those that were not drawn, and those that a soft rule or a verdict dropped; not copies of positives,
    rows that rest on proof, or negatives of a dropped query.
    """
    why = pl.col("dropped").cast(pl.String)
    reasons = sorted({*pairs.soft, *TRUTH, "not drawn"})
    return ~pl.col("positive") & pl.col("kind").is_null() & (why.is_null() | why.is_in(reasons))


def promote(pairs: Pairs, where: pl.Expr) -> Pairs:
    """Make positives of the rows that are open to it and where the condition is true."""
    goes = pairs.frame.select(open_to(pairs) & where.fill_null(value=False)).to_series()
    mask = pl.lit(goes)
    before = pl.col("was") if "was" in pairs.frame.columns else pl.lit(None, dtype=pl.String)
    frame = pairs.frame.with_columns(
        positive=pl.col("positive") | mask,
        kind=pl.when(mask).then(pl.lit(PROMOTED, dtype=pl.Categorical)).otherwise("kind"),
        was=pl.when(mask).then(pl.col("dropped").cast(pl.String)).when(promoted()).then(before),
        dropped=pl.when(~mask).then("dropped"),
        weight=pl.when(~mask).then("weight"),
    )
    return replace(pairs, frame=frame)


def demote(pairs: Pairs) -> Pairs:
    """Take every promotion back: the rows are candidates again, with the fate that they had before."""
    back = pl.lit(pairs.frame.select(promoted()).to_series())
    before = pl.col("was") if "was" in pairs.frame.columns else pl.lit(None, dtype=pl.String)
    frame = pairs.frame.with_columns(
        positive=pl.col("positive") & ~back,
        kind=pl.when(~back).then("kind"),
        dropped=pl.when(back).then(before.cast(pl.Categorical)).otherwise("dropped"),
        was=pl.lit(None, dtype=pl.String),
    )
    return replace(pairs, frame=frame)
