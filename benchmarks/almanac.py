"""How many of the naive top-10 negatives of the almanac example are true positives.

    python benchmarks/almanac.py

Per retriever: the ten best-ranked documents of each query, its known positive left out, against `truth.tsv`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from false_negatives import minilm
from foils.collection import Collection
from foils.models.encoder import SentenceEncoder
from foils.models.lsa import Lsa
from foils.run import mine
from foils.select import Top
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.steps import Recipe, Source

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
SOURCES: dict[str, Source] = {
    "BM25 (`Bm25()`)": Bm25(),
    "latent semantic analysis (`Lsa()`)": Dense(encoder=Lsa()),
    "all-MiniLM-L6-v2": Dense(encoder=SentenceEncoder(model=minilm(), precision="float32")),
}


def main() -> None:
    """Print a markdown table."""
    collection = Collection.read(ALMANAC)
    truth = pl.read_csv(ALMANAC / "truth.tsv", separator="\t").select(query_id="query-id", doc_id="corpus-id")
    print("| retriever | false negatives in the top 10 |\n|---|---|")
    for name, source in SOURCES.items():
        chosen = mine(collection, Recipe((source, Top(n=10)))).negatives
        false = chosen.join(truth, on=["query_id", "doc_id"], how="semi").height
        print(f"| {name} | {100 * false / chosen.height:.1f} % |")


if __name__ == "__main__":
    main()
