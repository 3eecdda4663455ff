"""Files that are either complete or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
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


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
