"""Does a promised risk hold, does an interval cover, and what does a risk cost?

    python benchmarks/risk.py [--labellings 40] [--draws 5] [--only NAME ...] [--part NAME ...]

Every collection: 40 labellings (the known positive of each query redrawn among its relevant documents) times 5 draws
of 200 verdicts (= the hidden truth) make 200 simulated runs. Detector: level 0, coefficients from the other
collections. Rates: false negatives over all selected pairs. Hardness: mean z of the selected *true* negatives within
their query's candidates (union of the BM25 and MiniLM top 50). Choices of method were made on cranfield and cisi; cacm
and npl only report. Seeds are counters.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from foils.risk.choose import places, within_risk
from foils.risk.estimate import (
    Interval,
    clopper_pearson,
    cluster_robust,
    conformal_cut,
    hajek,
    prediction_powered,
    rogan_gladen,
    stratified,
)
from foils.risk.guarantee import Candidates, guarantee
from foils.risk.sample import by_strata, spread, whole_queries
from machine import describe
from pools import Floats, Pool, pool

COLLECTIONS = ("cranfield", "cisi", "cacm", "npl")
RISKS = (0.05, 0.1, 0.2)
N, BUDGET = 8, 200
BUDGETS = (50, 100, 200, 400)
Mask = NDArray[np.bool_]


def row_of(found: Pool, rows: Mask, risk: float) -> tuple[float, ...]:
    """Within, rate, hardness, negatives per query, queries kept."""
    if not rows.any():  # nothing selected breaks no promise
        return 1.0, np.nan, np.nan, 0.0, 0.0
    truth, kept = found.truth[rows], len(np.unique(found.query[rows])) / found.queries
    clean = found.z[rows][~truth]
    return float(truth.mean() <= risk), truth.mean(), clean.mean(), rows.sum() / found.queries, kept


def promises(
    name: str,
    pools: list[Pool],
    draws: int,
    risks: tuple[float, ...] = RISKS,
    *,
    budget: int = BUDGET,
    ways: tuple[bool, ...] = (False, True),
) -> None:
    """One line per risk and way."""
    for proof in ways:
        for risk in risks:
            table = []
            for k, found in enumerate(pools):
                candidates = Candidates(found.query, found.p, found.z)
                for draw in range(draws):
                    chosen = guarantee(
                        candidates,
                        N,
                        risk,
                        budget,
                        lambda rows, found=found: found.truth[rows].astype(np.float64),
                        proof=proof,
                        seed=1000 * k + draw,
                    )
                    table.append((*row_of(found, chosen.rows, risk), len(chosen.judged)))
            line(name, "proof" if proof else "promise", risk, np.array(table))
    for risk in risks if budget == BUDGET and False in ways else ():
        rows = [within_risk(f.query, f.p, f.z, N, risk) for f in pools]
        table = [(*row_of(f, r, risk), 0) for f, r in zip(pools, rows, strict=True)]
        line(name, "no verdicts", risk, np.array(table))


def line(name: str, way: str, risk: float, table: Floats) -> None:
    """Means over runs."""
    within, some, verdicts = table[:, 0].mean(), (table[:, 3] > 0).mean(), table[:, 5].mean()
    rate, z = np.nanmean(table[:, 1]), np.nanmean(table[:, 2])
    print(
        f"| {name} | {way} | {100 * risk:g} | {100 * within:.1f} | {100 * some:.0f} | {100 * rate:.1f} | "
        f"{100 * np.quantile(np.nan_to_num(table[:, 1]), 0.9):.1f} | {z:+.2f} | "
        f"{table[:, 3].mean():.1f} | {100 * table[:, 4].mean():.0f} | {verdicts:.0f} |",
        flush=True,
    )


def designs(found: Pool, rows: Mask, seed: int) -> dict[str, Interval]:
    """Every estimator on a fresh sample of its design."""
    query, p, truth = found.query[rows], found.p[rows], found.truth[rows].astype(np.float64)
    queries = len(np.unique(query))
    one, many = spread(query, p, min(BUDGET, queries), seed), spread(query, p, BUDGET, seed)
    layer, whole = by_strata(p, BUDGET, seed), whole_queries(query, min(BUDGET // N, queries // 2), seed)
    _, group = np.unique(query[whole.rows], return_inverse=True)
    false, sizes = np.bincount(group, truth[whole.rows]), np.bincount(group).astype(np.float64)
    strata = np.bincount(layer.stratum)
    population = np.round(np.bincount(layer.stratum, 1 / layer.chance))
    rng = np.random.default_rng(seed)
    said = np.where(truth[many.rows] > 0, rng.random(len(many.rows)) < 0.9, rng.random(len(many.rows)) < 0.05)
    return {
        "one pair per query, Clopper-Pearson": clopper_pearson(truth[one.rows].sum(), len(one.rows)),
        "one pair per query, PPI++": prediction_powered(p, p[one.rows], truth[one.rows]),
        "200 pairs spread, Clopper-Pearson": clopper_pearson(truth[many.rows].sum(), len(many.rows)),
        "200 pairs spread, PPI++": prediction_powered(p, p[many.rows], truth[many.rows]),
        "200 pairs by strata of p, stratified": stratified(
            np.bincount(layer.stratum, truth[layer.rows]), strata.astype(np.float64), population
        ),
        "200 pairs by strata of p, Hajek": hajek(truth[layer.rows], layer.chance),
        "whole queries, cluster-robust": cluster_robust(false, sizes, queries),
        "whole queries, binomial (wrong)": clopper_pearson(false.sum(), sizes.sum()),
        "200 pairs, judge .9/.95 as it stands (wrong)": clopper_pearson(said.sum(), len(said)),
        "200 pairs, judge .9/.95, Rogan-Gladen": rogan_gladen(int(said.sum()), len(said), 0.9, 0.95),
    }


def cover(name: str, pools: list[Pool], draws: int) -> None:
    """Coverage and width of 95 % intervals."""
    for risk in RISKS:
        seen: dict[str, list[tuple[float, ...]]] = {}
        rates = []
        for k, found in enumerate(pools):
            rows = within_risk(found.query, found.p, found.z, N, risk)
            true = float(found.truth[rows].mean())
            rates.append(true)
            for draw in range(draws):
                for design, interval in designs(found, rows, 1000 * k + draw).items():
                    hit = interval.low <= true <= interval.high
                    seen.setdefault(design, []).append((hit, interval.high - interval.low, interval.n))
        for design, table in seen.items():
            hit, width, n = np.array(table).mean(axis=0)
            true = 100 * float(np.mean(rates))
            print(f"| {name} | {true:.1f} | {design} | {n:.0f} | {100 * hit:.1f} | {100 * width:.1f} |", flush=True)


def conformal(name: str, pools: list[Pool], draws: int) -> None:
    """Query-level conformal risk control: half of the queries judged, the mean rate of the other half."""
    levels = np.geomspace(0.002, 0.6, 24)
    for risk in RISKS:
        rates, z, cuts = [], [], 0
        for k, found in enumerate(pools):
            _, group = np.unique(found.query, return_inverse=True)
            masks = [within_risk(found.query, found.p, found.z, N, level) for level in levels]
            sizes = np.stack([np.maximum(np.bincount(group, m, found.queries), 1) for m in masks], axis=1)
            losses = np.stack([np.bincount(group, m & found.truth, found.queries) for m in masks], axis=1) / sizes
            for draw in range(draws):
                half = np.random.default_rng(1000 * k + draw).permutation(found.queries)
                judged, rest = half[: found.queries // 2], half[found.queries // 2 :]
                cut = conformal_cut(losses[judged], risk)
                rates.append(0.0 if cut is None else float(losses[rest, cut].mean()))
                if cut is not None:
                    taken = masks[cut] & np.isin(group, rest) & ~found.truth
                    z.append(found.z[taken].mean())
                    cuts += 1
        share, hardness = 100 * cuts / len(rates), np.mean(z) if z else np.nan
        within = 100 * np.mean(np.array(rates) <= risk)
        print(
            f"| {name} | {100 * risk:g} | {100 * np.mean(rates):.1f} | {within:.0f} | {share:.0f} | {hardness:+.2f} |",
            flush=True,
        )


def widths() -> None:
    """What Clopper-Pearson says of so many verdicts; no data."""
    print("\n### widths\n\n| verdicts | nothing found: at most % | 5 % found | 10 % found |\n|---|---|---|---|")
    for n in (40, 100, 200, 400, 1000):
        none, *found = (clopper_pearson(round(n * rate), n) for rate in (0.0, 0.05, 0.1))
        cells = " | ".join(f"{100 * f.low:.1f}-{100 * f.high:.1f}" for f in found)
        print(f"| {n} | {100 * none.high:.1f} | {cells} |", flush=True)


def mean_cut(query: NDArray[np.uint32], p: Floats, z: Floats, n: int, risk: float) -> Mask:
    """The n hardest below the highest cut on p, per query, at which their mean p is within the risk."""
    chosen = np.zeros(len(query), dtype=np.bool_)
    bounds = np.flatnonzero(np.diff(query.astype(np.int64), prepend=-1, append=-1))
    for start, stop in pairwise(bounds):
        rows = np.arange(start, stop)
        for cut in np.unique(p[rows])[::-1]:
            below = rows[p[rows] <= cut]
            taken = below[np.argsort(-z[below], kind="stable")[:n]]
            if p[taken].mean() <= risk:
                chosen[taken] = True
                break
    return chosen


def fronts(name: str, pools: list[Pool]) -> None:
    """Hardness at equal realised rates, of three ways to choose."""

    def row_cut(query: NDArray[np.uint32], p: Floats, z: Floats, n: int, risk: float) -> Mask:
        return places(query, np.where(p <= risk, z, np.nan)) < n

    ways: dict[str, Callable[..., Mask]] = {
        "price on p (within_risk)": within_risk,
        "cut on the mean of p": mean_cut,
        "cut on every p": row_cut,
    }
    at = np.array([0.02, 0.05, 0.1, 0.2])
    for way, choose in ways.items():
        found, over = [], []
        for pool_ in pools:
            curve = []
            for level in np.geomspace(0.003, 0.7, 28):
                rows = choose(pool_.query, pool_.p, pool_.z, N, level)
                if rows.sum() >= 0.9 * N * pool_.queries:
                    truth = pool_.truth[rows]
                    curve.append((truth.mean(), pool_.z[rows][~truth].mean(), pool_.p[rows].mean()))
            rates, z, expected = np.array(sorted(curve)).T
            found.append(np.interp(at, rates, z, left=np.nan, right=np.nan))
            over.append(float(np.interp(0.1, expected, rates)))
        cells = " | ".join(f"{v:+.2f}" for v in np.nanmean(found, axis=0))
        print(f"| {name} | {way} | {cells} | {100 * np.mean(over):.1f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labellings", type=int, default=40)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(COLLECTIONS))
    parser.add_argument(
        "--part", nargs="*", default=["widths", "promise", "proof", "cover", "conformal", "price", "budget", "fronts"]
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
    print(f"{describe()}\n- {args.labellings} labellings x {args.draws} draws\n", flush=True)
    pools = {name: [pool(name, k) for k in range(args.labellings)] for name in args.only}
    costs = "| data | way | R % | within % | some % | realised % | 9 of 10 runs under % | z | per query | kept % | "
    costs += "verdicts |\n" + "|---" * 11
    parts = {
        "promise": (costs + "|", lambda name: promises(name, pools[name], args.draws, ways=(False,))),
        "proof": (costs + "|", lambda name: promises(name, pools[name], args.draws, ways=(True,))),
        "price": (
            costs + "|",
            lambda name: promises(name, pools[name], 5, (0.02, 0.03, 0.05, 0.1, 0.2, 0.3), ways=(False,)),
        ),
        "budget": (
            costs + "|",
            lambda name: [promises(name, pools[name], args.draws, (0.1,), budget=b, ways=(False,)) for b in BUDGETS],
        ),
        "cover": (
            "| data | true % | design | verdicts | covers % | width pp |\n" + "|---" * 6 + "|",
            lambda name: cover(name, pools[name], args.draws),
        ),
        "conformal": (
            "| data | R % | mean rate % | runs within % | a cut found % | z |\n" + "|---" * 6 + "|",
            lambda name: conformal(name, pools[name], args.draws),
        ),
        "fronts": (
            "| data | way | z at 2 % | 5 % | 10 % | 20 % | realised % at 10 % expected |\n" + "|---" * 7 + "|",
            lambda name: fronts(name, pools[name]),
        ),
    }
    if "widths" in args.part:
        widths()
    for part in [part for part in args.part if part != "widths"]:
        head, show = parts[part]
        print(f"\n### {part}\n\n{head}")
        for name in args.only:
            show(name)


if __name__ == "__main__":
    main()
