"""In plain words: what the labels at hand allow to be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from foils.show import number, share

SAFE = 0.9  # below this share of judged documents comparisons are unsafe (methods.md calls for it; Sakai, SIGIR 2007)
SHALLOW = 1.5  # known positives per query


class Labels(NamedTuple):
    """What a set of queries is labelled with.

    Args:
        queries: that have a relevant document.
        relevant: judged relevant, per query on average.
        other: judged and not relevant, per query on average.
        complete: the user says that what is not listed is not relevant.
    """

    queries: int
    relevant: float
    other: float
    complete: bool = False


class Means(NamedTuple):
    """What ``safety`` compares: means over queries by system, of the first measure and its companions.

    Args:
        measure: name of the first measure.
        judged: name of its ``Judged@k``.
        condensed: name of its condensed form.
        values: measure to (system to mean); null where undefined.
    """

    measure: str
    judged: str
    condensed: str
    values: Mapping[str, Mapping[str, float | None]]


def safety(labels: Labels, means: Means, a: str, b: str) -> tuple[bool, str]:
    """Whether the labels allow system a to be compared with system b, and why not.

    Returns:
        True if at least 90 % of the top k of both are judged, or the labels are complete; and a sentence.
    """
    if labels.complete:
        return True, f"{a} against {b}: the labels are said to be complete, so nothing that is missing can mislead."
    shares = [means.values.get(means.judged, {}).get(s) or 0.0 for s in (a, b)]
    k = means.judged.partition("@")[2]
    told = f"{share(shares[0], 1)} of {a}'s and {share(shares[1], 1)} of {b}'s top {k} are judged"
    if min(shares) >= SAFE:
        return True, f"{a} against {b}: {told}; missing labels hardly matter."
    parts = [f"{a} against {b} is unsafe: {told}, and what is not judged counts as wrong."]
    if not labels.other:
        parts.append(
            "These labels name relevant documents only, so nothing here can tell a wrong document from an unlabelled "
            "right one; if the labels are complete, say --complete."
        )
    else:
        parts.append(_leaders(means, a, b))
    if abs(shares[0] - shares[1]) >= 0.1:
        more = a if shares[0] > shares[1] else b
        parts.append(f"The labels know {more}'s results better: they may come from a system like it.")
    if labels.relevant < SHALLOW:
        parts.append(
            f"With {number(labels.relevant)} known positives per query the order of close models is open "
            "(D-MERIT, arXiv:2406.16048)."
        )
    return False, " ".join(parts)


def alone(labels: Labels, means: Means, system: str) -> str:
    """What holds for one system where labels are missing; empty where they hardly are."""
    seen = means.values.get(means.judged, {}).get(system) or 0.0
    if labels.complete or seen >= SAFE:
        return ""
    k = means.judged.partition("@")[2]
    lists = (
        " Only relevant documents are labelled; if that is all there are, say --complete." if not labels.other else ""
    )
    return (
        f"{share(seen, 1)} of {system}'s top {k} are judged, and what is not judged counts as wrong: {means.measure} "
        f"measures what the labels know, not all that {system} finds.{lists}"
    )


def _leaders(means: Means, a: str, b: str) -> str:
    said = []
    for name in (means.measure, means.condensed, "Bpref"):
        found = means.values.get(name, {})
        one, other = found.get(a), found.get(b)
        if one is not None and other is not None:
            lead = "nobody" if one == other else f"{a if one > other else b} by {abs(one - other):.3f}"
            said.append((name, lead))
    leaders = {lead.partition(" by ")[0] for _, lead in said}
    told = "; ".join(f"{name}: {lead}" for name, lead in said)
    agree = "they agree on the leader" if len(leaders) == 1 else "they disagree, so the labels decide, not the models"
    return f"In front are, by {told}: {agree}." + _apart(means, a, b)


def _apart(means: Means, a: str, b: str) -> str:
    low, add = means.values.get("RBP", {}), means.values.get("RBP residual", {})
    ends = []
    for s in (a, b):
        bottom, more = low.get(s), add.get(s)
        if bottom is None or more is None:
            return ""
        ends.append((bottom, bottom + more))
    overlap = ends[0][0] <= ends[1][1] and ends[1][0] <= ends[0][1]
    told = " and ".join(f"{x:.3f} to {y:.3f}" for x, y in ends)
    return f" RBP lies within {told}: {'the two overlap' if overlap else 'the two are apart'}."


def power(comparisons: pl.DataFrame, measure: str) -> str:
    """What the set of queries can detect, in a sentence; empty if nothing was compared."""
    rows = comparisons.filter((pl.col("measure") == measure) & pl.col("detectable").is_not_null())
    if rows.height == 0:
        return ""
    least, queries = sorted(rows["detectable"].to_list()), max(rows["queries"].to_list())
    span = f"{least[0]:.3f}" if rows.height == 1 else f"{least[0]:.3f} to {least[-1]:.3f}"
    return (
        f"With {queries:,} queries a difference of {span} in {measure} can be detected "
        "(80 % power); what is smaller is called noise."
    )
