"""Rules, samplers, actions, controls, weights, scores and sources: what each makes of one query's candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils import registry
from foils.ask import Ask
from foils.collection import Collection
from foils.detect import Detect
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.judges.replay import Replay
from foils.models.lsa import Lsa
from foils.neighbours import PositiveSimilarity
from foils.overlap import WordOverlap
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.relabel import Promote
from foils.score import Rrf, Similarity, ZScore
from foils.select import Top, Uniform
from foils.steps import Step
from pictures import svg, world

Steps = Callable[[], tuple[Step, ...]]
NAMES = {"p": "positive", "k": "kept", "o": "out", "f": "an answer, kept", "u": "an answer, out"}


@dataclass(frozen=True)
class Shown:
    """How one method is shown.

    Args:
        options: that differ from its defaults.
        before: steps that run first.
        y: the column on the vertical axis.
        first: ranks that are shown.
    """

    options: Callable[[], dict[str, Any]] = dict
    before: Steps = tuple
    y: str = "cos.dense"
    first: int = world.DEPTH


def truth_judge() -> Replay:
    """A judge that knows: the truth of the almanac."""
    return Replay(world.ALMANAC / "truth.tsv", family="human", complete=True)


def near() -> tuple[Step, ...]:
    """What the detector looks at."""
    return (PositiveSimilarity(Lsa()), PositiveWords(), NeighbourAgreement(Lsa()), Specificity(Lsa()))


def estimated() -> tuple[Step, ...]:
    """The detector and what it looks at."""
    return (*near(), Detect())


def judged() -> tuple[Step, ...]:
    """The detector, and a judge's verdict on the first 25."""
    return (*estimated(), Ask(judge=truth_judge(), top=25, by="rank.dense"))


def drawn(*before: Step) -> tuple[Step, ...]:
    """Twelve negatives, for weights."""
    return (*before, Top(n=12, by="cos.dense"))


def asked(positives: bool = False) -> Ask:
    """The truth's verdict on the first 25."""
    return Ask(judge=truth_judge(), top=25, by="rank.dense", name="judge", positives=positives)


@dataclass(frozen=True)
class SharedWords:
    """A stand-in for a reranker: how many words query and document share, less two."""

    unit: str = "logit"

    def check(self) -> None:
        """Nothing can be wrong."""

    def facts(self) -> dict[str, str]:
        """Its name."""
        return {"scorer": "shared words"}

    def scores(self, queries: Sequence[str], documents: Sequence[str], engine: Engine) -> NDArray[np.float32]:
        """(n,) logits."""
        pairs = zip(queries, documents, strict=True)
        shared = [len(set(q.lower().split()) & set(d.lower().split())) - 2 for q, d in pairs]
        return np.array(shared, dtype=np.float32)


@dataclass(frozen=True)
class Seen(Step):
    """A stated propensity: the better BM25 finds a document, the likelier an annotator saw it."""

    @property
    def adds(self) -> frozenset[str]:
        """The propensity."""
        return frozenset({"prob.propensity"})

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """1 / rank by BM25, to the power 0.5."""
        rank = pl.col("rank.bm25").fill_null(world.DEPTH).cast(pl.Float64)
        return pairs.with_column("prob.propensity", rank**-0.5)


def unlabelled() -> tuple[Step, ...]:
    """A model learnt from positives and unlabelled alone, which adds a propensity."""
    return (PositiveSimilarity(Lsa()), PositiveWords(), Detect(level="shipped", unlabelled="sar-em"))


SHOWN: dict[str, Shown] = {
    "shift": Shown(),
    "skip-best": Shown(lambda: {"skip": 20}, lambda: (Rrf(),), "rrf.rrf"),
    "rank-window": Shown(lambda: {"first": 11, "last": 30}),
    "topk-abs": Shown(lambda: {"threshold": 0.3}),
    "score-range": Shown(lambda: {"low": 0.2, "high": 0.4}),
    "uni-me-v2": Shown(lambda: {"score": "prob.judge"}, lambda: (asked(positives=True),), "prob.judge", 25),
    "ecdf-threshold": Shown(lambda: {"quantile": 0.25}),
    "drop-relevant": Shown(before=estimated, y="p_relevant"),
    "leave-unknown": Shown(lambda: {"low": 0.1}, estimated, "p_relevant"),
    "similarity": Shown(lambda: {"encoder": Lsa(dims=32), "name": "small"}, y="cos.small"),
    "rrf": Shown(y="rrf.rrf"),
    "z-score": Shown(lambda: {"score": "cos.dense"}, y="z.dense"),
    "positive-similarity": Shown(lambda: {"encoder": Lsa()}, y="cos.positive"),
    "word-overlap": Shown(y="jaccard.words"),
    "positive-words": Shown(y="bm25.positive"),
    "neighbour-agreement": Shown(lambda: {"encoder": Lsa()}, y="z.neighbours"),
    "specificity": Shown(lambda: {"encoder": Lsa()}, y="dot.specific"),
    "detect": Shown(before=near, y="prob.detector"),
    "ask": Shown(lambda: {"judge": truth_judge(), "top": 25, "by": "rank.dense"}, y="p_relevant", first=25),
    "rerank": Shown(lambda: {"scorer": SharedWords(), "name": "words", "top": 25, "by": "rank.dense"}, y="logit.words"),
    "tacred-intrinsic": Shown(lambda: {"encoder": Lsa(), "beyond": 7}, y="prob.tacred-intrinsic"),
    "tacred-extrinsic": Shown(lambda: {"encoder": Lsa()}, y="prob.tacred-extrinsic"),
    "gcse": Shown(lambda: {"alpha": 2.0}, lambda: (Similarity(encoder=Lsa(dims=128), name="frozen"),), "logit.gcse"),
    "cusa": Shown(before=lambda: (PositiveSimilarity(Lsa()),), y="prob.cusa"),
    "sim-ans": Shown(lambda: {"standardise": True}),
    "deb-cse": Shown(before=lambda: (WordOverlap(),)),
    "mmr": Shown(lambda: {"encoder": Lsa()}),
    "k-means": Shown(lambda: {"encoder": Lsa()}),
    "quota": Shown(lambda: {"shares": (("bm25", 4), ("dense", 4))}),
    "within-risk": Shown(before=estimated),
    "rrra": Shown(before=estimated),
    "uniform-weight": Shown(before=drawn),
    "agreement": Shown(before=lambda: (Uniform(n=12),)),
    "rank-weight": Shown(before=drawn),
    "score-weight": Shown(lambda: {"temperature": 0.1}, drawn),
    "soften": Shown(before=lambda: drawn(*estimated())),
    "cet": Shown(before=lambda: drawn(*estimated(), ZScore(score="bm25.bm25"))),
    "dclr": Shown(lambda: {"phi": 0.3}, lambda: drawn(PositiveSimilarity(Lsa()))),
    "pu-sar": Shown(lambda: {"score": "prob.detector"}, lambda: drawn(*unlabelled(), Seen())),
    "promote": Shown(before=judged, y="p_relevant", first=25),
    "demote": Shown(before=lambda: (*judged(), Promote()), y="p_relevant", first=25),
    "drop-query": Shown(lambda: {"most": 3}, judged, "p_relevant", 25),
    "repair": Shown(before=judged, y="p_relevant", first=25),
}
SOURCES: dict[str, Callable[[], dict[str, Any]]] = {
    "dense": lambda: {"encoder": Lsa()},
    "links": lambda: {"column": "metadata.links", "hops": 2},
    "walk": lambda: {"column": "metadata.links", "encoder": Lsa()},
    "attribute": lambda: {"column": "topic", "encoder": Lsa(), "above_positive": False},
    "clusters": lambda: {"encoder": Lsa()},
    "run-file": lambda: {"path": run_file()},
}


@cache
def run_file() -> str:
    """BM25's ranking of the query, as another tool would write it."""
    frame = world.rows(world.found()).drop_nulls("rank.bm25").sort("rank.bm25")
    ids = world.almanac().corpus["id"].gather(frame["doc"])
    ranks = frame["rank.bm25"].to_list()
    lines = [f"{world.QUERY} Q0 {d} {r} {100 - r} engine" for d, r in zip(ids, ranks, strict=True)]
    path = world.scratch("run.trec")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def options(name: str, chosen: dict[str, Any]) -> str:
    """The plain options that differ from the defaults, for the caption."""
    defaults = {f.name: f.default for f in fields(registry.load(name))}
    told = []
    for key, value in chosen.items():
        if isinstance(value, str | int | float) and defaults.get(key, MISSING) != value and key != "path":
            told.append(f"{key}={value!r}")
    return ", ".join(told)


def table_step(name: str) -> tuple[svg.Picture, str]:
    """A rule, sampler, score or action: every candidate of the query, and what became of it."""
    shown = SHOWN.get(name, Shown())
    chosen = shown.options()
    before = world.run(world.candidates(), shown.before())
    after = world.run(before, (registry.load(name)(**chosen),))
    return dots(name, after, shown), options(name, chosen)


def dots(name: str, pairs: Pairs, shown: Shown) -> svg.Picture:
    """Rank by score."""
    frame = world.rows(pairs).filter(pl.col("place") <= shown.first)
    signs = [world.fate(row) for row in frame.iter_rows(named=True)]
    told = {sign: signs.count(sign) for sign in NAMES if sign in signs}
    words = ", ".join(f"{n} {NAMES[s]}" for s, n in told.items())
    picture = svg.Picture(f"{name}: of the first {frame.height} candidates {words}")
    values = frame[shown.y].to_list()
    there = [v for v in values if v is not None] or [0.0, 1.0]
    low, high = min(0.0, *there), max(there)
    if shown.y == "p_relevant" or (shown.y.startswith("prob.") and shown.y != "prob.cusa"):
        low, high = 0.0, 1.0
    x = svg.Axis(1, shown.first, svg.LEFT + 6, svg.RIGHT)
    y = svg.Axis(low, high, svg.BASE, svg.TOP)
    places_shown = (1, *svg.ticks(2, shown.first))
    picture.add(*svg.frame(x, y, ("dense rank", shown.y), places_shown, svg.ticks(low, high)))
    places = zip(frame["place"], values, signs, strict=True)
    for place, value, sign in sorted(places, key=lambda p: "okufp".index(p[2])):
        if value is not None:
            picture.add(svg.mark(x(place), y(value), sign))
        elif sign != "p":
            picture.add(svg.mark(x(place), svg.BASE + 2, "o"))
    return picture


def weight(name: str) -> tuple[svg.Picture, str]:
    """The weights of twelve negatives, by dense rank."""
    shown = SHOWN[name]
    chosen = shown.options()
    after = world.run(world.run(world.candidates(), shown.before()), (registry.load(name)(**chosen),))
    frame = world.rows(after).drop_nulls("weight")
    return stems(name, frame["place"].to_list(), frame["weight"].to_list(), frame["true"].to_list()), options(
        name, chosen
    )


def stems(name: str, places: list[int], weights: list[float], true: list[bool]) -> svg.Picture:
    """A stem per negative."""
    high = max(1.0, *weights)
    x, y = svg.Axis(1, max(places) + 1, svg.LEFT + 6, svg.RIGHT), svg.Axis(0, high, svg.BASE, svg.TOP)
    told = ", ".join(f"{w:.2f}" for w in weights)
    picture = svg.Picture(f"{name}: the weights of twelve negatives by rank: {told}")
    picture.add(*svg.frame(x, y, ("dense rank", "weight"), (1, *svg.ticks(2, max(places))), svg.ticks(0, high)))
    for place, value, answers in zip(places, weights, true, strict=True):
        picture.add(svg.line(x(place), svg.BASE, x(place), y(value)))
        picture.add(svg.mark(x(place), y(value), "f" if answers else "k"))
    return picture


def source(name: str) -> tuple[svg.Picture, str]:
    """The candidates of a source in its own order, against the dense ranking of the whole corpus."""
    chosen = SOURCES.get(name, dict)()
    where = {"attribute": _tagged, "supplied": _with_negatives}.get(name, world.almanac)()
    pairs = world.run(Pairs.start(where), (_source(name, chosen),))
    frame = world.rows(pairs).drop_nulls(f"rank.{chosen.get('name', _label(name))}")
    rank = f"rank.{_label(name)}"
    frame = frame.filter(pl.col(rank) <= 40).sort(rank)
    against, label = frame["place"], "dense rank, of 661"
    if name == "dense":
        against, label = _bm25_places(frame), "BM25 rank, of 661"
    x, y = svg.Axis(1, 40, svg.LEFT + 6, svg.RIGHT), svg.Axis(1, 661, svg.TOP, svg.BASE, log=True)
    picture = svg.Picture(f"{name}: its first {frame.height} candidates against the {label}")
    foot = svg.Axis(x.low, x.high, x.start, x.stop)
    for value in (1, 10, 100, 661):
        picture.add(svg.line(x.start, y(value), x.stop, y(value)))
        picture.add(svg.text(x.start - 5, y(value) + 4, str(value), anchor="end"))
    for value in (1, 10, 20, 30, 40):
        picture.add(svg.text(foot(value), svg.BASE + 15, str(value), anchor="middle"))
    picture.add(svg.text((x.start + x.stop) / 2, svg.BASE + 29, f"rank by {name}", anchor="middle"))
    picture.add(svg.text(6, 16, label))
    for at, other, row in zip(frame[rank], against, frame.iter_rows(named=True), strict=True):
        sign = "p" if row["positive"] else "f" if row["true"] else "k"
        if other is not None:
            picture.add(svg.mark(x(at), y(other), sign))
        else:
            picture.add(svg.mark(x(at), svg.BASE + 2, "o"))
    return picture, options(name, chosen)


def _label(name: str) -> str:
    return next(f.default for f in fields(registry.load(name)) if f.name == "name")


def _source(name: str, chosen: dict[str, Any]) -> Step:
    made: Step = registry.load(name)(**chosen)
    return made


@cache
def _with_negatives() -> Collection:
    """The almanac, to which a training file has brought BM25's ranks 5 to 16 along as negatives."""
    frame = world.rows(world.found()).filter(pl.col("rank.bm25").is_between(5, 16)).sort("rank.bm25")
    brought = frame.filter(~pl.col("positive")).select("query", "doc", grade=pl.lit(None, dtype=pl.Int32))
    return replace(world.almanac(), negatives=brought)


@cache
def _tagged() -> Collection:
    """The almanac with the topic as a column of its own."""
    where = world.almanac()
    return replace(where, corpus=where.corpus.with_columns(topic=pl.col("metadata").struct.field("topic")))


def _bm25_places(frame: pl.DataFrame) -> list[int | None]:
    from foils.sources.bm25 import Bm25

    pairs = world.run(Pairs.start(world.almanac()), (Bm25(depth=661),))
    known = dict(world.rows(pairs).select("doc", "rank.bm25").iter_rows())
    return [known.get(d) for d in frame["doc"]]
