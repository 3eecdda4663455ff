"""What sources share: the known positives, ranks from an order, values and links held in a column of the corpus."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import DataError
from foils.pairs import Pairs, hash_uniform

FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}


def positives(pairs: Pairs) -> pl.DataFrame:
    """Known positives of the mined queries: ``query``, ``doc``."""
    return pairs.frame.filter("positive").select("query", "doc")


def ranked(ordered: pl.DataFrame, depth: int) -> pl.DataFrame:
    """Number the rows of each query from 1 in the order they stand in, and keep the first ``depth``.

    Args:
        ordered: ``query``, ``doc`` and others, best first within each query.
        depth: rows kept per query.
    """
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("query")
    return ordered.with_columns(rank=rank).filter(pl.col("rank") <= depth)


def shuffled(pairs: Pairs, found: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Add ``draw``, a number in (0, 1) per row: a hash of query id, document id and seed."""
    queries = pairs.collection.query_hash[found["query"].to_numpy()]
    docs = pairs.collection.doc_hash[found["doc"].to_numpy()]
    return found.with_columns(draw=pl.Series(hash_uniform(queries, docs, seed)))


def column(corpus: pl.DataFrame, path: str) -> pl.Series:
    """A column of the corpus, also one nested in another: ``metadata.lang`` in a struct or in JSON text.

    Raises:
        DataError: there is no such column.
    """
    if path in corpus.columns:
        return corpus[path]
    head, _, rest = path.partition(".")
    if rest and head in corpus.columns:
        outer = corpus[head]
        if isinstance(outer.dtype, pl.Struct):
            if rest in [f.name for f in outer.dtype.fields]:
                return outer.struct.field(rest)
        elif outer.dtype == pl.String:
            return outer.str.json_path_match(f"$['{rest}']").alias(rest)
    nested = (f"{n}.{f.name}" for n, t in corpus.schema.items() if isinstance(t, pl.Struct) for f in t.fields[:20])
    there = ", ".join([*corpus.columns, *nested])
    raise DataError(f"the corpus has no column {path!r}; there are: {there}")


def values(corpus: pl.DataFrame, path: str) -> pl.DataFrame:
    """The values of a column, a row for each: ``doc`` u32 and ``value`` as text; missing and empty ones left out.

    Lists (also as JSON text) give several rows. Raises as ``column``.
    """
    series = column(corpus, path)
    rows = pl.int_range(corpus.height, dtype=pl.UInt32, eager=True)
    if series.dtype == pl.String and series.str.starts_with("[").any():
        parsed = [_parsed(v) if v is not None and v.startswith("[") else [v] for v in series.to_list()]
        series = pl.Series(parsed, dtype=pl.List(pl.String))
    table = pl.DataFrame({"doc": rows, "value": series})
    if isinstance(series.dtype, (pl.List, pl.Array)):
        table = table.explode("value")
    if isinstance(table["value"].dtype, (pl.List, pl.Struct)):
        raise DataError(f"the column {path!r} is nested too deeply: {table['value'].dtype}; values or lists are needed")
    texts = table.with_columns(pl.col("value").cast(pl.String))
    return texts.filter(pl.col("value").fill_null("") != "").unique(maintain_order=True)


def links(corpus: pl.DataFrame, path: str, *, both: bool = False) -> tuple[pl.DataFrame, int]:
    """The links that a column holds, as document rows.

    A cell is a list of ids, a mapping whose keys are ids, or text: JSON of either, or ids apart by spaces, commas
    or semicolons.

    Args:
        corpus: with the column.
        path: see ``column``.
        both: follow links backward too.

    Returns:
        ``doc``, ``to`` (u32, without links of a document to itself), and how many links name an unknown id.

    Raises:
        DataError: no such column, or none of its links names a document.
    """
    series = column(corpus, path)
    named = _named_links(series)
    ids = corpus.select(id=pl.col("id"), to=pl.int_range(pl.len(), dtype=pl.UInt32))
    known = named.join(ids, on="id", how="inner")
    unknown = named.height - known.height
    if named.height and not known.height:
        raise DataError(
            f"none of the {named.height:,} links in the column {path!r} names a document; first link: "
            f"{named['id'][0]!r}, first document id: {corpus['id'][0]!r}"
        )
    edges = known.select("doc", "to").filter(pl.col("doc") != pl.col("to"))
    if both:
        edges = pl.concat([edges, edges.select(doc="to", to="doc")])
    return edges.unique().sort("doc", "to"), unknown


def reach(start: pl.DataFrame, edges: pl.DataFrame, hops: int) -> pl.DataFrame:
    """What links lead to from the positives: ``query``, ``doc``, ``hop`` (fewest) and ``paths`` (how many links).

    Args:
        start: ``query``, ``doc``; these are left out of the result.
        edges: ``doc``, ``to``.
        hops: how many links in a row are followed.
    """
    seen = start.select("query", "doc", hop=pl.lit(0, dtype=pl.Int32), paths=pl.lit(0, dtype=pl.UInt32))
    front = start.select("query", "doc").unique()
    for hop in range(1, hops + 1):
        ahead = front.join(edges, on="doc").group_by("query", "to").agg(paths=pl.len()).rename({"to": "doc"})
        fresh = ahead.join(seen, on=["query", "doc"], how="anti")
        seen = pl.concat([seen, fresh.select("query", "doc", hop=pl.lit(hop, dtype=pl.Int32), paths="paths")])
        front = fresh.select("query", "doc")
    return seen.filter(pl.col("hop") > 0).sort("query", "doc")


def _named_links(series: pl.Series) -> pl.DataFrame:
    rows = pl.int_range(len(series), dtype=pl.UInt32, eager=True)
    if isinstance(series.dtype, pl.Struct):
        # A mapping read as a struct: every id that occurs is a field, null where a document does not name it.
        cells = [
            pl.DataFrame({"doc": rows.filter(series.struct.field(f.name).is_not_null())}).with_columns(
                id=pl.lit(f.name)
            )
            for f in series.dtype.fields
        ]
        return pl.concat(cells) if cells else pl.DataFrame(schema={"doc": pl.UInt32, "id": pl.String})
    if series.dtype == pl.String:
        series = pl.Series([_parsed(v) for v in series.to_list()], dtype=pl.List(pl.String))
    elif not isinstance(series.dtype, (pl.List, pl.Array)):
        series = series.cast(pl.String).reshape((len(series), 1))
    table = pl.DataFrame({"doc": rows, "id": series}).explode("id")
    return table.with_columns(pl.col("id").cast(pl.String)).drop_nulls().unique(maintain_order=True)


def _parsed(text: str | None) -> list[str]:
    if text is None:
        return []
    if text.lstrip().startswith(("[", "{")):
        try:
            return [str(v) for v in json.loads(text)]
        except json.JSONDecodeError as error:
            raise DataError(f"a list in the corpus is no valid JSON: {error}; it begins {text[:60]!r}") from error
    return text.replace(",", " ").replace(";", " ").split()


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled
