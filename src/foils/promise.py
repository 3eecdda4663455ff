"""How sure: the rate of false negatives in a selection, measured on a sample, and selections with a promise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import JudgeError, RecipeError
from foils.judging import check_independent, desk_of, pool, sampler_of, store
from foils.ledger import Entry
from foils.pairs import Pairs
from foils.protocols import Engine, Judge
from foils.risk.estimate import Interval, clopper_pearson, prediction_powered
from foils.risk.guarantee import Candidates, Chosen, guarantee, least
from foils.risk.sample import spread
from foils.risk.whole import conformal
from foils.run import Run
from foils.steps import Weight
from foils.verdicts import Verdicts

Rows = NDArray[np.uint32]
AUDIT, PROMISE = "audit", "promise"
Method = Literal["calibrated", "proof", "conformal"]
ASSUMES = {
    "calibrated": "that the detector errs smoothly over the collection",
    "proof": "nothing of the detector",
    "conformal": "nothing of the detector; it holds in the mean over repetitions",
}


class Waiting(Exception):
    """A person has pairs to judge before it goes on."""

    def __init__(self, pairs: int) -> None:
        super().__init__(f"{pairs:,} pairs wait for a verdict")
        self.pairs = pairs


@dataclass(frozen=True, eq=False)
class Audited:
    """What an audit found.

    Args:
        run: the run, with the finding in its ledger.
        rate: of false negatives in the selection, by counting (Clopper-Pearson).
        powered: the same with the detector's help (prediction-powered); null where a probability is missing or is one
            of these verdicts, and for a single pair.
        found: false negatives in the sample.
        abstained: pairs that the judge could not tell; they count as false.
    """

    run: Run
    rate: Interval
    powered: Interval | None
    found: int
    abstained: int


def audit(
    run: Run, judge: Judge, engine: Engine, *, size: int = 100, confidence: float = 0.95, seed: int = 0
) -> Audited:
    """Measure the rate of false negatives of a selection: a random sample, at most one pair per query where it can be.

    The selection stays as it is: what is found false goes when ``foils judge`` selects again, and the rate is that of
    the selection before. The judge must not have taken part in the filtering.

    Args:
        run: a finished run.
        judge: an independent judge, or a person.
        engine: where it runs.
        size: pairs to judge.
        confidence: of the intervals.
        seed: of the draw.

    Raises:
        JudgeError: the judge took part in the filtering.
        Waiting: a person has to fill in the sheet first.
    """
    judge.check()
    check_independent(judge, run.recipe, _chosen_by(run))
    rows = np.flatnonzero(run.pairs.frame.select(run.pairs.live & pl.col("kind").is_null()).to_series().to_numpy())
    p = _p(run.pairs)[rows]
    sample = spread(run.pairs.frame["query"].to_numpy()[rows], np.nan_to_num(p, nan=0.5), size, seed)
    drawn = rows[sample.rows].astype(np.uint32)
    desk = desk_of(run, judge, engine)
    said = desk.ask(run.pairs, drawn, ["audit"] * len(drawn), sample.chance)
    if waiting := int(np.isin(desk.waiting(run.pairs)["row"].to_numpy(), drawn).sum()):
        raise Waiting(waiting)
    relevant = _sides(said)
    rate = clopper_pearson(float(relevant.sum()), len(relevant), confidence)
    told = (run.pairs.frame["judged_by"].gather(drawn).cast(pl.String) == judge.name).any()
    sharper = len(drawn) > 1 and not told and np.isfinite(p).all()
    powered = prediction_powered(p, p[sample.rows], relevant, confidence) if sharper else None
    facts = {
        "judge": judge.name,
        "pairs": f"{len(drawn):,} of {len(rows):,}",
        "false": f"{int(relevant.sum()):,}",
        "abstained": f"{int(np.isnan(said).sum()):,}",
        "rate": f"{rate.rate:.4f}",
        "low": f"{rate.low:.4f}",
        "high": f"{rate.high:.4f}",
        "confidence": f"{confidence:g}",
    }
    if powered is not None:
        facts["prediction-powered"] = f"{powered.rate:.4f} ({powered.low:.4f} to {powered.high:.4f})"
    now = store(run, noted(run, AUDIT, facts))
    return Audited(now, rate, powered, int((said >= 0.5).sum()), int(np.isnan(said).sum()))


@dataclass(frozen=True, eq=False)
class Promised:
    """A selection with a promise.

    Args:
        run: the run with the new selection.
        bound: the rate is at most this, at the stated confidence.
        judged: verdicts that it rests on.
        selected: negatives.
    """

    run: Run
    bound: float
    judged: int
    selected: int


def promise(
    run: Run,
    judge: Judge,
    engine: Engine,
    *,
    risk: float,
    budget: int = 200,
    confidence: float = 0.9,
    method: Method = "calibrated",
    seed: int = 0,
) -> Promised:
    """Select so that the realised share of false negatives is within the risk, as often as the confidence says.

    Two rounds of verdicts on samples from the candidates: the first shows how far off the detector is here, the second
    judges what would be selected (``foils.risk.guarantee``). The selection takes the place of the sampler's. Rows
    judged relevant are never in it; an abstention counts as relevant.

    Args:
        run: a finished run with a detector.
        judge: one that took no part in the filtering, or a person.
        engine: where it runs.
        risk: the largest share of false negatives.
        budget: verdicts.
        confidence: of the promise.
        method: ``calibrated`` (trusts that the detector errs smoothly), ``proof`` (trusts nothing; costs hardness, or
            is impossible), ``conformal`` (judges whole queries; holds in the mean over repetitions, no confidence).
        seed: of the draws.

    Raises:
        JudgeError: the judge took part in the filtering, there is no detector, or nothing can be promised.
        Waiting: a person has to fill in the sheet first.
    """
    if method not in get_args(Method):
        raise RecipeError(f"method={method!r} is not known; one of {', '.join(get_args(Method))}")
    _check_promise(risk, confidence, 0.5 if method == "proof" else 0.0)
    judge.check()
    check_independent(judge, run.recipe, run.verdicts)
    if "prob.detector" not in run.pairs.frame.columns:
        raise JudgeError("the run has no detector's probabilities; mine with --risk, or give foils judge --risk first")
    sampler, free = sampler_of(run.recipe), pool(run.pairs)
    live = free.frame.select(free.live).to_series().to_numpy()
    p = np.where(live, _p(free), np.nan)
    candidates = Candidates(free.frame["query"].to_numpy(), np.where(p >= 1, np.nan, p), sampler.keys(free))
    desk = desk_of(run, judge, engine)

    def ask(rows: Rows) -> NDArray[np.float64]:
        said = desk.ask(free, rows, ["audit"] * len(rows))
        if waiting := int(np.isin(desk.waiting(free)["row"].to_numpy(), rows).sum()):
            raise Waiting(waiting)
        return _sides(said)

    if method == "conformal":
        chosen = conformal(candidates, sampler.n, risk, budget, ask, seed=seed)
    else:
        proof = method == "proof"
        chosen = guarantee(candidates, sampler.n, risk, budget, ask, confidence=confidence, proof=proof, seed=seed)
    if not chosen.rows.any():
        raise _nothing(len(chosen.judged), risk, confidence)
    facts = {
        "judge": judge.name,
        "risk": f"{risk:g}",
        "confidence": "in the mean" if method == "conformal" else f"{confidence:g}",
        "bound": f"{chosen.bound:.4f}",
        "verdicts": f"{len(chosen.judged):,}",
        "found relevant": f"{int(chosen.relevant.sum()):,}",
        "assumes": ASSUMES[method],
    }
    now = store(run, noted(_selected(run, free, chosen, engine), PROMISE, facts))
    return Promised(now, chosen.bound, len(chosen.judged), int(chosen.rows.sum()))


def _nothing(judged: int, risk: float, confidence: float) -> JudgeError:
    more = f" (at least {least(risk, confidence):,})" if 0 < risk < 1 else ""
    return JudgeError(
        f"nothing can be promised: by {judged:,} verdicts no selection is within a risk of {risk:g} "
        f"at confidence {confidence:g}; accept a larger risk, or judge more{more}"
    )


def _chosen_by(run: Run) -> Verdicts:
    """The verdicts, those that a promise rests on marked as what they did: they chose the selection."""
    promised = pl.col("by").is_in([e.facts.get("judge", "") for e in run.ledger.entries if e.step == PROMISE])
    draw = pl.when(promised).then(pl.lit("chosen")).otherwise("draw")
    return Verdicts(run.verdicts.frame.with_columns(draw=draw))


def _check_promise(risk: float, confidence: float, above: float) -> None:
    if not 0 <= risk <= 1:
        raise RecipeError(f"risk={risk:g} is no share; it must lie within 0 and 1, for instance 0.05")
    if not above < confidence < 1:
        raise RecipeError(f"confidence={confidence:g} must lie between {above:g} and 1, for instance 0.9")


def _selected(run: Run, free: Pairs, chosen: Chosen, engine: Engine) -> Run:
    """The run with these negatives in place of the sampler's, weighed as its recipe says."""
    take = pl.lit(pl.Series(chosen.rows))
    fate = (
        pl.when(take)
        .then(None)
        .when(run.pairs.live & pl.lit(free.frame.select(free.live).to_series()))
        .then(pl.lit("not drawn", dtype=pl.Categorical))
        .otherwise("dropped")
    )
    frame = run.pairs.frame.with_columns(dropped=fate, weight=pl.lit(None, dtype=pl.Float32))
    pairs = replace(run.pairs, frame=frame)
    for step in run.recipe.steps:
        if isinstance(step, Weight):
            pairs = step(pairs, engine)
    return replace(run, pairs=pairs)


def noted(run: Run, step: str, facts: dict[str, str]) -> Run:
    """The run with a line in its ledger, in place of the same step's earlier one."""
    counts = run.pairs.counts()
    line = Entry(step, step, run.pairs.frame.height, counts.get("selected", 0), {}, 0.0, 0.0, facts)
    entries = (*(e for e in run.ledger.entries if e.step != step), line)
    return replace(run, ledger=replace(run.ledger, entries=entries))


def _p(pairs: Pairs) -> NDArray[np.float64]:
    column = pairs.frame["p_relevant"].cast(pl.Float64).fill_null(float("nan"))
    found: NDArray[np.float64] = column.to_numpy()
    return found


def _sides(said: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for relevant and for an abstention, else 0."""
    return np.where(np.isnan(said), 1.0, (said >= 0.5).astype(np.float64))
