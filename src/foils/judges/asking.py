"""What judges that ask a language model share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges.cases import short_hash
from foils.models.questions import Answer, Client, Estimate, Question
from foils.pairs import Pairs
from foils.protocols import Engine, Verdict

Wording = Literal["first", "second"]


@dataclass(frozen=True)
class Asking(ABC):
    """A judge that turns rows into questions, asks a client, and reads the answers.

    Args:
        chat: the client.
        wording: which of two prompts; they differ in words and in the order of the choices.
        characters: of a document at most; what is beyond is not seen.
    """

    chat: Client
    wording: Wording = "first"
    characters: int = 8000

    @property
    def name(self) -> str:
        """Kind, model, and a hash of the prompt and of all options that change a verdict."""
        return f"{self.kind}:{self.chat.model}@{short_hash(self.prompt, *self.settings, self.chat.version)}"

    @property
    def families(self) -> frozenset[str]:
        """The model."""
        return frozenset({f"llm:{self.chat.model}"})

    @property
    @abstractmethod
    def kind(self) -> str:
        """The registered name."""

    @property
    @abstractmethod
    def prompt(self) -> str:
        """The version of the prompt, part of the key of every kept answer."""

    @property
    def settings(self) -> tuple[str, ...]:
        """Options besides the prompt that a verdict depends on."""
        return (str(self.characters),)

    def check(self) -> None:
        """Client and options must be right; sends nothing."""
        if self.wording not in ("first", "second"):
            raise RecipeError(f"{self.kind}: wording={self.wording!r} is not known; one of first, second")
        if self.characters < 1:
            raise RecipeError(f"{self.kind}: characters={self.characters} shows nothing of a document")
        self.chat.check()

    def facts(self) -> dict[str, str]:
        """The judge, the model, and what was spent."""
        return {"judge": self.name} | self.chat.facts()

    def estimate(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> Estimate:
        """Calls, tokens and cost of judging these rows; sends nothing."""
        return self.chat.estimate(self.questions(pairs, rows), engine)

    def reworded(self) -> Self:
        """The same judge with the other wording."""
        return replace(self, wording="second" if self.wording == "first" else "first")

    @abstractmethod
    def questions(self, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Question]:
        """What would be asked."""

    @abstractmethod
    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """One verdict per row; an answer that cannot be read is an abstention."""


@dataclass(frozen=True)
class AskingEach(Asking):
    """A judge that asks one question per pair."""

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """Ask about every pair and read the answers one by one."""
        documents = self.documents(pairs, rows)
        questions = self.questions(pairs, rows)
        answers = self.chat.ask(questions, engine, self.usable)
        return [self.read(a, d) for a, d in zip(answers, documents, strict=True)]

    @abstractmethod
    def documents(self, pairs: Pairs, rows: NDArray[np.uint32]) -> Sequence[str]:
        """The documents as the model sees them."""

    @abstractmethod
    def read(self, answer: Answer, document: str) -> Verdict:
        """The verdict in an answer."""

    @abstractmethod
    def usable(self, answer: Answer) -> bool:
        """Whether the answer has the form that was asked for, whatever it says."""
