"""Answers of language models on disk, each written when it arrives: what was paid for once is never asked again.

One SQLite file. A row is committed before its thread sends the next question, so that a killed process loses nothing
but the questions in flight (a power cut may cost the last seconds).
Parsing is no part of this: a better parser costs no call.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from foils.errors import DataError
from foils.models.questions import Answer

FILE = Path("llm") / "answers.sqlite"
TABLE = """
create table if not exists answers (
    key text primary key, model text not null, prompt text not null, text text, finish text not null,
    tokens_in integer not null, tokens_out integer not null, counted integer not null, logprobs text, at real not null
) without rowid
"""
COLUMNS = "text, finish, tokens_in, tokens_out, counted, logprobs"


class AnswerCache:
    """Answers by key; safe for threads, for several processes and for ``kill -9``.

    Args:
        folder: the cache's root; null: answers live as long as this object.

    Raises:
        DataError: the file cannot be opened or is something else.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / FILE
        self._lock = threading.Lock()
        with self._errors():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path or ":memory:", timeout=60.0, check_same_thread=False)
            weakref.finalize(self, self._file.close)
            self._file.execute("pragma journal_mode = wal")
            self._file.execute("pragma synchronous = normal")
            self._file.execute(TABLE)
            self._file.commit()

    def get(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The answers that are there."""
        found: dict[str, Answer] = {}
        with self._lock, self._errors():
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"select key, {COLUMNS} from answers where key in ({marks})"  # noqa: S608 - only marks vary
                for key, text, finish, tokens_in, tokens_out, counted, logprobs in self._file.execute(query, part):
                    content = None if logprobs is None else json.loads(logprobs)
                    found[key] = Answer(text, finish, tokens_in, tokens_out, bool(counted), content)
        return found

    def knows(self, model: str) -> bool:
        """Whether there is any answer of a model."""
        with self._lock, self._errors():
            return bool(self._file.execute("select 1 from answers where model = ? limit 1", (model,)).fetchone())

    def put(self, key: str, model: str, prompt: str, answer: Answer) -> None:
        """Keep an answer; the first one under a key stays."""
        logprobs = None if answer.logprobs is None else json.dumps(answer.logprobs)
        values = (answer.text, answer.finish, answer.tokens_in, answer.tokens_out, int(answer.counted), logprobs)
        with self._lock, self._errors():
            self._file.execute(
                "insert or ignore into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (key, model, prompt, *values, time.time()),
            )
            self._file.commit()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise DataError(
                f"{self.path or 'the memory'} cannot keep answers: {error}; "
                "move the file away if it is damaged, or give another --cache"
            ) from error
