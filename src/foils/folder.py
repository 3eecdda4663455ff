"""The run folder: what a run leaves on disk, and what a killed run continues from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foils.collection import LABELS, Collection
from foils.errors import DataError
from foils.files import atomic, write_text
from foils.ledger import Ledger
from foils.outcome import given
from foils.pairs import BASE, Pairs

MANIFEST = "manifest.json"
WORK = ".work"
NEXT = "next"
TEXTS = ("corpus", "queries", "positives")
STORED = ("recipe.toml", "pairs.parquet", "ledger.json", "report.html", *(f"collection/{n}.parquet" for n in TEXTS))
BESIDE = ("made.jsonl", "both.jsonl", "both.json")
CATEGORIES = ("dropped", "kind", "judged_by", "filled")


def table(pairs: Pairs) -> tuple[pl.DataFrame, Collection]:
    """The table as it is stored, and the collection cut down to the documents and queries in it."""
    frame, collection = pairs.frame, pairs.collection
    docs, doc_rows = _renumber(frame["doc"], collection.corpus.height)
    queries, query_rows = _renumber(frame["query"], collection.queries.height)
    corpus, questions = collection.corpus[docs], collection.queries[queries]
    labels = pl.DataFrame(frame.filter(given()).select("query", "doc")).join(
        collection.positives, on=["query", "doc"], how="left", maintain_order="left"
    )
    labels = labels.with_columns(
        query=pl.Series(query_rows).gather(labels["query"]), doc=pl.Series(doc_rows).gather(labels["doc"])
    )
    cut = Collection(corpus, questions, labels.cast(LABELS), name=collection.name)  # type: ignore[arg-type]
    numbered = frame.with_columns(
        query=pl.Series(query_rows).gather(frame["query"]), doc=pl.Series(doc_rows).gather(frame["doc"])
    )
    stored = numbered.select(
        questions["id"].gather(numbered["query"]).alias("query_id"),
        corpus["id"].gather(numbered["doc"]).alias("doc_id"),
        *("query", "doc", "positive"),
        _enum(numbered["dropped"]),
        origin(pairs),
        *(c for c in numbered.columns if c not in BASE),
        *("p_relevant", _enum(numbered["judged_by"]), _enum(numbered["kind"]), "weight", _enum(numbered["filled"])),
    )
    return stored, cut


def origin(pairs: Pairs) -> pl.Series:
    """The sources that found each row, joined by "+"; null for a positive that none found.

    A list column would say the same, but takes seconds longer to write per ten million rows (docs/benchmarks.md).
    """
    names = pairs.sources
    found = [pl.col(f"rank.{s}").is_not_null().cast(pl.UInt32) * (1 << i) for i, s in enumerate(names)]
    code = pairs.frame.select(pl.sum_horizontal(found) if found else pl.lit(0).repeat_by(0)).to_series()
    seen = code.unique().sort().to_list()
    texts = {c: "+".join(s for i, s in enumerate(names) if c >> i & 1) for c in seen}
    kind = pl.Enum(sorted({t for t in texts.values() if t}))
    lookup = pl.Series([texts.get(c) or None for c in range(max(seen, default=0) + 1)], dtype=kind)
    return lookup.gather(code).alias("origin")


def _renumber(rows: pl.Series, size: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    used = np.zeros(size, dtype=np.bool_)
    used[rows.to_numpy()] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1).astype(np.uint32)


def _enum(values: pl.Series) -> pl.Series:
    return values.cast(pl.Enum(sorted(values.unique().drop_nulls().cast(pl.String).to_list())))


def _restore(stored: pl.DataFrame, collection: Collection, soft: frozenset[str]) -> Pairs:
    frame = stored.drop("query_id", "doc_id", "origin", strict=False)
    frame = frame.with_columns(pl.col(c).cast(pl.String).cast(pl.Categorical) for c in CATEGORIES)
    return Pairs(frame.select(*BASE, *(c for c in frame.columns if c not in BASE)), collection, soft)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot write {path}: {str(error).splitlines()[0]}") from error


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a table at once or not at all."""
    with _disk(path), atomic(path) as temporary:
        # Ids are nearly all distinct within a row group: larger groups make the writer build dictionaries in vain.
        frame.write_parquet(temporary, compression="lz4", row_group_size=1 << 17)


@dataclass(frozen=True)
class Folder:
    """A run folder.

    Args:
        path: the folder.
        key: what the run was made from (collection, recipe, version): only the same key continues.
    """

    path: Path
    key: str = ""

    def open(self, *, overwrite: bool = False) -> bool:
        """Prepare for writing; true if the same run is here, complete.

        Raises:
            DataError: the folder holds another run or other files, or cannot be written.
        """
        manifest = self.path / MANIFEST
        state = self.path / WORK / "key"
        if not overwrite and manifest.is_file() and read_json(manifest).get("key") == self.key:
            return True
        ours = state.is_file() and state.read_text(encoding="utf-8") == self.key
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file; -o names the folder of the run")
        foreign = self.path.is_dir() and any(self.path.iterdir()) and not ours
        if foreign and not overwrite:
            what = "another run" if manifest.is_file() or state.exists() else "other files"
            raise DataError(f"{self.path} holds {what}; name another folder, or add --overwrite to replace a run")
        if foreign:
            self._clear()
        write_text(state, self.key)
        return False

    def _clear(self) -> None:
        """Remove what a run writes, and nothing else."""
        with _disk(self.path):
            (self.path / MANIFEST).unlink(missing_ok=True)
            # What was made for the old run goes with it; verdicts are of pairs of texts, whatever the run.
            for name in ("recipe.toml", "pairs.parquet", "ledger.json", "report.html", *BESIDE):
                (self.path / name).unlink(missing_ok=True)
            for name in ("collection", WORK):
                shutil.rmtree(self.path / name, ignore_errors=True)

    def save(self, step: int, pairs: Pairs, ledger: Ledger) -> None:
        """Keep the state after a step, for a run that is killed later."""
        write_parquet(pairs.frame, self.path / WORK / f"{step}.parquet")
        state = {"step": step, "soft": sorted(pairs.soft), "ledger": json.loads(ledger.to_json())}
        write_text(self.path / WORK / "state.json", json.dumps(state))
        for old in (self.path / WORK).glob("*.parquet"):
            if old.stem != str(step):
                old.unlink(missing_ok=True)

    def latest(self, collection: Collection) -> tuple[int, Pairs, Ledger] | None:
        """The state of a killed run: steps done, the table, the ledger so far."""
        state = self.path / WORK / "state.json"
        if not state.is_file():
            return None
        saved = read_json(state)
        frame = pl.read_parquet(self.path / WORK / f"{saved['step']}.parquet")
        pairs = _restore(frame, collection, frozenset(saved["soft"]))
        return saved["step"], pairs, Ledger.from_json(json.dumps(saved["ledger"]))

    def finish(self, pairs: Pairs, recipe: str, ledger: Ledger, report: str) -> None:
        """Write everything, the manifest last."""
        self._write(self.path, pairs, recipe, ledger, report)
        shutil.rmtree(self.path / WORK, ignore_errors=True)

    def replace(self, pairs: Pairs, recipe: str, ledger: Ledger, report: str) -> None:
        """Put another state of a complete run in its place: after a kill it is the old or the new one, never both."""
        fresh = self.path / WORK / NEXT
        shutil.rmtree(fresh, ignore_errors=True)
        self._write(fresh, pairs, recipe, ledger, report)
        self.settle()

    def settle(self) -> None:
        """Finish a replacement that a kill has cut short; the new manifest moves last, and until then it can go on."""
        fresh = self.path / WORK / NEXT
        if not (fresh / MANIFEST).is_file():
            return
        with _disk(self.path):
            for name in (*STORED, MANIFEST):
                if (fresh / name).is_file():
                    (self.path / name).parent.mkdir(exist_ok=True)
                    (fresh / name).replace(self.path / name)
        shutil.rmtree(self.path / WORK, ignore_errors=True)

    def _write(self, where: Path, pairs: Pairs, recipe: str, ledger: Ledger, report: str) -> None:
        stored, cut = table(pairs)
        write_text(where / "recipe.toml", recipe)
        for name in TEXTS:
            write_parquet(getattr(cut, name), where / "collection" / f"{name}.parquet")
        write_parquet(stored, where / "pairs.parquet")
        write_text(where / "ledger.json", ledger.to_json())
        write_text(where / "report.html", report)
        manifest = {
            "key": self.key,
            "name": pairs.collection.name,
            "soft": sorted(pairs.soft),
            "counts": pairs.counts(),
            "sha256": {name: _sha256(where / name) for name in sorted(STORED) if name != "ledger.json"},
        }
        write_text(where / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")

    def load(self) -> tuple[Pairs, str, Ledger]:
        """Read a complete run: the table, the recipe, the ledger.

        Raises:
            DataError: no run, an unfinished run, or files that are missing or cannot be read.
        """
        self.settle()
        if not (self.path / MANIFEST).is_file():
            unfinished = (self.path / WORK).is_dir()
            hint = "an unfinished run; the command that began it continues it" if unfinished else "no manifest.json"
            raise DataError(f"{self.path} is not a complete run folder: {hint}")
        manifest = read_json(self.path / MANIFEST)
        try:
            corpus, queries, positives = (pl.read_parquet(self.path / "collection" / f"{n}.parquet") for n in TEXTS)
            # What the row numbers say already is not read.
            said = ("query_id", "doc_id", "origin")
            stored = pl.scan_parquet(self.path / "pairs.parquet").drop(said, strict=False).collect()
            recipe = (self.path / "recipe.toml").read_text(encoding="utf-8")
            ledger = Ledger.from_json((self.path / "ledger.json").read_text(encoding="utf-8"))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{self.path} is damaged: {str(error).splitlines()[0]}") from error
        collection = Collection(corpus, queries, positives, name=manifest.get("name", ""))
        return _restore(stored, collection, frozenset(manifest.get("soft", ()))), recipe, ledger


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the run folder."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a JSON object")
    return value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
