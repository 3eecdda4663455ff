"""Sheet: a table that a person fills in."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import DataError
from foils.files import write_text
from foils.judges.cases import Case, abstain, cases, cut
from foils.models.questions import NOT_ASKED
from foils.pairs import Pairs
from foils.protocols import Engine, Verdict
from foils.verdicts import keys

HEADER = ("relevant", "query", "document", "known_positive", "why", "query_id", "doc_id", "texts")
MARK = "x"  # before a hash, which spreadsheets otherwise take for a number where it has no letter, or an e only
Row = dict[str, str]
Key = tuple[str, str, str]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
WORDS = {
    **dict.fromkeys(("yes", "y", "1", "true", "relevant"), 1.0),
    **dict.fromkeys(("no", "n", "0", "false", "not relevant"), 0.0),
    **dict.fromkeys(("?", "-", "unclear", "cannot tell"), None),
}


@dataclass(frozen=True)
class Sheet:
    """Lets a person judge in a spreadsheet: writes the pairs to a CSV file, reads the column ``relevant`` back.

    Pairs that the sheet lacks are added at its end; what is filled in stays, and what is corrected counts from the next
    call on. A cell says ``yes``, ``no`` or ``?``
    (cannot tell), an empty one nothing yet. A person is the yardstick of every rate (``risk.independent``). Fails
    where the sheet is sorted by score or shows what a model said: both anchor people, so neither is in it.

    Args:
        path: the CSV file (UTF-8), which need not exist.
        person: who judges; empty: just "human".
        characters: of a text that are shown.
    """

    path: str | Path
    person: str = ""
    characters: int = 4000

    @property
    def name(self) -> str:
        """Human, and who."""
        return f"human:{self.person}" if self.person else "human"

    @property
    def families(self) -> frozenset[str]:
        """A person."""
        return frozenset({"human"})

    def check(self) -> None:
        """What is in the file already must be readable."""
        self._rows()

    def facts(self) -> dict[str, str]:
        """The file."""
        return {"judge": self.name, "file": str(self.path)}

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """What the sheet says; the pairs that it does not know are added to it."""
        known, ids = self._rows(), keys(pairs, rows)
        found = _found(known, ids)
        new = [i for i, row in enumerate(found) if row is None]
        if new:
            self._add(known, pairs, rows[np.array(new)], ids[new])
        return [self._verdict(row) for row in found]

    def reread(self, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Verdict]:
        """What the sheet says by now; nothing is added to it."""
        return [self._verdict(row) for row in _found(self._rows(), keys(pairs, rows))]

    def _verdict(self, row: Row | None) -> Verdict:
        said = (row or {}).get("relevant", "").strip().lower()
        if not said:
            return abstain(self.name, f"{NOT_ASKED}: the cell is empty")
        p = WORDS[said]
        why = (row or {}).get("why", "")
        return abstain(self.name, why or "cannot tell") if p is None else Verdict(p, self.name, why)

    def _rows(self) -> dict[Key, Row]:
        path = Path(self.path)
        if not path.exists():
            return {}
        try:
            # Spreadsheets of some countries write semicolons.
            text = path.read_text(encoding="utf-8-sig")
            first = text.partition("\n")[0]
            comma = ";" if first.count(";") > first.count(",") else ","
            table = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=comma))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"cannot read the sheet {path}: {error}; it must be CSV in UTF-8") from None
        found = {}
        for number, row in enumerate(table, 2):
            if missing := [c for c in ("relevant", "query_id", "doc_id", "texts") if row.get(c) is None]:
                raise DataError(f"{path}, row {number} lacks {missing[0]}; the columns are {', '.join(HEADER)}")
            if (said := row["relevant"].strip().lower()) and said not in WORDS:
                raise DataError(f"{path}, row {number}: relevant={row['relevant']!r}; write yes, no or ?")
            found[_raw(row["query_id"]), _raw(row["doc_id"]), row["texts"].removeprefix(MARK)] = row
        return found

    def _add(self, known: dict[Key, Row], pairs: Pairs, rows: NDArray[np.uint32], ids: pl.DataFrame) -> None:
        page = io.StringIO(newline="")
        writer = csv.DictWriter(page, HEADER, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: row.get(name) or "" for name in HEADER} for row in known.values())
        for case, (query, doc, texts) in zip(cases(pairs, rows, 1), ids.iter_rows(), strict=True):
            pair = {"query_id": _plain(query), "doc_id": _plain(doc), "texts": MARK + texts}
            writer.writerow(pair | self._shown(case))
        # A mark at the beginning, without which spreadsheets take UTF-8 for something else.
        write_text(self.path, "\ufeff" + page.getvalue())

    def _shown(self, case: Case) -> dict[str, str]:
        texts = (case.query, case.document, case.positives[0] if case.positives else "")
        return {name: _plain(cut(text, self.characters)) for name, text in zip(HEADER[1:4], texts, strict=True)}


def _found(known: dict[Key, Row], ids: pl.DataFrame) -> list[Row | None]:
    """The row of each pair, by its texts where a spreadsheet took the ids for numbers (007 is then 7)."""
    answered_last = sorted(known.items(), key=lambda item: bool(item[1]["relevant"].strip()))
    alike = {texts: row for (_, _, texts), row in answered_last}
    return [known.get(key) or alike.get(key[2]) for key in ids.iter_rows()]


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula (CWE-1236)."""
    return f"'{text}" if text[:1] in FORMULA else text


def _raw(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA else text
