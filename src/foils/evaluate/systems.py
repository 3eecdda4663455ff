"""What can be evaluated: BM25, LSA, a bi-encoder, a cross-encoder over BM25, or a ranking from a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from foils.collection import Collection
from foils.errors import DataError, RecipeError
from foils.evaluate.tables import ranked
from foils.models.checkpoint import read_json
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.show import plural
from foils.sources.ranking_files import read_ranking

Kind = Literal["bm25", "lsa", "encoder", "reranker", "run"]
NAMED = re.compile(r"(?P<name>[\w.@+-]+)=(?P<model>.+)")


@dataclass(frozen=True)
class Ranking:
    """The lists of one system.

    Args:
        name: of the system.
        table: ``query_id``, ``doc_id``, ``score``, ``rank``, in the order of trec_eval.
        facts: model, fingerprint, versions, or the file.
        notes: what a reader must know: ids that do not match, queries without a list.
    """

    name: str
    table: pl.DataFrame
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """A system to evaluate.

    Fails where the first stage does: a cross-encoder only orders what BM25 found, a document that BM25 missed stays
    out.

    Args:
        name: in tables.
        kind: ``bm25``, ``lsa`` (TF-IDF and truncated SVD of the collection), ``encoder`` (bi-encoder, exact search),
            ``reranker`` (cross-encoder over the BM25 list) or ``run`` (a file).
        model: folder, hub id or file; empty for ``bm25`` and ``lsa``.
        precision: of an encoder.
    """

    name: str
    kind: Kind
    model: str = ""
    precision: str = "auto"

    def check(self) -> None:
        """The model or file must be there; loads nothing heavy.

        Raises:
            DataError: it is not.
            MissingExtra: its package is not installed.
        """
        if self.kind == "run" and not Path(self.model).is_file():
            raise DataError(f"there is no run file {self.model}; a file with query, document and score is needed")
        if self.kind in ("encoder", "reranker"):
            self._model().check()

    def rank(self, collection: Collection, depth: int, engine: Engine) -> Ranking:
        """The best ``depth`` documents of every query that has a known positive."""
        if self.kind == "run":
            return _from_file(self.name, Path(self.model), collection, depth)
        if self.kind not in ("encoder", "reranker"):
            return self._search(collection, depth, engine)
        from safetensors import SafetensorError

        try:
            return self._search(collection, depth, engine)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError, SafetensorError) as error:
            said = (str(error).strip().splitlines() or [""])[0]
            raise DataError(
                f"the model {self.model!r} cannot be loaded or run ({type(error).__name__}: {said[:300]}); save it "
                "again, or try it with sentence-transformers first"
            ) from error

    def _search(self, collection: Collection, depth: int, engine: Engine) -> Ranking:
        pairs = Pairs.start(collection)
        if self.kind == "bm25":
            from foils.sources.bm25 import Bm25

            source: Any = Bm25(depth=depth)
        elif self.kind == "reranker":
            return self._rerank(pairs, depth, engine)
        else:
            from foils.sources.dense import Dense

            source = Dense(depth=depth, encoder=self._model())
        found = source.find(pairs, engine)
        return Ranking(self.name, ranked(_with_ids(found, collection)), source.facts())

    def _rerank(self, pairs: Pairs, depth: int, engine: Engine) -> Ranking:
        from foils.sources.bm25 import Bm25

        first = Bm25(depth=depth).find(pairs, engine)
        collection, model = pairs.collection, self._model()
        queries = collection.queries["text"].gather(first["query"]).to_list()
        documents = collection.passages.gather(first["doc"]).to_list()
        scores = model.scores(queries, documents, engine)
        found = first.with_columns(score=pl.Series(scores, dtype=pl.Float64))
        note = f"{self.name} orders the best {depth:,} of BM25 and sees nothing else"
        return Ranking(self.name, ranked(_with_ids(found, collection)), model.facts(), (note,))

    def _model(self) -> Any:
        if self.kind == "lsa":
            from foils.models.lsa import Lsa

            return Lsa()
        if self.kind == "reranker":
            from foils.models.reranker import Reranker

            return Reranker(model=self.model)
        from foils.models.encoder import SentenceEncoder

        return SentenceEncoder(model=self.model, precision=self.precision)  # type: ignore[arg-type]


def system(text: str, kind: str = "auto", precision: str = "auto") -> System:
    """Understand what a user named: ``bm25``, ``lsa``, a folder, a hub id or a run file; ``NAME=...`` names it.

    Args:
        text: what was given.
        kind: ``auto`` reads from the model's settings whether it is a cross-encoder, and takes a file for a run.
        precision: of an encoder.

    Raises:
        RecipeError: the kind is not known.
        DataError: nothing is there.

    >>> system("bm25")
    System(name='bm25', kind='bm25', model='', precision='auto')
    """
    if kind not in ("auto", *get_args(Kind)):
        raise RecipeError(f"--as {kind} is not known; one of auto, {', '.join(get_args(Kind))}")
    found = None if Path(text).exists() else NAMED.fullmatch(text)
    model = found["model"] if found else text
    settled = _kind(model) if kind == "auto" else kind
    if settled in ("bm25", "lsa") and model != settled:
        raise RecipeError(f"--as {settled}: it takes no model, but {model!r} was given; write {settled} as the model")
    if model in ("bm25", "lsa") and settled != model and not Path(model).exists():
        raise RecipeError(f"--as {kind}: {model} stands for itself; leave --as out, or name a model")
    name = found["name"] if found else _short(model)
    return System(name, settled, "" if settled in ("bm25", "lsa") else model, precision)  # type: ignore[arg-type]


def distinct(systems: list[System]) -> list[System]:
    """The same systems with names that differ: a second ``model`` is called ``model-2``.

    >>> [s.name for s in distinct([System("m", "lsa"), System("m", "bm25")])]
    ['m', 'm-2']
    """
    seen: list[System] = []
    for one in systems:
        name, n = one.name, 1
        while name in {s.name for s in seen}:
            n += 1
            name = f"{one.name}-{n}"
        seen.append(System(name, one.kind, one.model, one.precision))
    return seen


def _kind(model: str) -> str:
    if model in ("bm25", "lsa"):
        return model
    path = Path(model)
    if path.is_file():
        return "run"
    if (path / "pairs.parquet").is_file():
        raise DataError(f"{model} is a run folder of foils, which holds negatives; give a model or a TREC run file")
    if (read_json(model, "config_sentence_transformers.json") or {}).get("model_type") == "CrossEncoder":
        return "reranker"
    heads = (read_json(model, "config.json") or {}).get("architectures") or [""]
    return "reranker" if str(heads[0]).endswith("ForSequenceClassification") else "encoder"


def _short(model: str) -> str:
    path = Path(model)
    name = path.name.removesuffix(".gz") if path.is_file() else path.resolve().name if path.is_dir() else path.name
    stem = name.rsplit(".", 1)[0] if path.is_file() else name
    # A folder called "model" says nothing; its parent may.
    return (
        stem
        if stem not in ("model", "final", "best") or not path.resolve().parent.name
        else (f"{path.resolve().parent.name}/{stem}")
    )


def _with_ids(found: pl.DataFrame, collection: Collection) -> pl.DataFrame:
    return found.select(
        query_id=collection.queries["id"].gather(found["query"]),
        doc_id=collection.corpus["id"].gather(found["doc"]),
        score=pl.col("score").cast(pl.Float64),
    )


def _from_file(name: str, path: Path, collection: Collection, depth: int) -> Ranking:
    read = read_ranking(path)
    asked = collection.queries["id"].gather(collection.positives["query"].unique().sort())
    own = read.filter(pl.col("query_id").is_in(asked.implode()))
    if own.height == 0:
        raise DataError(
            f"{path}: none of its queries has a known relevant document in {collection.name}; first query id in the "
            f"file: {read['query_id'][0]!r}, in the collection: {asked[0]!r}"
        )
    unknown = own.filter(~pl.col("doc_id").is_in(collection.corpus["id"].implode()))
    if unknown.height == own.height:
        raise DataError(
            f"{path}: none of its documents is in {collection.name}; first document id in the file: "
            f"{own['doc_id'][0]!r}, in the collection: {collection.corpus['id'][0]!r}"
        )
    if own["score"].null_count():
        own = own.with_columns(score=-pl.col("given"))
    twice = own.height - own.select("query_id", "doc_id").n_unique()
    ordered = ranked(own)
    cut = ordered.filter(pl.col("rank") > depth)["query_id"].n_unique()
    foreign = read["query_id"].n_unique() - own["query_id"].n_unique()
    absent = asked.len() - own["query_id"].n_unique()
    counted = (
        (foreign, "query", "queries", "of the file without a known relevant document here: left out"),
        (absent, "query", "queries", "of the collection missing from the file: they score 0"),
        (unknown.height, "row", "rows", "with a document that the collection lacks: kept in place, as not judged"),
        (twice, "row", "rows", "with a document that the query has already: the better score counts"),
        (cut, "query", "queries", f"with more than {depth:,} documents: cut there; a larger depth keeps more"),
        (_crossed(own), "query", "queries", "with ranks that contradict the scores: the scores count, as in trec_eval"),
    )
    notes = tuple(f"{name}: {plural(n, one, many)} {what}" for n, one, many, what in counted if n)
    return Ranking(
        name, ordered.filter(pl.col("rank") <= depth), {"file": str(path), "rows": f"{read.height:,}"}, notes
    )


def _crossed(own: pl.DataFrame) -> int:
    ordered = own.sort("query_id", "given", maintain_order=True)
    rises = ordered.filter((pl.col("score").diff() > 0).over("query_id"))
    return rises["query_id"].n_unique() if own["given"].null_count() == 0 else 0
