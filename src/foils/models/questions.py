"""What is asked of a language model, what comes back, and what it would cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from foils.protocols import Engine

NOT_ASKED = "not asked"
BYTES_PER_TOKEN = 4.0
TOKENS_PER_MESSAGE = 8


class Question(NamedTuple):
    """One call of a chat model.

    Args:
        messages: (role, text) in order.
        max_tokens: what the longest useful answer needs; the client's own setting overrules it.
        expected: tokens of a usual answer, for estimates.
        prompt: version of the prompt; part of the key under which the answer is kept.
        logprobs: how many alternatives per token are wanted with their log-probabilities, 0 to 20.
    """

    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    expected: int
    prompt: str
    logprobs: int = 0


class Answer(NamedTuple):
    """What came back, unparsed.

    Args:
        text: in the model's words; null: there is none.
        finish: the server's word (``stop``, ``length``, ``content_filter`` ...); ``failed``: no answer after all
            retries; ``refused``: the server does not take this question; ``not asked``: the budget is spent.
        tokens_in: of the question.
        tokens_out: of the answer.
        counted: whether the server counted the tokens; otherwise they are estimated.
        logprobs: per token of the answer, as the server gives them.
        error: why there is no text.
    """

    text: str | None
    finish: str
    tokens_in: int = 0
    tokens_out: int = 0
    counted: bool = True
    logprobs: list[dict[str, Any]] | None = None
    error: str = ""

    @property
    def arrived(self) -> bool:
        """The server answered, so the call was paid; the answer may still be cut or filtered."""
        return self.finish not in ("failed", "refused", NOT_ASKED)

    @property
    def trouble(self) -> str:
        """Why the text cannot be trusted as a whole answer; empty if it can."""
        if self.finish == "length":
            return "the answer was cut at the limit of tokens"
        if self.finish == "content_filter" or (self.arrived and not (self.text or "").strip()):
            return f"the server gave no text ({self.finish})"
        return "" if self.arrived else f"{self.finish}: {self.error}".removesuffix(": ")


class Estimate(NamedTuple):
    """What asking would take, before anything is sent.

    Args:
        calls: to the server.
        cached: answers that are there already.
        tokens_in: estimated from characters.
        tokens_out: estimated from usual answers.
        cost: in the unit of the prices; null: no prices were given.
        at_most: a later stage depends on what the first one says; the numbers are upper bounds.
    """

    calls: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = 0.0
    at_most: bool = False


class Client(Protocol):
    """A chat model behind whatever protocol. Frozen dataclasses: their fields are their options."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def version(self) -> str:
        """Everything besides the model and the messages that an answer depends on."""
        ...

    def check(self) -> None:
        """Raise a FoilsError if a package, a key or an option is wrong; sends nothing."""
        ...

    def facts(self) -> dict[str, str]:
        """What the ledger records. Called after use."""
        ...

    def ask(
        self, questions: Sequence[Question], engine: Engine, usable: Callable[[Answer], bool] | None = None
    ) -> list[Answer]:
        """One answer per question, in order; ``usable`` says of an answer whether it can be read."""
        ...

    def estimate(self, questions: Sequence[Question], engine: Engine) -> Estimate:
        """What asking these would take."""
        ...


def total(estimates: Iterable[Estimate], *, at_most: bool = False) -> Estimate:
    """The sum; without a price somewhere there is no cost.

    Args:
        estimates: of parts.
        at_most: whether the sum is an upper bound even if no part is.

    Example:
        >>> total([Estimate(2, 0, 100, 10, 0.5), Estimate(1, 3, 50, 5, 0.25)]).cost
        0.75
    """
    parts = list(estimates)
    costs = [e.cost for e in parts if e.cost is not None]
    return Estimate(
        sum(e.calls for e in parts),
        sum(e.cached for e in parts),
        sum(e.tokens_in for e in parts),
        sum(e.tokens_out for e in parts),
        sum(costs) if len(costs) == len(parts) else None,
        at_most or any(e.at_most for e in parts),
    )


def count_tokens(texts: Iterable[str], bytes_per_token: float = BYTES_PER_TOKEN) -> int:
    """Tokens estimated from UTF-8 bytes: about four per token in English, and near one token per Han character.

    Example:
        >>> count_tokens(["How tall is the Eiffel Tower?"])
        16
    """
    sizes = [len(t.encode("utf-8", "surrogatepass")) for t in texts]
    return math.ceil(sum(sizes) / bytes_per_token) + TOKENS_PER_MESSAGE * len(sizes)
