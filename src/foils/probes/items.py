"""A probe: two texts that differ in little, of which only one answers."""

from __future__ import annotations

from typing import NamedTuple

from foils.errors import DataError
from foils.readers.values import Place

Ask = tuple[str, str]


class Contest(NamedTuple):
    """Two (query, text) pairs of which the first must get the higher score."""

    right: Ask
    wrong: Ask


class Probe(NamedTuple):
    """A query, a text that answers it and a text that reads much the same and does not.

    Args:
        set: the file or source it comes from.
        id: within the set.
        pair: probes with the same pair turn the same two texts round; empty: it stands alone.
        type: what the two texts differ in, for instance ``negation``.
        query: the question or claim.
        right: the text that answers.
        wrong: the text that does not.
        twin: a second text that answers, in other words.
        wrong_query: what ``wrong`` is scored with; null: the query. With ``wrong`` equal to ``right`` the probe asks
            which of two queries a text answers.
        mutual: query and right text say the same thing (two captions), so that each must find the other.
    """

    set: str
    id: str
    pair: str
    type: str
    query: str
    right: str
    wrong: str
    twin: str | None = None
    wrong_query: str | None = None
    mutual: bool = False

    @property
    def cluster(self) -> tuple[str, str]:
        """Probes that are not independent of each other: of one pair, or with the same query."""
        return (self.set, f"pair {self.pair}" if self.pair else f"query {self.query}")

    @property
    def first(self) -> Contest:
        """The right text against the wrong one."""
        return Contest((self.query, self.right), (self.wrong_query or self.query, self.wrong))

    @property
    def second(self) -> Contest | None:
        """What the strict measure asks as well: the twin, or the two captions the other way round."""
        if self.twin is not None:
            return Contest((self.query, self.twin), (self.wrong_query or self.query, self.wrong))
        return Contest((self.right, self.query), (self.right, self.wrong)) if self.mutual else None


def check(probe: Probe, place: Place) -> Probe:
    """The probe, if it can be asked; one that nobody can win is counted as a blemish of the set.

    Raises:
        DataError: a text is empty.
    """
    texts = {"query": probe.query, "right": probe.right, "wrong": probe.wrong}
    texts |= {k: v for k, v in (("twin", probe.twin), ("wrong_query", probe.wrong_query)) if v is not None}
    for name, text in texts.items():
        if not text.strip():
            raise DataError(f"{place}: {name} is empty; a probe needs a query, a right and a wrong text")
    if probe.first.right == probe.first.wrong:
        place.note("probes whose right and wrong text are the same", "kept; nothing can win them")
    return probe
