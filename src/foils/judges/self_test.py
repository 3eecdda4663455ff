"""The self-test of a judge: how often its verdict turns when something turns that should not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.collection import LABELS, Collection
from foils.errors import RecipeError
from foils.judges.cases import estimate, known_positives
from foils.judges.self_test_texts import DENIALS, EMPTY, HEDGES, INJECTIONS, TOPICS, Topic
from foils.models.questions import Estimate, total
from foils.pairs import Pairs, hash_uniform
from foils.protocols import Engine, Judge

Push = Literal["relevant", "not relevant", "either"]
HARMFUL = 0.05


class Trial(NamedTuple):
    """One pair, as it is and as it is changed.

    Args:
        topic: number of the topic.
        clean: the passage.
        changed: the passage after the change.
        what: the change, for examples.
    """

    topic: int
    clean: str
    changed: str
    what: str


@dataclass(frozen=True)
class Check:
    """What one change did.

    Args:
        name: of the change.
        push: towards what the change would turn a judge; only verdicts that can turn that way are compared.
        asked: pairs.
        compared: pairs with a verdict before and after.
        flips: verdicts that turned.
        abstained: pairs with a verdict before and an abstention after.
        low: lower end of the 95 % interval of the flip rate (Clopper-Pearson).
        high: upper end.
        examples: what turned, at most five.
    """

    name: str
    push: Push
    asked: int
    compared: int
    flips: int
    abstained: int
    low: float
    high: float
    examples: tuple[str, ...] = ()

    @property
    def rate(self) -> float | None:
        """Flips per compared pair; null: nothing could be compared."""
        return self.flips / self.compared if self.compared else None

    @property
    def level(self) -> str:
        """``fine``: nothing turned; ``steered``: more than 5 % turns, with 97.5 % confidence; ``watch``: between."""
        if not self.compared:
            return "not tested"
        return "steered" if self.low > HARMFUL else "watch" if self.flips else "fine"


@dataclass(frozen=True)
class SelfTest:
    """The checks of one judge.

    Args:
        judge: its name.
        checks: one per change.
    """

    judge: str
    checks: tuple[Check, ...]

    @property
    def steered(self) -> bool:
        """Whether any change turns more than 5 % of the verdicts, with 97.5 % confidence."""
        return any(check.level == "steered" for check in self.checks)

    def table(self) -> pl.DataFrame:
        """A row per check, with the fields of ``Check``, the rate and the level."""
        return pl.DataFrame(
            [
                (c.name, c.push, c.asked, c.compared, c.flips, c.abstained, c.rate, c.low, c.high, c.level)
                for c in self.checks
            ],
            schema={
                "check": pl.String,
                "push": pl.String,
                **dict.fromkeys(("asked", "compared", "flips", "abstained"), pl.Int64),
                **dict.fromkeys(("rate", "low", "high"), pl.Float64),
                "level": pl.String,
            },
            orient="row",
        )


def self_test(judge: Judge, engine: Engine, pairs: Pairs | None = None, queries: int = 20) -> SelfTest:
    """Measure how often a judge's verdicts turn under changes that should not matter.

    Changes (EMBER and the literature on judges, see docs/judges.md): another order of the candidates, query words
    stuffed into a passage that does not answer, hedges around one that does, the answer labels in another order and
    wording, empty passages, and injected instructions, of which a fifth to a half is in other languages. Only the
    judge's own verdicts before and after are compared, except for ``agreement with labels`` and ``empty passages``.
    Fails to find what its few texts do not contain: no flip in 40 trials still allows a rate of 9 %.

    Args:
        judge: any but one that replays a file or learns from a run.
        engine: as for judging; kept answers are free.
        pairs: a run, whose queries, positives and deepest candidates take the place of ours; null: ours.
        queries: how many of the run's queries.
    """
    topics = TOPICS if pairs is None else topics_of(pairs, queries)
    checks = []
    if pairs is None:
        checks.append(_labels(judge, topics, engine))
    checks += [_turned(judge, topics, engine, name, turned) for name, turned in _variants(judge)]
    checks += [_changed(judge, topics, engine, *plan) for plan in _plans(topics)]
    checks.append(_empty(judge, topics, engine))
    return SelfTest(judge.name, tuple(checks))


def self_test_estimate(judge: Judge, engine: Engine, pairs: Pairs | None = None, queries: int = 20) -> Estimate:
    """What the self-test would take; sends nothing."""
    topics = TOPICS if pairs is None else topics_of(pairs, queries)
    clean = [(i, text) for i, t in enumerate(topics) for text in (t.relevant, t.near)]
    rounds: list[tuple[Judge, list[tuple[int, str]]]] = [(judge, clean)]
    for _, turned in _variants(judge):
        rounds += [(judge, _listed(topics)), (turned, _listed(topics))]
    for _, _, trials in _plans(topics):
        rounds += [(judge, _clean(trials)), (judge, [(t.topic, t.changed) for t in trials])]
    rounds.append((judge, _emptied(topics)))
    parts = []
    for who, passages in rounds:
        table, rows = build(topics, passages)
        parts.append(estimate(who, table, rows, engine))
    return total(parts, at_most=True)


def topics_of(pairs: Pairs, queries: int, seed: int = 0) -> tuple[Topic, ...]:
    """Topics from a run: a query, two of its known positives (or twice the same), and its deepest live candidate.

    Args:
        pairs: the run.
        queries: how many at most, drawn by a hash.
        seed: of the draw.

    Raises:
        RecipeError: no query has both a positive and a candidate.
    """
    where = pairs.collection
    known = known_positives(pairs, pl.Series(pairs.queries))
    deepest = (
        pairs.frame.with_columns(depth=pairs.best_rank)
        .filter(pairs.live)
        .sort("query", "depth", "doc", nulls_last=True)
        .group_by("query", maintain_order=True)
        .agg(pl.col("doc").last())
    )
    order = hash_uniform(where.query_hash, where.query_hash, seed)
    both = [(q, d) for q, d in deepest.iter_rows() if known.get(q)]
    drawn = sorted(both, key=lambda item: float(order[item[0]]))[:queries]
    if not drawn:
        raise RecipeError("the self-test needs queries with a known positive and a candidate; the run has none")
    texts, passages = where.queries["text"], where.passages
    return tuple(
        Topic(texts[q], passages[known[q][0]], passages[known[q][-1]], passages[d], "") for q, d in sorted(drawn)
    )


def build(topics: Sequence[Topic], passages: Sequence[tuple[int, str]]) -> tuple[Pairs, NDArray[np.uint32]]:
    """A table with the topics' queries and known passages, and the rows of the given passages, in their order.

    Args:
        topics: one query each.
        passages: (number of the topic, text).
    """
    n = len(topics)
    texts = [t.known for t in topics] + [text for _, text in passages]
    corpus = pl.DataFrame({"id": [f"p{i:04}" for i in range(len(texts))], "text": texts})
    queries = pl.DataFrame(
        {
            "id": [f"q{i:02}" for i in range(n)],
            "text": [t.query for t in topics],
            "answers": pl.Series([[t.answer] if t.answer else [] for t in topics], dtype=pl.List(pl.String)),
        }
    )
    labels = pl.DataFrame({"query": range(n), "doc": range(n), "grade": [1] * n}, schema=LABELS)
    found = pl.DataFrame(
        {
            "query": pl.Series([topic for topic, _ in passages], dtype=pl.UInt32),
            "doc": pl.Series(range(n, n + len(passages)), dtype=pl.UInt32),
            "rank": pl.Series(range(1, len(passages) + 1), dtype=pl.Int32),
        }
    )
    pairs = Pairs.start(Collection(corpus, queries, labels, name="self-test")).add("self-test", found)
    row_of = dict(zip(pairs.frame["doc"].to_list(), range(pairs.frame.height), strict=True))
    return pairs, np.array([row_of[n + i] for i in range(len(passages))], dtype=np.uint32)


def interval(flips: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate by Clopper and Pearson (1934); [0, 1] where nothing was compared.

    Example:
        >>> tuple(round(x, 4) for x in interval(0, 20))
        (0.0, 0.1684)
    """
    from scipy.stats import beta

    low = float(beta.ppf(0.025, flips, n - flips + 1)) if flips else 0.0
    high = float(beta.ppf(0.975, flips + 1, n - flips)) if flips < n else 1.0
    return low, high


def _plans(topics: Sequence[Topic]) -> list[tuple[str, Push, list[Trial]]]:
    numbered = list(enumerate(topics))
    stuffed = [Trial(i, t.near, f"{t.near} {t.query} {t.query} Keywords: {t.query}", t.query) for i, t in numbered]
    hedged = [Trial(i, t.relevant, f"{a}{t.relevant}{b}", f"{a}…{b}") for i, t in numbered for a, b in HEDGES]
    injected = []
    for turn, (name, words) in enumerate(INJECTIONS.items()):
        for place, text in enumerate((f"{{}}\n{words}", f"{words}\n{{}}")):
            i = (2 * turn + place) % len(topics)
            near = topics[i].near
            injected.append(Trial(i, near, text.replace("{}", near), name))
    denied = []
    for turn, (name, words) in enumerate(DENIALS.items()):
        for place in range(3):
            i = (3 * turn + place) % len(topics)
            denied.append(Trial(i, topics[i].relevant, f"{topics[i].relevant}\n{words}", name))
    return [
        ("query words stuffed in", "relevant", stuffed),
        ("hedged wording", "not relevant", hedged),
        ("injected: call it relevant", "relevant", injected),
        ("injected: call it not relevant", "not relevant", denied),
    ]


def _variants(judge: Judge) -> list[tuple[str, Judge]]:
    """The judge with another order and with swapped labels, where that means something."""
    found = []
    for name, method in (("shuffled order", "reordered"), ("swapped labels and wording", "reworded")):
        other = _deep(judge, method)
        if other.name != judge.name:
            found.append((name, other))
    return found


def _deep(judge: Any, method: str) -> Any:
    """Apply a method to a judge and to all judges inside it; those that lack it stay as they are."""
    if callable(apply := getattr(judge, method, None)):
        return apply()
    if isinstance(judge, tuple):
        return tuple(_deep(part, method) for part in judge)
    if not is_dataclass(judge) or isinstance(judge, type) or not hasattr(judge, "verdicts"):
        return judge
    inner = {f.name: getattr(judge, f.name) for f in fields(judge)}
    changed = {k: _deep(v, method) for k, v in inner.items() if hasattr(v, "verdicts") or isinstance(v, tuple)}
    return replace(judge, **changed)


def _listed(topics: Sequence[Topic]) -> list[tuple[int, str]]:
    """Per topic both passages and those of three other topics: a list long enough for its order to matter."""
    n = len(topics)
    found = []
    for i, topic in enumerate(topics):
        others = [topics[(i + step) % n].near for step in (1, 2, 3)]
        found += [(i, text) for text in (topic.relevant, topic.near, *others)]
    return found


def _clean(trials: Sequence[Trial]) -> list[tuple[int, str]]:
    return list(dict.fromkeys((t.topic, t.clean) for t in trials))


def _emptied(topics: Sequence[Topic]) -> list[tuple[int, str]]:
    return [(i % len(topics), text) for i, text in enumerate(EMPTY * 4)]


def _labels(judge: Judge, topics: Sequence[Topic], engine: Engine) -> Check:
    passages = [(i, text) for i, t in enumerate(topics) for text in (t.relevant, t.near)]
    said = _sides(judge, topics, passages, engine)
    before: list[bool | None] = [True, False] * len(topics)
    what = [f"{topics[i].query} — {text[:60]}" for i, text in passages]
    return _compare("disagreement with our labels", "either", before, said, what)


def _turned(judge: Judge, topics: Sequence[Topic], engine: Engine, name: str, other: Judge) -> Check:
    passages = _listed(topics)
    before, after = (_sides(j, topics, passages, engine) for j in (judge, other))
    return _compare(name, "either", before, after, [f"{topics[i].query} — {text[:60]}" for i, text in passages])


def _changed(
    judge: Judge, topics: Sequence[Topic], engine: Engine, name: str, push: Push, trials: Sequence[Trial]
) -> Check:
    clean = _clean(trials)
    before = dict(zip(clean, _sides(judge, topics, clean, engine), strict=True))
    after = _sides(judge, topics, [(t.topic, t.changed) for t in trials], engine)
    return _compare(name, push, [before[t.topic, t.clean] for t in trials], after, [t.what for t in trials])


def _empty(judge: Judge, topics: Sequence[Topic], engine: Engine) -> Check:
    passages = _emptied(topics)
    after = _sides(judge, topics, passages, engine)
    what = [f"{topics[i].query} — {text!r}" for i, text in passages]
    return _compare("empty passages", "relevant", [False] * len(after), after, what)


def _sides(
    judge: Judge, topics: Sequence[Topic], passages: Sequence[tuple[int, str]], engine: Engine
) -> list[bool | None]:
    pairs, rows = build(topics, passages)
    chances = [v.probability for v in judge.verdicts(pairs, rows, engine)]
    return [None if p is None else p >= 0.5 for p in chances]


def _compare(
    name: str, push: Push, before: Sequence[bool | None], after: Sequence[bool | None], what: Sequence[str]
) -> Check:
    start = {"relevant": (False,), "not relevant": (True,), "either": (True, False)}[push]
    possible = [i for i, side in enumerate(before) if side in start]
    compared = [i for i in possible if after[i] is not None]
    flipped = [i for i in compared if after[i] != before[i]]
    low, high = interval(len(flipped), len(compared))
    examples = tuple(dict.fromkeys(what[i] for i in flipped))[:5]
    abstained = len(possible) - len(compared)
    return Check(name, push, len(before), len(compared), len(flipped), abstained, low, high, examples)
