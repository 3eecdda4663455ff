"""What was spent on a language model, and whether the next call may be sent: asked before it is, not after."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Account:
    """Calls, tokens and money of one client; safe for threads.

    Before a call its worst price is set aside; afterwards what it really took is booked and the rest is free again.
    A call whose fate is unknown (a timeout, a broken connection) may have been billed: it stays booked in full.

    Args:
        price_in: per million tokens sent; null: unknown.
        price_out: per million tokens received; null: unknown.
        most_calls: the limit on calls; null: none.
        most_money: the limit on money; null: none.
    """

    price_in: float | None = None
    price_out: float | None = None
    most_calls: int | None = None
    most_money: float | None = None
    calls: int = 0
    money: float = 0.0
    held: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: int = 0
    retries: int = 0
    lost: int = 0
    cached: int = 0
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def price(self, tokens_in: int, tokens_out: int) -> float:
        """In the unit of the prices; 0 where there are none."""
        return (tokens_in * (self.price_in or 0.0) + tokens_out * (self.price_out or 0.0)) / 1e6

    def reserve(self, tokens_in: int, tokens_out: int) -> float | None:
        """Set a call and its worst price aside; null: the budget does not allow it, do not send."""
        worst = self.price(tokens_in, tokens_out)
        with self._lock:
            too_many = self.most_calls is not None and self.calls >= self.most_calls
            too_dear = self.most_money is not None and self.money + self.held + worst > self.most_money
            if too_many or too_dear:
                return None
            self.calls += 1
            self.held += worst
            return worst

    def settle(self, worst: float, tokens_in: int, tokens_out: int, *, counted: bool) -> None:
        """Book what an answered call took."""
        with self._lock:
            self.held -= worst
            self.money += self.price(tokens_in, tokens_out)
            self.tokens_in += tokens_in
            self.tokens_out += tokens_out
            self.estimated += not counted

    def lose(self, worst: float) -> None:
        """Book a call of unknown fate in full."""
        with self._lock:
            self.held -= worst
            self.money += worst
            self.lost += 1

    def release(self, worst: float) -> None:
        """Give back what was set aside for a call that the server did not take."""
        with self._lock:
            self.held -= worst
            self.calls -= 1

    def note(self, *, retries: int = 0, cached: int = 0, refused: int = 0) -> None:
        """Count retries, answers that were there already, and questions beyond the budget."""
        with self._lock:
            self.refused += refused
            self.retries += retries
            self.cached += cached

    def facts(self) -> dict[str, str]:
        """For the ledger; only what happened."""
        numbers = {
            "calls": self.calls,
            "answers from cache": self.cached,
            "tokens in": self.tokens_in,
            "tokens out": self.tokens_out,
            "answers with estimated tokens": self.estimated,
            "retries": self.retries,
            "calls of unknown fate": self.lost,
            "calls beyond the budget": self.refused,
        }
        facts = {k: f"{v}" for k, v in numbers.items() if v}
        if self.price_in is not None or self.price_out is not None:
            facts["cost"] = f"{self.money:.6g}"
        return facts
