"""The section on risk: how many of the negatives are false, what that rests on, and what another risk would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.explain import NOT_DRAWN
from foils.ledger import Ledger
from foils.outcome import promoted
from foils.pairs import Pairs
from foils.report.markup import section, table, text
from foils.show import count, number, plural, share

QUERIES = 5_000  # of which the price table is made, evenly spread; more would not change its digits


@dataclass(frozen=True)
class Risk:
    """What is known of false negatives among the selected.

    Args:
        expected: mean ``p_relevant`` of the selected negatives.
        level: of the detector, as the ledger says; empty: there was none.
        verdicts: how many candidates were judged, and how many of those were called relevant, by judge.
        promoted: candidates that became positives.
        audit: facts of the last audit of this selection; empty: none.
        promise: facts of the promise that this selection keeps; empty: none.
    """

    expected: float
    level: str
    verdicts: dict[str, tuple[int, int]]
    promoted: int
    audit: dict[str, str]
    promise: dict[str, str]

    @property
    def tile(self) -> tuple[str, str, str]:
        """Name, value and basis for the top of the page."""
        if self.promise:
            bound = float(self.promise["bound"])
            return "False negatives", f"≤ {100 * bound:.1f}%", f"promised {self.sure}"
        if self.audit:
            rate, low, high = (100 * float(self.audit[k]) for k in ("rate", "low", "high"))
            return "False negatives", f"{rate:.1f}%", f"measured: {low:.1f} to {high:.1f}%"
        return "False negatives", f"{100 * self.expected:.1f}%", f"estimated, {self.basis}"

    @property
    def sure(self) -> str:
        """How firmly a promise holds."""
        sure = self.promise["confidence"]
        return sure if sure == "in the mean" else f"at {100 * float(sure):g}% confidence"

    @property
    def basis(self) -> str:
        """What the estimate rests on."""
        if not self.level or self.level.startswith("0"):
            return "no verdicts"
        return plural(sum(n for n, _ in self.verdicts.values()), "verdict")


def known(pairs: Pairs, ledger: Ledger) -> Risk | None:
    """What the table and the ledger say; null where no probability was estimated."""
    chosen = pairs.frame.filter(pairs.live & pl.col("kind").is_null())["p_relevant"]
    if chosen.null_count() == chosen.len():
        return None
    facts = {e.step: e.facts for e in ledger.entries}
    said = pairs.frame.filter(pl.col("judged_by").is_not_null() & (~pl.col("positive") | promoted()))
    by = said.group_by(pl.col("judged_by").cast(pl.String)).agg(pl.len(), yes=(pl.col("p_relevant") >= 0.5).sum())
    return Risk(
        float(chosen.mean() or 0.0),  # type: ignore[arg-type]
        facts.get("detect", {}).get("level", ""),
        {who: (n, yes) for who, n, yes in by.sort("judged_by").iter_rows()},
        int(pairs.frame.select(promoted().sum()).item()),
        facts.get("audit", {}),
        facts.get("promise", {}),
    )


def risk(pairs: Pairs, found: Risk | None, n: int, score: str | None) -> str:
    """The section; empty where nothing was estimated.

    Args:
        pairs: the finished table.
        found: what is known.
        n: negatives wanted per query.
        score: what makes a candidate hard; null: its best rank.
    """
    if found is None:
        return ""
    judged = [
        [text(who), count(n_), count(yes), share(yes, n_)]
        for who, (n_, yes) in found.verdicts.items()
        if who != "qrels"
    ]
    parts = [table(["judge", "#candidates", "#relevant", "#share"], judged, caption="Who judged")] if judged else []
    return section("risk", "False negatives", _lead(found), *parts, _prices(pairs, n, score))


def _lead(found: Risk) -> str:
    value = found.tile[1]
    if found.promise:
        p = found.promise
        return (
            f"Promised {found.sure}: at most {value.removeprefix('≤ ')} of the selected negatives are false, "
            f"by {p['verdicts']} verdicts of {text(p['judge'])}. "
            f"This assumes {text(p['assumes'])}."
        )
    if found.audit:
        a = found.audit
        return (
            f"{value} of the selected negatives are false ({100 * float(a['confidence']):g}% interval "
            f"{100 * float(a['low']):.1f} to {100 * float(a['high']):.1f}%), by {a['pairs']} pairs that "
            f"{text(a['judge'])} judged. The detector's own estimate is {100 * found.expected:.1f} %."
        )
    where = (
        "It rests on the detector that comes with foils, and on no verdict of this collection: on others it was off by "
        "up to a factor of two. Judge a few: <code>foils judge</code>."
        if found.basis == "no verdicts"
        else f"It rests on {found.basis}, from which the detector learned; an audit by somebody else would measure it: "
        "<code>foils judge --audit</code>."
    )
    more = f" {plural(found.promoted, 'candidate')} became positives." if found.promoted else ""
    level = f" (level {text(found.level)})" if found.level else ""
    return f"An estimated {value} of the selected negatives are false{level}. {where}{more}"


def _prices(pairs: Pairs, n: int, score: str | None) -> str:
    from foils.risk.price import prices

    query, p, hardness = _sample(pairs, score)
    if not np.isfinite(p).any():
        return ""
    rows = [
        [
            f"{100 * r['risk']:g}%",
            "–" if r["expected"] is None else f"{100 * r['expected']:.1f}%",
            "–" if r["hardness"] is None else number(r["hardness"]),
            number(r["per_query"]),
            f"{100 * r['kept']:.0f}%",
        ]
        for r in prices(query, p, hardness, n).iter_rows(named=True)
    ]
    header = ["risk", "#estimated false", "#hardness", "#negatives per query", "#queries with any"]
    caption = "What a risk costs: hardness is the mean z among the candidates of the query; choose with --risk"
    return table(header, rows, caption=caption)


def _sample(pairs: Pairs, score: str | None) -> tuple[NDArray[np.uint32], NDArray[np.float64], NDArray[np.float64]]:
    queries = pairs.queries
    step = max(1, -(-len(queries) // QUERIES))
    hard: Any = pl.col(score) if score else -pairs.best_rank
    some = pairs.frame.filter(pl.col("query").is_in(pl.Series(queries[::step]).implode()))
    # What the sampler could choose from, so that the row of the run's own risk says what the run did.
    free = pairs.live | (pl.col("dropped").cast(pl.String) == NOT_DRAWN).fill_null(value=False)
    part = some.select(
        "query",
        p=pl.when(free).then("p_relevant").cast(pl.Float64).fill_null(float("nan")),
        hard=hard.cast(pl.Float64).fill_null(float("nan")),
    )
    return part["query"].to_numpy(), part["p"].to_numpy(), part["hard"].to_numpy()
