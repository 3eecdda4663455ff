"""What masks, weights and schedules cost: a training step of foils against CachedMultipleNegativesRankingLoss.

    OMP_NUM_THREADS=1 python benchmarks/train_overhead.py [--batches 32 64] [--repeats 7]

The same model (all-MiniLM-L6-v2), texts (examples/almanac), negatives and mini-batches; forward and backward, without
the optimizer. CPU seconds of this process on one thread, so that other work on the machine does not count; the two
take turns, medians. Two columns for foils: everything (documents that stand in several rows are encoded once, texts of
similar length together), and only what is added to the same step: the score matrix's part against theirs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

from false_negatives import minilm
from foils import recipes
from foils.collection import Collection
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.recipes import Plan
from foils.run import mine
from foils.train.batches import Shuffled
from foils.train.examples import Course, Examples
from foils.train.objective import RetrieverObjective, assemble
from foils.train.schedule import Conan, Dbpm, Risk
from foils.train.settings import Settings
from machine import describe

ALMANAC = Path(__file__).parents[1] / "examples" / "almanac"
NEGATIVES, MINI = 4, 32


def run() -> Pairs:
    """Naive negatives, a probability and a weight for every candidate."""
    pairs = mine(Collection.read(ALMANAC), recipes.naive(Plan((("lsa", Lsa()),), n=NEGATIVES))).pairs
    p = (0.9 / pl.col("rank.lsa").fill_null(100)).cast(pl.Float32)
    pairs = pairs.with_column("prob.detector", p).with_column("p_relevant", p)
    return pairs.with_column("weight", 1 - p)


def seconds(work: Callable[[], object]) -> float:
    """CPU time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(pairs: Pairs, size: int, repeats: int, *, steps: bool) -> tuple[float, float, float, float]:
    """Medians: their part after the vectors, ours, their step, our step; NaN for steps that are left out."""
    model = SentenceTransformer(minilm(), device="cpu").train()
    examples = Examples.of(pairs, negatives=NEGATIVES)
    settings = Settings(batch=size, mini_batch=MINI, negatives=NEGATIVES, doubt="remove").settled()
    course = Course(examples, Shuffled(examples.own), size, 0)
    watchers = [Conan(every=1), Dbpm(), Risk()]
    ours = RetrieverObjective(model, examples, course, settings, 0.05, watchers)
    for watcher in watchers:
        watcher.bind(ours, 1000, lambda line: None)
    theirs = CachedMultipleNegativesRankingLoss(model, scale=20.0, mini_batch_size=MINI)
    rows = course.rows(0)
    batch = assemble(examples, rows, "cpu")
    columns = np.concatenate((examples.positives[rows], examples.negatives[rows]), axis=1).T
    texts = [examples.questions(examples.query[rows]), *(examples.texts(c) for c in columns)]

    def their_step() -> None:
        theirs([model.preprocess(t) for t in texts], None).backward()

    def our_step() -> None:
        ours(torch.tensor([0])).backward()

    vectors = [torch.nn.functional.normalize(torch.randn(size, 384), dim=-1) for _ in texts]
    docs = torch.nn.functional.normalize(torch.randn(len(batch.docs), 384), dim=-1)
    ours.place("cpu")

    def their_part() -> None:
        reps = [list(v.clone().requires_grad_().split(MINI)) for v in vectors]
        theirs.calculate_loss(reps, with_backward=True)

    def our_part() -> None:
        made = assemble(examples, rows, "cpu")
        queries, candidates = vectors[0].clone().requires_grad_(), docs.clone().requires_grad_()
        ours.cost(ours.similarity(queries, candidates), made).backward()

    short = [
        statistics.median(t)
        for t in zip(*([seconds(w) for w in (their_part, our_part)] for _ in range(20 + repeats)), strict=True)
    ]
    whole = [[seconds(w) for w in (their_step, our_step)] for _ in range(repeats + 1 if steps else 0)][1:]
    long = [statistics.median(t) for t in zip(*whole, strict=True)] or [float("nan")] * 2
    return short[0], short[1], long[0], long[1]


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--parts", action="store_true", help="only what comes after the vectors, no whole steps")
    args = parser.parse_args()
    pairs = run()
    # After mining, which may change it.
    torch.set_num_threads(1)
    print(f"{describe()}\n\nCPU seconds, one thread, {NEGATIVES} negatives a row, mini-batches of {MINI}\n")
    print("| batch | ST step | foils step | ratio | ST loss part | foils loss part | added share of ST's step |")
    print("|---|---|---|---|---|---|---|")
    for size in args.batches:
        part, our_part, st, ours = measure(pairs, size, args.repeats, steps=not args.parts)
        added = 100 * (our_part - part) / st
        cells = f"{st:.3f} | {ours:.3f} | {ours / st:.3f} | {1000 * part:.1f} ms | {1000 * our_part:.1f} ms"
        print(f"| {size} | {cells} | {added:+.2f} % |", flush=True)


if __name__ == "__main__":
    main()
