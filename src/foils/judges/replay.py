"""Replay: verdicts that stand in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import DataError, RecipeError
from foils.files import lines_of
from foils.judges.cases import abstain, check_table
from foils.pairs import Pairs
from foils.protocols import Engine, Verdict
from foils.verdicts import SCHEMA, Verdicts, digest

QUERY = ("query_id", "query-id", "qid", "query")
DOC = ("doc_id", "corpus-id", "corpus_id", "docid", "document_id", "pid", "doc")
CHANCE = ("p_relevant", "probability", "p")
GRADE = ("score", "grade", "label", "relevance", "rel")
WANTED = "verdicts.parquet, or JSONL, Parquet, TSV or CSV with columns query-id, corpus-id and score (or p_relevant)"


class Said(NamedTuple):
    """What the file says of a pair."""

    probability: float | None
    grade: int | None
    why: str


@dataclass(frozen=True)
class Replay:
    """Reads verdicts from a file: of another judge, of people, or of an earlier run.

    Takes a run's ``verdicts.parquet`` (texts must be the same as then; a human's verdict comes first, then the
    latest), or pairs with a grade or a probability in JSONL, Parquet, TSV or CSV with a header, or TREC's four columns.
    Negative grades mean unjudged. A pair that stands there twice has its last verdict; a pair that is missing has none.
    Fails silently if ids were given out anew since; that no pair of the file is in the collection is an error.

    Args:
        path: the file.
        relevant_from: the lowest grade that means relevant.
        table: the probability of relevance for the grades 0, 1, 2 ...; empty: 1 from ``relevant_from`` on, else 0.
        family: the kind of evidence, for instance ``human`` or ``llm:gpt-4o``; empty: what verdicts.parquet says,
            else the name of the file.
        complete: the file names every relevant pair, so one that is missing is not relevant.
    """

    path: str | Path
    relevant_from: float = 1.0
    table: tuple[float, ...] = ()
    family: str = ""
    complete: bool = False

    @property
    def name(self) -> str:
        """The name of the file and a hash of what it holds."""
        return f"{self._who}:{Path(self.path).stem}@{self._digest}"

    @property
    def reads(self) -> tuple[Path, ...]:
        """The file."""
        return (Path(self.path),)

    @property
    def _who(self) -> str:
        # A person's verdict overrules a model's, whatever file it comes in.
        return "human" if self.family == "human" else "replay"

    @property
    def families(self) -> frozenset[str]:
        """What was given, or what the file says."""
        if self.family:
            return frozenset(self.family.split("+"))
        if self._stored is not None:
            said = self._stored.frame["family"].drop_nulls().unique().to_list()
            return frozenset(part for family in said for part in family.split("+"))
        return frozenset({f"file:{Path(self.path).stem}"})

    def check(self) -> None:
        """The file must be readable."""
        if self.table:
            check_table("replay", self.table, len(self.table))
        _ = self._stored or self._said

    def facts(self) -> dict[str, str]:
        """The file."""
        return {"judge": self.name, "file": str(self.path)}

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """What the file says of each pair."""
        if self._stored is not None:
            return self._settled(self._stored, pairs, rows)
        part, where = pairs.frame[rows], pairs.collection
        queries = where.queries["id"].gather(part["query"]).to_list()
        docs = where.corpus["id"].gather(part["doc"]).to_list()
        self._check_ids(pairs)
        found = (self._said.get(pair) for pair in zip(queries, docs, strict=True))
        return [self._verdict(said) for said in found]

    def __getstate__(self) -> dict[str, object]:
        """The options only."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _verdict(self, said: Said | None) -> Verdict:
        if said is None and self.complete:
            return Verdict(0.0, self.name, "not in the file")
        if said is None:
            return abstain(self.name, "not in the file")
        if said.probability is None:
            return abstain(self.name, said.why or "the file abstains")
        return Verdict(said.probability, self.name, said.why, said.grade)

    def _settled(self, stored: Verdicts, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Verdict]:
        if stored.on(pairs).height == 0:
            raise DataError(f"{self.path} holds no verdict on a pair of this collection with the same texts")
        given = {row: (p, by) for row, p, by, _ in stored.settled(pairs).iter_rows()}
        missing = self._verdict(None)
        found = ((row, given.get(row)) for row in rows.tolist())
        return [missing if g is None else Verdict(g[0], self.name, f"by {g[1]}") for _, g in found]

    def _check_ids(self, pairs: Pairs) -> None:
        known_queries = set(pairs.collection.queries["id"].to_list())
        known_docs = set(pairs.collection.corpus["id"].to_list())
        if not any(q in known_queries and d in known_docs for q, d in self._said):
            query, doc = next(iter(self._said))
            raise DataError(
                f"{self.path}: none of its {len(self._said):,} pairs is in the collection, the first one is "
                f"{query!r} and {doc!r}; the ids must be the collection's"
            )

    @cached_property
    def _digest(self) -> str:
        try:
            return digest(
                Path(self.path).read_bytes().decode("latin-1"), repr((self.relevant_from, self.table, self.complete))
            )[:8]
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror or error}; {WANTED} is needed") from None

    @cached_property
    def _stored(self) -> Verdicts | None:
        path = Path(self.path)
        if path.suffix != ".parquet" or not path.is_file():
            return None
        try:
            columns = pl.read_parquet_schema(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}; {WANTED} is needed") from None
        return Verdicts.read(path) if set(SCHEMA) <= set(columns) else None

    @cached_property
    def _said(self) -> dict[tuple[str, str], Said]:
        table = read(Path(self.path))
        said = {}
        for query, doc, p, grade, why in table.iter_rows():
            said[query, doc] = Said(self._probability(p, grade), None if grade is None else round(grade), why or "")
        if not said:
            raise DataError(f"{self.path} holds no verdicts; {WANTED} is needed")
        return said

    def _probability(self, p: float | None, grade: float | None) -> float | None:
        if p is not None and not 0.0 <= p <= 1.0:
            raise DataError(f"{self.path}: the probability {p:g} is outside [0, 1]")
        if p is not None or grade is None or grade < 0:
            return p
        if self.table:
            if grade != int(grade) or grade >= len(self.table):
                raise RecipeError(f"replay: table has {len(self.table)} grades, but {self.path} holds {grade:g}")
            return self.table[int(grade)]
        return float(grade >= self.relevant_from)


def read(path: Path) -> pl.DataFrame:
    """``query``, ``doc``, ``p``, ``grade``, ``why`` of every row of a file.

    Raises:
        DataError: the file cannot be read, lacks a column, or holds something that is no number.
    """
    try:
        table = _frame(path)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}; {WANTED} is needed") from None
    table = table.rename({c: c.strip().lower() for c in table.columns})
    columns = {
        role: next((n for n in names if n in table.columns), None)
        for role, names in {"query": QUERY, "doc": DOC, "p": CHANCE, "grade": GRADE, "why": ("why",)}.items()
    }
    if not (columns["query"] and columns["doc"] and (columns["p"] or columns["grade"])):
        raise DataError(f"{path} has the columns {', '.join(table.columns)}; {WANTED} is needed")
    found = table.select(
        pl.lit(None, dtype=pl.String).alias(role)
        if name is None
        else pl.col(name).cast(pl.String).str.strip_chars().alias(role)
        for role, name in columns.items()
    )
    numbers = found.with_columns(pl.col(role).cast(pl.Float64, strict=False) for role in ("p", "grade"))
    for role in ("p", "grade"):
        broken = ~numbers[role].is_finite().fill_null(value=False) & (found[role].fill_null("") != "")
        if broken.any():
            value, query, doc = found.filter(broken).select(role, "query", "doc").row(0)
            raise DataError(f"{path}: {value!r} for {query!r} and {doc!r} is no number")
    return numbers.drop_nulls(["query", "doc"])


def _frame(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    text = path.read_text(encoding="utf-8-sig")
    lines = [line for line in lines_of(text) if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty; {WANTED} is needed")
    if lines[0].lstrip().startswith("{"):
        return pl.DataFrame(_rows(path, lines), infer_schema_length=None, strict=False)
    if len(first := lines[0].split()) == 4 and not {f.lower() for f in first} & {*QUERY, *DOC}:
        return _trec(path, lines)
    if "\t" in lines[0]:
        return pl.read_csv(text.encode(), separator="\t", infer_schema=False, quote_char=None)
    return pl.read_csv(text.encode(), infer_schema=False)


def _trec(path: Path, lines: list[str]) -> pl.DataFrame:
    rows = [line.split() for line in lines]
    if bad := next((i for i, row in enumerate(rows, 1) if len(row) != 4), 0):
        raise DataError(f"{path}: row {bad} has {len(rows[bad - 1])} columns, TREC qrels have 4")
    return pl.DataFrame([(q, d, g) for q, _, d, g in rows], schema=["query_id", "doc_id", "score"], orient="row")


def _rows(path: Path, lines: list[str]) -> list[dict[str, str | None]]:
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}: row {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: row {number} is no JSON object but {line[:40]!r}")
        rows.append({k: v if v is None or isinstance(v, str) else json.dumps(v) for k, v in row.items()})
    return rows
