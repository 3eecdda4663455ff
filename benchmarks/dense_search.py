"""Exact dense search: foils against faiss and against the search inside sentence-transformers.

    python benchmarks/dense_search.py [--small] [--runs 3] [--k 100] [--cores 1] [--methods foils faiss ...]

Every run is a process of its own that loads the vectors, warms up on a small search (compilation, threads, probing)
and then searches once; the methods take turns. `sentence-transformers` is what `mine_hard_negatives` does without
faiss, with its default batch of 16,384 queries: `util.cos_sim` of a batch with the corpus, then `torch.topk`; the two
calls are repeated here, because it has no function for its search alone. Its memory is queries x documents x 4 bytes.
`faiss` is `IndexFlatIP`, as with `use_faiss=True`; building the index is not timed, its copy of the corpus counts as
memory. Where others use the machine, the least processor time of several runs on one core (`--cores 1`, pinned) says
more than the clock, because threads that wait for each other burn both. Agreement: share of the k best by float64
scores that a method finds, over 64 queries.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings import GENERATOR, Embeddings, embeddings, load, measured, reference, save
from machine import describe

SIZES = ((10_000, 200_000, 384), (2_048, 1_000_000, 384))
SMALL = ((256, 20_000, 384),)
SAMPLE = 64
SEED = 0
BATCH = 16_384  # faiss_batch_size of mine_hard_negatives

Search = Callable[[NDArray[np.float32], NDArray[np.float32], int], Any]


def foils(precision: str) -> Search:
    """The exact search; one precision, or the fastest."""
    from foils.sources.topk import exact_topk

    return lambda queries, documents, k: exact_topk(queries, documents, k, precision=precision)[0]  # type: ignore[arg-type]


def sentence_transformers(queries: NDArray[np.float32], documents: NDArray[np.float32], k: int) -> Any:
    """The loop of ``mine_hard_negatives(use_faiss=False)``."""
    import torch
    from sentence_transformers.util import cos_sim

    corpus = torch.as_tensor(documents)
    found = [torch.topk(cos_sim(queries[i : i + BATCH], corpus), k=k, dim=1)[1] for i in range(0, len(queries), BATCH)]
    return torch.cat(found).numpy()


def faiss_index() -> Search:
    """The loop of ``mine_hard_negatives(use_faiss=True)``; the index is kept between calls."""
    import faiss

    built: dict[int, Any] = {}

    def search(queries: NDArray[np.float32], documents: NDArray[np.float32], k: int) -> Any:
        if id(documents) not in built:
            built[id(documents)] = faiss.IndexFlatIP(documents.shape[1])
            built[id(documents)].add(documents)
            return None
        index = built[id(documents)]
        return np.concatenate([index.search(queries[i : i + BATCH], k)[1] for i in range(0, len(queries), BATCH)])

    return search


METHODS: dict[str, Callable[[], Search]] = {
    "foils": lambda: foils("auto"),
    "foils float32": lambda: foils("float32"),
    "foils float16": lambda: foils("float16"),
    "foils bfloat16": lambda: foils("bfloat16"),
    "foils int8": lambda: foils("int8"),
    "faiss": faiss_index,
    "sentence-transformers": lambda: sentence_transformers,
}


def work(method: str, folder: Path, k: int) -> dict[str, Any]:
    """One run in this process: seconds, extra memory, agreement."""
    drawn = load(folder)
    search = METHODS[method]()
    queries, few = np.ascontiguousarray(drawn.queries[:300]), np.ascontiguousarray(drawn.documents[:6000])
    for _ in range(2):
        search(queries, few, k)
    if method == "foils":
        from foils.sources.precision import fastest

        fastest()
    before = measured(lambda: search(drawn.queries, drawn.documents, k)).extra_bytes if method == "faiss" else 0
    run = measured(lambda: search(drawn.queries, drawn.documents, k))
    true = np.load(folder / "true.npy")
    shared = [len(np.intersect1d(a, b)) for a, b in zip(run.result[:SAMPLE], true, strict=True)]
    used = fastest() if method == "foils" else ""
    return {
        "seconds": run.seconds,
        "processor": run.processor_seconds,
        "megabytes": (run.extra_bytes + before) / 1e6,
        "agreement": float(np.mean(shared)) / k,
        "used": used,
    }


def prepare(size: tuple[int, int, int], k: int, folder: Path) -> Embeddings:
    """Draw the vectors and the true answers of a sample of queries."""
    drawn = embeddings(*size, seed=SEED)
    save(folder, drawn)
    np.save(folder / "true.npy", reference(drawn.queries[:SAMPLE], drawn.documents, k))
    return drawn


def compare(size: tuple[int, int, int], k: int, runs: int, cores: int, methods: list[str]) -> str:
    """A markdown table: medians of the clock and of memory, the least processor time."""
    results: dict[str, list[dict[str, Any]]] = {m: [] for m in methods}
    with tempfile.TemporaryDirectory() as name:
        prepare(size, k, Path(name))
        for _ in range(runs):
            for method in methods:
                call = [sys.executable, __file__, "--worker", method, name, "--k", str(k)]
                done = subprocess.run(call, capture_output=True, text=True, check=False, env=threads(cores))
                if done.returncode:
                    print(f"{method} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                    continue
                results[method].append(json.loads(done.stdout.splitlines()[-1]))
    queries, documents, dimensions = size
    seconds = {m: statistics.median(r["seconds"] for r in rs) for m, rs in results.items() if rs}
    processor = {m: min(r["processor"] for r in rs) for m, rs in results.items() if rs}
    lines = [
        f"### {queries:,} queries x {documents:,} documents x {dimensions}, k = {k}, {cores} cores, {runs} runs\n",
        "| method | seconds | against faiss | processor seconds | against faiss | agreement | memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, taken in seconds.items():
        last = results[method][-1]
        used = f" ({last['used']})" if last["used"] else ""
        ratios = [f"{t['faiss'] / t[method]:.2f}" if "faiss" in t else "-" for t in (seconds, processor)]
        memory = statistics.median(r["megabytes"] for r in results[method])
        lines.append(
            f"| {method}{used} | {taken:.2f} | {ratios[0]} | {processor[method]:.2f} | {ratios[1]} "
            f"| {last['agreement']:.4f} | {memory:,.0f} |"
        )
    return "\n".join(lines)


def threads(cores: int) -> dict[str, str]:
    """The environment of a run on some cores; the run sets its affinity by ``FOILS_CORES``."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(cores))
    return os.environ | limits | {"FOILS_CORES": str(cores)}


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a smoke run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--worker", nargs=2, metavar=("METHOD", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        method, folder = options.worker
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(os.environ["FOILS_CORES"]) :])
        print(json.dumps(work(method, Path(folder), options.k)))
        return
    print(f"{describe()}\n- vectors: {GENERATOR}; seed {SEED}\n")
    for size in SMALL if options.small else SIZES:
        print(compare(size, options.k, options.runs, options.cores, options.methods), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
