"""BM25 against bm25s with its best backend, on the same words.

    python benchmarks/bm25.py [--docs 200000] [--queries 10000] [--depth 100]

Texts are synthetic: words by Zipf's law, the most frequent of them English stop words. Medians of 3, in turn, in one
process; a ratio above 1 means that foils is faster. Mark: search at least as fast as bm25s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import bm25s
import numba
import numpy as np
import polars as pl
import Stemmer

from foils.sources import postings
from foils.sources.words import Vocabulary
from machine import describe

STOP = bm25s.tokenization.STOPWORDS_EN


def texts(n: int, length: int, size: int, seed: int) -> list[str]:
    """``n`` texts of about ``length`` words out of ``size``, the r-th most frequent with a share of 1 / r."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwyp"))
    spelling = np.random.default_rng(0)
    words = [*STOP, *("".join(spelling.choice(letters, 3 + i % 8)) for i in range(size - len(STOP)))]
    shares = np.cumsum(1 / np.arange(1, size + 1))
    drawn = np.searchsorted(shares, rng.random((n, length)) * shares[-1])
    return [" ".join([words[i] for i in row]) for row in drawn.tolist()]


def medians(works: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def report(what: str, took: dict[str, float]) -> None:
    """One line of the table."""
    print(f"| {what} | {took['foils']:.2f} | {took['bm25s']:.2f} | {took['bm25s'] / took['foils']:.1f} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("docs", 200_000), ("queries", 10_000), ("depth", 100), ("length", 60), ("repeats", 3)):
        parser.add_argument(f"--{option}", type=int, default=default)
    a = parser.parse_args()
    documents, queries = texts(a.docs, a.length, 300_000, 1), texts(a.queries, 8, 300_000, 2)
    print(describe())
    print(f"- {a.docs:,} documents of {a.length} words, {a.queries:,} queries of 8 words, depth {a.depth}\n")
    print("| | foils, s | bm25s, s | bm25s / foils |\n|---|---|---|---|")

    series, asked = pl.Series(documents), pl.Series(queries)
    stemmer = Stemmer.Stemmer("english")
    took = {
        "foils": lambda: Vocabulary({"LATIN": "en"}).number(series, grow=True),
        "bm25s": lambda: bm25s.tokenize(documents, stemmer=stemmer, show_progress=False),
    }
    report("split, stop words, stems", medians(took, a.repeats))

    vocabulary = Vocabulary({"LATIN": "en"})
    bounds, numbers = vocabulary.number(series, grow=True)
    query_bounds, query_numbers = vocabulary.number(asked, grow=False)
    size = len(vocabulary.numbers)
    lists = [part.tolist() for part in np.split(numbers, bounds[1:-1])]
    postings.build(bounds[:3], numbers[: bounds[2]], size, 1.5, 0.75, "lucene")
    theirs = bm25s.BM25(backend="numba")
    took = {
        "foils": lambda: postings.build(bounds, numbers, size, 1.5, 0.75, "lucene"),
        "bm25s": lambda: theirs.index((lists, dict(vocabulary.numbers)), show_progress=False),
    }
    report("index", medians(took, a.repeats))

    index = postings.build(bounds, numbers, size, 1.5, 0.75, "lucene")
    query_lists = [part.tolist() or [theirs.vocab_dict[""]] for part in np.split(query_numbers, query_bounds[1:-1])]
    depths = np.full(a.queries, a.depth)
    threads = os.cpu_count() or 1
    options = {"k": a.depth, "show_progress": False, "n_threads": threads}
    postings.search(index, query_bounds[:3], query_numbers, depths[:2])
    theirs.retrieve(query_lists[:2], **options)
    took = {
        "foils": lambda: postings.search(index, query_bounds, query_numbers, depths),
        "bm25s": lambda: theirs.retrieve(query_lists, **options),
    }
    report(f"search, {numba.get_num_threads()} threads", medians(took, a.repeats))

    counts, _, scores = postings.search(index, query_bounds, query_numbers, depths)
    reference = theirs.retrieve(query_lists, **options).scores
    kept = np.arange(a.depth) < counts[:, None]
    same = np.allclose(reference[kept], scores, rtol=1e-4) and not reference[~kept].any()
    print(f"\nThe same scores at every rank: {same}.")


if __name__ == "__main__":
    main()
