"""The section on risk: how many of the negatives are false, what that rests on, and what another risk would cost."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from foils.ledger import Ledger
from foils.outcome import promoted
from foils.pairs import Pairs
from foils.report.likely import likely
from foils.report.markup import section, table, text
from foils.show import count, plural, share


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


def risk(pairs: Pairs, found: Risk | None, n: int, score: str | None, recipe: str = "") -> str:
    """The section; empty where nothing was estimated.

    Args:
        pairs: the finished table.
        found: what is known.
        n: negatives wanted per query.
        score: what makes a candidate hard; null: its best rank.
        recipe: as TOML text; it says where candidates were cut.
    """
    if found is None:
        return ""
    judged = [
        [text(who), count(n_), count(yes), share(yes, n_)]
        for who, (n_, yes) in found.verdicts.items()
        if who != "qrels"
    ]
    parts = [table(["judge", "#candidates", "#relevant", "#share"], judged, caption="Who judged")] if judged else []
    return section("risk", "False negatives", _lead(found), likely(pairs, n, score, recipe), *parts)


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
        "It rests on the detector that comes with foils, and on no verdict of this collection. Measured on four "
        "collections like those that it was trained on, such an estimate was between five times too careful and twice "
        "too bold; on a fifth, where most of the top is relevant, twelve times too bold. Judge a few: "
        "<code>foils judge</code>."
        if found.basis == "no verdicts"
        else f"It rests on {found.basis}, from which the detector learned; an audit by somebody else would measure it: "
        "<code>foils judge --audit</code>."
    )
    more = f" {plural(found.promoted, 'candidate')} became positives." if found.promoted else ""
    level = f" (level {text(found.level)})" if found.level else ""
    return f"An estimated {value} of the selected negatives are false{level}. {where}{more}"
