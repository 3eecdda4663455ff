"""The whole mining step with given embeddings: foils against mine_hard_negatives of sentence-transformers.

    python benchmarks/mining_step.py [--small] [--runs 3]

20,000 queries x 200,000 documents x 384. Both get the same vectors and the same job: the 101 nearest documents, less
the positive, less what scores within 5 % of the positive or above it, the 8 hardest that remain, written to disk.
`foils` runs `mine` with a recipe of Dense, PercPos and Top and writes a run folder (every candidate with its fate, and
a report). `mine_hard_negatives` runs unchanged on a stub model that returns the given vectors; its data set is written
to Parquet. Every run is a process of its own; the methods take turns; loading and building the inputs is not timed.
Memory is the peak of the process above its state with all inputs loaded. Differences between the negatives are sorted
by cause: a tie or near tie is a swap of documents whose float64 scores differ by less than 1e-6.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings import GENERATOR, Embeddings, embeddings, load, measured, save
from machine import describe

SIZE, SMALL = (20_000, 200_000, 384), (400, 8_000, 384)
NEGATIVES, RATIO, DEPTH = 8, 0.95, 101
SEED = 1
NEAR = 1e-6

Chosen = NDArray[np.int64]


@dataclass
class Stub:
    """What ``mine_hard_negatives`` asks of a SentenceTransformer; texts are "d17" and "q17"."""

    vectors: Embeddings
    device: str = "cpu"

    def get_embedding_dimension(self) -> int:
        """Of the vectors."""
        return self.vectors.documents.shape[1]

    def encode_document(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
        """Look them up."""
        return self.vectors.documents[[int(t[1:]) for t in texts]]

    def encode_query(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
        """Look them up."""
        return self.vectors.queries[[int(t[1:]) for t in texts]]

    def similarity(self, a: Any, b: Any) -> Any:
        """The default of sentence-transformers."""
        from sentence_transformers.util import cos_sim

        return cos_sim(a, b)

    def similarity_pairwise(self, a: Any, b: Any) -> Any:
        """The default of sentence-transformers."""
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(a, b)


def texts(prefix: str, n: int) -> list[str]:
    """Distinct texts that name their row."""
    return [f"{prefix}{i}" for i in range(n)]


def with_foils(folder: Path) -> Callable[[], Chosen]:
    """Ready to run: the collection is built, the vectors are files that have been read once."""
    import foils
    from foils.bands import PercPos
    from foils.collection import build
    from foils.models.vectors import Vectors
    from foils.select import Top
    from foils.sources.dense import Dense
    from foils.steps import Recipe

    positives = np.load(folder / "positives.npy")
    n_documents = np.load(folder / "documents.npy", mmap_mode="r").shape[0]
    queries, documents = texts("q", positives.size), texts("d", n_documents)
    labels = pl.DataFrame({"query_id": queries, "doc_id": [f"d{i}" for i in positives], "grade": [1] * len(queries)})
    collection = build(
        pl.DataFrame({"id": documents, "text": documents}), pl.DataFrame({"id": queries, "text": queries}), labels
    )
    encoder = Vectors(queries=folder / "queries.npy", documents=folder / "documents.npy")
    recipe = Recipe(
        (
            Dense(depth=DEPTH, encoder=encoder),
            PercPos(ratio=RATIO, score="cos.dense", reference="min"),
            Top(n=NEGATIVES, by="cos.dense"),
        )
    )

    def work() -> Chosen:
        with tempfile.TemporaryDirectory() as out:
            run = foils.mine(collection, recipe=recipe, out=Path(out) / "run")
        chosen = run.pairs.negatives().sort("query", "cos.dense", descending=[False, True])
        return chosen.select("query", "doc").to_numpy().astype(np.int64)

    return work


def with_sentence_transformers(folder: Path, *, use_faiss: bool) -> Callable[[], Chosen]:
    """Ready to run: the data set is built, the vectors are in memory."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    drawn = load(folder)
    corpus = texts("d", len(drawn.documents))
    asked = {"query": texts("q", len(drawn.queries)), "answer": [corpus[i] for i in drawn.positives]}
    dataset = Dataset.from_dict(asked)

    def work() -> Chosen:
        mined = mine_hard_negatives(
            dataset,
            Stub(drawn),  # type: ignore[arg-type]
            corpus=corpus,
            range_max=DEPTH - 1,
            relative_margin=1 - RATIO,
            num_negatives=NEGATIVES,
            output_format="triplet",
            use_faiss=use_faiss,
            verbose=False,
        )
        with tempfile.TemporaryDirectory() as out:
            mined.to_parquet(str(Path(out) / "mined.parquet"))
        sides = (mined["query"], mined["negative"])
        return np.array([[int(t[1:]) for t in side] for side in sides], dtype=np.int64).T

    return work


METHODS: dict[str, Callable[[Path], Callable[[], Chosen]]] = {
    "foils": with_foils,
    "mine_hard_negatives": lambda folder: with_sentence_transformers(folder, use_faiss=False),
    "mine_hard_negatives, faiss": lambda folder: with_sentence_transformers(folder, use_faiss=True),
}


def warm_up(method: str) -> None:
    """Compile, import and probe on a small job of the same kind."""
    with tempfile.TemporaryDirectory() as name:
        save(Path(name), embeddings(*SMALL, seed=SEED))
        METHODS[method](Path(name))()
    if method == "foils":
        from foils.sources.precision import fastest

        fastest()


def differences(ours: Chosen, theirs: Chosen, drawn: Embeddings) -> str:
    """How many queries got other negatives, and why."""
    a, b = ({(int(q), int(d)) for q, d in side} for side in (ours, theirs))
    queries = sorted({q for q, _ in a ^ b})
    causes = {"near tie": 0, "near the rule's limit": 0, "other": 0}
    for query in queries:
        swapped = [d for q, d in a ^ b if q == query]
        exact = drawn.documents[swapped].astype(np.float64) @ drawn.queries[query].astype(np.float64)
        limit = RATIO * float(
            drawn.documents[drawn.positives[query]].astype(np.float64) @ drawn.queries[query].astype(np.float64)
        )
        if np.ptp(exact) < NEAR and len(swapped) > 1:
            causes["near tie"] += 1
        elif np.abs(exact - limit).min() < NEAR:
            causes["near the rule's limit"] += 1
        else:
            causes["other"] += 1
    listed = ", ".join(f"{n:,} {cause}" for cause, n in causes.items() if n) or "none"
    return f"{len(a & b) / max(1, len(a | b)):.6f} of the pairs shared; queries that differ: {listed}"


def compare(size: tuple[int, int, int], runs: int) -> str:
    """A markdown table of medians, and the differences."""
    results: dict[str, list[dict[str, float]]] = {m: [] for m in METHODS}
    with tempfile.TemporaryDirectory() as name:
        drawn = embeddings(*size, seed=SEED)
        save(Path(name), drawn)
        for _ in range(runs):
            for method in METHODS:
                call = [sys.executable, __file__, "--worker", method, name]
                done = subprocess.run(call, capture_output=True, text=True, check=False)
                if done.returncode:
                    print(f"{method} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                    continue
                results[method].append(json.loads(done.stdout.splitlines()[-1]))
        chosen = {m: np.load(Path(name) / f"{m}.npy") for m, rs in results.items() if rs}
    seconds = {m: statistics.median(r["seconds"] for r in results[m]) for m in chosen}
    lines = [
        f"### {size[0]:,} queries x {size[1]:,} documents x {size[2]} (median of {runs})\n",
        "| method | seconds | times as long as foils | extra memory, GB | negatives |",
        "|---|---|---|---|---|",
    ]
    for method, taken in seconds.items():
        memory = statistics.median(r["gigabytes"] for r in results[method])
        ratio = f"{taken / seconds['foils']:.2f}" if "foils" in seconds else "-"
        lines.append(f"| {method} | {taken:.1f} | {ratio} | {memory:.2f} | {len(chosen[method]):,} |")
    if "foils" in chosen:
        others = (m for m in chosen if m != "foils")
        lines += ["", *(f"- foils and {m}: {differences(chosen['foils'], chosen[m], drawn)}" for m in others)]
    return "\n".join(lines)


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a smoke run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--worker", nargs=2, metavar=("METHOD", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        method, folder = options.worker
        warm_up(method)
        run = measured(METHODS[method](Path(folder)))
        np.save(Path(folder) / f"{method}.npy", run.result)
        print(json.dumps({"seconds": run.seconds, "gigabytes": run.extra_bytes / 1e9}))
        return
    print(f"{describe()}\n- vectors: {GENERATOR}; seed {SEED}\n")
    print(compare(SMALL if options.small else SIZE, options.runs))


if __name__ == "__main__":
    main()
