"""Verdicts: what judges said of pairs, kept append-only and reused; a human's overrules a model's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import DataError
from foils.files import atomic
from foils.pairs import Pairs
from foils.protocols import Verdict

Draw = Literal["random", "chosen", "given", "audit"]
UNDONE = "undone"  # the why of a row, without a probability, by which someone takes back what they said of a pair

SCHEMA: dict[str, pl.DataType] = {
    "query_id": pl.String(),
    "doc_id": pl.String(),
    "p_relevant": pl.Float32(),
    "grade": pl.Int8(),
    "by": pl.String(),
    "family": pl.String(),
    "why": pl.String(),
    "draw": pl.String(),
    "chance": pl.Float64(),
    "texts": pl.String(),
}


@dataclass(frozen=True, eq=False)
class Verdicts:
    """A table with a row per verdict, in the order in which they were given; nothing is ever changed in it.

    Args:
        frame: ``query_id``, ``doc_id``; ``p_relevant`` f32 (null: abstained); ``grade`` 0 to 3 or null; ``by``: judge
            and version; ``family``: the kinds of evidence, joined by "+"; ``why``; ``draw``: ``random`` (part of an
            unbiased sample), ``chosen`` (where it changes most), ``given`` (imported) or ``audit`` (to measure or to
            promise, not to filter); ``chance``: the probability with which the pair came into a random sample, null
            otherwise; ``texts``: a hash of both texts, so that a
            verdict never outlives the texts it was given for.
    """

    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))

    @staticmethod
    def read(path: str | Path) -> Verdicts:
        """Read ``verdicts.parquet``; none are there if the file is not.

        Raises:
            DataError: the file is not a table of verdicts.
        """
        path = Path(path)
        if not path.exists():
            return Verdicts()
        try:
            # Read at once: by its name polars opens it twice, and a review may replace it in between.
            return Verdicts(pl.read_parquet(path.read_bytes()).select(pl.col(c).cast(t) for c, t in SCHEMA.items()))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} holds no verdicts: {str(error).splitlines()[0]}") from error

    def write(self, path: str | Path) -> None:
        """Write the table at once or not at all."""
        with atomic(Path(path)) as temporary:
            self.frame.write_parquet(temporary)

    def add(
        self,
        pairs: Pairs,
        rows: NDArray[np.uint32],
        given: Sequence[Verdict],
        family: str,
        *,
        draw: Draw = "chosen",
        chance: NDArray[np.float64] | None = None,
    ) -> Verdicts:
        """Append verdicts on rows of a table.

        Args:
            pairs: the table.
            rows: which of its rows were judged.
            given: one verdict per row.
            family: the judge's kinds of evidence, joined by "+".
            draw: how the rows were picked.
            chance: the probability with which each row was picked, for a random draw.
        """
        ids = keys(pairs, rows)
        new = ids.with_columns(
            p_relevant=pl.Series([v.probability for v in given], dtype=pl.Float32),
            grade=pl.Series([v.grade for v in given], dtype=pl.Int8),
            by=pl.Series([v.by for v in given], dtype=pl.String),
            family=pl.lit(family),
            why=pl.Series([v.why for v in given], dtype=pl.String),
            draw=pl.lit(draw),
            chance=pl.Series([None] * len(given) if chance is None else chance.tolist(), dtype=pl.Float64),
        )
        table = pl.concat([self.frame, new.select(pl.col(c).cast(t) for c, t in SCHEMA.items())])
        return replace(self, frame=table)

    def on(self, pairs: Pairs) -> pl.DataFrame:
        """The verdicts on pairs of a table whose texts are still the same, with the ``row`` of each, in order given."""
        rows = np.arange(pairs.frame.height, dtype=np.uint32)
        ids = pairs.frame.select(
            query_id=pl.lit(pairs.collection.queries["id"]).gather(pl.col("query")),
            doc_id=pl.lit(pairs.collection.corpus["id"]).gather(pl.col("doc")),
            row=pl.Series(rows),
        )
        found = self.frame.join(ids, on=["query_id", "doc_id"], how="inner", maintain_order="left")
        now = keys(pairs, found["row"].to_numpy())["texts"]
        return found.filter(found["texts"] == now)

    def settled(self, pairs: Pairs) -> pl.DataFrame:
        """One row per judged pair (``row``, ``p_relevant``, ``by``, ``family``): humans first, then the latest.

        An abstention settles nothing, so an earlier answer stands; what was taken back does not.
        """
        table = standing(self.on(pairs).with_row_index("turn"))
        answers = table.filter(pl.col("p_relevant").is_not_null())
        human = pl.col("family") == "human"
        best = answers.sort(human, "turn").group_by("row", maintain_order=True).last()
        return best.select("row", "p_relevant", "by", "family").sort("row")

    def mark(self, pairs: Pairs) -> Pairs:
        """Write the settled verdicts into ``p_relevant`` and ``judged_by`` of the rows that are not known positives."""
        settled = self.settled(pairs)
        row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("row")
        frame = pairs.frame.with_columns(row).join(
            settled.select("row", p="p_relevant", who="by"), on="row", how="left", maintain_order="left"
        )
        said = pl.col("p").is_not_null() & ~pl.col("positive")
        frame = frame.with_columns(
            p_relevant=pl.when(said).then("p").otherwise("p_relevant"),
            judged_by=pl.when(said).then(pl.col("who").cast(pl.Categorical)).otherwise("judged_by"),
        )
        return replace(pairs, frame=frame.drop("row", "p", "who"))


def undone() -> pl.Expr:
    """True for rows that take back what their giver said before."""
    return pl.col("p_relevant").is_null() & (pl.col("why") == UNDONE).fill_null(value=False)


def standing(said: pl.DataFrame) -> pl.DataFrame:
    """The rows that their giver has not taken back, of verdicts with a ``turn`` that rises: an undo voids all before.

    Args:
        said: verdicts with ``turn``; the undo rows themselves go too.
    """
    pair = ["query_id", "doc_id", "by"]
    voided = said.filter(undone()).group_by(pair).agg(void=pl.col("turn").max())
    if voided.height == 0:
        return said
    kept = said.join(voided, on=pair, how="left", maintain_order="left", nulls_equal=True)
    return kept.filter(pl.col("void").is_null() | (pl.col("turn") > pl.col("void"))).drop("void")


def keys(pairs: Pairs, rows: NDArray[np.uint32]) -> pl.DataFrame:
    """``query_id``, ``doc_id`` and ``texts`` (a hash of both texts) of rows of a table."""
    part, collection = pairs.frame[rows], pairs.collection
    query, doc = part["query"], part["doc"]
    texts = zip(collection.queries["text"].gather(query), collection.passages.gather(doc), strict=True)
    return pl.DataFrame(
        {
            "query_id": collection.queries["id"].gather(query),
            "doc_id": collection.corpus["id"].gather(doc),
            "texts": pl.Series([digest(q, d) for q, d in texts], dtype=pl.String),
        }
    )


def digest(*texts: str) -> str:
    """A short stable hash of texts, which tells ("ab", "c") from ("a", "bc")."""
    whole = hashlib.blake2b(digest_size=8)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        whole.update(len(raw).to_bytes(8, "little") + raw)
    return whole.hexdigest()
