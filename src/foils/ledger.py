"""Ledger: what every step of a run did, as plain numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from foils.collection import Finding
from foils.errors import DataError


@dataclass(frozen=True)
class Entry:
    """What one step did.

    Args:
        step: the step's label.
        repr: its recipe line, with every option.
        rows: rows of the table after the step, positives included.
        live: negatives that no step had dropped, after the step.
        dropped: rows that this step newly took out, by reason.
        seconds: wall time.
        peak_mb: peak memory of the process so far, in MB (10^6 bytes).
        facts: what the step tells about its models: versions, precision, fingerprints.
    """

    step: str
    repr: str
    rows: int
    live: int
    dropped: dict[str, int]
    seconds: float
    peak_mb: float
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ledger:
    """Everything that is written down about a run.

    Args:
        entries: one per step, in order.
        findings: what was irregular in the input.
        versions: of the packages used, by name.
        sizes: of the collection that was read: ``documents``, ``queries``, ``positives``.
    """

    entries: tuple[Entry, ...] = ()
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON text with sorted keys.

        Raises:
            DataError: a number is NaN or infinite, which JSON cannot hold.

        >>> print(Ledger(versions={"foils": "0.1.0"}).to_json())
        {
         "entries": [],
         "findings": [],
         "sizes": {},
         "versions": {
          "foils": "0.1.0"
         }
        }
        """
        try:
            return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise DataError("the ledger holds a number that is NaN or infinite; JSON needs finite numbers") from error

    @staticmethod
    def from_json(text: str, where: str = "ledger.json") -> Ledger:
        """Read it back.

        Args:
            text: what ``to_json`` wrote.
            where: the file's name, for the error.

        Raises:
            DataError: the text is not a ledger.
        """
        try:
            table: dict[str, Any] = json.loads(text)
            entries = tuple(Entry(**entry) for entry in table["entries"])
            findings = tuple(Finding(**f | {"examples": tuple(f["examples"])}) for f in table["findings"])
            return Ledger(entries, findings, dict(table["versions"]), dict(table["sizes"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{where} is not a ledger of foils: {error}; run foils mine again to write it") from error
