"""Hard rules: copies of what is known to be right, copies of each other, and texts that hold the answer.

They compare texts and ids, not scores, hold for every recipe and are never relaxed. What counts as a known positive
of a query are its own positives and those of queries with the same text under another id.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils import texts
from foils.collection import Collection
from foils.errors import RecipeError
from foils.pairs import Pairs, known_positives
from foils.protocols import Engine
from foils.steps import Rule, Scope

Part = Literal["text", "passage"]


@dataclass(frozen=True)
class KnownPositive(Rule):
    """Drops candidates that are known positives of the same question under another id.

    The positives of a query itself are no candidates here; but where a file repeats a query on several rows with one
    positive each, every row would else get the others' positives as negatives (seen in FlagEmbedding#850 and others).
    Queries are the same when their texts are equal but for case, width and white space. Fails on paraphrased
    queries: those need a judge.

    Example:
        >>> KnownPositive()
        KnownPositive()
    """

    soft: ClassVar[bool] = False
    scope: ClassVar[Scope] = "query"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """The document is a known positive of this query's text."""
        return _rows_in(pairs, pairs.frame.select("query", "doc"), known_positives(pairs))


@dataclass(frozen=True)
class CopyRule(Rule):
    """A hard rule with a reason per kind of copy."""

    soft: ClassVar[bool] = False
    scope: ClassVar[Scope] = "query"

    @abstractmethod
    def copies(self, pairs: Pairs) -> dict[str, pl.Series]:
        """Per reason, true for the rows that go."""

    def drops(self, pairs: Pairs) -> pl.Expr:
        """A copy of anything."""
        return pl.any_horizontal(self.copies(pairs).values())

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Drop, the first reason counts."""
        for reason, where in self.copies(pairs).items():
            pairs = pairs.drop(pl.lit(where), reason)
        return pairs


@dataclass(frozen=True)
class ExactDuplicate(CopyRule):
    """Drops copies of a positive, of the query's own text, and all but one of equal negatives.

    Texts are equal when they differ only in case, width (NFKC) and white space. Of equal negatives the one stays
    that rests on proof, else the one that some source ranked best, else the first document. Fails on copies with
    other punctuation or a changed word: ``NearDuplicate`` finds those.

    Args:
        part: what is compared: ``text`` (without the title, unless there is nothing else) or ``passage`` (title and
            text). Choose ``passage`` where many documents share a text and differ by title.

    Example:
        >>> ExactDuplicate()
        ExactDuplicate(part='text')
    """

    part: Part = "text"

    def check(self) -> None:
        """The part must be known."""
        _check_part(self.label, self.part)

    def copies(self, pairs: Pairs) -> dict[str, pl.Series]:
        """Compare hashes of the folded texts; only documents that are not alone with their hash need a closer look."""
        live, known = candidates(pairs), known_positives(pairs)
        docs = pl.concat([live["doc"], known["doc"]]).unique().sort()
        keys = texts.fold(_bodies(pairs.collection, docs, self.part)).hash()
        queries = pl.Series(pairs.queries)
        asked = pl.DataFrame(
            {"query": queries, "key": texts.fold(pairs.collection.queries["text"].gather(queries)).hash()}
        )
        alone = keys.is_unique() & ~keys.is_in(asked["key"].implode())
        table = pl.DataFrame({"doc": docs, "key": keys}).filter(~alone)
        live = live.filter(_among(pairs.collection, table["doc"]).gather(live["doc"])).join(table, on="doc")
        positives = known.join(table, on="doc").select("query", "key")
        return {
            "duplicate of a positive": _mask(pairs, live.join(positives, on=["query", "key"], how="semi")),
            "equals the query": _mask(pairs, live.join(asked, on=["query", "key"], how="semi")),
            "duplicate of a negative": _mask(
                pairs, live.filter(pl.col("place") > pl.col("place").min().over("query", "key"))
            ),
        }


@dataclass(frozen=True)
class NearDuplicate(CopyRule):
    """Drops candidates nearly equal to a positive, to the query, or to a better-ranked negative.

    Texts are sets of runs of three words (single characters in scripts without spaces), case and punctuation put
    aside; two are near-duplicates when the Jaccard index of their sets reaches ``threshold`` (Broder 1997, exact, no
    sketch). Candidates that rest on proof stay: an edited positive is meant to be near. Fails where one word decides
    ("is", "is not"; a year; a number): there near-duplicates are the best negatives, so leave this rule out.

    Args:
        threshold: the least Jaccard index of near-duplicates, over 0 and up to 1.
        part: what is compared: ``text`` or ``passage`` (title and text).

    Example:
        >>> NearDuplicate(threshold=0.8)
        NearDuplicate(threshold=0.8, part='text')
    """

    threshold: float = 0.9
    part: Part = "text"

    def check(self) -> None:
        """The threshold must be a share."""
        _check_part(self.label, self.part)
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"{self.label}: threshold={self.threshold:g} must be over 0 and at most 1")

    def copies(self, pairs: Pairs) -> dict[str, pl.Series]:
        """Find similar texts among those that meet in a query; the lower place of two stays."""
        rows, contents = self._texts(pairs)
        sets = texts.shingle_sets(contents)
        sizes = pl.lit(pl.Series(np.diff(sets.indptr)))
        ratio = sizes.gather(pl.col("item")) / sizes.gather(pl.col("other"))
        found = [pl.DataFrame(schema={"item": pl.UInt32, "other": pl.UInt32, "row": pl.UInt32, "by": pl.Int64})]
        for part in _meeting(rows, texts.first_shingles(sets, self.threshold)):
            table = part.lazy()
            both = table.join(table, on="meeting").filter(
                "droppable", pl.col("place_right") < pl.col("place"), pl.col("query_right") == pl.col("query")
            )
            named = both.select("item", "row", other="item_right", by="place_right")
            sized = named.filter(pl.min_horizontal(ratio, 1 / ratio) >= self.threshold - 1e-9)
            found.append(sized.unique().select(found[0].columns).collect())
        met = pl.concat(found)
        distinct = met.select("item", "other").unique()
        index = texts.jaccard(sets, distinct["item"].to_numpy(), distinct["other"].to_numpy())
        close = met.join(distinct.filter(pl.Series(index >= self.threshold - 1e-9)), on=["item", "other"], how="semi")
        return {
            "near-duplicate of a positive": _mask(pairs, close.filter(pl.col("by") == -2)),
            "near-duplicate of the query": _mask(pairs, close.filter(pl.col("by") == -1)),
            "near-duplicate of a negative": _mask(pairs, close.filter(pl.col("by") >= 0)),
        }

    def _texts(self, pairs: Pairs) -> tuple[pl.DataFrame, pl.Series]:
        """All texts that meet in a query (``query``, ``item``, ``place``, ``row``, ``droppable``), and the texts."""
        live, known = candidates(pairs), known_positives(pairs)
        docs = pl.concat([live["doc"], known["doc"]]).unique().sort()
        queries = pl.Series("query", pairs.queries)
        item = pl.lit(docs).search_sorted(pl.col("doc")).cast(pl.UInt32)
        asked = pl.DataFrame({"query": queries}).with_row_index("item", offset=docs.len())
        fixed = {"row": pl.lit(0, dtype=pl.UInt32), "droppable": pl.lit(value=False)}
        rows = [
            live.select("query", item=item, place="place", row="row", droppable=~pl.col("proven")),
            known.select("query", item=item, place=pl.lit(-2, dtype=pl.Int64), **fixed),
            asked.select("query", "item", place=pl.lit(-1, dtype=pl.Int64), **fixed),
        ]
        bodies = _bodies(pairs.collection, docs, self.part).alias("t")
        return pl.concat(rows), pl.concat([bodies, pairs.collection.queries["text"].gather(queries).alias("t")])


@dataclass(frozen=True)
class SameSource(Rule):
    """Drops candidates that come from the same source document as a positive.

    Passages of one page, ticket or product often answer the same question (NVIDIA's NeMo Automodel masks them in the
    loss). Two documents share a source when they have the same value in ``column``; documents without a value are
    kept, and so are candidates that rest on proof. Fails where long documents treat many subjects: the passages next
    to the positive are then the best negatives.

    Args:
        column: the corpus column that names the source: ``title``, ``url``, ``page``.

    Example:
        >>> SameSource(column="url")
        SameSource(column='url')
    """

    soft: ClassVar[bool] = False
    scope: ClassVar[Scope] = "query"
    column: str = "title"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """The source is that of a known positive."""
        values = _column(self.label, "corpus", pairs.collection.corpus, self.column)
        key = pl.lit(values.cast(pl.String).replace("", None)).gather(pl.col("doc"))
        rows = pairs.frame.select("query", key=key)
        return _rows_in(pairs, rows, known_positives(pairs).select("query", key=key)) & pl.col("kind").is_null()


@dataclass(frozen=True)
class AnswerString(Rule):
    """Drops candidates that contain an answer of the query, word for word.

    The rule of DPR (arXiv:2004.04906, section 4) and of all miners on NQ and TriviaQA, with the normalisation of
    SQuAD: case, width, punctuation and the articles a, an, the put aside; the words of the answer must follow each
    other. Queries without answers keep all candidates, and so do candidates that rest on proof. Fails on short
    answers ("two", "yes"), which stand in documents that do not answer, and on answers in other words.

    Args:
        column: the query column with the answers: a string, a list of strings, or SQuAD's struct with ``text``.

    Example:
        >>> AnswerString(column="answers")
        AnswerString(column='answers')
    """

    soft: ClassVar[bool] = False
    column: str = "answers"

    def drops(self, pairs: Pairs) -> pl.Expr:
        """The words of an answer stand in the passage."""
        answers = _column(self.label, "queries", pairs.collection.queries, self.column)
        wanted = _answers(answers)
        rows = candidates(pairs).filter(~pl.col("proven")).join(wanted, on="query")
        docs = rows["doc"].unique().sort()
        bare = _bare(pairs.collection.passages.gather(docs))
        found = [pl.DataFrame(schema={"row": pl.UInt32})]
        for part in rows.iter_slices(200_000):
            place = docs.search_sorted(part["doc"])
            hit = pl.select(pl.lit(bare.gather(place)).str.contains(pl.lit(part["answer"]), literal=True)).to_series()
            found.append(part.filter(hit).select("row"))
        return pl.lit(_mask(pairs, pl.concat(found)))


def candidates(pairs: Pairs) -> pl.DataFrame:
    """The live negatives: ``query``, ``doc``, ``row``, ``proven``, ``place``: the least of equal ones is to be kept.

    A place is, from its highest bit: not proven, the best rank of any source, the row.
    """
    row = pl.int_range(pl.len(), dtype=pl.UInt32)
    rank = pairs.best_rank.cast(pl.Int64).fill_null((1 << 30) - 1).clip(0, (1 << 30) - 1)
    proven = pl.col("kind").is_not_null()
    place = (~proven).cast(pl.Int64) * (1 << 62) + rank * (1 << 32) + row.cast(pl.Int64)
    return (
        pairs.frame.select("query", "doc", row=row, proven=proven, place=place, live=pairs.live)
        .filter(pl.col("live"))
        .drop("live")
    )


def _bodies(collection: Collection, docs: pl.Series, part: Part) -> pl.Series:
    """What is compared of each document; the title stands in for an empty text."""
    table = pl.DataFrame({"t": collection.corpus["text"].gather(docs), "p": collection.passages.gather(docs)})
    if part == "passage":
        return table["p"]
    return table.select(pl.when(pl.col("t").str.strip_chars() == "").then("p").otherwise("t")).to_series()


def _answers(answers: pl.Series) -> pl.DataFrame:
    """``query``, ``answer``: every answer once, bare; answers without a word are left out."""
    if isinstance(answers.dtype, pl.Struct):
        answers = answers.struct.field("text")
    table = pl.DataFrame({"answer": answers}).with_row_index("query")
    if isinstance(answers.dtype, pl.List):
        table = table.explode("answer")
    table = table.drop_nulls().with_columns(pl.col("answer").cast(pl.String))
    return table.with_columns(answer=_bare(table["answer"])).filter(pl.col("answer").str.strip_chars() != "").unique()


def _bare(strings: pl.Series) -> pl.Series:
    """Words without articles, a space before and after each."""
    padded = pl.select(pl.lit(" ") + pl.lit(texts.words(strings)) + pl.lit(" ")).to_series()
    return padded.str.replace_all(r" (?:(?:a|an|the) )+", " ")


def _among(collection: Collection, docs: pl.Series) -> pl.Series:
    """Per document of the corpus, whether it is one of these."""
    mask = np.zeros(collection.corpus.height, dtype=np.bool_)
    mask[docs.to_numpy()] = True
    return pl.Series(mask)


def _mask(pairs: Pairs, rows: pl.DataFrame) -> pl.Series:
    """True at the given ``row`` numbers."""
    mask = np.zeros(pairs.frame.height, dtype=np.bool_)
    mask[rows["row"].to_numpy()] = True
    return pl.Series(mask)


def _rows_in(pairs: Pairs, rows: pl.DataFrame, known: pl.DataFrame) -> pl.Expr:
    """True where a row (one per row of the table) is among the known ones; nulls are equal to nothing."""
    numbered = rows.with_row_index("row")
    return pl.lit(_mask(pairs, numbered.join(known, on=rows.columns, how="semi")))


def _meeting(rows: pl.DataFrame, shared: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Rows and the shingles that others of their query share, in parts whose self-joins stay within memory."""
    rows = rows.join(shared.select("item").unique(), on="item", how="semi").sort("query")
    for part in _by_query(rows, np.ones(rows.height, dtype=np.int64), 500_000):
        table = part.join(shared, on="item", maintain_order="left")
        mixed = table["query"].to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        table = table.drop("shingle").with_columns(
            meeting=pl.Series(mixed ^ table["shingle"].to_numpy().view(np.uint64))
        )
        met = table.with_columns(others=pl.len().over("meeting")).filter(pl.col("others") > 1)
        yield from _by_query(met.drop("others"), met["others"].to_numpy().astype(np.int64), 10_000_000)


def _by_query(rows: pl.DataFrame, cost: NDArray[np.int64], most: int) -> Iterator[pl.DataFrame]:
    """Cut rows that are sorted by query where their cost passes a multiple of ``most``, queries kept whole."""
    starts = np.flatnonzero(np.diff(rows["query"].to_numpy().astype(np.int64), prepend=-1))
    spent = (np.cumsum(cost)[starts] - cost[starts]) // most
    cuts = starts[np.flatnonzero(np.diff(spent, prepend=-1))].tolist()
    for start, stop in pairwise([*cuts, rows.height]):
        yield rows.slice(start, stop - start)


def _column(label: str, what: str, table: pl.DataFrame, column: str) -> pl.Series:
    if column not in table.columns:
        raise RecipeError(f"{label}: the {what} have no column {column!r}; there are: {', '.join(table.columns)}")
    return table[column]


def _check_part(label: str, part: str) -> None:
    if part not in get_args(Part):
        raise RecipeError(f"{label}: part={part!r} is not known; one of {', '.join(get_args(Part))}")
