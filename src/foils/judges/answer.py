"""AnswerJudge: whether an answer of the query stands in the document, word for word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges.cases import abstain, cases, short_hash
from foils.pairs import Pairs
from foils.protocols import Engine, Verdict
from foils.texts import words


@dataclass(frozen=True)
class AnswerJudge:
    """Looks for the query's answers in the document: their words, one after the other.

    The rule of DPR (arXiv:2004.04906) with the normalisation of SQuAD: case, width, punctuation and the articles a,
    an, the put aside. Abstains for queries without answers. As the rule in TinyV's pattern (arXiv:2505.14625): see
    ``Cascade`` with ``ask="rejected"``. Fails on short answers ("two", "yes"), which stand in passages that do not
    answer, and on answers in other words.

    Args:
        column: the query column with the answers: a string, a list of strings, or SQuAD's struct with ``text``.
        found: the probability where an answer stands in the document. A convention, not measured.
        missing: the probability where none does.
    """

    column: str = "answers"
    found: float = 0.9
    missing: float = 0.1

    @property
    def name(self) -> str:
        """The rule and its options."""
        return f"answer@{short_hash(repr(self))}"

    @property
    def families(self) -> frozenset[str]:
        """Strings."""
        return frozenset({"string"})

    def check(self) -> None:
        """The probabilities must say something."""
        if not 0.0 <= self.missing < self.found <= 1.0:
            raise RecipeError(f"{self}: missing must be below found, both within [0, 1]")

    def facts(self) -> dict[str, str]:
        """The rule."""
        return {"judge": self.name, "options": repr(self)}

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """Look into every document."""
        queries = pairs.collection.queries
        if self.column not in queries.columns:
            raise RecipeError(
                f"answer: the queries have no column {self.column!r}; there are: {', '.join(queries.columns)}"
            )
        part = pairs.frame["query"].gather(rows)
        wanted = _lists(queries[self.column].gather(part.unique().sort()))
        answers = dict(zip(part.unique().sort().to_list(), wanted, strict=True))
        documents = _bare([case.document for case in cases(pairs, rows)])
        return [self._verdict(answers[q], d) for q, d in zip(part.to_list(), documents, strict=True)]

    def _verdict(self, answers: list[str], document: str) -> Verdict:
        if not answers:
            return abstain(self.name, "the query has no answers")
        hit = next((a for a in answers if a in document), None)
        if hit is None:
            return Verdict(self.missing, self.name, f"none of {len(answers)} answers stands in it")
        return Verdict(self.found, self.name, hit.strip())


def _lists(answers: pl.Series) -> list[list[str]]:
    """Per query its answers, bare; those without a word are left out."""
    if isinstance(answers.dtype, pl.Struct):
        answers = answers.struct.field("text")
    if not isinstance(answers.dtype, pl.List):
        answers = answers.cast(pl.String).reshape((answers.len(), 1)).arr.to_list()
    kept = [[str(a) for a in found or () if a is not None] for found in answers.to_list()]
    flat = iter(_bare([a for found in kept for a in found]))
    return [[bare for bare in (next(flat) for _ in found) if bare.strip()] for found in kept]


def _bare(strings: list[str]) -> list[str]:
    """Words without articles, a space before and after each."""
    padded = pl.select(pl.lit(" ") + pl.lit(words(pl.Series(strings, dtype=pl.String))) + pl.lit(" ")).to_series()
    return padded.str.replace_all(r" (?:(?:a|an|the) )+", " ").to_list()
