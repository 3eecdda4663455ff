"""The same negatives as mine_hard_negatives of sentence-transformers, wherever that function is right.

    python benchmarks/agreement.py [--data DIR] [--collections cranfield nq_mini scifact]

Real collections with all their training positives, MiniLM vectors, the same for both sides; n = 8, pool of 100. A
difference is a (query, document) pair that one side selects and the other does not; each is listed under its cause:

- copy: the document's text stands in the corpus twice (sentence-transformers merges equal texts, foils keeps both ids
  and drops copies by the rule `exact-duplicate`, left out here);
- query text: two query ids share a text (sentence-transformers merges them);
- near tie: a swap of documents whose scores differ by less than 1e-6, or a score that near to the rule's limit;
- pool: sentence-transformers counts the pool without positives, so it looks a few ranks deeper;
- shift after filtering: sentence-transformers skips the first *survivors* of the other rules, not the first ranks, so
  that the candidates above the shift are taken where the rule has spoken already;
- other: anything else.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from false_negatives import minilm
from foils.bands import MarginPos, PercPos
from foils.collection import Collection
from foils.engine import Local
from foils.models.encoder import SentenceEncoder
from foils.models.vectors import Vectors
from foils.rules import Shift, TopkAbs
from foils.run import mine
from foils.select import Top
from foils.sources.dense import Dense
from foils.steps import Recipe, Step
from machine import describe

N, POOL = 8, 100
RULES: dict[str, tuple[tuple[Step, ...], dict[str, Any]]] = {
    "top-k": ((), {}),
    "relative margin .05": ((PercPos(ratio=0.95),), {"relative_margin": 0.05}),
    "absolute margin .05": ((MarginPos(margin=0.05),), {"absolute_margin": 0.05}),
    "maximum score .5": ((TopkAbs(threshold=0.5),), {"max_score": 0.5}),
    "shift 10": ((Shift(skip=10),), {"range_min": 10}),
    "shift 10 and relative margin": ((Shift(skip=10), PercPos(ratio=0.95)), {"range_min": 10, "relative_margin": 0.05}),
}
Pair = tuple[str, str]


@dataclass
class Stub:
    """A SentenceTransformer that knows its texts' vectors."""

    queries: dict[str, NDArray[np.float32]]
    documents: dict[str, NDArray[np.float32]]
    device: str = "cpu"

    def encode_document(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
        """Look them up."""
        return np.stack([self.documents[t] for t in texts])

    def encode_query(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
        """Look them up."""
        return np.stack([self.queries[t] for t in texts])

    def similarity(self, a: Any, b: Any) -> Any:
        """The default of sentence-transformers."""
        from sentence_transformers.util import cos_sim

        return cos_sim(a, b)

    def similarity_pairwise(self, a: Any, b: Any) -> Any:
        """The default of sentence-transformers."""
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(a, b)


def ours(collection: Collection, vectors: Vectors, rules: tuple[Step, ...]) -> set[Pair]:
    """The texts of the pairs that foils selects; the pool as deep as that of the other side for most queries."""
    most = int(collection.positives.group_by("query").len()["len"].max() or 0)
    recipe = Recipe((Dense(depth=POOL + most, encoder=vectors), *rules, Top(n=N, by="cos.dense")))
    chosen = mine(collection, recipe).pairs.negatives()
    queries, passages = collection.queries["text"].gather(chosen["query"]), collection.passages.gather(chosen["doc"])
    return set(zip(queries.to_list(), passages.to_list(), strict=True))


def theirs(collection: Collection, stub: Stub, options: dict[str, Any]) -> set[Pair]:
    """The texts of the pairs that ``mine_hard_negatives`` selects."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    rows = collection.positives
    asked = {
        "query": collection.queries["text"].gather(rows["query"]).to_list(),
        "answer": collection.passages.gather(rows["doc"]).to_list(),
    }
    mined = mine_hard_negatives(
        Dataset.from_dict(asked),
        stub,  # type: ignore[arg-type]
        corpus=collection.passages.to_list(),
        range_max=POOL,
        num_negatives=N,
        output_format="triplet",
        verbose=False,
        **options,
    )
    return set(zip(mined["query"], mined["negative"], strict=True))


def causes(a: set[Pair], b: set[Pair], collection: Collection, stub: Stub, shifted: bool) -> Counter[str]:
    """Every pair that only one side has, by cause."""
    copied = set(collection.passages.filter(collection.passages.is_duplicated()).to_list())
    asked = collection.queries["text"]
    merged = set(asked.filter(asked.is_duplicated()).to_list())
    found: Counter[str] = Counter()
    by_query: dict[str, list[Pair]] = {}
    for pair in a ^ b:
        by_query.setdefault(pair[0], []).append(pair)
    for query, pairs in by_query.items():
        scores = [
            float(stub.queries[query].astype(np.float64) @ stub.documents[p[1]].astype(np.float64)) for p in pairs
        ]
        if query in merged:
            cause = "query text"
        elif any(p[1] in copied for p in pairs):
            cause = "copy"
        elif len(pairs) > 1 and float(np.ptp(scores)) < 1e-6:
            cause = "near tie"
        elif {p in a for p in pairs} == {False}:
            cause = "pool"
        elif shifted:
            cause = "shift after filtering"
        else:
            cause = "other"
        found[cause] += len(pairs)
    return found


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=["cranfield", "nq_mini", "scifact"])
    args = parser.parse_args()
    engine = Local(cache=Path.home() / ".cache" / "foils")
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    print(f"{describe()}\n\n| collection | rule | foils | sentence-transformers | shared | differences by cause |")
    print("|---|---|---|---|---|---|")
    for name in args.collections:
        collection = Collection.read(args.data / name)
        sides = [encoder.vectors(collection, role, None, engine) for role in ("query", "document")]
        stub = Stub(
            dict(zip(collection.queries["text"].to_list(), sides[0], strict=True)),
            dict(zip(collection.passages.to_list(), sides[1], strict=True)),
        )
        vectors = Vectors(queries=sides[0], documents=sides[1])
        for rule, (steps, options) in RULES.items():
            a, b = ours(collection, vectors, steps), theirs(collection, stub, options)
            found = causes(a, b, collection, stub, "range_min" in options and len(options) > 1)
            listed = ", ".join(f"{n:,} {c}" for c, n in sorted(found.items())) or "none"
            print(f"| {name} | {rule} | {len(a):,} | {len(b):,} | {len(a & b):,} | {listed} |", flush=True)


if __name__ == "__main__":
    main()
