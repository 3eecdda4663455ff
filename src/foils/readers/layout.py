"""What lies in a folder: which files hold documents, queries, labels and training rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from foils.errors import DataError
from foils.readers.sources import kind_of, stem_of
from foils.readers.texts import What

STEMS: dict[str, tuple[str, ...]] = {
    "documents": ("corpus", "documents", "document", "docs", "collection", "passages", "pool", "candidate_pool"),
    "queries": ("queries", "query", "topics", "questions"),
    "labels": ("qrels", "qrel", "labels", "positives"),
}
SPLITS = ("train", "dev", "validation", "valid", "val", "test")


def texts_beside(folder: Path, what: What, split: str) -> list[Path]:
    """The files of a folder that hold documents or queries; those of the split where they are told apart."""
    found = [f for entry in _named(folder, what) for f in _files(entry)]
    return _of_split(found, split)


def data_files(folder: Path) -> list[Path]:
    """All files of a folder that can hold a table; the folder itself may be one file."""
    return _files(folder) if folder.exists() else []


def qrels_beside(folder: Path) -> dict[str, Path]:
    """The label files of a folder by split; a file without a split in its name is under the empty name."""
    found: dict[str, Path] = {}
    for entry in _named(folder, "labels"):
        inside = entry.is_dir()
        for file in _files(entry):
            words = _words(stem_of(file))
            split = next((w for w in words if w in SPLITS), stem_of(file) if inside else "")
            found.setdefault(split, file)
    return found


def qrels_of_split(folder: Path, split: str) -> Path:
    """The label file of a split.

    Raises:
        DataError: there is none; says which splits there are.
    """
    found = qrels_beside(folder)
    if split in found:
        return found[split]
    if set(found) == {""}:
        return found[""]
    there = ", ".join(sorted(filter(None, found))) or "none"
    raise DataError(
        f"{folder.name} has no labels of the split {split!r}; the splits that exist: {there} (choose one "
        "with --split, or name a file with --positives)"
    )


def training_files(folder: Path, split: str) -> list[Path]:
    """The files of a folder that can hold training rows: neither documents, queries nor labels."""
    places = [folder, *(folder / name for name in ("data", split) if (folder / name).is_dir())]
    files = [f for place in places for f in sorted(place.iterdir()) if f.is_file() and kind_of(f)]
    rest = [f for f in files if _role(f) is None and not f.name.startswith((".", "_"))]
    rest = [f for f in rest if kind_of(f) != "json" or len(files) == 1 or _words(stem_of(f))[0] in (*SPLITS, "hard")]
    return _of_split(rest, split)


def _named(folder: Path, what: str) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _role(entry) == what and (entry.is_dir() or kind_of(entry)):
            yield entry


def _role(entry: Path) -> str | None:
    words = _words(stem_of(entry))
    if words[:1] == ["qgen"]:
        # GPL: the generated queries; their qrels say no more than its training rows.
        return "queries" if words[1:2] == ["queries"] else None
    if not words:
        return None
    known = {what: (words[0] in stems or "_".join(words[:2]) in stems) for what, stems in STEMS.items()}
    return next((what for what, yes in known.items() if yes), None)


def _words(stem: str) -> list[str]:
    return [w for w in re.split(r"[._\-\s]+", stem.lower()) if w]


def _files(entry: Path) -> list[Path]:
    if entry.is_file():
        return [entry]
    return [f for f in sorted(entry.iterdir()) if f.is_file() and kind_of(f) and kind_of(f) != "json"]


def _of_split(files: list[Path], split: str) -> list[Path]:
    told = {f: next((w for w in _words(stem_of(f)) if w in SPLITS), None) for f in files}
    if any(told.values()):
        own = [f for f in files if told[f] == split]
        return own or [f for f in files if told[f] is None]
    return files
