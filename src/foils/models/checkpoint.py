"""Where a model's files are, what they say, and a fingerprint of them; loads no torch."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foils.errors import DataError, MissingExtra
from foils.files import write_bytes

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SETTLED = 2.0  # seconds: a file written more recently can change again within the clock's resolution


def check_model(model: str, purpose: str) -> None:
    """Raise unless sentence-transformers is installed and the model can be found.

    Args:
        model: a folder, or the id of a model on the Hugging Face hub.
        purpose: what the user asked for, for the message.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        DataError: there is no such model.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtra("sentence-transformers", "models", purpose)
    if all(read_json(model, name) is None for name in ("config.json", "modules.json")):
        raise DataError(
            f"{model!r} holds no model: neither config.json nor modules.json is there; "
            "give a folder saved by sentence-transformers or transformers"
        )


def read_json(model: str, name: str) -> Any:
    """A small file of the model, parsed; null if the model has none of that name.

    Raises:
        DataError: the model cannot be found, or the file is not JSON.
    """
    path = _locate(model, name)
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); copy the model again") from error


def is_static(model: str) -> bool:
    """Whether the model is a table of token vectors (static embeddings), which has no layers and cuts no text."""
    modules = read_json(model, "modules.json") or [{}]
    return str(modules[0].get("type", "")).endswith("StaticEmbedding")


def revision(model: str) -> str | None:
    """The commit of a hub model as it lies in the local hub cache; null for a folder."""
    if Path(model).is_dir():
        return None
    found = _locate(model, "config.json") or _locate(model, "modules.json")
    return found.parent.name if found else None


def fingerprint(model: str, memo: Path | None = None) -> str:
    """A hash that changes with any file of the model that can change its output.

    A hub model is named by its commit. In a folder every file is read, weights, tokenizer and settings alike; left
    out are hidden files and ``*.md``. A file's hash is remembered under path, size, inode and times.

    Args:
        model: a folder or hub id.
        memo: folder to remember hashes in; null: nothing is remembered.
    """
    folder = Path(model)
    if not folder.is_dir():
        return hashlib.blake2b(f"{model}@{revision(model)}".encode(), digest_size=16).hexdigest()
    known = _load_memo(memo)
    digest = hashlib.blake2b(digest_size=16)
    fresh: dict[str, str] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        inside = path.relative_to(folder)
        if path.suffix.lower() == ".md" or any(part.startswith(".") for part in inside.parts):
            continue
        stat = path.stat()
        times = f"{stat.st_size}:{stat.st_ino}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
        state = f"{path.resolve()}:{times}"
        value = known.get(state) or _hash_file(path)
        if time.time() - max(stat.st_mtime, stat.st_ctime) > SETTLED:
            fresh[state] = value
        digest.update(f"{inside.as_posix()}\0{value}\0".encode())
    if memo is not None and not fresh.items() <= known.items():
        write_bytes(memo / "fingerprints.json", json.dumps(known | fresh).encode())
    return digest.hexdigest()


def versions() -> str:
    """Versions, to the minor number, of what turns texts into numbers; a part of every cache key."""
    found = {p: importlib.metadata.version(p) for p in ("sentence-transformers", "transformers", "torch")}
    return ", ".join(f"{p} {'.'.join(v.split('.')[:2])}" for p, v in found.items())


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the bars and remarks that libraries print while they load a model off the terminal."""
    from transformers import utils

    logging: Any = utils.logging  # its functions have no annotations
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _locate(model: str, name: str) -> Path | None:
    folder = Path(model)
    if folder.is_dir():
        path = folder / name
        return path if path.is_file() else None
    if folder.exists() or not HUB_ID.fullmatch(model):
        found = "a file" if folder.exists() else "nothing there"
        raise DataError(
            f"the model {model!r} was not found ({found}); give an existing folder or a hub id (owner/name)"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(model, name))
    except LocalEntryNotFoundError as error:
        raise DataError(
            f"the model {model!r} is no folder, is not in the local hub cache, and the hub cannot be reached; "
            "check the path, or fetch the model first"
        ) from error
    except EntryNotFoundError:
        return None
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"the model {model!r} is neither a folder nor a readable hub model ({reason})") from error


def _load_memo(memo: Path | None) -> dict[str, str]:
    if memo is None:
        return {}
    try:
        found = json.loads((memo / "fingerprints.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
