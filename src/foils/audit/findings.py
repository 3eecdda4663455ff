"""What an audit can find: each kind with its severity, what it means, and what repairs it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Severity = Literal["error", "warning", "note"]
Action = Literal["", "drop negative", "drop document", "drop row", "empty score", "empty column", "write list"]


class Kind(NamedTuple):
    """One thing that can be wrong with a training file.

    Args:
        key: its name in ``--also`` and ``--skip``.
        name: in words.
        severity: ``error`` (wrong beyond doubt), ``warning`` (probably harmful), ``note`` (worth knowing).
        unit: what is counted.
        meaning: what it does to training, in one sentence.
        action: what a fix does about it; empty: nothing in the file can.
        standard: a fix does it without being asked.
        advice: what repairs it where a fix does not.
        promotes: with ``--promote`` the document becomes a positive instead of being dropped.
    """

    key: str
    name: str
    severity: Severity
    unit: str
    meaning: str
    action: Action = ""
    standard: bool = False
    advice: str = ""
    promotes: bool = False


@dataclass(frozen=True)
class Example:
    """Where it is to be seen.

    Args:
        row: number of the line, row or entry in the file.
        query: the query's text, or its id.
        document: the opening of the document, or what stands there.
        note: what to look at.
    """

    row: int
    query: str
    document: str
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Args:
        key: of the kind.
        name: in words.
        severity: ``error``, ``warning`` or ``note``.
        count: how many, of ``total`` ``unit``; estimated where ``low`` and ``high`` are given.
        total: of how many.
        unit: what is counted.
        meaning: what it does to training.
        remedy: the command that repairs it, or what to do.
        fixed: a plain ``--fix`` repairs it.
        examples: where it is to be seen.
        low: lower end of the 95 % interval of the share, for estimates.
        high: upper end.
        measure: the statistic that was tested, in words, with its interval.
        table: rows of a table that belongs to it, the header first.
        why: what a reader must know before relying on it.
    """

    key: str
    name: str
    severity: Severity
    count: int
    total: int
    unit: str
    meaning: str
    remedy: str
    fixed: bool = False
    examples: tuple[Example, ...] = ()
    low: float | None = None
    high: float | None = None
    measure: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    why: str = ""

    @property
    def share(self) -> float:
        """The count as a share of the total."""
        return self.count / self.total if self.total else 0.0

    def data(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return asdict(self) | {"share": self.share}


@dataclass(frozen=True, eq=False)
class Found:
    """What a check saw, before it is put into words.

    Args:
        key: of the kind.
        entries: the rows of ``Table.entries`` (by ``entry``) concerned.
        records: the records concerned, where they are more than those of the entries.
        columns: (record, column) where whole columns are concerned.
        notes: per entry or record what to look at.
        count: where it is not the number of entries, records or columns.
        total: of how many; 0: all of the kind's unit.
        extra: what else the finding says: ``low``, ``high``, ``measure``, ``table``, ``why``, ``severity``, ``shown``.
    """

    key: str
    entries: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    records: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    columns: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
    count: int | None = None
    total: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


_READ = "{also}"
_MINE = "foils mine {path} -o RUN"

KINDS: tuple[Kind, ...] = (
    Kind("unreadable", "rows that cannot be read", "error", "rows",
         "A loader stops here, or reads something else than was meant.", "drop row", True),
    Kind("empty-query", "rows without a query", "error", "rows",
         "The model learns to answer nothing with this document.", "drop row", True),
    Kind("no-positive", "rows without a positive", "error", "rows",
         "There is nothing to be near to; trainers fail, or take a negative for the positive.", "drop row", True),
    Kind("no-negative", "rows without a negative", "warning", "rows",
         "Trainers that expect a negative fail or divide by zero here.", "drop row", True),
    Kind("corpus-missing", "the texts of the ids are not there", "error", "documents",
         "The file names documents by id, and the corpus that holds their texts is not where the file or its folder "
         "says.", advice="put the corpus beside the file, or name it: --data DATA"),
    Kind("unknown-id", "ids that no text belongs to", "error", "documents",
         "A loader fails here, or trains on an empty text.", "drop document", True),
    Kind("corpus-path", "corpus paths that lead nowhere", "error", "paths",
         "The tool that wrote the file looks for the texts there, and stops.",
         advice="write the path of the corpus, from the file's folder on, into the file's corpus entry"),
    Kind("foreign-corpus", "rows of a corpus that the file does not declare", "error", "rows",
         "Their ids are looked up in another corpus: not found, or found as another text.", "drop row",
         advice="{also}"),
    Kind("doc-id-texts", "document ids that stand for several texts", "error", "documents",
         "Masks and joins by id take two different documents for one.",
         advice="make the ids unique where the file is made; no fix can know which text is meant"),
    Kind("query-id-texts", "query ids that stand for several texts", "error", "queries",
         "Results that are joined by id overwrite each other.",
         advice="make the ids unique where the file is made; no fix can know which text is meant"),
    Kind("repeated-question-id", "question ids that stand in several rows", "error", "rows",
         "NeMo Automodel keeps one row per question id: its miner overwrites the others.",
         advice="make question_id unique, or merge the rows of one question"),
    Kind("text-for-list", "a text where a list is expected", "error", "rows",
         "FlagEmbedding and others iterate over it and get single letters.", "write list", True),
    Kind("list-as-text", "lists that are written as a text", "warning", "rows",
         "A loader that does not parse it takes the whole list for one text.", "write list", True),
    Kind("stale-column", "scores or ids whose number is not that of the documents", "error", "rows",
         "They are left over from another version of the row: every score may belong to another document.",
         "empty column", True),
    Kind("own-positive", "negatives that are the row's own positive", "error", "negatives",
         "The model is told to pull and to push the same document.", "drop negative", True),
    Kind("copy-of-positive", "copies of a positive under another id or in another spelling", "error", "negatives",
         "The same text under another id, or differing only in case, width or white space, is pushed away as a "
         "negative.", "drop negative", True),
    Kind("sibling-positive", "negatives that are a positive of the same query in another row", "error", "negatives",
         "One row calls right what another row of the query calls wrong.", "drop negative", True, promotes=True),
    Kind("conflicting-labels", "documents labelled both relevant and not relevant for one query", "error", "negatives",
         "Two labels of the same pair contradict each other.", "drop negative", True),
    Kind("known-positive", "negatives that DATA knows as positives", "error", "negatives",
         "The labels of the collection say that these documents answer the query.", "drop negative", True,
         promotes=True),
    Kind("judged-relevant", "negatives that a judge found relevant", "error", "negatives",
         "A verdict on file says that these documents answer the query.", "drop negative", True, promotes=True),
    Kind("near-positive", "near-copies of a positive", "warning", "negatives",
         "Nine in ten word runs are the same; unless the one different word decides, this is a false negative.",
         "drop negative", advice=_READ),
    Kind("query-as-negative", "the query itself as a negative", "error", "negatives",
         "The model is told to move the query away from itself.", "drop negative", True),
    Kind("near-query", "near-copies of the query as a negative", "warning", "negatives",
         "A rewording of the question is no wrong answer; it teaches to shun the query's words.", "drop negative",
         advice=_READ),
    Kind("query-as-positive", "the query itself as a positive", "warning", "positives",
         "Nothing is learned from a text that is its own answer.", "", advice="look where these rows come from"),
    Kind("empty-negative", "empty negatives that fill a row up", "error", "negatives",
         "An empty text is no document, and trainers embed it all the same.", "drop negative", True),
    Kind("empty-positive", "empty positives", "error", "positives",
         "The query is pulled towards the empty text.", "drop document", True),
    Kind("repeated-negative", "negatives repeated within their row", "error", "negatives",
         "A repeated negative counts twice in the loss and takes the place of another.", "drop negative", True),
    Kind("near-repeated", "near-copies among the negatives of a row", "note", "negatives",
         "Two negatives say nearly the same.", "drop negative", advice=_READ),
    Kind("one-letter", "negatives of a single character", "error", "negatives",
         "A text was iterated over where a list was meant: these are letters, not documents.", "drop negative", True),
    Kind("repeated-row", "rows that say the same as an earlier row", "warning", "rows",
         "The same query, positives and negatives again: a batch that holds both has false negatives.", "drop row",
         advice="{also}"),
    Kind("repeated-query", "queries that stand in several rows", "note", "rows",
         "Normal with one row per positive; batches must then not hold two rows of a query, or mask them.",
         advice="train with a batch sampler that keeps them apart (sentence-transformers: NO_DUPLICATES)"),
    Kind("non-finite-score", "negatives with a score that is NaN or infinite", "error", "negatives",
         "A miner marks what it rejected by -inf; in a distillation loss one NaN spoils every weight.",
         "drop negative", True),
    Kind("non-finite-positive", "positives with a score that is NaN or infinite", "error", "positives",
         "It is no number to compare with, and no valid JSON.", "empty score", True),
    Kind("sentinel-score", 'scores of exactly -1, which mark "no score"', "warning", "documents",
         "Taken for a score, the mark calls the document the worst of all.", "empty score", True),
    Kind("missing-score", "documents without a score in rows that have scores", "warning", "documents",
         "Distillation needs a score for every document.", advice="score these pairs with the teacher again"),
    Kind("tied-scores", "rows whose scores are all the same", "warning", "rows",
         "Scores that tell nothing apart: a default value, or a score of something else.",
         advice="score the file again; without scores these rows are fine"),
    Kind("above-positive", "negatives that the file scores above a positive, or within the margin", "warning",
         "negatives", "The file's own scores say that these negatives answer as well as the positive: often false "
         "negatives.", "drop negative", advice=_READ),
    Kind("short-rows", "rows with fewer different negatives than the others", "note", "rows",
         "Trainers fill such rows by repeating their negatives.", "drop row",
         advice="{also}"),
    Kind("false-negative", "negatives that probably answer their query", "warning", "negatives",
         "The model is punished for being right.", "drop negative", advice="{risk}"),
    Kind("give-away", "positives and negatives differ without the query", "warning", "documents",
         "A model can tell positives from negatives without reading the query, and will learn just that.",
         advice=_MINE),
    Kind("give-away-words", "words that give the label away", "warning", "words",
         "These words stand on one side far more often than chance allows.",
         advice=_MINE),
    Kind("length-bias", "positives and negatives differ in length", "warning", "documents",
         "The length of a document alone tells much about its label.",
         advice=_MINE),
    Kind("source-bias", "positives and negatives come from different sources", "warning", "documents",
         "Where a document comes from tells its label.", advice=_MINE),
    Kind("language-mismatch", "negatives in another language than query and positives", "warning", "negatives",
         "They are told apart by language alone, and teach that one language is wrong.", "drop negative", advice=_READ),
    Kind("script-mismatch", "negatives in another script than query and positives", "warning", "negatives",
         "They are told apart by a glance at the letters.", "drop negative", advice=_READ),
    Kind("too-easy", "negatives no harder than random documents", "warning", "negatives",
         "They share no more with the query than a random document does, so in-batch negatives do as well.",
         advice=_MINE),
    Kind("reuse-hub", "documents that are negatives of very many queries", "warning", "documents",
         "A document that is always wrong is learned to be wrong, whatever the query.", "drop negative",
         advice="{also}"),
    Kind("uneven-fields", "rows without a field that most rows have", "note", "rows",
         "Files of two kinds were put together, or what was known of these rows was lost on the way.",
         advice="join the field back by the row's id, from the file that it was made from"),
    Kind("lost-fields", "fields of DATA's queries that the file does not have", "note", "fields",
         "Miners that rebuild rows leave out what they do not need: sources, groups, ids of an original.",
         advice="join them back by query id; a fix keeps every field that is there"),
    Kind("not-in-data", "documents that are not in DATA", "note", "documents",
         "The file was made from another version of the collection, or texts were changed.",
         advice="check that DATA is the collection that the file was mined from"),
)  # fmt: skip
BY_KEY = {kind.key: kind for kind in KINDS}
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
