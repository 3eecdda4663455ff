"""Two-sided pairs in a run: passages as documents, queries as queries, each with a right and a wrong one."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from foils.errors import DataError
from foils.files import lines_of, write_text
from foils.made import MARK, RANK
from foils.make.twosided import TwoSided
from foils.pairs import Pairs

FILE, FACTS = "both.jsonl", "both.json"


def add_both(pairs: Pairs, found: Sequence[TwoSided]) -> Pairs:
    """Put two-sided pairs into a table: per pair two documents and two queries, each the other's typed negative.

    Everything that is added is marked ``made``, so that ``foils.made.strip`` takes it out again. Without a folder of
    its own such a run lives in memory; ``foils.train.fit.train`` reads it as it is. Where the document is known that a
    passage is from, its queries neither gain nor shun the new documents: they are labels without rows. Fails where the
    collection is searched afterwards: half of the documents say what is not so.

    Args:
        pairs: of a finished run.
        found: from ``foils.make.twosided.both_ways``, or ``read``.
    """
    if not found:
        return pairs
    collection = pairs.collection
    sides = [(m, side) for m in found for side in (0, 1)]
    ids = [f"{name(m)}-{'ab'[side]}" for m, side in sides]
    mark = [m.operator for m, _ in sides]
    docs = pl.DataFrame({"id": ids, "text": [(m.passage, m.changed)[side] for m, side in sides], MARK: mark})
    asks = pl.DataFrame({"id": ids, "text": [(m.query, m.counter)[side] for m, side in sides], MARK: mark})
    query = np.arange(len(sides), dtype=np.uint32) + np.uint32(collection.queries.height)
    doc = np.arange(len(sides), dtype=np.uint32) + np.uint32(collection.corpus.height)
    labels = pl.DataFrame({"query": query, "doc": doc}).with_columns(grade=pl.lit(1, dtype=pl.Int32))
    larger = replace(
        collection,
        corpus=pl.concat([collection.corpus, docs], how="diagonal"),
        queries=pl.concat([collection.queries, asks], how="diagonal"),
        positives=pl.concat(
            [t.select(collection.positives.columns) for t in (collection.positives, labels, _near(pairs, found))]
        ),
    )
    kind = pairs.frame.schema["kind"]
    right = pl.DataFrame({"query": query, "doc": doc, "positive": True})
    other = doc[np.arange(len(doc)) ^ 1]
    wrong = pl.DataFrame(
        {"query": query, "doc": other, "positive": False, "kind": [m.kind for m, _ in sides]},
        schema_overrides={"kind": kind},
    ).with_columns(pl.lit(1, dtype=pl.Int32).alias(RANK))
    frame = pl.concat([pairs.frame, right, wrong], how="diagonal").sort("query", "doc")
    return replace(pairs, frame=frame, collection=larger)


def _near(pairs: Pairs, found: Sequence[TwoSided]) -> pl.DataFrame:
    """Labels that keep a passage, and what was made of it, out of the negatives of those that its document answers."""
    collection = pairs.collection
    place = {name: row for row, name in enumerate(collection.corpus["id"].to_list())}
    asked: dict[int, list[int]] = defaultdict(list)
    for q, d in collection.positives.select("query", "doc").iter_rows():
        asked[d].append(q)
    rows = []
    for n, pair in enumerate(found):
        if (source := place.get(pair.source)) is not None:
            docs, query = collection.corpus.height + 2 * n, collection.queries.height + 2 * n
            # The whole document says what the passage says, so it answers the passage's query, too.
            rows += [(query, source), *((q, docs + side) for q in asked[source] for side in (0, 1))]
    schema = {"query": pl.UInt32, "doc": pl.UInt32}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(grade=pl.lit(1, dtype=pl.Int32))


def name(pair: TwoSided) -> str:
    """The id of a pair: the operator, and a hash of its texts; the same in every run."""
    raw = "\x00".join((pair.query, pair.passage, pair.changed)).encode("utf-8", "surrogatepass")
    return f"both-{pair.operator}-{hashlib.blake2b(raw, digest_size=6).hexdigest()}"


def write(folder: Path, found: Sequence[TwoSided]) -> None:
    """The records of a run's two-sided pairs, one JSON object per line, as a whole or not at all."""
    lines = [json.dumps({"id": name(m)} | m.record(), ensure_ascii=False) for m in found]
    write_text(folder / FILE, "".join(line + "\n" for line in lines))


def read(folder: Path) -> list[TwoSided]:
    """The two-sided pairs that ``foils make --two-sided`` put beside a run; none if there is no such file.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(lines_of(path.read_text(encoding="utf-8")), 1):
        try:
            found.append(TwoSided.restored(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number}, is no two-sided pair ({type(error).__name__}: {error}); mend or delete the "
                "line, or run foils make --two-sided again"
            ) from error
    return found


def belong(pairs: Pairs, found: Sequence[TwoSided]) -> bool:
    """Whether pairs were made of this table's documents: all of these are there, and most passages stand in them.

    Somebody may have mended a passage by hand. Pairs whose document is not known say nothing.

    Args:
        pairs: of a run.
        found: pairs from beside it.
    """
    known = [m for m in found if m.source]
    wanted = {m.source for m in known}
    corpus = pairs.collection.corpus["id"]
    rows = corpus.is_in(list(wanted)).arg_true()
    texts = pairs.collection.passages.gather(rows).to_list()
    there = {i: " ".join(t.split()) for i, t in zip(corpus.gather(rows).to_list(), texts, strict=True)}
    if wanted != set(there):
        return False
    # An exchange is a sentence of the model's own.
    cut = [m for m in known if m.operator != "asked-swap"]
    held = sum(all(line in there[m.source] for line in m.passage.splitlines()) for m in cut)
    return 2 * held >= len(cut)
