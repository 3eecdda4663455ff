"""Conformal risk control with the query as the unit: for verdicts on whole queries."""

from __future__ import annotations

import numpy as np

from foils.errors import DataError
from foils.risk.choose import within_risk
from foils.risk.estimate import conformal_cut
from foils.risk.guarantee import STEPS, Ask, Candidates, Chosen


def conformal(candidates: Candidates, n: int, risk: float, budget: int, ask: Ask, *, seed: int = 0) -> Chosen:
    """The boldest selection whose expected share of false negatives of a query is within the risk.

    Selections go from careful to bold (``within_risk`` at shares of the risk). Random queries are judged whole, every
    row that any selection holds, until the budget is spent; ``conformal_cut`` (arXiv:2208.02814, equation 4) picks
    one. Assumes nothing but that the judged queries are a random pick. The promise is about the mean over
    repetitions, and says nothing about its own tail (``guarantee`` does). A query without negatives has no loss.
    Fails with fewer than 1 / risk judged queries, about 10 verdicts each.

    Args:
        candidates: to choose from.
        n: negatives per query at most.
        risk: allowed expected share of false negatives of a query.
        budget: verdicts at most.
        ask: verdicts on rows, 1 for relevant; NaN (abstained) counts as relevant.
        seed: of the order of the queries.

    Raises:
        DataError: the budget judges no whole query.
    """
    shares = STEPS[::-1]
    levels = [within_risk(candidates.query, candidates.p, candidates.hardness, n, min(s * risk, 1.0)) for s in shares]
    selections = np.stack(levels)
    union = np.flatnonzero(selections.any(axis=0)).astype(np.uint32)
    owner = candidates.query[union]
    queries = np.unique(candidates.query)
    turn = np.random.default_rng(seed).permutation(len(queries))
    needs = np.array([(owner == queries[i]).sum() for i in turn])
    taken = queries[turn[np.cumsum(needs) <= budget]]
    if not len(taken) or not union.size:
        least = needs[0] if len(needs) else 0
        raise DataError(f"a budget of {budget:,} verdicts judges no whole query; the first one needs {least}")
    rows = union[np.isin(owner, taken)]
    relevant = np.nan_to_num(np.asarray(ask(rows), dtype=np.float64), nan=1.0)
    inside = selections[:, rows]
    losses = np.zeros((len(taken), len(shares)))
    for i, query in enumerate(taken):
        mine = candidates.query[rows] == query
        false = (inside[:, mine] * relevant[mine]).sum(axis=1)
        losses[i] = false / np.maximum(inside[:, mine].sum(axis=1), 1)
    cut = conformal_cut(losses, risk)
    chosen = np.zeros(len(candidates.query), dtype=np.bool_) if cut is None else selections[cut].copy()
    chosen[rows[relevant > 0]] = False
    bound = 1.0 if cut is None else float((np.maximum.accumulate(losses, axis=1)[:, cut].sum() + 1) / (len(taken) + 1))
    return Chosen(chosen, 0.0 if cut is None else float(shares[cut]), bound, rows, relevant)
