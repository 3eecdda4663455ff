"""Masks, plans of batches, schedules: drawn from a batch of the almanac and from rows that the text states."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from foils.train import batches, masks
from foils.train.examples import Candidates
from foils.train.remine import Remine
from foils.train.schedule import Conan, Dbpm, Hardness, Risk, bad_pairs, too_easy
from foils.train.turns import Ar2
from pictures import fates, svg, world

QUERIES = ("q031", "q107", "q108", "q273", "q292")  # World Cups: easily mistaken for one another
OWN = 4  # mined negatives of the first row that stand in the batch
SIGNS = ("k", "f", "p", "o")


@cache
def batch() -> tuple[list[int], list[int], Tensor, Tensor]:
    """Five queries, their positives, and the first row's best candidates: rows, documents, cosines, targets."""
    rows = [world.row_of(q) for q in QUERIES]
    known = dict(world.almanac().positives.select("query", "doc").iter_rows())
    docs = [known[q] for q in rows]
    ranks = world.dense_ranks(QUERIES[0])
    best = [int(d) for d in np.argsort(ranks, kind="stable") if int(d) not in docs]
    docs += best[:OWN]
    queries, documents = world.vectors()
    scores = torch.from_numpy(queries[rows] @ documents[docs].T)
    return rows, docs, scores, torch.eye(len(rows), len(docs)) > 0


def likely() -> Tensor:
    """By the detector's probabilities."""
    rows, docs, _, _ = batch()
    frame = world.run(world.candidates(), fates.estimated()).frame.drop_nulls("p_relevant")
    table = masks.PairTable.of(
        frame["query"].to_numpy(), frame["doc"].to_numpy(), frame["p_relevant"].to_numpy(), size=(300, 661)
    )
    return masks.likely(table.value(torch.tensor(rows), torch.tensor(docs)), 0.3)


def alike() -> Tensor:
    """By the cosine of each document with the row's positive."""
    rows, docs, _, _ = batch()
    documents = torch.from_numpy(world.vectors()[1])
    return masks.alike(documents[docs[: len(rows)]] @ documents[docs].T, 0.4)


def special() -> Tensor:
    """The last document is a typed negative of the first row."""
    return masks.owned(torch.tensor([0, 1, 2, 3, 4, 0, 0, 0, 0]), torch.tensor([False] * 8 + [True]), 5)


def of_batch(function: Callable[..., Tensor], **options: Any) -> Tensor:
    """A mask that looks at cosines and targets."""
    _, _, scores, targets = batch()
    return function(scores, targets, **options)


MASKS: dict[str, tuple[Callable[[], Tensor], str]] = {
    "likely": (likely, "threshold=0.3, by the detector"),
    "above_positive": (lambda: of_batch(masks.above_positive), ""),
    "alike": (alike, "threshold=0.4"),
    "outside_ring": (lambda: of_batch(masks.outside_ring, lower=0.25, upper=0.9), "lower=0.25, upper=0.9"),
    "beyond": (lambda: of_batch(masks.beyond, k=4), "k=4"),
    "blocked": (
        lambda: masks.blocked(batch()[3], of_batch(masks.above_positive), protect=special()),
        "above_positive, the last document protected in the first row",
    ),
    "owned": (special, "a typed negative of the first row, in the last column"),
}


def mask(name: str) -> tuple[svg.Picture, str]:
    """The batch as a grid: what the mask takes out is crossed."""
    rows, docs, scores, targets = batch()
    out = MASKS[name][0]()
    wide, high, left, top = 28, 22, 62, 36
    picture = svg.Picture(f"{name}: {int(out.sum())} of {out.numel()} pairs of a batch are marked", height=170)
    picture.add(svg.text(left, 18, "9 documents; darker: nearer to the query"))
    for i, query in enumerate(rows):
        picture.add(svg.text(left - 6, top + high * i + 15, f"query {i + 1}", anchor="end"))
        for j, doc in enumerate(docs):
            x, y = left + wide * j, top + high * i
            near = max(0.0, min(1.0, float(scores[i, j])))
            shade = f"{0.08 + 0.6 * near:.2f}".removeprefix("0")
            picture.add(f'<path class="k" opacity="{shade}" d="M{x} {y}h26v20h-26z"/>')
            if targets[i, j]:
                picture.add(svg.mark(x + 13, y + 10, "p"))
            elif (query, doc) in world.truth():
                picture.add(svg.mark(x + 13, y + 8, "f"))
    crossed = [f"M{left + wide * j + 2} {top + high * i + 2}l22 16m0-16l-22 16" for i, j in out.nonzero().tolist()]
    picture.add(f'<path class="i" d="{"".join(crossed)}"/>')
    return picture.add(svg.text(left, 164, "crossed: marked by the mask")), MASKS[name][1]


@cache
def rows() -> tuple[list[int], np.ndarray[Any, np.dtype[np.float32]]]:
    """Six queries of each of four topics, shuffled: topic and vector."""
    where = world.almanac()
    topics = where.corpus["metadata"].struct.field("topic").to_list()
    by_topic: dict[str, list[int]] = {}
    for query, doc in where.positives.select("query", "doc").iter_rows():
        by_topic.setdefault(topics[doc], []).append(query)
    four = sorted(by_topic, key=lambda t: -len(by_topic[t]))[:4]
    chosen = [(i, q) for i, t in enumerate(four) for q in by_topic[t][:6]]
    order = np.random.default_rng(0).permutation(len(chosen))
    return [chosen[i][0] for i in order], world.vectors()[0][[chosen[i][1] for i in order]]


def plans() -> dict[str, tuple[batches.Plan, str]]:
    """Every plan over the same 24 rows."""
    kinds, vectors = rows()
    typed = np.array(["typed" if i % 6 == 0 else "" for i in range(len(kinds))])
    return {
        "Shuffled": (batches.Shuffled(None), ""),
        "OneSource": (batches.OneSource(None, np.array(kinds)), "source: the topic"),
        "Ngame": (batches.Ngame.of(vectors, doublings=(0, 0)), "clusters of 4"),
        "Hard": (batches.Hard(None, vectors), ""),
        "TypedQuota": (batches.TypedQuota(None, typed, {"typed": 0.25}), "4 of 24 rows are typed, shares: 0.25"),
    }


def plan(name: str) -> tuple[svg.Picture, str]:
    """The batches of an epoch, a sign per row; signs are topics."""
    kinds, _ = rows()
    made, note = plans()[name]
    chosen = made.batches(len(kinds), 6, 0, np.random.default_rng(0))[:5]
    told = "typed filled" if name == "TypedQuota" else "a sign per topic"
    picture = svg.Picture(f"{name}: 24 rows in batches of 6, {told}", height=34 + 24 * len(chosen) + 12)
    picture.add(svg.text(10, 18, f"24 rows, batches of 6; {told}"))
    for i, members in enumerate(chosen):
        picture.add(svg.text(10, 44 + 24 * i, f"batch {i + 1}"))
        for j, row in enumerate(members.tolist()):
            sign = ("k" if row % 6 == 0 else "o") if name == "TypedQuota" else SIGNS[kinds[row]]
            picture.add(svg.mark(78 + 26 * j, 40 + 24 * i, sign))
    return picture, note


def risk() -> svg.Picture:
    """The probability allowed, and the candidates of one query that it lets in, step by step."""
    frame = world.rows(world.run(world.candidates(), fates.estimated())).filter(~pl.col("positive"))
    frame = frame.drop_nulls("p_relevant").sort("p_relevant")
    query, docs = world.row_of(world.QUERY), frame["doc"].to_numpy()
    table = masks.PairTable.of(np.full(len(docs), query), docs, frame["p_relevant"].to_numpy(), size=(300, 661))
    schedule = Risk()
    stub: Any = SimpleNamespace(examples=SimpleNamespace(doubt=table), doubt=table)
    schedule.bind(stub, 100, lambda line: None)
    step_batch: Any = SimpleNamespace(queries=torch.tensor([query]), docs=torch.from_numpy(docs.astype(np.int64)))
    steps, left = range(0, 101, 5), []
    for step in steps:
        schedule.step(step)
        gone = schedule.removes(step_batch)
        left.append(len(docs) - int(0 if gone is None else gone.sum()))
    return _steps(
        "risk", "candidates of one query in the loss", [(float(s), n) for s, n in zip(steps, left, strict=True)]
    )


def hardness() -> svg.Picture:
    """The ranks that one row sees."""
    seen: list[tuple[float, float]] = []
    n, docs = 4, np.arange(60)
    examples: Any = SimpleNamespace(
        query=np.array([0]),
        negatives=docs[:n][None, :].copy(),
        proven=np.zeros((1, n), dtype=bool),
        candidates=Candidates(np.array([0, 60]), docs, np.full(60, np.nan)),
        put=lambda row, chosen: now.append(chosen),
    )
    now: list[Any] = []
    schedule = Hardness(every=5)
    stub: Any = SimpleNamespace(examples=examples)
    schedule.bind(stub, 100, lambda line: None)
    schedule.begin()
    for step in range(101):
        schedule.step(step)
        if step % 5 == 0:
            seen += [(float(step), float(d) + 1) for d in now[-1]]
    return _marks("hardness", "rank of the four negatives", seen)


def conan() -> svg.Picture:
    """A row's negatives get easier for the model by 3 % a look; what is too easy is replaced."""
    schedule, first, now, points = Conan(), 0.7, 0.7, []
    for look in range(30):
        points.append((100.0 * look, now))
        if too_easy(now, first, schedule.factor, schedule.cap):
            first = now = 0.7
        else:
            now *= 0.97
    return _steps("conan", "mean score of a row’s negatives", points)


def dbpm() -> svg.Picture:
    """Mean losses of 80 rows; those that are flagged count less."""
    rng = np.random.default_rng(0)
    losses = np.abs(rng.normal(1.0, 0.15, (80, 2)))
    losses[5], losses[41], losses[66] = 0.2, 2.6, 2.2
    flagged, _, _ = bad_pairs(losses, 3, Dbpm().noise, Dbpm().faulty)
    means = losses.mean(1)
    x, y = svg.Axis(1, 80, svg.LEFT + 6, svg.RIGHT), svg.Axis(0, 3, svg.BASE, svg.TOP)
    picture = svg.Picture(f"dbpm: {int(flagged.sum())} of 80 rows have a loss that is too low or too high")
    picture.add(*svg.frame(x, y, ("row", "mean loss of two epochs"), (1, 20, 40, 60, 80), (0, 1, 2, 3)))
    for i in range(80):
        picture.add(svg.mark(x(i + 1), y(means[i]), "f" if flagged[i] else "o"))
    return picture


def remine() -> svg.Picture:
    """Which of the model's ranks 6 to 55 are drawn, at four refreshes; the model here does not change."""
    schedule = Remine()
    order = np.argsort(world.dense_ranks(world.QUERY), kind="stable")[schedule.skip : schedule.skip + schedule.pool]
    queries, docs = world.vectors()
    scores = (docs[order] @ queries[world.row_of(world.QUERY)])[None, :]
    stub: Any = SimpleNamespace(collection=world.almanac())
    hashes, points = world.almanac().query_hash[[world.row_of(world.QUERY)]], []
    for step in range(schedule.every, 5 * schedule.every, schedule.every):
        keys = schedule._keys(scores, scores[:, :1], hashes, order[None, :], stub, step)
        points += [(float(step), float(i) + schedule.skip + 1) for i in np.argsort(-keys[0], kind="stable")[:8]]
    return _marks("remine", "rank of the eight negatives", points)


def ar2() -> svg.Picture:
    """Who learns when."""
    schedule = Ar2(ranker="a cross-encoder")
    total, x = 4 * (schedule.every + schedule.steps_ranker), svg.Axis(0, 1000, 70, svg.RIGHT)
    picture = svg.Picture("ar2: the ranker learns for 50 steps, then the retriever for 200, in turns", height=104)
    picture.add(svg.text(8, 38, "ranker"), svg.text(8, 66, "retriever"))
    at = 0
    while at < total:
        middle = at + schedule.steps_ranker
        picture.add(svg.rect(x(at), 26, x(middle) - x(at), 16, "f"))
        picture.add(svg.rect(x(middle), 54, x(middle + schedule.every) - x(middle) - 2, 16, "k"))
        at = middle + schedule.every
    for value in (0, 250, 500, 750, 1000):
        picture.add(svg.text(x(value), 90, str(value), anchor="end" if value else ""))
    return picture.add(svg.text(8, 90, "step"))


def _steps(name: str, up: str, points: list[tuple[float, float]]) -> svg.Picture:
    high, last = max(v for _, v in points), points[-1][0]
    x, y = svg.Axis(0, last, svg.LEFT + 6, svg.RIGHT), svg.Axis(0, high, svg.BASE, svg.TOP)
    picture = svg.Picture(f"{name}: {up} by step")
    picture.add(*svg.frame(x, y, ("step", up), svg.ticks(0, last), svg.ticks(0, high)))
    return picture.add(svg.path([(x(a), y(b)) for a, b in points], "c"))


def _marks(name: str, up: str, points: list[tuple[float, float]]) -> svg.Picture:
    high, last = max(v for _, v in points), max(s for s, _ in points)
    x, y = svg.Axis(0, last, svg.LEFT + 6, svg.RIGHT - 4), svg.Axis(1, high, svg.TOP, svg.BASE)
    picture = svg.Picture(f"{name}: {up} by step")
    foot = svg.Axis(1, high, svg.BASE, svg.TOP)
    picture.add(*svg.frame(x, foot, ("step", up), svg.ticks(0, last), ()))
    for value in (1, *svg.ticks(2, high)):
        picture.add(svg.line(x.start, y(value), x.stop, y(value)))
        picture.add(svg.text(x.start - 5, y(value) + 4, svg.show(value), anchor="end"))
    return picture.add(*(svg.mark(x(a), y(b), "k") for a, b in points))


SCHEDULES: dict[str, tuple[Callable[[], svg.Picture], str]] = {
    "remine": (remine, "draw=uniform, 4 refreshes"),
    "conan": (conan, "scores that fall by 3 % a look"),
    "dbpm": (dbpm, "80 made-up rows, three of them bad"),
    "hardness": (hardness, "every=5, of 100 steps"),
    "risk": (risk, "of 100 steps"),
    "ar2": (ar2, ""),
}
