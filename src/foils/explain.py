"""Explain: every candidate of one query, its scores and ranks, its fate and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from foils.errors import DataError
from foils.pairs import Pairs
from foils.show import MINUS, count, number, opening, plural, score, visible

NOT_DRAWN = "not drawn"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What happened to the candidates of one query.

    Args:
        query_id: the query's id.
        query: its text.
        rows: a row per candidate: ``document``, ``fate`` (``positive``, ``selected`` or the reason it was dropped),
            every rank and score, ``gap.<score>`` (score minus the query's lowest positive), ``p_relevant``,
            ``judged_by``, ``kind``, ``filled``, ``weight``, ``text`` (opening). Positives first, then the selected,
            then the dropped, each by their best rank (of the sources that score, if any does).
        total: rows before the limit.
        counts: rows of the query by fate.
        sentence: the answer in words, about the query or about the one document asked for.
    """

    query_id: str
    query: str
    rows: pl.DataFrame
    total: int
    counts: dict[str, int]
    sentence: str

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        rows = [{k: v for k, v in row.items() if v is not None} for row in self.rows.iter_rows(named=True)]
        return {
            "query_id": self.query_id,
            "query": self.query,
            "sentence": self.sentence,
            "counts": self.counts,
            "total": self.total,
            "rows": rows,
        }

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a table as short strings; columns that hold nothing are left out."""
        shown = [c for c in self.rows.columns if self.rows[c].null_count() < self.rows.height]
        return shown, [[_cell(c, v) for c, v in zip(shown, row, strict=True)] for row in self.rows[shown].rows()]

    def text(self, width: int = 120) -> str:
        """Sentence and table as plain text; safe to print whatever the documents hold.

        Args:
            width: of a line, in characters; the document's text is cut to what is left of it.
        """
        lines = [f"{visible(self.query_id)}: {opening(self.query, 400)}", self.sentence]
        if self.rows.height:
            lines += ["", *_aligned(*self.cells(), width)]
        if self.total > self.rows.height:
            lines.append(f"({count(self.total - self.rows.height)} more; raise --limit to see them)")
        return "\n".join(lines)


def explain(
    pairs: Pairs, query_id: str, *, doc_id: str | None = None, limit: int = 50, steps: Mapping[str, str] | None = None
) -> Explanation:
    """Say for every candidate of a query, or for one document, why it is in or out.

    Args:
        pairs: the finished table of a run.
        query_id: of a query of the collection.
        doc_id: only this document; without one, all candidates.
        limit: rows given at most.
        steps: the recipe's lines by the reason or label, to show with which options a step dropped a document.

    Raises:
        DataError: no query, or no document, has this id; names the nearest ids.
    """
    collection = pairs.collection
    query = _row(collection.queries["id"], query_id, "query")
    found = candidates(pairs, [query]).drop("query")
    fates = dict(sorted(found.group_by("fate").len().iter_rows()))
    if doc_id is None:
        sentence = _about_query(query_id, fates)
    else:
        doc = _row(collection.corpus["id"], doc_id, "document")
        found = found.filter(pl.col("doc") == doc)
        sentence = _about_document(pairs, query_id, doc_id, found, steps or {}, bool(fates))
    rows = found.head(limit).drop("doc")
    return Explanation(query_id, collection.queries["text"][query], rows, found.height, fates, visible(sentence))


def candidates(pairs: Pairs, queries: Iterable[int]) -> pl.DataFrame:
    """The rows of some queries as :class:`Explanation` describes them, with ``query`` and ``doc`` in front."""
    mine = pairs.frame.filter(pl.col("query").is_in(list(queries)))
    gaps = [_gap(s).alias(f"gap.{s}") for s in pairs.scores]
    fate = pl.when("positive").then(pl.lit("positive")).otherwise(pl.col("dropped").cast(pl.String))
    place = pl.when("positive").then(0).when(pl.col("dropped").is_null()).then(1).otherwise(2)
    texts = pairs.collection.passages.gather(mine["doc"])
    ids = pairs.collection.corpus["id"].gather(mine["doc"])
    mine = mine.with_columns(
        *gaps,
        fate=fate.fill_null("selected"),
        hard=pl.min_horizontal([f"rank.{s}" for s in telling(pairs)] or [pl.lit(None, dtype=pl.Int32)]),
        best=pairs.best_rank,
        place=place,
        document=ids,
        text=pl.Series([opening(t, 200) for t in texts], dtype=pl.String),
    )
    scored = [name for s in pairs.scores for name in (s, f"gap.{s}")]
    columns = ["query", "doc", "document", "fate", *(f"rank.{s}" for s in pairs.sources), *scored]
    extra = ["p_relevant", "judged_by", "kind", "filled", "weight", "text"]
    ordered = mine.sort("query", "place", "hard", "best", "doc", nulls_last=True)
    return ordered.select(*columns, *extra).with_columns(pl.col(pl.Categorical).cast(pl.String))


def telling(pairs: Pairs) -> tuple[str, ...]:
    """The sources whose rank says how near a document is: those that score; all of them, if none does."""
    return tuple(s for s in pairs.sources if any(c.endswith(f".{s}") for c in pairs.scores)) or pairs.sources


def _gap(column: str) -> pl.Expr:
    return pl.col(column) - pl.col(column).filter("positive").min().over("query")


def _row(ids: pl.Series, wanted: str, what: str) -> int:
    rows = (ids == wanted).arg_true()
    if rows.len():
        return int(rows[0])
    # Spelling distance over millions of ids would take minutes: only ids of about this length, starting alike.
    size = ids.str.len_chars().cast(pl.Int64)
    alike = ids.filter((size - len(wanted)).abs() <= 2)
    same = alike.filter(alike.str.head(1) == wanted[:1])
    near = get_close_matches(
        wanted, [*same.head(20_000), *alike.head(2_000)] or ids.head(2_000).to_list(), n=3, cutoff=0.5
    )
    hint = f"the nearest: {', '.join(map(repr, dict.fromkeys(near)))}" if near else f"ids look like {ids[0]!r}"
    raise DataError(visible(f"no {what} has the id {wanted!r} among {ids.len():,}; {hint}"))


def _about_query(query_id: str, fates: dict[str, int]) -> str:
    if not fates:
        return f"{query_id} was not mined: it has no known positive."
    positives, selected = fates.get("positive", 0), fates.get("selected", 0)
    out = {k: v for k, v in sorted(fates.items(), key=lambda f: (-f[1], f[0])) if k not in ("positive", "selected")}
    told = ", ".join(f"{count(n)} {reason}" for reason, n in out.items())
    negatives = plural(selected, "negative")
    lost = f"; {plural(sum(out.values()), 'candidate')} dropped: {told}" if out else ""
    return f"{plural(positives, 'known positive')}, {negatives} selected{lost}."


def _about_document(
    pairs: Pairs, query_id: str, doc_id: str, found: pl.DataFrame, steps: Mapping[str, str], mined: bool
) -> str:
    if not mined:
        return f"{doc_id} is no candidate: {query_id} was not mined, since it has no known positive."
    if found.height == 0:
        tried = ", ".join(pairs.sources) or "there was none"
        return f"{doc_id} was never found for {query_id} by any source ({tried}); a greater depth may find it."
    row = found.row(0, named=True)
    return f"{doc_id} {_found_by(pairs, row)}{_distance(pairs, row)}; {_outcome(row, steps)}."


def _found_by(pairs: Pairs, row: Mapping[str, Any]) -> str:
    told, named = [], set()
    for source in pairs.sources:
        rank = row[f"rank.{source}"]
        column = next((s for s in pairs.scores if s.endswith(f".{source}") and row[s] is not None), None)
        if rank is not None:
            with_score = f" ({column.partition('.')[0]} {score(column, row[column])})" if column else ""
            told.append(f"by {source} at rank {rank}{with_score}")
            named.add(column)
    others = [f"{s} {score(s, row[s])}" for s in pairs.scores if s not in named and row[s] is not None]
    where = f"was found {' and '.join(told)}" if told else "was found by no source"
    return where + (f", scored {', '.join(others)}" if others else "")


def _distance(pairs: Pairs, row: Mapping[str, Any]) -> str:
    gaps = {s: row[f"gap.{s}"] for s in pairs.scores if row[f"gap.{s}"] is not None}
    if row["fate"] == "positive" or not gaps:
        return ""
    told = [f"{score(s, abs(gap))} {'above' if gap > 0 else 'below'} in {s}" for s, gap in gaps.items()]
    return f"; compared with the lowest positive {', '.join(told)}"


def _outcome(row: Mapping[str, Any], steps: Mapping[str, str]) -> str:
    fate = row["fate"]
    if fate == "positive":
        return "it is a known positive"
    judged = f" (judged by {row['judged_by']}, p_relevant {number(row['p_relevant'])})" if row["judged_by"] else ""
    kind = f" of kind {row['kind']}" if row["kind"] else ""
    if fate == "selected":
        weight = f" with weight {number(row['weight'])}" if row["weight"] is not None else ""
        filled = f", taken to fill a short row ({row['filled']})" if row["filled"] else ""
        return f"selected as a negative{kind}{weight}{filled}{judged}"
    if fate == NOT_DRAWN:
        return f"not drawn: it passed every rule, the sampler chose others{judged}"
    with_options = f": {steps[fate]}" if fate in steps else ""
    # A step that knows several reasons writes a phrase, the others their name.
    return f"dropped {'as' if ' ' in fate else 'by'} {fate}{with_options}{judged}"


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return score(column.removeprefix("gap."), value, sign=column.startswith("gap."))
    return visible(str(value)).replace("\n", " ")


def _aligned(header: list[str], rows: list[list[str]], width: int) -> list[str]:
    # Columns side by side; the last one, the text, takes what is left of the line.
    titles = [h.replace("gap.", MINUS + "pos ") for h in header]
    widths = [max(len(r[i]) for r in [titles, *rows]) for i in range(len(header))]
    left = max(20, width - sum(widths[:-1]) - 2 * len(widths) + 2)
    lines = []
    for row in [titles, *rows]:
        right = [h.startswith(("rank.", "gap.", "weight", "p_rel")) or "." in h for h in header[:-1]]
        parts = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row[:-1], widths, right, strict=False)]
        lines.append("  ".join([*parts, opening(row[-1], left - 1) if row[-1] else ""]).rstrip())
    return lines
