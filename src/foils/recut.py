"""Selecting again: the same candidates, new verdicts, nothing searched, encoded or scored twice."""

from __future__ import annotations

import time
from dataclasses import replace

import polars as pl

from foils import made
from foils.ledger import Entry
from foils.limits import Deepen
from foils.outcome import demote, said
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.run import Run, entry
from foils.steps import FILLS, Recipe, Source, Step
from foils.verdicts import Verdicts


def recut(run: Run, verdicts: Verdicts, engine: Engine, recipe: Recipe | None = None) -> Run:
    """Run the rules, the detector, the actions and the sampler of a finished run again, with these verdicts.

    Candidates, ranks and scores stay as they are: what a step added is kept, except for steps that learn from
    verdicts. A run that was given no new verdict comes out with the same negatives.

    Args:
        run: a finished run.
        verdicts: all that are to count, old and new.
        engine: where heavy work runs, should the recipe ask for columns that are not there yet.
        recipe: another recipe over the same candidates (another risk, say); null: the run's own.

    Raises:
        FoilsError: the recipe needs something that a finished run does not hold.
    """
    chosen = recipe or run.recipe
    # Made negatives rest on proof: no rule judges them, no sampler draws them; a verdict still counts.
    pairs, typed = made.aside(made.heed(verdicts.mark(undone(run.pairs)), verdicts))
    pairs = replace(pairs, fills=_fills(run.pairs, verdicts))
    known: dict[str, list[Entry]] = {}
    for line in run.ledger.entries:
        known.setdefault(line.step, []).append(line)
    ledger = replace(run.ledger, entries=())
    for step in chosen.steps:
        if _there(step, pairs):
            kept = known.get(step.label, [])[:1]
            known[step.label] = known.get(step.label, [])[1:]
            ledger = replace(ledger, entries=(*ledger.entries, *kept))
            continue
        before, start = pairs.counts(), time.monotonic()
        pairs = step(pairs, engine)
        done = entry(step, before, pairs, time.monotonic() - start)
        ledger = replace(ledger, entries=(*ledger.entries, done))
    return Run(made.back(replace(pairs, fills=None), typed), chosen, ledger, run.folder)


def undone(pairs: Pairs) -> Pairs:
    """The table as it was after its sources: every candidate live, nothing weighed, promoted or filled in.

    Judgments (``judged_by``) stay; what the detector estimated goes.
    """
    pairs = demote(pairs)
    frame = pairs.frame.filter(~_filled(pairs))
    frame = frame.drop("rank.fill", strict=False).with_columns(
        dropped=pl.lit(None, dtype=pl.Categorical),
        filled=pl.lit(None, dtype=pl.Categorical),
        weight=pl.lit(None, dtype=pl.Float32),
        p_relevant=pl.when(pl.col("judged_by").is_not_null()).then("p_relevant"),
    )
    return replace(pairs, frame=frame, soft=frozenset())


def _fills(pairs: Pairs, verdicts: Verdicts) -> pl.DataFrame:
    """The random fills of a finished run: a stored run holds only its own documents, so they cannot be drawn again."""
    if "rank.fill" not in pairs.frame.columns:
        return pl.DataFrame(schema=FILLS)
    told = verdicts.mark(replace(pairs, frame=pairs.frame.filter(_filled(pairs)))).frame
    wrong = (said() & (pl.col("p_relevant") >= 0.5)).fill_null(value=False)
    return told.select("query", "doc", rank="rank.fill", wrong=wrong)


def _filled(pairs: Pairs) -> pl.Expr:
    return (pl.col("filled").cast(pl.String) == "random").fill_null(value=False)


def _there(step: Step, pairs: Pairs) -> bool:
    """A search, or a step all of whose columns are in the table already and do not depend on verdicts."""
    if isinstance(step, (Source, Deepen)):
        return True
    columns = step.adds - {"weight"}
    return bool(columns) and not step.learns and columns <= set(pairs.frame.columns)
