"""Files that are either complete or not there, one writer at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foils.errors import DataError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Write a file as a whole: what is at ``path`` changes at once and on success only.

    The block gets a temporary path in the same folder and writes a file there. When it ends, the file is flushed to
    disk and takes the place of ``path``; when it fails, the temporary file is removed and ``path`` is as before.
    Missing folders are made; a symbolic link is followed, not replaced.

    Args:
        path: where the file shall be.

    Raises:
        DataError: the folder cannot be written, the disk is full, or ``path`` is something else than a file.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "runs" / "note.txt"
    >>> with atomic(target) as temporary:
    ...     _ = temporary.write_text("complete", encoding="utf-8")
    >>> target.read_text(encoding="utf-8"), [p.name for p in target.parent.iterdir()]
    ('complete', ['note.txt'])
    """
    try:
        target = Path(path).resolve()
        temporary = target.with_name(f".foils-{secrets.token_hex(6)}.tmp")
        if target.exists() and not target.is_file():
            found = "a folder" if target.is_dir() else "a device or pipe"
            raise DataError(f"cannot write {path}: it is {found}; give the path of a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(target)
            if os.name == "posix":
                # The new name itself must survive a power cut, not only the bytes.
                _flush(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"cannot write {path}: {reason}; a folder with write permission and room is needed") from error


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes as a whole or not at all; errors as in :func:`atomic`."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    r"""Write text as UTF-8 with ``\n`` line ends, as a whole or not at all; errors as in :func:`atomic`."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Let one block at a time, of all threads and processes that ask, read and replace a file of a folder.

    Fails open: where the file system has no such lock, the block runs without.

    Raises:
        DataError: the folder cannot be opened.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"cannot open {folder}: {error.strerror or error}; a folder is needed") from error
    try:
        # A folder on NFS cannot be locked.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def lines_of(text: str) -> list[str]:
    r"""The lines of a file, without their ends; only ``\n`` and ``\r\n`` end one, for a text may hold Unicode's others.

    >>> lines_of("a\u2028b\r\n\nc\n")
    ['a\u2028b', '', 'c']
    """
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
