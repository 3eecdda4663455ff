"""Read collections and training files in every format that retrieval tools write."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from foils.collection import Collection
from foils.errors import DataError
from foils.readers import hf
from foils.readers.beside import texts_for
from foils.readers.draft import Draft
from foils.readers.labels import read_labels
from foils.readers.layout import STEMS, qrels_beside, qrels_of_split, texts_beside, training_files
from foils.readers.rows import KNOWN, read_rows
from foils.readers.sources import frame_rows, stem_of
from foils.readers.special import any_rows, corpus_folders
from foils.readers.texts import What, from_frame, read_texts

__all__ = ["read"]


def read(
    path: str | Path, *, split: str = "train", positives: str | Path | None = None, relevant_from: int = 1
) -> Collection:
    """Read a folder or a file in any format that foils knows (``docs/formats-read.md``).

    Args:
        path: a BEIR folder, a folder of shards, a saved Hugging Face dataset, or a training file.
        split: which labels of a BEIR folder, which split of a dataset.
        positives: a file with header ``query-id corpus-id score`` (or TREC qrels) that replaces the positives.
        relevant_from: the lowest grade that counts as positive.

    Raises:
        DataError: the path cannot be read, or holds nothing that can be mined.
        MissingExtra: a saved Hugging Face dataset, but ``datasets`` is not installed.
    """
    place = Path(path)
    if not place.exists():
        raise DataError(f"{path} does not exist; a local file or folder is needed (foils downloads nothing by itself)")
    draft = Draft()
    labels = read_labels(Path(positives), draft.hazards) if positives is not None else None
    if place.is_file():
        parts = _of_file(place, draft, relevant_from)
    elif hf.is_saved(place):
        parts = _of_saved(place, split, draft, relevant_from)
    else:
        parts = _of_folder(place, split, draft, relevant_from, with_labels=labels is not None)
    if parts.labels_at and labels is None:
        labels = read_labels(qrels_of_split(parts.labels_at, split), draft.hazards)
    corpus, queries = parts.corpus, parts.queries
    if corpus is None:
        corpus, queries = texts_for(draft, parts.named, parts.beside, split)
    return draft.finish(parts.name, relevant_from, positives=labels, corpus=corpus, queries=queries)


@dataclass(frozen=True)
class _Parts:
    """What was read beside the rows of the draft, and where the rest is to be looked for."""

    name: str
    beside: list[Path]
    named: list[Path] = field(default_factory=list)
    corpus: pl.DataFrame | None = None
    queries: pl.DataFrame | None = None
    labels_at: Path | None = None


def _of_file(path: Path, draft: Draft, relevant_from: int) -> _Parts:
    read_rows(any_rows(path, draft.hazards), draft, relevant_from)
    here = path.resolve().parent
    # Mined rankings (DRhard) bring no positives: the qrels beside them have these.
    bare = not draft.lists and all(grade is None for _, _, grade in draft.pairs)
    labels_at = here if bare and qrels_beside(here) else None
    return _Parts(stem_of(path), [here, here.parent], corpus_folders(path), labels_at=labels_at)


def _of_folder(folder: Path, split: str, draft: Draft, relevant_from: int, *, with_labels: bool) -> _Parts:
    documents, queries = texts_beside(folder, "documents", split), texts_beside(folder, "queries", split)
    labelled = bool(documents and queries and (with_labels or qrels_beside(folder)))
    training = [] if labelled else training_files(folder, split)
    if not labelled and not training:
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:12]) or "nothing"
        raise DataError(
            f"{folder} holds no training rows of the split {split!r} and no corpus with queries and qrels; "
            f"found: {found}; {KNOWN}"
        )
    if labelled and not with_labels:
        qrels_of_split(folder, split)  # says that the split is missing before a large corpus is read
    for file in training:
        read_rows(any_rows(file, draft.hazards), draft, relevant_from)
    # A pool beside training rows is where negatives are looked for: it is read even if every row brings its texts.
    return _Parts(
        folder.resolve().name,
        [folder, *(file.parent for file in training)],
        [named for file in training for named in corpus_folders(file)],
        read_texts(documents, "documents", draft.hazards) if documents else None,
        read_texts(queries, "queries", draft.hazards) if queries else None,
        folder if labelled else None,
    )


def _of_saved(folder: Path, split: str, draft: Draft, relevant_from: int) -> _Parts:
    splits = hf.load(folder)
    tables: dict[What, pl.DataFrame] = {}
    for what in ("documents", "queries"):
        name = next((s for s in STEMS[what] if s in splits), None)
        if name is not None:
            tables[what] = from_frame(splits.pop(name), what, f"{folder.name}/{name}", draft.hazards)
    name = split if split in splits else "" if "" in splits else None
    if name is None:
        raise DataError(
            f"{folder.name} has no split {split!r}; the splits that exist: {', '.join(splits) or 'none'} "
            "(choose one with --split)"
        )
    label = f"{folder.name}/{name}" if name else folder.name
    read_rows(frame_rows(splits[name], label, draft.hazards), draft, relevant_from)
    return _Parts(
        folder.resolve().name,
        [folder, folder.resolve().parent],
        corpus=tables.get("documents"),
        queries=tables.get("queries"),
    )
