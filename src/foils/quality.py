"""Quality of a set of negatives before training: hard, safe, various, and from where; pure functions of Pairs.

The headline is the rate of false negatives with its interval, the hardness of the negatives, and how many queries
keep enough of them. Everything else is a diagnostic: none of it has been shown to predict what training makes of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils import texts
from foils.eci import information, overlaps, residual_information
from foils.engine import Local
from foils.errors import RecipeError
from foils.outcome import promoted, said
from foils.pairs import UNITS, Pairs
from foils.protocols import Encoder, Engine
from foils.risk.estimate import Interval
from foils.spread import entropy, penalty, tolerance, uniformity, unit, variety

Floats = NDArray[np.float64]
MOST = 4_000  # vectors whose pairs are all compared


class Hardness(NamedTuple):
    """How hard the selected negatives are, by one score; means over queries.

    Args:
        z: score of a negative, standardised over the candidates of its query.
        judged: the same, of negatives that a verdict calls irrelevant; null without any.
        above: share of the negatives that score above the query's lowest positive.
        pushed: how many negatives a softmax loss pushes in effect, at the temperature of ``measure``.
        net: what is left of the hardness once false negatives count nothing: mean of (1 - ``p_relevant``) times the
            share of the query's candidates that score below; null if no negative has a probability.
    """

    z: float | None
    judged: float | None
    above: float | None
    pushed: float | None
    net: float | None


class Safety(NamedTuple):
    """The share of the selected negatives that are false, as far as it is known.

    Args:
        rate: mean ``p_relevant``; null if no negative has one.
        known: share of the negatives that have one.
        verdicts: how many of them are verdicts, not estimates.
        interval: from a random sample of verdicts; null without one.
    """

    rate: float | None
    known: float
    verdicts: int
    interval: Interval | None


class Origin(NamedTuple):
    """What a source gives to the set.

    Args:
        found: share of the negatives that it found.
        alone: share that no other source found.
        z: change of the mean z if those it found alone were gone; positive: the set would be harder without it.
        rate: change of the mean ``p_relevant`` likewise; negative: the set would be safer without it.
    """

    found: float
    alone: float
    z: float | None
    rate: float | None


class Shape(NamedTuple):
    """How the vectors lie; means over queries where a value belongs to one.

    Args:
        distance: between the negatives of a query, 1 - cosine.
        volume: of the negatives of a query, 1 if all are orthogonal.
        uniformity: of all positives and negatives; lower is more even.
        tolerance: mean cosine of a query and its positives, and of its positives; higher is more tolerant.
    """

    distance: float | None
    volume: float | None
    uniformity: float | None
    tolerance: float | None


class Eci(NamedTuple):
    """Effective Contrastive Information, reconstructed from two abstracts that contradict each other.

    Args:
        first: version 1, safety as a margin; mean over queries.
        softer: version 1, safety as the share below 95 % of the positive.
        tenth: tenth percentile of ``first``.
        unsafe: share of queries with a negative at the positive or above it.
        third: version 3, on the frozen encoder's vectors.
    """

    first: float
    softer: float
    tenth: float
    unsafe: float
    third: float


@dataclass(frozen=True)
class Quality:
    """A set of negatives in numbers.

    Args:
        queries: mined.
        kept: queries with at least one negative.
        negatives: selected.
        promoted: candidates that became positives.
        per_query: negatives of a query that has any, mean.
        score: what hardness is measured by; null: nothing was at hand.
        hardness: null without a score.
        safety: what is known of false negatives.
        origins: by source.
        shape: null without an encoder.
        eci: null without an encoder.
    """

    queries: int
    kept: int
    negatives: int
    promoted: int
    per_query: float
    score: str | None
    hardness: Hardness | None
    safety: Safety
    origins: dict[str, Origin]
    shape: Shape | None = None
    eci: Eci | None = None

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        interval = asdict(self.safety.interval) if self.safety.interval else None
        return vars(self) | {
            "hardness": self.hardness._asdict() if self.hardness else None,
            "safety": self.safety._asdict() | {"interval": interval},
            "origins": {name: origin._asdict() for name, origin in self.origins.items()},
            "shape": self.shape._asdict() if self.shape else None,
            "eci": self.eci._asdict() if self.eci else None,
        }

    def text(self) -> str:
        """A few lines: the headline, then what explains it."""
        risk, hard, shape = self.safety, self.hardness, self.shape
        estimate = f"{_percent(risk.rate)} estimated, from {_percent(risk.known)} of the negatives"
        measured = f"; measured {risk.interval}" if risk.interval else "; no random sample of verdicts"
        lines = [
            f"queries      {self.kept:,} of {self.queries:,} keep negatives, {self.per_query:.1f} each",
            f"false        {estimate if risk.rate is not None else 'unknown'}{measured}",
        ]
        if self.promoted:
            lines.append(f"promoted     {self.promoted:,} candidates became positives")
        if hard:
            judged = f", {_number(hard.judged)} of those judged irrelevant" if hard.judged is not None else ""
            lines.append(
                f"hardness     z {_number(hard.z)}{judged}; {_percent(hard.above)} above the positive ({self.score})"
            )
            net = f"; net hardness {_number(hard.net)}" if hard.net is not None else ""
            lines.append(f"pushed       {_number(hard.pushed)} negatives of a query in effect{net}")
        for name, o in self.origins.items():
            lines.append(f"source       {name}: {_percent(o.found)} found, {_percent(o.alone)} alone")
        if shape:
            lines.append(f"variety      distance {_number(shape.distance)}, volume {_number(shape.volume)}")
            lines.append(f"space        uniformity {_number(shape.uniformity)}, tolerance {_number(shape.tolerance)}")
        if self.eci:
            e = self.eci
            told = f"{e.first:.3f} (softer {e.softer:.3f}), version 3 {e.third:.2f}"
            lines.append(f"ECI          {told}: reconstructions, a diagnostic only")
        return "\n".join(lines)


def measure(
    pairs: Pairs,
    *,
    score: str = "",
    encoder: Encoder | None = None,
    engine: Engine | None = None,
    interval: Interval | None = None,
    temperature: float = 0.05,
) -> Quality:
    """Measure the selected negatives of a table.

    Args:
        pairs: the table.
        score: the column for hardness; empty: the cosines of ``encoder``, or else the first score of the table. Take
            one that did not choose the negatives: by the miner's own score every mined set is hard.
        encoder: for what needs vectors; null: that is left out.
        engine: where the encoder runs.
        interval: of the rate of false negatives, from a random sample of verdicts (``foils.risk.estimate``).
        temperature: of the loss that the set is meant for, on the scale of the score.

    Raises:
        RecipeError: there is no such score, or the temperature is not above 0.
    """
    engine = engine or Local()
    vectors = _vectors(pairs, encoder, engine) if encoder is not None else None
    if not score and vectors is not None:
        score, pairs = "cos.yardstick", vectors.yardstick(pairs)
    score = score or next(iter(pairs.scores), "")
    if not temperature > 0:
        raise RecipeError(f"temperature={temperature} is no temperature; it must be above 0, such as 0.05")
    if score and score not in pairs.scores:
        raise RecipeError(f"there is no score {score!r}; score columns: {', '.join(pairs.scores) or 'none'}")
    live = pairs.live_per_query()["live"]
    kept, negatives = int((live > 0).sum()), int(live.sum())
    return Quality(
        queries=live.len(),
        kept=kept,
        negatives=negatives,
        promoted=pairs.frame.select(promoted().sum()).item(),
        per_query=negatives / kept if kept else 0.0,
        score=score or None,
        hardness=hardness(pairs, score, temperature) if score else None,
        safety=safety(pairs, interval),
        origins=origins(pairs, score),
        shape=vectors.shape(pairs) if vectors and negatives else None,
        eci=vectors.eci(pairs) if vectors and negatives else None,
    )


def hardness(pairs: Pairs, score: str, temperature: float = 0.05) -> Hardness:
    """How hard the selected negatives are by a score; z is over all candidates found, so it depends on the depth."""
    rows = _scored(pairs, score).with_columns(positive_score=pairs.frame.select(pairs.positive(score)).to_series())
    rows = rows.filter(pl.col("live") & pl.col("s").is_not_null())
    higher = (pl.col("s") > pl.col("positive_score")).mean()
    each = rows.group_by("query", maintain_order=True).agg(
        pl.col("z", "net").mean(), above=higher, s="s", judged=pl.col("z").filter(pl.col("irrelevant")).mean()
    )
    pushed = [float(np.exp(entropy(penalty(s, temperature)))) for s in each["s"].to_list()]
    return Hardness(
        _mean(each["z"]), _mean(each["judged"]), _mean(each["above"]), _mean(pl.Series(pushed)), _mean(each["net"])
    )


def safety(pairs: Pairs, interval: Interval | None = None) -> Safety:
    """What is known of false negatives among the selected.

    The rate is a plug-in estimate: as good as the probabilities behind it, and wrong where the judge that filtered
    is the one that is asked (plug-in 0 %, truth 24 %). Only the interval of a random sample is a measurement.
    """
    chosen = pairs.negatives()
    known = chosen["p_relevant"].drop_nulls()
    verdicts = chosen.select((said() & pl.col("p_relevant").is_not_null()).sum()).item()
    return Safety(_mean(known), known.len() / chosen.height if chosen.height else 0.0, verdicts, interval)


def origins(pairs: Pairs, score: str = "") -> dict[str, Origin]:
    """What each source gives to the set, and what would change if the negatives it found alone were gone."""
    found = [pl.col(f"rank.{s}").is_not_null() for s in pairs.sources]
    if not found:
        return {}
    z = _scored(pairs, score)["z"] if score else pl.Series("z", [None] * pairs.frame.height, dtype=pl.Float64)
    times = pl.sum_horizontal(f.cast(pl.UInt32) for f in found)
    rows = pairs.frame.with_columns(z, times=times).filter(pairs.live)
    told = {}
    for name in pairs.sources:
        mine = rows.select(pl.col(f"rank.{name}").is_not_null()).to_series()
        alone = mine & (rows["times"] == 1)
        told[name] = Origin(
            _mean(mine) or 0.0,
            _mean(alone) or 0.0,
            _change(rows["z"], ~alone),
            _change(rows["p_relevant"], ~alone),
        )
    return told


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _change(values: pl.Series, rest: pl.Series) -> float | None:
    whole, left = _mean(values), _mean(values.filter(rest))
    return None if whole is None or left is None else left - whole


def _mean(values: pl.Series) -> float | None:
    mean = values.cast(pl.Float64).mean()
    return float(mean) if isinstance(mean, float) else None


def _scored(pairs: Pairs, score: str) -> pl.DataFrame:
    """``query``, ``live``, ``irrelevant`` (a verdict says so), the score ``s``, its ``z``, and ``net`` hardness."""
    s = pl.col(score).cast(pl.Float64)
    shape = pairs.frame.filter(~pl.col("positive")).group_by("query").agg(mean=s.mean(), sd=s.std(ddof=0))
    mean, sd = (pairs.per_query(shape, c) for c in ("mean", "sd"))
    irrelevant = (said() & (pl.col("p_relevant") < 0.5)).fill_null(value=False)
    z = pl.when(sd > 1e-12).then((s - mean) / sd).when(s.is_not_null()).then(0.0)
    among = pl.when(~pl.col("positive")).then(s)
    below = (among.rank("min").over("query") - 1) / (among.count().over("query") - 1).clip(lower_bound=1)
    net = (1 - pl.col("p_relevant").cast(pl.Float64)) * below
    return pairs.frame.select("query", live=pairs.live, irrelevant=irrelevant, s=s, z=z, net=net)


class _Vectors(NamedTuple):
    """Unit vectors of what a table mentions, and where each row's stand."""

    queries: Floats
    docs: Floats
    query_at: NDArray[np.intp]
    doc_at: NDArray[np.intp]

    def yardstick(self, pairs: Pairs) -> Pairs:
        """The cosine of every row."""
        products = np.einsum("ij,ij->i", self.queries[self.query_at], self.docs[self.doc_at])
        return pairs.with_column("cos.yardstick", pl.Series(np.clip(products, -1, 1)))

    def rows(self, pairs: Pairs) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Per query that has both: the rows of its positives and of its negatives."""
        table = pairs.frame.select("query", "positive", live=pairs.live)
        positive, live = table["positive"].to_numpy(), table["live"].to_numpy()
        starts = np.flatnonzero(np.diff(table["query"].to_numpy().astype(np.int64), prepend=-1))
        groups = np.split(np.arange(table.height), starts[1:]) if table.height else []
        both = ((g[positive[g]], g[live[g]]) for g in groups)
        return [(p, n) for p, n in both if p.size and n.size]

    def shape(self, pairs: Pairs) -> Shape:
        """Variety by query, uniformity and tolerance of the whole."""
        kinds = [variety(self.docs[self.doc_at[negative]]) for _, negative in self.rows(pairs)]
        used = np.unique(self.doc_at[pairs.frame.select(pairs.live | pl.col("positive")).to_series().to_numpy()])
        some = used[:: max(1, len(used) // MOST)]
        known = np.flatnonzero(pairs.frame["positive"].to_numpy())
        asked = np.unique(self.query_at[known])
        together = np.concatenate([self.queries[asked], self.docs[self.doc_at[known]]])
        return Shape(
            _mean(pl.Series([v.distance for v in kinds], dtype=pl.Float64)),
            _mean(pl.Series([v.volume for v in kinds], dtype=pl.Float64)),
            uniformity(self.docs[some]),
            tolerance(together, np.concatenate([asked, self.query_at[known]])),
        )

    def eci(self, pairs: Pairs) -> Eci:
        """Both reconstructions, by the cosines of these vectors."""
        groups = self.rows(pairs)
        overlaps = _overlaps(pairs, groups)
        first, softer, third = [], [], []
        for (positive, negative), overlap in zip(groups, overlaps, strict=True):
            query, docs = self.queries[self.query_at[negative[0]]], self.docs[self.doc_at[negative]]
            known = self.docs[self.doc_at[positive]]
            lowest = known[int(np.argmin(known @ query))]
            first.append(information(float(lowest @ query), docs @ query))
            softer.append(information(float(lowest @ query), docs @ query, "share").value)
            third.append(residual_information(query, lowest, docs, overlap))
        values = np.array([i.value for i in first])
        unsafe = float(np.mean([i.safety <= 0 for i in first]))
        tenth = float(np.quantile(values, 0.1))
        return Eci(float(values.mean()), float(np.mean(softer)), tenth, unsafe, float(np.mean(third)))


def _vectors(pairs: Pairs, encoder: Encoder, engine: Engine) -> _Vectors:
    queries, query_at = np.unique(pairs.frame["query"].to_numpy(), return_inverse=True)
    docs, doc_at = np.unique(pairs.frame["doc"].to_numpy(), return_inverse=True)
    asked = unit(encoder.vectors(pairs.collection, "query", queries.astype(np.uint32), engine))
    found = unit(encoder.vectors(pairs.collection, "document", docs.astype(np.uint32), engine))
    return _Vectors(asked, found, query_at.astype(np.intp), doc_at.astype(np.intp))


def _overlaps(pairs: Pairs, groups: list[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> list[Floats]:
    docs, at = np.unique(pairs.frame["doc"].to_numpy(), return_inverse=True)
    words = texts.words(pairs.collection.passages.gather(pl.Series(docs))).str.split(" ")
    return overlaps([set(w) for w in words.to_list()], [(at[p].tolist(), at[n].tolist()) for p, n in groups])


def without(pairs: Pairs, source: str) -> Pairs:
    """The table as if a source had not been there: what it found alone is dropped, its rank and score are gone.

    The value of a source is the difference that this makes to ``measure``; nothing is drawn in place of what goes.

    Raises:
        RecipeError: no source has this name.
    """
    if source not in pairs.sources:
        raise RecipeError(f"no source is called {source!r}; there are: {', '.join(pairs.sources)}")
    others = [pl.col(f"rank.{s}").is_not_null() for s in pairs.sources if s != source]
    mine = pl.col(f"rank.{source}").is_not_null()
    alone = mine & ~pl.any_horizontal(others) if others else mine
    left = pairs.drop(alone, f"only {source}")
    gone = [c for c in (f"rank.{source}", *(f"{u}.{source}" for u in UNITS)) if c in left.frame.columns]
    return replace(left, frame=left.frame.drop(gone))
