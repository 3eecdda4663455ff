"""Formats with one object per query or positive that holds the texts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from foils.writers.options import Built, Options
from foils.writers.output import array, lines, table
from foils.writers.selection import Selection, look_up


def flagembedding(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query: query, pos, neg, with scores for distillation."""
    return _flag(chosen, path, "prompt", options)


def flagembedding_reranker(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query: query, pos, neg; an instruction is called query_prompt."""
    return _flag(chosen, path, "query_prompt", options)


def nemo_inline(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query: query, pos_doc, neg_doc as texts."""
    rows = chosen.by_query.select(
        query="query", pos_doc="pos_text", neg_doc="neg_text", question_id="query_id", **_carried(chosen)
    )
    return Built(rows.height, (lines(rows, path),))


def ms_swift(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per positive: messages, positive_messages (exactly one), negative_messages; documents speak as user."""
    return _messages(chosen, path, "user", options)


def ms_swift_reranker(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per positive, as for embedding models; documents speak as assistant."""
    return _messages(chosen, path, "assistant", options)


def tevatron(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query: query_id, query, answers, positive_passages, negative_passages."""
    rows = _passages(chosen, "docid", titled=chosen.titled)
    columns = {"query_id": "query_id", "query": "query", "answers": "answers"}
    columns |= {"positive_passages": "positives", "negative_passages": "negatives"}
    return Built(rows.height, (table(rows.select(**columns), path),))


def rlhn(chosen: Selection, path: Path, options: Options) -> Built:
    """A row per query: query_id, query, positive_passages, negative_passages, subset."""
    rows = _passages(chosen, "docid", titled=True).select(
        query_id="query_id",
        query="query",
        positive_passages="positives",
        negative_passages="negatives",
        subset=pl.lit(chosen.collection.name),
    )
    return Built(rows.height, (table(rows, path),))


def dpr(chosen: Selection, path: Path, options: Options) -> Built:
    """A JSON array, an object per query: question, answers, positive_ctxs, negative_ctxs, hard_negative_ctxs."""
    rows = _passages(chosen, "passage_id", titled=True)
    none = pl.lit([], dtype=rows.schema["negatives"])
    rows = rows.select(
        question="query",
        answers="answers",
        positive_ctxs="positives",
        negative_ctxs=none,
        hard_negative_ctxs="negatives",
        query_id="query_id",
    )
    return Built(rows.height, (array(rows, path),))


def _flag(chosen: Selection, path: Path, field: str, options: Options) -> Built:
    columns: dict[str, str | pl.Expr] = {"query": "query", "pos": "pos_text", "neg": "neg_text"}
    if chosen.score:
        columns |= {"pos_scores": "pos_score", "neg_scores": "neg_score"}
    if options.prompt is not None:
        columns[field] = pl.lit(options.prompt)
    carried = _carried(chosen)
    rows = chosen.by_query.select(
        **columns, query_id="query_id", **{c: v for c, v in carried.items() if not c.endswith("_scores")}
    )
    return Built(rows.height, (lines(rows, path),))


def _carried(chosen: Selection) -> dict[str, str]:
    """Ids, scores and extras as lists beside the lists of texts."""
    scores = {"pos_scores": "pos_score", "neg_scores": "neg_score"} if chosen.score else {}
    return {"pos_id": "pos_id", "neg_id": "neg_id"} | scores | {c: c for c in chosen.extras}


def _messages(chosen: Selection, path: Path, role: str, options: Options) -> Built:
    def said(by: str, column: str) -> pl.Expr:
        return pl.concat_list(pl.struct(role=pl.lit(by), content=pl.col(column)))

    told = [] if options.prompt is None else [pl.struct(role=pl.lit("system"), content=pl.lit(options.prompt))]
    asked = pl.concat_list(*told, pl.struct(role=pl.lit("user"), content=pl.col("query")))

    positives = chosen.positives.with_columns(positive_messages=said(role, "pos_text"))
    negatives = chosen.negatives.with_columns(negative_messages=said(role, "neg_text"))
    # Grouping nests once more: one positive is a list of one list of messages.
    grouped = positives.group_by("q", "pos", maintain_order=True).agg("positive_messages")
    joined = grouped.join(
        negatives.group_by("q", maintain_order=True).agg("negative_messages"), on="q", maintain_order="left"
    )
    rows = chosen.with_query(joined).select(asked.alias("messages"), "positive_messages", "negative_messages")
    return Built(rows.height, (lines(rows, path),))


def _passages(chosen: Selection, key: str, *, titled: bool) -> pl.DataFrame:
    """A row per query with ``answers`` and, as lists of objects, ``positives`` and ``negatives``."""
    corpus = chosen.collection.corpus

    def object_of(side: str, extras: list[str]) -> pl.Expr:
        title = look_up(corpus["title"], side).fill_null("") if chosen.titled else pl.lit("")
        fields = [pl.col(f"{side}_id").alias(key)]
        fields += [title.alias("title")] if titled else []
        fields.append(look_up(corpus["text"], side).alias("text"))
        fields += [pl.col(f"{side}_score").alias("score")] if chosen.score else []
        return pl.struct(*fields, *(pl.col(c).alias(c.removeprefix("neg_")) for c in extras))

    positives = chosen.positives.select("q", positives=object_of("pos", []))
    negatives = chosen.negatives.select("q", negatives=object_of("neg", chosen.extras))
    rows = chosen.with_query(
        positives.group_by("q", maintain_order=True)
        .agg("positives")
        .join(negatives.group_by("q", maintain_order=True).agg("negatives"), on="q", maintain_order="left")
    )
    queries = chosen.collection.queries
    if queries.schema.get("answers") == pl.List(pl.String):
        return rows.with_columns(answers=look_up(queries["answers"], "q").fill_null([]))
    return rows.with_columns(answers=pl.lit([], dtype=pl.List(pl.String)))
