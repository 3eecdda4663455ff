"""What a column of a training file is, by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Side = Literal["positive", "negative"]

QUERY = ("query", "anchor", "question", "query_text", "messages")
QUERY_ID = ("query_id", "qid", "question_id")
POSITIVE = (
    *("positive", "positives", "pos", "positive_passages", "positive_ctxs", "pos_doc", "positive_messages"),
    *("positive_text", "positive_document", "positive_documents", "positive_passage", "pos_docs", "chosen"),
)
# Names that say "document" but not "relevant": positives only where nothing else in the row tells otherwise.
DOCUMENT = ("answer", "document", "passage", "content", "doc", "text")
NEGATIVE = (
    *("negative", "negatives", "neg", "negative_passages", "hard_negative_ctxs", "negative_ctxs", "neg_doc"),
    *("negative_messages", "hard_negative", "hard_negatives", "negative_text", "negative_document"),
    *("negative_documents", "negative_passage", "neg_docs", "rejected"),
)
POSITIVE_ID = (
    *("positive_document_ids", "positive_passage_ids", "positive_ids", "positive_id", "pos_ids", "pos_id"),
    *("positive_doc_ids", "positive_docids", "chosen_id"),
)
NEGATIVE_ID = (
    *("negative_document_ids", "negative_passage_ids", "negative_ids", "negative_id", "neg_ids", "neg_id"),
    *("negative_doc_ids", "negative_docids", "rejected_id"),
)
DOCUMENT_ID = ("document_id", "doc_id", "docid", "passage_id", "pid")
LISTED = ("passages", "hits", "candidates", "documents", "docs")
LISTED_ID = ("document_ids", "doc_ids", "docids", "passage_ids")
LABEL = ("label", "labels", "judgment")
MARGIN = ("margin", "label", "score")
# In these columns a list is expected; a lone string there is taken as one text and counted.
LISTS = frozenset(
    {"pos", "neg", "positives", "negatives", "hard_negatives", "pos_doc", "neg_doc", "passages", "documents"}
)

PREFERENCE: dict[str, Side] = {"score_chosen": "positive", "score_rejected": "negative"}
NUMBERED = re.compile(r"^(positive|pos|negative|neg|hard_negative)_?(\d+)$")
SIDED = re.compile(r"^(?:(.+)_)?(positive|negative|pos|neg)_(?:(\d+)_)?(.+)$")


@dataclass(frozen=True)
class Aligned:
    """A column with one value per positive or per negative (``pos_scores``, ``negative_1_score``)."""

    key: str
    side: Side
    number: int | None
    name: str


@dataclass(frozen=True)
class Roles:
    """Which key of a row holds what.

    Args:
        query: the query's text.
        query_id: its id.
        positive: the columns of positives.
        negative: the columns of negatives.
        positive_id: the ids of the positives.
        negative_id: the ids of the negatives.
        listed: a list of documents of which the row does not say that they are positives.
        label: grades of the documents in ``positive``.
        scores: one score per document, positives first.
        margin: positive minus negative score (MarginMSE calls it label or score), or a score per document.
        aligned: columns with a value per positive or per negative.
        extra: the keys that no role has claimed.
        vague: ``positive`` is a name that says "document", not "relevant".
    """

    query: str | None
    query_id: str | None
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    positive_id: str | None
    negative_id: str | None
    listed: str | None
    label: str | None
    scores: str | None
    margin: str | None
    aligned: tuple[Aligned, ...]
    extra: tuple[str, ...]
    vague: bool = False

    @property
    def ids_only(self) -> bool:
        """True where the row has no query text: then its documents are named by id as well."""
        return self.query is None


@lru_cache(maxsize=1024)
def resolve(keys: tuple[str, ...]) -> Roles | None:
    """Give every key of a row its role, or None where the keys are no training row.

    >>> roles = resolve(("query", "pos", "neg", "neg_scores", "prompt"))
    >>> roles.positive, roles.negative, roles.aligned[0].name, roles.extra
    (('pos',), ('neg',), 'score', ('prompt',))
    """
    plain = {key.lower().replace("-", "_"): key for key in reversed(keys)}
    # A prompt is an instruction, but in preference pairs (TRL) it is the query.
    query = _first((*QUERY, "prompt") if "chosen" in plain else QUERY, plain)
    query_id = _first(QUERY_ID, plain)
    positive, negative = _side(POSITIVE, "pos", plain), _side(NEGATIVE, "neg", plain)
    positive_id, negative_id = _first(POSITIVE_ID, plain), _first(NEGATIVE_ID, plain)
    listed = None
    if not positive and not negative and not positive_id:
        listed = _first(LISTED, plain) or _first(LISTED_ID, plain)
        if listed is None and "scores" in plain and not _first(LABEL, plain):
            listed = _first(DOCUMENT_ID, plain)
    if listed and listed not in LISTED_ID and _first(LABEL, plain):
        positive, listed = (listed,), None
    vague = not positive and not positive_id and listed is None
    if vague:
        document = _first(DOCUMENT, plain)
        positive = (document,) if document else ()
        positive_id = _first(DOCUMENT_ID, plain)
        vague = not negative
    if not (query or query_id) or not (positive or positive_id or listed or negative or negative_id):
        return None
    label = None if negative or negative_id or listed else _first(LABEL, plain)
    taken = {query, query_id, *positive, *negative, positive_id, negative_id, listed, label}
    scores = plain.get("scores")
    margin = _first(MARGIN, plain) if negative or negative_id else None
    taken |= {scores, margin}
    aligned = tuple(a for key in keys if key not in taken and (a := _aligned(key)))
    taken |= {a.key for a in aligned}
    extra = tuple(key for key in keys if key not in taken)
    return Roles(
        query, query_id, positive, negative, positive_id, negative_id,
        listed, label, scores, margin, aligned, extra, vague,
    )  # fmt: skip


def _first(names: Sequence[str], plain: dict[str, str]) -> str | None:
    return next((plain[name] for name in names if name in plain), None)


def _side(names: Sequence[str], start: str, plain: dict[str, str]) -> tuple[str, ...]:
    whole = [plain[name] for name in names if name in plain]
    numbered = [(int(m[2]), key) for name, key in plain.items() if (m := NUMBERED.match(name)) and start in m[1]]
    # Two positive columns are two readings of the same thing; negative lists of two kinds are both wanted.
    return (*(whole if start == "neg" else whole[:1]), *(key for _, key in sorted(numbered)))


def _aligned(key: str) -> Aligned | None:
    plain = key.lower().replace("-", "_")
    if plain in PREFERENCE:
        return Aligned(key, PREFERENCE[plain], None, "score")
    match = SIDED.match(plain)
    if match is None:
        return None
    before, side, number, after = match.groups()
    name = f"{before}_{after}" if before else after
    name = re.sub(r"scores$", "score", name)
    return Aligned(key, "positive" if side.startswith("pos") else "negative", int(number) if number else None, name)
