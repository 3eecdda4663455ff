"""Does it pay? Train on the negatives of several recipes, test on queries that were held out.

    python benchmarks/pays.py [--collections cranfield cisi] [--labels 1] [--seeds 0 1 2] [--folds 2] [--how adapter]

For each collection, labels file (`extras/fn_eval/labelled_<labels>.tsv`), seed and fold: queries are split into folds,
near-duplicates together; negatives are mined from the training queries and their known positives alone; one model is
trained per method, from the same start, on batches of the same size, without two rows whose documents answer each
other; nDCG@10 of the test queries is taken over the whole corpus against all labels, known and hidden. Baselines have
sentence-transformers' MultipleNegativesRankingLoss; `foils` has the recipe `default`, its promoted positives, and the
loss of `foils train` with its masks; its detector never saw the collection (`pools.elsewhere`). `--how adapter` learns
a residual map of frozen vectors (minutes on a CPU), `--how layers` the last two layers of the model.

A cell is a line of `--cells FILE`; cells that are there are not computed again, so a longer run continues a shorter
one. The table on stdout is made of all cells of the settings asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor, nn
from torch.nn import functional

import foils.detect
from false_negatives import minilm, pairs_of
from foils import recipes
from foils.bands import PercPos
from foils.collection import Collection
from foils.engine import Local
from foils.evaluate.paired import compare
from foils.models.encoder import SentenceEncoder
from foils.pairs import Pairs
from foils.recipes import CLEAN, Plan
from foils.run import mine
from foils.select import Top
from foils.sources.random import Random
from foils.steps import Recipe
from foils.train.batches import Shuffled
from foils.train.dev import ndcg
from foils.train.examples import Course, Examples
from foils.train.load import load as load_model
from foils.train.masks import text_groups
from foils.train.objective import Objective, assemble, tokens
from foils.train.settings import Settings
from machine import describe
from pools import elsewhere

BATCH, NEGATIVES = 32, 4
# From an earlier small grid on the same sets for `adapter`, and its fine-tuning for `layers`; the same for every
# method.
RATE = {"adapter": 2e-4, "layers": 5e-5}
STEPS = {"adapter": 100, "layers": 60}
LENGTH = 128
OURS = "foils"


@dataclass(frozen=True, eq=False)
class World:
    """A collection with few known positives, and the truth about all pairs."""

    collection: Collection
    relevant: NDArray[np.int64]
    unscored: NDArray[np.int64]


def percpos(plan: Plan) -> Recipe:
    """The hardest below 95 % of the lowest positive."""
    rule = PercPos(ratio=0.95, score=plan.score)
    return Recipe((*plan.dense(), *CLEAN, rule, plan.sample(Top(by=plan.rank))), "perc-pos")


def uniform(plan: Plan) -> Recipe:
    """Random documents."""
    return Recipe((Random(depth=4 * plan.n, seed=plan.seed), *CLEAN, plan.sample(Top(by="rank.random"))), "random")


RECIPES: dict[str, Callable[[Plan], Recipe]] = {
    "random": uniform,
    "naive top-k": recipes.naive,
    "perc-pos 95": percpos,
    "shift 10": recipes.shifted,
    "oracle": recipes.naive,
    "skip-best": recipes.skip_best,
    OURS: recipes.default,
}
METHODS = ("zero-shot", "in-batch", *RECIPES)


@cache
def world(data: Path, name: str, labels: str) -> World:
    """Read a collection and its truth; pairs as query * documents + document."""
    hidden = data / name / "extras" / "fn_eval"
    collection = Collection.read(data / name, positives=hidden / f"labelled_{labels}.tsv")
    collection = replace(collection, negatives=collection.negatives.clear())
    width = collection.corpus.height

    def keys(*tables: pl.DataFrame) -> NDArray[np.int64]:
        rows = pl.concat([t.select("query", "doc") for t in tables]).cast(pl.Int64)
        return np.unique(rows["query"].to_numpy() * width + rows["doc"].to_numpy())

    relevant = keys(collection.positives, pairs_of(hidden / f"hidden_{labels}.tsv", collection, True))
    doubtful = [hidden / "ambiguous.tsv", data / name / "extras" / "source_docs.tsv"]
    return World(collection, relevant, keys(*(pairs_of(p, collection, None) for p in doubtful)))


def folds_of(where: World, vectors: NDArray[np.float32], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each query, -1 without a known positive; a cosine of 0.9 or the same text keeps queries together."""
    asked = np.unique(where.collection.positives["query"].to_numpy())
    group = text_groups(where.collection.queries["text"])
    near = np.argwhere(np.triu(vectors @ vectors.T >= 0.9, 1))
    for a, b in near:
        group[group == group[b]] = group[a]
    names = np.unique(group[asked])
    lot = dict(zip(names.tolist(), np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
    found = np.full(where.collection.queries.height, -1)
    found[asked] = [lot[g] for g in group[asked].tolist()]
    return found


def mined(where: World, method: str, train: NDArray[np.int64], seed: int, engine: Local) -> Pairs:
    """The run of a recipe over the training queries."""
    whole = where.collection
    known = whole.positives.filter(pl.col("query").is_in(pl.Series(train, dtype=pl.UInt32).implode()))
    if method == "in-batch":
        return Pairs.start(replace(whole, positives=known))
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    depth = 30 * NEGATIVES if method == "oracle" else 100
    short = "fewer" if method == OURS else "random"
    plan = Plan(
        (("dense", encoder),), n=depth if method == "oracle" else NEGATIVES, seed=seed, short=short, depth=depth
    )
    if method == OURS:
        known_elsewhere = elsewhere(whole.name)
        foils.detect.shipped = lambda: known_elsewhere  # type: ignore[attr-defined]
    pairs = mine(replace(whole, positives=known), RECIPES[method](plan), engine=engine).pairs
    if method == "oracle":
        key = pairs.frame["query"].cast(pl.Int64) * whole.corpus.height + pairs.frame["doc"].cast(pl.Int64)
        false = np.isin(key.to_numpy(), np.concatenate((where.relevant, where.unscored)))
        pairs = pairs.drop(pl.lit(pl.Series(false)), "truth")
    return pairs


class Adapter(nn.Module):
    """x + W x, to unit length, of frozen vectors; W starts at 0."""

    def __init__(self, queries: Tensor, docs: Tensor) -> None:
        super().__init__()
        self.queries, self.docs = queries, docs
        self.map = nn.Linear(queries.shape[1], queries.shape[1], bias=False)
        nn.init.zeros_(self.map.weight)

    def forward(self, rows: NDArray[np.int64], role: str) -> Tensor:
        """Vectors of queries or documents."""
        x = (self.queries if role == "query" else self.docs)[torch.from_numpy(rows)]
        return functional.normalize(x + self.map(x), dim=-1)


class Layers(nn.Module):
    """MiniLM, of which the last two layers learn."""

    def __init__(self, where: World) -> None:
        super().__init__()
        settings = Settings(layers=2, length=LENGTH).settled()
        self.model: SentenceTransformer = load_model(minilm(), settings, "cpu")
        self.texts = {"query": where.collection.queries["text"], "document": where.collection.passages}

    def forward(self, rows: NDArray[np.int64], role: str) -> Tensor:
        """Vectors of queries or documents."""
        texts = self.texts[role].gather(rows).to_list()
        order = np.argsort([-len(t) for t in texts], kind="stable")
        parts = []
        for start in range(0, len(rows), 32):
            features = tokens(self.model, [texts[i] for i in order[start : start + 32]], role)
            parts.append(self.model(features)["sentence_embedding"])
        return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


def train(learner: nn.Module, examples: Examples, method: str, how: str, seed: int) -> None:
    """The same steps, rate and batches for every method; only rows and loss differ."""
    torch.manual_seed(seed)
    # Mining may have changed it; on a busy machine threads that wait for each other take most of the time.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    course = Course(examples, Shuffled(examples.own), BATCH, seed)
    ours = Objective(nn.Identity(), examples, course, Settings(effort="low").settled(), 0.05)
    ours.place("cpu")
    plain = MultipleNegativesRankingLoss(None, scale=20.0)
    weights = [p for p in learner.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE[how], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / 10, 1 - s / STEPS[how]))
    learner.train()
    for step in range(STEPS[how]):
        rows = course.rows(step)
        queries = learner(examples.query[rows], "query")
        if method == OURS:
            batch = assemble(examples, rows, "cpu")
            value = ours.cost(queries @ learner(batch.docs.numpy(), "document").T, batch)
        else:
            columns = np.concatenate((examples.positives[rows], examples.negatives[rows]), axis=1)
            docs = learner(columns.T.ravel(), "document").split(len(rows))
            value = plain.compute_loss_from_embeddings([queries, *docs], torch.empty(0))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()


def test(learner: nn.Module, where: World, queries: NDArray[np.int64]) -> dict[str, float]:
    """nDCG@10 per query over the whole corpus; doubtful documents are left out of the ranking."""
    learner.eval()
    width = where.collection.corpus.height
    with torch.no_grad():
        scores = (learner(queries, "query") @ learner(np.arange(width), "document").T).numpy().astype(np.float64)
    found = {}
    for query, row in zip(queries.tolist(), scores, strict=True):
        key = query * width + np.arange(width)
        scored = ~np.isin(key, where.unscored)
        truth = np.isin(key, where.relevant)[scored]
        value = ndcg(np.zeros(int(scored.sum()), dtype=np.int64), row[scored], truth)
        found[str(where.collection.queries["id"][query])] = round(value, 6)
    return found


@dataclass(frozen=True)
class Cell:
    """One training, or none."""

    collection: str
    labels: str
    seed: int
    folds: int
    fold: int
    method: str
    how: str

    @property
    def key(self) -> str:
        """What names it in the file."""
        return json.dumps(self.__dict__, sort_keys=True)


def compute(cell: Cell, data: Path, engine: Local) -> dict[str, Any]:
    """Mine, train, test."""
    start, where = time.monotonic(), world(data, cell.collection, cell.labels)
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    vectors = [encoder.vectors(where.collection, role, None, engine) for role in ("query", "document")]
    fold = folds_of(where, vectors[0], cell.folds, cell.seed)
    queries, held = np.flatnonzero((fold >= 0) & (fold != cell.fold)), np.flatnonzero(fold == cell.fold)
    learner = Adapter(*map(torch.from_numpy, vectors)) if cell.how == "adapter" else Layers(where)
    facts: dict[str, Any] = {}
    if cell.method != "zero-shot":
        pairs = mined(where, cell.method, queries, cell.seed, engine)
        wanted = 0 if cell.method == "in-batch" else NEGATIVES
        examples = Examples.of(pairs, negatives=wanted, queries=queries.astype(np.uint32))
        facts = told(examples, where)
        if cell.method not in (OURS, "in-batch"):
            examples = squared(examples, cell.seed)
        train(learner, examples, cell.method, cell.how, cell.seed)
    scores = test(learner, where, held)
    return cell.__dict__ | facts | {"seconds": round(time.monotonic() - start, 1), "ndcg": scores}


def told(examples: Examples, where: World) -> dict[str, float]:
    """Negatives per row, the share of them that is false, and the share of positives that is."""
    width, query = where.collection.corpus.height, examples.query[:, None]
    there, right = examples.negatives >= 0, examples.positives >= 0
    false = np.isin(query * width + examples.negatives, where.relevant) & there
    wrong = ~np.isin(query * width + examples.positives, where.relevant) & right
    return {
        "rows": len(examples),
        "per_row": round(float(there.sum(1).mean()), 3) if there.size else 0.0,
        "false": round(float(false.sum() / max(1, there.sum())), 4),
        "wrong_positives": round(float(wrong.sum() / right.sum()), 4),
    }


def squared(examples: Examples, seed: int) -> Examples:
    """sentence-transformers needs as many negatives in every row: gaps are filled with random documents."""
    gaps = examples.negatives < 0
    drawn = np.random.default_rng(seed).integers(0, examples.collection.corpus.height, gaps.shape)
    return replace(examples, negatives=np.where(gaps, drawn, examples.negatives))


def table(cells: list[dict[str, Any]], folds: int) -> str:
    """Seeds averaged per query; means of collections; foils against each other method, Holm over all of them."""
    rows = [
        {
            "query_id": f"{c['collection']}/{c['labels']}/{q}",
            "world": f"{c['collection']}, {c['labels']}",
            "m": c["method"],
            "v": v,
        }
        for c in cells
        for q, v in c["ndcg"].items()
    ]
    frame = pl.DataFrame(rows).group_by("query_id", "world", "m").agg(pl.col("v").mean()).sort("query_id")
    worlds = frame["world"].unique().sort().to_list()
    systems = {m: frame.filter(pl.col("m") == m).select("query_id", nDCG="v") for m in METHODS if m in set(frame["m"])}
    compared = {
        r["against"]: r
        for r in compare(systems, [(OURS, m) for m in systems if m != OURS], test="t").iter_rows(named=True)
    }
    lines = [
        f"| method | {' | '.join(worlds)} | mean | false % | foils - method | p (Holm) |",
        "|---" * (len(worlds) + 5) + "|",
    ]
    for method in systems:
        means = [frame.filter((pl.col("m") == method) & (pl.col("world") == w))["v"].mean() for w in worlds]
        false = [c["false"] for c in cells if c["method"] == method and c.get("per_row")]
        against = compared.get(method)
        shown = f"{against['difference']:+.4f} | {against['p_holm']:.3g}" if against else "- | -"
        share = f"{100 * float(np.mean(false)):.1f}" if false else "-"
        cols = " | ".join(f"{m:.4f}" for m in means)
        lines.append(f"| {method} | {cols} | {float(np.mean(means)):.4f} | {share} | {shown} |")
    seeds = sorted({c["seed"] for c in cells})
    detect = max((r["detectable"] for r in compared.values()), default=0.0)
    lines += ["", f"seeds {seeds}, {folds} folds; smallest difference found in 80 % of repetitions: up to {detect:.4f}"]
    return "\n".join(lines)


def main() -> None:
    """Compute the cells that are missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=["cranfield", "cisi"])
    parser.add_argument("--labels", nargs="+", default=["1"], choices=["1", "half"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--how", choices=list(RATE), default="adapter")
    parser.add_argument("--cells", type=Path, default=Path("pays.jsonl"))
    args = parser.parse_args()
    wanted = [
        Cell(name, labels, seed, args.folds, fold, method, args.how)
        for seed in args.seeds
        for name in args.collections
        for labels in args.labels
        for fold in range(args.folds)
        for method in args.methods
    ]
    done: dict[str, dict[str, Any]] = {}
    if args.cells.exists():
        for line in args.cells.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            done[Cell(**{k: found[k] for k in Cell.__dataclass_fields__}).key] = found
    engine = Local(cache=Path.home() / ".cache" / "foils")
    for number, cell in enumerate(wanted, 1):
        if cell.key not in done:
            done[cell.key] = compute(cell, args.data, engine)
            with args.cells.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[cell.key]) + "\n")
            print(
                f"{number}/{len(wanted)} {cell.key}: {np.mean(list(done[cell.key]['ndcg'].values())):.4f}", flush=True
            )
    print(f"{describe()}\n\n{table([done[c.key] for c in wanted], args.folds)}")


if __name__ == "__main__":
    main()
