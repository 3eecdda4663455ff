"""Formats that name documents by id, with the texts in files of their own, and plain lists of negatives."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl

from foils.errors import DataError
from foils.pairs import hash_uniform
from foils.writers.options import Built, Options
from foils.writers.output import array, lines, plain, qrels, table, text
from foils.writers.selection import Selection, look_up


def tevatron_ids(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query with document ids, and corpus.STEM beside it (docid, text with the title before it)."""
    rows = chosen.by_query.select(
        query_id="query_id",
        query_text="query",
        query_image=pl.lit(None, dtype=pl.String),
        positive_document_ids="pos_id",
        negative_document_ids="neg_id",
        **({"positive_scores": "pos_score", "negative_scores": "neg_score"} if chosen.score else {}),
        **{c.replace("neg_", "negative_"): c for c in chosen.extras},
    )
    corpus = chosen.used().select(docid="id", text="text")
    return Built(rows.height, (table(rows, path), table(corpus, _beside(path, "corpus"))))


def nemo(chosen: Selection, path: Path, options: Options) -> Built:
    """One JSON document with ids, a row per query, and beside it a folder STEM_corpus with the documents."""
    folder = path.with_name(f"{path.stem}_corpus")
    # The trainer refuses two corpora of one name: the name must change with the documents.
    docs = pl.concat([chosen.positives["pos"], chosen.negatives["neg"]]).unique().sort().to_numpy()
    name = f"foils-{hashlib.blake2b(chosen.collection.doc_hash[docs].tobytes(), digest_size=6).hexdigest()}"
    scored = [pl.col("pos_score").alias("score")] if chosen.score else []
    pos_doc = chosen.positives.select("q", pos_doc=pl.struct(pl.col("pos_id").alias("id"), *scored))
    scored = [pl.col("neg_score").alias("score")] if chosen.score else []
    extras = [pl.col(c).alias(c.removeprefix("neg_")) for c in chosen.extras]
    neg_doc = chosen.negatives.select("q", neg_doc=pl.struct(pl.col("neg_id").alias("id"), *scored, *extras))
    grouped = (
        pos_doc.group_by("q", maintain_order=True)
        .agg("pos_doc")
        .join(neg_doc.group_by("q", maintain_order=True).agg("neg_doc"), on="q", maintain_order="left")
    )
    rows = chosen.with_query(grouped).select(
        question_id="query_id", question="query", corpus_id=pl.lit(name), pos_doc="pos_doc", neg_doc="neg_doc"
    )
    arguments = {"score": chosen.score} if chosen.score else {}
    opening = {"corpus": [{"path": folder.name}], "mining": {"args": arguments}}
    head = json.dumps(opening, ensure_ascii=False)[:-1] + ', "data": ['
    about = json.dumps({"class": "TextQADataset", "corpus_id": name}, ensure_ascii=False)
    outputs = (
        array(rows, path, head, "]}"),
        table(chosen.used(), folder / "corpus-train.parquet"),
        text(about + "\n", folder / "merlin_metadata.json"),
    )
    return Built(rows.height, outputs)


def pylate_kd(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per positive: query_id, document_ids (positive first), scores; beside it queries.STEM, documents.STEM."""
    rows = chosen.by_positive.select(
        "q",
        query_id="query_id",
        document_ids=pl.concat_list("pos_id", "neg_id"),
        scores=pl.concat_list("pos_score", "neg_score"),
    )
    queries = chosen.with_query(rows.select(pl.col("q").unique().sort())).select("query_id", text="query")
    documents = chosen.used().select(document_id="id", text="text")
    outputs = (
        table(rows.drop("q"), path),
        table(queries, _beside(path, "queries")),
        table(documents, _beside(path, "documents")),
    )
    return Built(rows.height, outputs)


def gpl(chosen: Selection, path: Path, options: Options) -> Built:
    """A folder: hard-negatives.jsonl, gpl-training-data.tsv (qid, pos, neg, margin), and what GPL reads with them."""
    rows = chosen.by_triple
    _refuse(rows, ["query_id", "pos_id", "neg_id"], r"[\t\r\n]", "GPL separates ids by tabs")
    # GPL trains in the order of the file, so it must be mixed, by a hash and the same every time.
    collection = chosen.collection
    by = collection.query_hash[rows["q"].to_numpy()] ^ np.roll(collection.doc_hash, 1)[rows["pos"].to_numpy()]
    order = np.argsort(hash_uniform(by, collection.doc_hash[rows["neg"].to_numpy()], seed=0), kind="stable")
    margins = rows[order].select("query_id", "pos_id", "neg_id", margin=pl.col("pos_score") - pl.col("neg_score"))
    queries = chosen.by_query.select("query_id", "query", "pos_id")
    labels = queries.explode("pos_id").select("query_id", "pos_id", score=1)
    outputs = (
        plain(margins, path / "gpl-training-data.tsv", "\t"),
        lines(_by_source(chosen), path / "hard-negatives.jsonl"),
        lines(_titled(chosen), path / "corpus.jsonl"),
        lines(queries.select(_id="query_id", text="query"), path / "qgen-queries.jsonl"),
        qrels(labels, path / "qgen-qrels" / "train.tsv"),
    )
    return Built(rows.height, outputs)


def beir(chosen: Selection, path: Path, options: Options) -> Built:
    """A folder: corpus.jsonl, queries.jsonl, qrels/train.tsv with all labels, qrels/negatives.tsv with grade 0."""
    collection = chosen.collection
    relabelled = chosen.positives.select("q", doc="pos", score=pl.lit(1, dtype=pl.Int32))
    judged = collection.negatives.filter(pl.col("grade").is_not_null())
    known = [
        t.select("doc", q="query", score="grade").select("q", "doc", "score") for t in (collection.positives, judged)
    ]
    # The grade of a positive is kept; a judged negative that was relabelled counts as positive.
    labels = pl.concat([known[0], relabelled, known[1]]).unique(["q", "doc"], keep="first").sort("q", "doc")
    named = labels.select(
        query_id=look_up(collection.queries["id"], "q"), pos_id=look_up(collection.corpus["id"], "doc"), score="score"
    )
    negatives = chosen.with_query(chosen.negatives).select("query_id", "neg_id", score=0)
    outputs = (
        qrels(negatives, path / "qrels" / "negatives.tsv"),
        qrels(named, path / "qrels" / "train.tsv"),
        lines(collection.queries.select(_id="id", text="text"), path / "queries.jsonl"),
        lines(_titled(chosen), path / "corpus.jsonl"),
    )
    return Built(negatives.height, outputs)


def trec_run(chosen: Selection, path: Path, options: Options) -> Built:
    """A line per negative: query id, Q0, document id, rank, score, foils."""
    rows = chosen.with_query(chosen.negatives)
    _refuse(rows, ["query_id", "neg_id"], r"\s", "a TREC run separates its columns by blanks")
    # Readers sort by score: without one, numbers that fall with the rank stand in.
    score = pl.col("neg_score") if chosen.score else pl.len().over("q") - pl.col("place") + 1
    rows = rows.select(
        "query_id",
        pl.lit("Q0"),
        "neg_id",
        pl.col("place").alias("rank"),
        score.alias("score"),
        pl.lit("foils").alias("t"),
    )
    return Built(rows.height, (plain(rows, path, " "),))


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{what}.{path.stem}{path.suffix}")


def _titled(chosen: Selection) -> pl.DataFrame:
    """The whole corpus as BEIR has it; the title is empty where there is none."""
    corpus = chosen.collection.corpus
    title = pl.col("title").fill_null("") if chosen.titled else pl.lit("")
    return corpus.select(pl.col("id").alias("_id"), title.alias("title"), "text")


def _by_source(chosen: Selection) -> pl.DataFrame:
    """A row per query: qid, pos, and neg with a list per source; a negative stands under the one that ranks it best."""
    main = chosen.negatives.with_columns(pl.col("main").fill_null("foils"))
    names = main["main"].unique().sort().to_list()
    ids = [pl.col("neg_id").filter(pl.col("main") == name).alias(f"neg.{name}") for name in names]
    lists = main.group_by("q", maintain_order=True).agg(ids)
    rows = chosen.by_query.select("q", qid="query_id", pos="pos_id").join(lists, on="q", maintain_order="left")
    return rows.select("qid", "pos", neg=pl.struct(pl.col(f"neg.{name}").alias(name) for name in names))


def _refuse(rows: pl.DataFrame, columns: list[str], pattern: str, why: str) -> None:
    for column in columns:
        bad = rows[column].filter(rows[column].str.contains(pattern))
        if bad.len():
            raise DataError(
                f"the id {bad[0]!r} cannot be exported: {why}, and it holds one; rename it or use another format"
            )
