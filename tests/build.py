"""Small tables, built by hand."""

import polars as pl

from foils.collection import Collection, build
from foils.pairs import Pairs

FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "score": pl.Float32}


def collection(queries=1, docs=20, positives=None):
    """Queries q0.., documents d00.. with distinct texts; by default document i answers query i."""
    labels = positives or [(f"q{i}", f"d{i:02}") for i in range(queries)]
    return build(
        pl.DataFrame({"id": [f"d{i:02}" for i in range(docs)], "text": [f"text number {i}" for i in range(docs)]}),
        pl.DataFrame({"id": [f"q{i}" for i in range(queries)], "text": [f"question {i}" for i in range(queries)]}),
        pl.DataFrame(
            {"query_id": [q for q, _ in labels], "doc_id": [d for _, d in labels], "grade": [1] * len(labels)}
        ),
    )


def scored(where: Collection, scores: dict[int, list[tuple[int, float]]], name="dense", unit="cos"):
    """Pairs with ``rank.<name>`` and ``<unit>.<name>``: per query a list of (document row, score)."""
    rows = []
    for query, found in scores.items():
        ranked = sorted(found, key=lambda item: (-item[1], item[0]))
        rows += [(query, doc, rank, score) for rank, (doc, score) in enumerate(ranked, 1)]
    frame = pl.DataFrame(rows, schema=FOUND, orient="row")
    return Pairs.start(where).add(name, frame, f"{unit}.{name}")


def one_query(positive: float, negatives: list[float], unit="dot"):
    """One query; document 0 is the positive, document i has the i-th negative score."""
    found = [(0, positive), *((i, s) for i, s in enumerate(negatives, 1))]
    return scored(collection(docs=len(negatives) + 5), {0: found}, unit=unit)


def kept(pairs: Pairs, column: str) -> list[float]:
    """The scores of the selected negatives, in the order of the documents."""
    return [round(v, 4) for v in pairs.negatives().sort("doc")[column].to_list()]
