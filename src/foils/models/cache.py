"""A cache of rows of numbers under the hashes of texts: embeddings, and scores of pairs.

One folder per key (model, prompt, length, precision), in it append-only shards ``NNNNN-<checksum>.npy``: a structured
array of ``key`` (16 bytes) and ``vector`` (d float32). A shard appears whole, under its final name, or not at all; two
processes may write at once. A shard that cannot be read, or whose checksum differs, is passed over and encoded again.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foils.files import write_bytes

KEY_BYTES = 16
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 15.0
IN_MEMORY_BYTES = 2 * 1024**3
SHARD = re.compile(r"(\d{5,})-([0-9a-f]{8})\.npy")

Keys = NDArray[np.bytes_]
Parts = Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]


def text_keys(*columns: Sequence[str]) -> Keys:
    """A 16-byte hash per row of texts; several columns are hashed together, so that ("ab", "c") is not ("a", "bc")."""
    digests = bytearray()
    for row in zip(*columns, strict=True):
        digest = hashlib.blake2b(digest_size=KEY_BYTES)
        for text in row:
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
        digests += digest.digest()
    return np.frombuffer(bytes(digests), dtype=f"S{KEY_BYTES}")


def open_folder(cache: Path | None, what: dict[str, str]) -> Path | None:
    """The folder for rows made in exactly this way; ``key.json`` in it says what the way is.

    Args:
        cache: the cache's root; null: nothing is kept.
        what: everything that the numbers depend on besides the text.
    """
    if cache is None:
        return None
    plain = json.dumps(what, sort_keys=True, indent=1).encode()
    folder = cache / hashlib.blake2b(plain, digest_size=KEY_BYTES).hexdigest()
    if not (folder / "key.json").exists():
        write_bytes(folder / "key.json", plain)
    return folder


def cached(folder: Path | None, keys: Keys, make: Callable[[NDArray[np.int64]], Parts]) -> NDArray[np.float32]:
    """Rows (n, d) for ``keys``: from the cache what is there, the rest made once per distinct key and kept.

    Args:
        folder: of ``open_folder``; null: everything is made.
        keys: one per row, of ``text_keys``.
        make: gets positions in ``keys`` (one per missing key, in the order of the keys, so that it depends only on
            the set of texts) and gives, in parts, positions with their rows. After each part the work done may be
            written, so a run killed and started again gets a whole number of parts from the cache.
    """
    distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rows = _Rows(len(keys), folder)
    there = np.zeros(len(distinct), dtype=np.bool_)
    for shard in _shards(folder) if len(keys) else ():
        at = np.minimum(np.searchsorted(distinct, shard["key"]), len(distinct) - 1)
        new = np.flatnonzero((distinct[at] == shard["key"]) & ~there[at])
        rows.put(first[at[new]], shard["vector"][new])
        there[at[new]] = True
    missing = first[~there].astype(np.int64)
    if missing.size:
        with _Writer(folder) as writer:
            for where, vectors in make(missing):
                rows.put(where, vectors)
                writer.add(keys[where], vectors)
    repeated = np.flatnonzero(first[inverse] != np.arange(len(keys)))
    rows.put(repeated, rows.array[first[inverse[repeated]]])
    return rows.array


def missing_count(folder: Path | None, keys: Keys) -> int:
    """How many distinct keys the cache lacks."""
    distinct = np.unique(keys)
    for shard in _shards(folder):
        distinct = np.setdiff1d(distinct, shard["key"])
    return len(distinct)


class _Rows:
    """The result, allocated when the width is known; in a temporary file where it is large."""

    def __init__(self, n: int, folder: Path | None) -> None:
        self.n, self.folder = n, folder
        self.array: NDArray[np.float32] = np.zeros((n, 0), dtype=np.float32)

    def put(self, where: NDArray[Any], vectors: NDArray[np.float32]) -> None:
        if where.size == 0:
            return
        if self.array.shape[1] == 0:
            self.array = self._allocate((self.n, vectors.shape[1]))
        self.array[where] = vectors

    def _allocate(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        if shape[0] * shape[1] * 4 <= IN_MEMORY_BYTES:
            return np.zeros(shape, dtype=np.float32)
        # The mapping keeps the unnamed file alive; it is gone when the array is. Beside the cache, because the
        # system's temporary folder may itself be memory.
        with tempfile.TemporaryFile(dir=self.folder) as file:
            return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


@dataclass
class _Writer:
    """Collects parts and writes them as one shard when there are many, when time has passed, and at the end."""

    folder: Path | None
    keys: list[Keys] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        # Also after an exception: the parts are whole, and paid for.
        self.flush()

    def add(self, keys: Keys, vectors: NDArray[np.float32]) -> None:
        if self.folder is None:
            return
        self.keys.append(keys)
        self.vectors.append(vectors)
        if sum(map(len, self.keys)) >= FLUSH_ROWS or time.monotonic() - self.since >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self.folder is not None and self.keys:
            _write_shard(self.folder, np.concatenate(self.keys), np.concatenate(self.vectors))
        self.keys, self.vectors, self.since = [], [], time.monotonic()


def _write_shard(folder: Path, keys: Keys, vectors: NDArray[np.float32]) -> None:
    table = np.empty(len(keys), dtype=[("key", keys.dtype), ("vector", np.float32, vectors.shape[1:])])
    table["key"], table["vector"] = keys, vectors
    number = 1 + max((int(m[1]) for m in map(SHARD.fullmatch, _names(folder)) if m), default=-1)
    buffer = io.BytesIO()
    np.save(buffer, table, allow_pickle=False)
    # The checksum in the name finds damage, and keeps two processes that took the same number apart.
    write_bytes(folder / f"{number:05d}-{zlib.crc32(buffer.getbuffer()):08x}.npy", buffer.getvalue())


def _shards(folder: Path | None) -> Iterator[NDArray[Any]]:
    for name in _names(folder):
        match = SHARD.fullmatch(name)
        if match is None or folder is None:
            continue
        try:
            with (folder / name).open("rb") as file:
                if _crc(iter(lambda: file.read(1 << 22), b"")) != int(match[2], 16):
                    continue
            yield np.load(folder / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            continue


def _crc(blocks: Iterable[bytes]) -> int:
    value = 0
    for block in blocks:
        value = zlib.crc32(block, value)
    return value


def _names(folder: Path | None) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder is not None and folder.is_dir() else []
