"""Does it pay? Train on the negatives of several recipes, test on queries that were held out.

    python benchmarks/pays.py [--collections cranfield cisi cacm npl] [--labels 1] [--seeds 0 1 2 3 4] [--folds 5]
        [--methods NAME ...] [--how adapter] [--base minilm] [--main "foils + verdicts"] --cells FILE [FILE ...]

For each collection, labels, seed and fold: queries are split, near-duplicates together; negatives are mined from the
training queries and their known positives alone; one model is trained per method, from the same start, on batches of
the same size, without two rows whose documents answer each other; nDCG@10 of the test queries is taken over the whole
corpus against all labels, known and hidden. Baselines have sentence-transformers' MultipleNegativesRankingLoss; `foils`
has the recipe `default` and the loss and masks of `foils train`; its detector never saw the collection. `foils, plain
loss` has the same negatives with the baselines' loss.

`foils + verdicts` is `foils` after judging: the grades in `verdicts/<collection>.tsv` (2 and 3 are relevant), those of
training queries only, go the way of `foils judge`: marked, learnt from by the detector, selected again. Rows then hold
beside the known positive what grade and detector together make likely; in `verdicts, rows of their own` each of those
has a row. `foils + truth` has the hidden labels of the same pairs in place of the grades, as a person's: what a perfect
judge would give. `--how adapter` learns a residual map of frozen vectors (seconds on a CPU), `--how layers` the last
two layers of the model. `--base wordllama` mines with and trains a weaker model (pays_bases.py says how to install it);
splits, coefficients of the detector, verdicts and all settings stay those of MiniLM, whose runs also chose the pairs
that have a verdict. Rows where nothing is safe enough have the batch's other documents alone.

A cell is a line of the first file of `--cells`; the others are read only. What is there is not computed again, so a
longer run continues a shorter one. The table on stdout is made of all cells of the settings asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from foils import recipes
from foils.bands import PercPos
from foils.engine import Local
from foils.judges.replay import Replay
from foils.judging import learning
from foils.outcome import likely, promoted
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.recipes import CLEAN, Plan
from foils.recut import recut
from foils.run import Run
from foils.select import Top
from foils.sources.random import Random
from foils.steps import Recipe
from foils.train.examples import Examples
from foils.verdicts import Verdicts
from machine import describe
from pays_bases import BASES
from pays_table import table
from pays_train import RATE, Adapter, Layers, squared, test, train
from pays_worlds import CACHE, CLOSED, JUDGED, OPEN, World, kept, mined, start, with_own_coefficients, world

NEGATIVES = 4
OWN_ROWS = "verdicts, rows of their own"
PLAIN = "foils, plain loss"
OURS = (PLAIN, "foils", "foils + verdicts", OWN_ROWS, "foils + truth")


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
} | dict.fromkeys(OURS, recipes.default)
METHODS = ("zero-shot", "in-batch", *RECIPES)


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
    base: str = "minilm"

    @property
    def named(self) -> dict[str, Any]:
        """Its fields as they stand in the file; the usual base is not named."""
        return {k: v for k, v in self.__dict__.items() if (k, v) != ("base", "minilm")}

    @property
    def key(self) -> str:
        """What names it in the file."""
        return json.dumps(self.named, sort_keys=True)


def table_of(
    where: World, cell: Cell, queries: NDArray[np.int64], verdicts: Path, engine: Local
) -> tuple[Pairs, dict[str, Any]]:
    """The run of a recipe over the training queries, and what judging did to it."""
    method = cell.method
    if method == "in-batch":
        return start(where, queries), {}
    depth = 30 * NEGATIVES if method == "oracle" else 100
    plan = Plan(
        (("dense", kept(cell.base)),),
        n=depth if method == "oracle" else NEGATIVES,
        # Nothing else is drawn at random.
        seed=0 if method in OURS else cell.seed,
        short="fewer" if method in OURS else "random",
        depth=depth,
    )
    run = mined(where, RECIPES[method], plan, engine).part(queries)
    if method in OURS:
        return judged(where, run, method, verdicts, engine)
    pairs = run.pairs
    if method == "oracle":
        pairs = pairs.drop(pl.lit(pl.Series(np.isin(keys(pairs), np.union1d(where.relevant, where.unscored)))), "truth")
    return pairs, {}


def judged(where: World, run: Run, method: str, verdicts: Path, engine: Local) -> tuple[Pairs, dict[str, Any]]:
    """Select again, with the verdicts on these queries or without any."""
    with_own_coefficients(where.collection.name)
    if method in ("foils", PLAIN):
        return recut(run, Verdicts(), engine).pairs, {}
    recipe, judge = learning(run.recipe), reader(verdicts / f"{where.collection.name}.tsv")
    rows = np.flatnonzero(listed(judge, run.pairs) & ~run.pairs.frame["positive"].to_numpy()).astype(np.uint32)
    given, family = judge.verdicts(run.pairs, rows, engine), "llm:readers"
    if method == "foils + truth":
        right = np.isin(keys(run.pairs)[rows], where.relevant)
        given, family = [Verdict(float(r), "human:truth") for r in right], "human"
    pairs = recut(run, Verdicts().add(run.pairs, rows, given, family), engine, recipe).pairs
    found = pairs.frame.select(promoted() | likely(pairs)).to_series().to_numpy()
    new = np.isin(keys(pairs)[found], where.relevant)
    said = sum(v.probability is not None for v in given)
    return pairs, {"verdicts": said, "promoted": len(new), "promoted_right": int(new.sum())}


@cache
def reader(path: Path) -> Replay:
    """What the readers of a collection wrote."""
    return Replay(path, relevant_from=2, family="llm:readers")


def listed(judge: Replay, pairs: Pairs) -> NDArray[np.bool_]:
    """The rows that stand in a file of verdicts."""
    there = pl.read_csv(judge.path, separator="\t", infer_schema=False).select("query_id", "doc_id", there=True)
    ids = pairs.frame.select(
        query_id=pl.lit(pairs.collection.queries["id"]).gather("query"),
        doc_id=pl.lit(pairs.collection.corpus["id"]).gather("doc"),
    )
    joined = ids.join(there, on=["query_id", "doc_id"], how="left", maintain_order="left")
    found: NDArray[np.bool_] = joined["there"].fill_null(value=False).to_numpy()
    return found


def keys(pairs: Pairs) -> NDArray[np.int64]:
    """Query * documents + document of every row."""
    found = pairs.frame["query"].cast(pl.Int64) * pairs.collection.corpus.height + pairs.frame["doc"].cast(pl.Int64)
    return found.to_numpy()


def compute(cell: Cell, data: Path, verdicts: Path, engine: Local) -> dict[str, Any]:
    """Mine, train, test."""
    begun = time.monotonic()
    learner, held, facts = trained(cell, data, verdicts, engine)
    scores = test(learner, world(data, cell.collection, cell.labels), held)
    return cell.named | facts | {"seconds": round(time.monotonic() - begun, 1), "ndcg": scores}


def trained(
    cell: Cell, data: Path, verdicts: Path, engine: Local
) -> tuple[Adapter | Layers, NDArray[np.int64], dict[str, Any]]:
    """What was learnt, the queries to test it on, and facts of its rows."""
    where = world(data, cell.collection, cell.labels)
    vectors = [kept(cell.base).vectors(where.collection, role, None, engine) for role in ("query", "document")]
    # Every base is tested on the same splits.
    alike = kept("minilm").vectors(where.collection, "query", None, engine)
    queries, held = where.split(alike, cell.folds, cell.fold, cell.seed)
    learner = Adapter(*map(torch.from_numpy, vectors)) if cell.how == "adapter" else Layers(where)
    facts: dict[str, Any] = {}
    if cell.method != "zero-shot":
        pairs, facts = table_of(where, cell, queries, verdicts, engine)
        # Where nothing is safe enough, the rows of `foils` have the batch's other documents alone.
        wanted = 0 if cell.method == "in-batch" or not pairs.negatives().height else NEGATIVES
        beside = {"found": 0} if cell.method == OWN_ROWS else {}
        examples = Examples.of(pairs, negatives=wanted, queries=queries.astype(np.uint32), **beside)
        facts |= told(examples, where)
        ours = cell.method in OURS and cell.method != PLAIN
        if not ours and cell.method != "in-batch":
            examples = squared(examples, cell.seed)
        # Mining may have changed it; on a busy machine threads that wait for each other take most of the time.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        train(learner, examples, ours=ours, how=cell.how, seed=cell.seed)
    return learner, held, facts


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


def cells_of(args: argparse.Namespace) -> list[Cell]:
    """What was asked for; open worlds have one split a seed and no hidden truth."""
    cells = []
    for name in args.collections:
        for method in args.methods:
            if name in OPEN and method == "oracle":
                continue
            if method in OURS[2:] and not (args.verdicts / f"{name}.tsv").exists():
                continue
            folds = 1 if name in OPEN else args.folds
            labels = ["1"] if name in OPEN else args.labels
            cells += [
                Cell(name, label, seed, folds, fold, method, args.how, args.base)
                for seed in args.seeds
                for label in labels
                for fold in range(folds)
            ]
    # Cells that share what was mined stand together.
    return sorted(
        cells, key=lambda c: (args.collections.index(c.collection), c.labels, c.seed, METHODS.index(c.method))
    )


def read(files: list[Path]) -> dict[str, dict[str, Any]]:
    """The cells that are there."""
    done: dict[str, dict[str, Any]] = {}
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            found = json.loads(line)
            done[Cell(**{k: found[k] for k in Cell.__dataclass_fields__ if k in found}).key] = found
    return done


def main() -> None:
    """Compute the cells that are missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=list(CLOSED), choices=(*CLOSED, *JUDGED, *OPEN))
    parser.add_argument("--labels", nargs="+", default=["1"], choices=["1", "half"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--how", choices=list(RATE), default="adapter")
    parser.add_argument("--base", choices=BASES, default="minilm", help="the model that mines and learns")
    parser.add_argument("--main", default="", help="compared with all others; default: the last of ours that is there")
    parser.add_argument("--together", action="store_true", help="average each query over all labels, as over seeds")
    parser.add_argument("--cells", type=Path, nargs="+", default=[Path("pays.jsonl")])
    parser.add_argument("--verdicts", type=Path, default=Path(__file__).parent / "verdicts")
    parser.add_argument("--only-table", action="store_true", help="of the cells that are there")
    args = parser.parse_args()
    if args.how == "layers" and args.base != "minilm":
        parser.error("--how layers needs a model with layers; --base minilm has some")
    wanted, done = cells_of(args), read(args.cells)
    engine = Local(cache=CACHE)
    for number, cell in enumerate(wanted, 1):
        if cell.key not in done and not args.only_table:
            done[cell.key] = found = compute(cell, args.data, args.verdicts, engine)
            with args.cells[0].open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            mean = np.mean(list(found["ndcg"].values()))
            print(f"{number}/{len(wanted)} {cell.key}: {mean:.4f} in {found['seconds']} s", flush=True)
    cells = [done[c.key] for c in wanted if c.key in done]
    there = [m for m in METHODS if any(c["method"] == m for c in cells)]
    main_one = args.main or next((m for m in ("foils + verdicts", "foils") if m in there), there[-1])
    shown = table(cells, there, main_one, args.together)
    print(f"{describe()}\n\nseeds {args.seeds}, {args.folds} folds, {args.how}, {args.base}\n\n{shown}")


if __name__ == "__main__":
    main()
