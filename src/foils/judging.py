"""Judging: spend verdicts on a finished run where they change its negatives most, and select again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils import made, recipe_file, report
from foils.ask import Ask
from foils.desk import Desk, unanswered
from foils.detect import Detect
from foils.errors import JudgeError, RecipeError
from foils.folder import MANIFEST, Folder, read_json
from foils.outcome import open_to
from foils.pairs import Pairs
from foils.protocols import Engine, Judge
from foils.recipes import RISK
from foils.recut import recut
from foils.relabel import Repair
from foils.risk.select import WithinRisk
from foils.risk.triage import Answers, Batch, Triage, yes_no
from foils.run import VERDICTS, Run
from foils.score import Rerank
from foils.steps import Recipe, Sampler
from foils.verdicts import Verdicts

Rows = NDArray[np.uint32]

# How often judges are right on mined candidates, both ways; where it matters, the self-test measures it.
ACCURACY = {"human": 0.97, "llm": 0.85, "cross-encoder": 0.8}


@dataclass(frozen=True, eq=False)
class Judged:
    """What judging gave.

    Args:
        run: the run, selected again.
        asked: pairs that the judge spoke on in this call.
        relevant: how many of them it called relevant.
        abstained: it could not tell.
        waiting: no answer yet; the same call goes on with them.
    """

    run: Run
    asked: int
    relevant: int
    abstained: int
    waiting: int


def judge(
    run: Run,
    judge: Judge,
    engine: Engine,
    *,
    budget: int = 200,
    risk: float | None = None,
    share: float = 0.25,
    rounds: int = 4,
    seed: int = 0,
) -> Judged:
    """Ask a judge where it changes the selection most, let the detector learn from it, and select again.

    Bayes triage (``foils.risk.triage``) picks the pairs; a part is drawn at random with known chances, which keeps
    the detector calibrated, and what triage does not need goes to the likeliest positives. After each round the
    detector learns anew, and the recipe's rules, actions and sampler run again; nothing is searched or encoded twice.
    Every verdict is in ``verdicts.parquet`` before the next is asked, so a killed call goes on, and the same call again
    asks nothing.

    Args:
        run: a finished run.
        judge: whom to ask.
        engine: where it runs.
        budget: verdicts of this judge on this run in all, earlier ones included.
        risk: select within this risk from now on; null: as the recipe says.
        share: of the budget that is drawn at random, in the first round; the default fills it.
        rounds: the detector learns after each; 1 for a sheet, which a person fills in at once.
        seed: of the random part.

    Raises:
        FoilsError: before anything is asked if options, judge or run do not fit.
    """
    if budget < 0 or rounds < 1 or not 0 <= share <= 1:
        raise RecipeError(
            f"budget={budget}, rounds={rounds}, share={share}: budget from 0, rounds from 1, share 0 to 1"
        )
    judge.check()
    recipe = learning(run.recipe, risk)
    recipe.check()
    desk = desk_of(run, judge, engine)
    begun = desk.verdicts.frame.height
    desk.correct(run.pairs)
    now = recut(run, counted(desk.verdicts), engine, recipe)
    again = desk.waiting(now.pairs)
    if again.height:
        desk.ask(now.pairs, again["row"].to_numpy(), again["draw"].to_list(), _floats(again["chance"]))
        now = recut(run, counted(desk.verdicts), engine, recipe)
    for turn in range(rounds):
        left = budget - desk.answers(now.pairs).height
        if left <= 0 or desk.waiting(now.pairs).height:
            break
        size = -(-left // (rounds - turn))
        batch = next_batch(now, desk, size, min(share * left / size, 1.0) if turn == 0 else 0.0, seed)
        if not batch.rows.size:
            break
        desk.ask(now.pairs, batch.rows, batch.draw.tolist(), batch.chance)
        now = recut(run, counted(desk.verdicts), engine, recipe)
    now = store(run, now)
    new = desk.verdicts.frame[begun:].filter(~unanswered() & (pl.col("by") == judge.name))
    relevant = int((new["p_relevant"] >= 0.5).sum())
    return Judged(now, new.height, relevant, new["p_relevant"].null_count(), desk.waiting(now.pairs).height)


def select(run: Run, engine: Engine, *, risk: float | None = None) -> Run:
    """Select again with the verdicts that there are, within another risk; asks nobody.

    Args:
        run: a finished run.
        engine: where it runs.
        risk: the largest estimated share of false negatives of a query; null: as the recipe says.
    """
    recipe = learning(run.recipe, risk)
    recipe.check()
    return store(run, recut(run, counted(run.verdicts), engine, recipe))


def planned(
    run: Run, judge: Judge, engine: Engine, *, budget: int = 200, risk: float | None = None, seed: int = 0
) -> tuple[Run, Rows]:
    """The pairs that ``judge`` would ask about as things stand; later rounds may pick others. Asks nobody."""
    desk = desk_of(run, judge, engine)
    now = recut(run, counted(desk.verdicts), engine, learning(run.recipe, risk))
    left = max(budget - desk.answers(now.pairs).height, 0)
    return now, next_batch(now, desk, left, 0.25, seed).rows


def next_batch(run: Run, desk: Desk, size: int, share: float, seed: int) -> Batch:
    """The pairs whose verdicts are worth most to the selection of this run."""
    sampler = sampler_of(run.recipe)
    target = sampler.risk if isinstance(sampler, WithinRisk) else RISK
    free = pool(run.pairs)
    query = free.frame["query"].to_numpy()
    answer = np.full(len(query), -1, dtype=np.int64)
    said = desk.answers(free)
    told = said.filter(pl.col("p_relevant").is_not_null())
    answer[told["row"].to_numpy()] = (told["p_relevant"] >= 0.5).cast(pl.Int64).to_numpy()
    ours = np.zeros(len(query), dtype=np.bool_)
    ours[said["row"].to_numpy()] = True
    # Before this judge spoke: what others said settles a pair, the detector stands for the rest.
    p = np.where(ours, _floats(free.frame["prob.detector"]), _floats(free.frame["p_relevant"]))
    p[~free.frame.select(free.live).to_series().to_numpy()] = np.nan
    p[ours & (answer < 0)] = np.nan
    triage = Triage(sampler.n, target, answers_of(desk.judge), random_share=share, seed=seed)
    return _filled(triage.batch(query, p, sampler.keys(free), answer, size), np.where(ours, np.nan, p), size)


def _filled(batch: Batch, p: NDArray[np.float64], size: int) -> Batch:
    """The batch, and, where triage leaves some of the size, the likeliest positives: a "yes" there is what gains."""
    open_ = np.isfinite(p) & (p > 0) & (p < 1)
    open_[batch.rows] = False
    rows = np.flatnonzero(open_)
    more = rows[np.argsort(-p[rows], kind="stable")][: max(size - len(batch.rows), 0)].astype(np.uint32)
    draw = np.concatenate([batch.draw, np.full(len(more), "chosen")])
    return Batch(np.concatenate([batch.rows, more]), draw, np.concatenate([batch.chance, np.full(len(more), np.nan)]))


def learning(recipe: Recipe, risk: float | None = None) -> Recipe:
    """The recipe with a detector that learns from verdicts, an action that follows it, and the risk where one is given.

    Raises:
        RecipeError: the recipe draws nothing.
    """
    steps = list(recipe.steps)
    sampler = sampler_of(recipe)
    at = steps.index(sampler)
    if risk is not None:
        by = str(getattr(sampler, "by", "") or getattr(sampler, "score", ""))
        short = "fewer" if sampler.short == "relax" else sampler.short
        old = sampler if isinstance(sampler, WithinRisk) else None
        steps[at] = replace(old, risk=risk) if old else WithinRisk(sampler.n, short, sampler.seed, risk, by)
    if not any(isinstance(step, Detect) for step in steps):
        steps[at:at] = [Detect(), Repair()]
    return replace(recipe, steps=tuple(steps))


def sampler_of(recipe: Recipe) -> Sampler:
    """The step that draws.

    Raises:
        RecipeError: there is none.
    """
    found = [step for step in recipe.steps if isinstance(step, Sampler)]
    if not found:
        raise RecipeError(f"recipe {recipe.name!r} draws nothing, so nothing can be drawn again; add a sampler to it")
    return found[-1]


def pool(pairs: Pairs) -> Pairs:
    """The table with every candidate live that a verdict may still make a negative or a positive."""
    free = open_to(pairs)
    dropped = pl.when(free).then(None).otherwise(pl.coalesce(pl.col("dropped").cast(pl.String), pl.lit("settled")))
    return replace(pairs, frame=pairs.frame.with_columns(dropped=dropped.cast(pl.Categorical)))


def filtered_by(recipe: Recipe, verdicts: Verdicts) -> frozenset[str]:
    """The kinds of evidence that decided what is in the selection: judges, their verdicts, and rerankers of rules."""
    said = verdicts.frame.filter(pl.col("draw") != "audit")["family"].drop_nulls().unique().to_list()
    found = {part for family in said for part in family.split("+")}
    for step in recipe.steps:
        if isinstance(step, Ask) and step.judge is not None:
            found |= step.judge.families
        if isinstance(step, Rerank):
            found.add(f"cross-encoder:{getattr(step.scorer, 'model', '') or step.scorer!r}")
    return frozenset(found)


def answers_of(judge: Judge) -> Answers:
    """How often a judge is taken to be right before anything is known of it: its weakest kind of evidence counts."""
    kinds = [family.partition(":")[0] for family in judge.families]
    right = min((ACCURACY.get(kind, 0.8) for kind in kinds), default=0.8)
    return yes_no(right, right)


def desk_of(run: Run, judge: Judge, engine: Engine) -> Desk:
    """The judge with the verdicts that the run has."""
    return Desk(judge, engine, run.verdicts, None if run.folder is None else run.folder / VERDICTS)


def store(before: Run, now: Run) -> Run:
    """Put a run in the place of another in its folder, unless nothing differs."""
    if before.folder is None or same(before, now):
        return now
    key = str(read_json(before.folder / MANIFEST).get("key", ""))
    text = recipe_file.dumps(now.recipe)
    title, records = now.pairs.collection.name or "foils", made.read(before.folder)
    page = report.render(now.pairs, title=title, recipe=text, ledger=now.ledger, made=records)
    Folder(before.folder, key).replace(now.pairs, text, now.ledger, page)
    return now


def same(before: Run, now: Run) -> bool:
    """Whether two runs hold the same table and recipe, and the same facts about what was promised."""
    if before.recipe != now.recipe or before.pairs.frame.shape != now.pairs.frame.shape:
        return False
    plain = pl.col(pl.Categorical).cast(pl.String)
    columns = sorted(before.pairs.frame.columns)
    if columns != sorted(now.pairs.frame.columns):
        return False
    tables = [r.pairs.frame.select(columns).with_columns(plain) for r in (before, now)]
    notes = [[(e.step, e.facts) for e in r.ledger.entries] for r in (before, now)]
    return tables[0].equals(tables[1]) and notes[0] == notes[1]


def counted(verdicts: Verdicts) -> Verdicts:
    """The verdicts that may filter: all but those that a model gave to measure what the others left."""
    measure = (pl.col("draw") == "audit") & (pl.col("family") != "human")
    return Verdicts(verdicts.frame.filter(~measure))


def check_independent(judge: Judge, recipe: Recipe, verdicts: Verdicts) -> None:
    """Refuse a judge that took part in the filtering.

    Raises:
        JudgeError: it did.
    """
    shared = sorted((judge.families & filtered_by(recipe, verdicts)) - {"human", "qrels"})
    if shared:
        raise JudgeError(
            f"{', '.join(shared)} took part in the filtering, and what it cannot see it cannot count: the rate of what "
            "it left must be measured by another kind of judge or by a person (--judge sheet:FILE.csv)"
        )


def _floats(values: pl.Series) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    return found
