"""Chat models behind any OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama, OpenRouter, OpenAI and many others."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foils.errors import JudgeError, MissingExtra, RecipeError
from foils.models.llm_account import Account
from foils.models.llm_cache import AnswerCache
from foils.models.llm_round import Round
from foils.models.llm_wire import Gate, Job, Sender
from foils.models.questions import Answer, Estimate, Question, count_tokens
from foils.protocols import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = 8  # characters: a shorter key ("none", "EMPTY") is no secret, and its letters stand in every text
LENGTHS = ("max_tokens", "max_completion_tokens")
OURS = ("messages", "model", "stream", "n", "logprobs", "top_logprobs")

Usable = Callable[[Answer], bool]


@dataclass(frozen=True)
class Decoding:
    """How a chat model picks its words.

    Sent as the parameters of those names (chat completions of the OpenAI API, as vLLM and llama.cpp speak it). Fails
    where a server does not take one of them: ``extra`` leaves it out.

    Args:
        temperature: 0: the most probable word. Even then few servers repeat themselves exactly.
        max_tokens: per answer; null: what the judge needs. A model that thinks aloud needs more.
        seed: sent along; null: none.
        extra: a JSON object merged into each request; null as a value leaves a parameter out, for instance
            ``{"max_tokens": null, "max_completion_tokens": 2000}``.
    """

    temperature: float = 0.0
    max_tokens: int | None = None
    seed: int | None = None
    extra: str = ""


@dataclass(frozen=True)
class Pace:
    """How fast an endpoint is asked, and how patiently.

    Retried are lost connections, timeouts and the statuses 408, 409, 429 and 5xx; a ``Retry-After`` of the server
    holds back all requests. Waits grow as in "full jitter" (Brooker, AWS Architecture Blog 2015): the n-th is uniform
    in [0, ``backoff`` 2^n], 30 s at most. Fails (gives up) when ten questions in a row stay without an answer, or when
    ten are refused before the model answered any.

    Args:
        concurrency: requests at a time.
        per_minute: requests a minute; null: no limit.
        timeout: seconds for a whole request.
        retries: of one question.
        backoff: seconds.
    """

    concurrency: int = 8
    per_minute: float | None = None
    timeout: float = 120.0
    retries: int = 5
    backoff: float = 0.5


@dataclass(frozen=True)
class Budget:
    """What an endpoint may cost; looked at before a question is sent, not after.

    The worst price of a call (a token for every byte, its longest answer) is set aside first. Questions beyond
    the budget are not asked: their verdicts are abstentions that begin with "not asked". Counts what this process
    sends; answers from the cache are free. Fails where a server
    reports no usage (tokens are then estimated), or adds much text of its own.

    Args:
        price_in: per million tokens sent, in any currency.
        price_out: per million tokens received, in the same currency.
        calls: the most calls; null: no limit.
        money: the most money; null: no limit.
    """

    price_in: float | None = None
    price_out: float | None = None
    calls: int | None = None
    money: float | None = None


@dataclass(frozen=True)
class Chat:
    """A chat model behind an OpenAI-compatible endpoint; every answer is kept and never paid for twice.

    Answers are kept by model name, full messages, decoding parameters and prompt version, whatever the address.
    Fails where a server gives one name to several models in turn: use another cache for each.

    Args:
        model: as the server calls it.
        base_url: up to and including ``/v1``; ``/chat/completions`` is added. Texts of the collection go there.
        key_env: the environment variable with the key; empty: the server wants none. The key itself is never an
            option, and gets into no file, message or repr.
        decoding: temperature, length, seed.
        pace: concurrency, limits, retries.
        budget: prices and limits.
    """

    model: str
    base_url: str
    key_env: str = "OPENAI_API_KEY"
    decoding: Decoding = Decoding()
    pace: Pace = Pace()
    budget: Budget = Budget()

    @property
    def version(self) -> str:
        """The decoding parameters."""
        return json.dumps(asdict(self.decoding), sort_keys=True)

    def check(self) -> None:
        """Address, key, package and numbers must be right; nothing is sent."""
        if importlib.util.find_spec("httpx") is None:
            raise MissingExtra("httpx", "llm", f"asking {self.model!r}")
        self._check_url()
        pace, budget, decoding = self.pace, self.budget, self.decoding
        if not self.model:
            raise RecipeError("chat: model is empty; give the name that the server knows")
        if pace.concurrency < 1 or pace.retries < 0 or pace.timeout <= 0 or pace.backoff < 0:
            raise RecipeError(f"{pace}: concurrency from 1, retries and backoff from 0, timeout above 0")
        if pace.per_minute is not None and pace.per_minute <= 0:
            raise RecipeError(f"chat-pace: per_minute={pace.per_minute:g} lets nothing pass; give more than 0, or none")
        if any(v is not None and v < 0 for v in (budget.price_in, budget.price_out, budget.calls, budget.money)):
            raise RecipeError(f"{budget}: prices and limits cannot be negative")
        if budget.money is not None and (budget.price_in is None or budget.price_out is None):
            raise RecipeError(f"chat-budget: money={budget.money:g} needs price_in and price_out, per million tokens")
        extra = self._extra
        if budget.money is not None and "max_tokens" in extra and not any(extra.get(k) for k in LENGTHS):
            raise RecipeError(
                f"chat-budget: money={budget.money:g} needs a longest answer, which extra={decoding.extra!r} takes "
                "away; put max_completion_tokens into it"
            )
        if decoding.temperature < 0 or (decoding.max_tokens is not None and decoding.max_tokens < 1):
            raise RecipeError(f"{decoding}: temperature from 0, max_tokens from 1")
        self._key()

    def facts(self) -> dict[str, str]:
        """Model, address, and what was spent."""
        found = {"model": self.model, "base_url": self.base_url, "decoding": self.version}
        return found | self._state.account(self.budget).facts()

    def estimate(self, questions: Sequence[Question], engine: Engine) -> Estimate:
        """Calls, tokens and cost of asking these; sends nothing, needs no key."""
        jobs = [self._job(q) for q in questions]
        known = self._known(jobs, engine)
        new = {j.key: (j, q) for j, q in zip(jobs, questions, strict=True) if j.key not in known}
        tokens_in = sum(count_tokens(j.texts) for j, _ in new.values())
        tokens_out = sum(min(q.expected, j.max_tokens) for j, q in new.values())
        account = self._state.account(self.budget)
        priced = self.budget.price_in is not None and self.budget.price_out is not None
        cost = account.price(tokens_in, tokens_out) if priced else None
        return Estimate(len(new), len(questions) - len(new), tokens_in, tokens_out, cost)

    def ask(self, questions: Sequence[Question], engine: Engine, usable: Usable | None = None) -> list[Answer]:
        """One answer per question, in order; equal questions are asked once.

        Interrupted by Ctrl-C, it sends nothing more, waits for what is in flight, keeps it, and then stops.

        Args:
            questions: to ask.
            engine: where answers are kept (``engine.cache``) and progress is shown.
            usable: whether an answer can be read. If none of the first 20 can, the rest is not asked.

        Raises:
            JudgeError: the key, the model or the address is wrong, nothing is answered, or nothing can be read.
        """
        jobs = [self._job(q) for q in questions]
        account = self._state.account(self.budget)
        found = self._known(jobs, engine)
        account.note(cached=len(set(found)))
        missing = list({j.key: j for j in jobs if j.key not in found}.values())
        if missing:
            with self._sender(account) as sender, engine.track(f"ask {self.model}", len(missing), "calls") as advance:
                readable = usable or (lambda answer: True)
                round_ = Round(sender, self._keep(engine), readable, advance, self._answered(engine))
                found |= round_.run(missing, self.pace.concurrency)
        return [found[j.key] for j in jobs]

    def beside(self, model: str) -> Chat:
        """Another model at the same address, or the same one: paid from this account, kept in the same file."""
        other = replace(self, model=model)
        # Where the cached property looks first; a field would make the account part of what the client is.
        vars(other)["_state"] = self._state
        return other

    def __getstate__(self) -> dict[str, Any]:
        """The options only: a copy elsewhere has its own account."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def _state(self) -> _State:
        return _State()

    @cached_property
    def _extra(self) -> dict[str, Any]:
        try:
            extra = json.loads(self.decoding.extra or "{}")
        except ValueError as error:
            raise RecipeError(f"chat-decoding: extra={self.decoding.extra!r} is no JSON: {error}") from None
        if not isinstance(extra, dict) or set(extra) & set(OURS):
            raise RecipeError(
                f"chat-decoding: extra={self.decoding.extra!r} must be a JSON object without {', '.join(OURS)}"
            )
        return extra

    def _check_url(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"chat: base_url={self.base_url!r} is no address; write for instance http://host:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise RecipeError(
                f"chat: base_url for {parts.hostname} holds more than an address; "
                "a key belongs into the environment variable that key_env names"
            )

    def _key(self) -> str:
        if not self.key_env:
            return ""
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise JudgeError(
                f"the environment variable {self.key_env} with the key for {self.base_url} is not set; "
                "export it, or give an empty key_env for a server without keys"
            )
        # A header line with such a character is refused by the HTTP library in a message that quotes it.
        if not (key.isascii() and key.isprintable()):
            raise JudgeError(f"the key in {self.key_env} has characters that no HTTP header can carry; copy it again")
        return key

    def _job(self, question: Question) -> Job:
        decoding = self.decoding
        longest = decoding.max_tokens or question.max_tokens
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in question.messages],
            "temperature": decoding.temperature,
            "max_tokens": longest,
            "seed": decoding.seed,
        }
        if question.logprobs:
            body |= {"logprobs": True, "top_logprobs": question.logprobs}
        body = {k: v for k, v in (body | self._extra).items() if v is not None}
        longest = max((body[k] for k in LENGTHS if isinstance(body.get(k), int)), default=longest)
        plain = json.dumps([question.prompt, body], sort_keys=True).encode()
        key = hashlib.blake2b(plain, digest_size=20).hexdigest()
        return Job(body, tuple(text for _, text in question.messages), longest, key, question.prompt)

    def _known(self, jobs: Sequence[Job], engine: Engine) -> dict[str, Answer]:
        return self._state.cache(engine.cache).get(sorted({j.key for j in jobs}))

    def _keep(self, engine: Engine) -> Callable[[Job, Answer], None]:
        cache = self._state.cache(engine.cache)

        def keep(job: Job, answer: Answer) -> None:
            if answer.arrived:
                cache.put(job.key, self.model, job.prompt, answer)

        return keep

    def _answered(self, engine: Engine) -> Callable[[], bool]:
        cache = self._state.cache(engine.cache)
        return lambda: cache.knows(self.model)

    @contextmanager
    def _sender(self, account: Account) -> Iterator[Sender]:
        import httpx

        self.check()
        key = self._key()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        pace = self.pace
        limits = httpx.Limits(max_connections=pace.concurrency, max_keepalive_connections=pace.concurrency)
        gate = Gate(pace.per_minute, threading.Event().wait)
        url = self.base_url.rstrip("/") + "/chat/completions"
        with httpx.Client(headers=headers, limits=limits, follow_redirects=False) as client:
            yield Sender(
                client,
                url,
                self.key_env,
                account,
                timeout=pace.timeout,
                retries=pace.retries,
                backoff=pace.backoff,
                gate=gate,
                hide=key if len(key) >= SECRET else "",
            )


@dataclass
class _State:
    """The account and the open cache of one client."""

    caches: dict[Path | None, AnswerCache] = field(default_factory=dict)
    spent: Account | None = None

    def account(self, budget: Budget) -> Account:
        if self.spent is None:
            self.spent = Account(budget.price_in, budget.price_out, budget.calls, budget.money)
        return self.spent

    def cache(self, folder: Path | None) -> AnswerCache:
        if folder not in self.caches:
            self.caches[folder] = AnswerCache(folder)
        return self.caches[folder]
