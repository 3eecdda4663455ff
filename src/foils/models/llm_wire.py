"""One question over HTTP: paced, retried with backoff, and read with suspicion.

The key is in one header of one client object and nowhere else: not in options, errors, logs or files.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from foils.errors import JudgeError
from foils.models.llm_account import Account
from foils.models.questions import NOT_ASKED, Answer, count_tokens

if TYPE_CHECKING:
    import httpx

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
LONGEST_BACKOFF = 30.0
LONGEST_PAUSE = 600.0
LARGEST_REPLY = 16 * 1024**2
BROKEN = ("error", "abort")  # finish reasons of OpenRouter and vLLM where no answer came to its end
WORST_BYTES_PER_TOKEN = 1.0  # the tokenisers in use have a token for every byte, and none for less

Wait = Callable[[float], bool]


class Job(NamedTuple):
    """A question, ready to send.

    Args:
        body: the JSON object of the request.
        texts: of the messages, to count by.
        max_tokens: what the answer may take.
        key: under which the answer is kept.
        prompt: version of the prompt.
    """

    body: dict[str, Any]
    texts: tuple[str, ...]
    max_tokens: int
    key: str
    prompt: str


class Trouble(Exception):
    """A request without a readable answer.

    Args:
        why: for people.
        again: whether it makes sense to send it again.
        paid: whether it may have been billed.
        after: seconds that the server asks to wait.
        fatal: no other question would fare better.
    """

    def __init__(
        self, why: str, *, again: bool = True, paid: bool = False, after: float | None = None, fatal: bool = False
    ) -> None:
        super().__init__(why)
        self.again, self.paid, self.after, self.fatal = again, paid, after, fatal


class Gate:
    """Lets requests pass one by one: so many a minute at most, and none while the server wants a pause.

    Args:
        per_minute: requests; null: no limit.
        wait: sleeps for seconds and says whether to stop.
        clock: seconds.
    """

    def __init__(self, per_minute: float | None, wait: Wait, clock: Callable[[], float] = time.monotonic) -> None:
        self.gap = 60.0 / per_minute if per_minute else 0.0
        self.wait, self.clock = wait, clock
        self._next = self._open = clock()
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Wait for this request's turn; false: stop instead."""
        while True:
            with self._lock:
                now = self.clock()
                turn = max(self._next, self._open)
                if turn <= now:
                    self._next = now + self.gap
                    return not self.wait(0.0)
            if self.wait(turn - now):
                return False

    def pause(self, seconds: float) -> None:
        """Close for all."""
        with self._lock:
            self._open = max(self._open, self.clock() + seconds)


class _Hold:
    """What is set aside for a job: booked, lost or given back, once."""

    def __init__(self, account: Account, worst: float) -> None:
        self.account = account
        self.worst: float | None = worst

    def settle(self, answer: Answer) -> None:
        if self.worst is not None:
            self.account.settle(self.worst, answer.tokens_in, answer.tokens_out, counted=answer.counted)
        self.worst = None

    def lose(self, *, paid: bool) -> None:
        if paid and self.worst is not None:
            self.account.lose(self.worst)
            self.worst = None

    def release(self) -> None:
        if self.worst is not None:
            self.account.release(self.worst)
        self.worst = None


class Sender:
    """Sends jobs to one endpoint; called from many threads.

    Args:
        client: with the key in its headers.
        url: of the chat completions.
        key_env: where the key came from, for messages.
        account: asked before every request.
        timeout: seconds for a whole request.
        retries: per job.
        backoff: seconds; the n-th retry waits a random time up to ``backoff * 2**n`` ("full jitter").
        gate: paces the requests.
        hide: strings that must not get into any text.
    """

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        key_env: str,
        account: Account,
        *,
        timeout: float,
        retries: int,
        backoff: float,
        gate: Gate,
        hide: str = "",
    ) -> None:
        self.client, self.url, self.key_env, self.account, self.gate = client, url, key_env, account, gate
        self.timeout, self.retries, self.backoff, self._hide = timeout, retries, backoff, hide

    def worst(self, job: Job) -> float | None:
        """Set the worst price of a job aside; null: the budget does not allow it."""
        return self.account.reserve(count_tokens(job.texts, WORST_BYTES_PER_TOKEN), job.max_tokens)

    def send(self, job: Job, worst: float) -> Answer:
        """The answer, or why there is none.

        Args:
            job: what to send.
            worst: what was set aside for it.

        Raises:
            JudgeError: no question would be answered: the key, the model or the address is wrong.
        """
        hold = _Hold(self.account, worst)
        try:
            return self._persist(job, hold)
        finally:
            hold.release()

    def _persist(self, job: Job, hold: _Hold) -> Answer:
        last = Trouble("interrupted")
        for attempt in range(self.retries + 1):
            if (attempt and self._stopped(attempt, last.after)) or not self.gate.enter():
                break
            if hold.worst is None:
                hold.worst = self.worst(job)
            if hold.worst is None:
                return Answer(None, NOT_ASKED, error=f"the budget is spent after: {last}")
            try:
                answer = self._attempt(job)
            except Trouble as trouble:
                last = trouble
                hold.lose(paid=trouble.paid)
                if not trouble.again:
                    break
                self.gate.pause(trouble.after or 0.0)
                continue
            hold.settle(answer)
            return answer
        if last.fatal:
            raise JudgeError(str(last))
        return Answer(None, "failed" if last.again else "refused", error=str(last))

    def _stopped(self, attempt: int, after: float | None) -> bool:
        self.account.note(retries=1)
        return self.gate.wait(self._delay(attempt, after))

    def _delay(self, attempt: int, after: float | None) -> float:
        jitter = secrets.SystemRandom().uniform(0.0, min(LONGEST_BACKOFF, self.backoff * 2**attempt))
        return jitter if after is None else after + jitter / 4

    def _attempt(self, job: Job) -> Answer:
        status, headers, raw = self._post(json.dumps(job.body).encode())
        text = self._clean(raw.decode("utf-8", "replace"))
        if status == 200:
            return read_reply(text, job)
        raise self._refusal(status, headers, text)

    def _post(self, body: bytes) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body, the whole within the timeout: a server that drips bytes does not hold a thread."""
        import httpx

        end = time.monotonic() + self.timeout
        sent = False
        try:
            with self.client.stream("POST", self.url, content=body, timeout=self.timeout) as reply:
                sent = True
                parts: list[bytes] = []
                size = 0
                for part in reply.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if time.monotonic() > end:
                        raise Trouble(f"no whole answer within {self.timeout:g} s", paid=True)
                    if size > LARGEST_REPLY:
                        raise Trouble(f"an answer of more than {LARGEST_REPLY:,} bytes", again=False, paid=True)
                return reply.status_code, reply.headers, b"".join(parts)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Trouble(f"cannot connect to {self.url}: {self._clean(str(error)) or 'timeout'}") from None
        except httpx.TimeoutException:
            raise Trouble(f"no answer within {self.timeout:g} s", paid=True) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            what = "the answer broke off" if sent else "the connection was dropped"
            raise Trouble(f"{what}: {type(error).__name__}", paid=True) from None

    def _refusal(self, status: int, headers: httpx.Headers, text: str) -> Trouble:
        said = _message(text)
        if status in (401, 403):
            where = f"in {self.key_env}" if self.key_env else "(none was sent: key_env is empty)"
            return Trouble(f"{self.url} refuses the key {where} (HTTP {status})", again=False, fatal=True)
        if status == 402:
            return Trouble(f"the account at {self.url} is out of credit (HTTP 402: {said})", again=False, fatal=True)
        if status == 404:
            why = f"{self.url} knows no such model or address (HTTP 404: {said})"
            return Trouble(why, again=False, fatal=True)
        if 300 <= status < 400:
            where = headers.get("location", "elsewhere")
            return Trouble(f"{self.url} redirects to {where}; give that as base_url", again=False, fatal=True)
        if status in RETRIED or status >= 500:
            after = retry_after(headers.get("retry-after"), time.time())
            if after is not None and after > LONGEST_PAUSE:
                why = f"{self.url} wants a pause of {after:,.0f} s (HTTP {status}); what is answered is kept, run again"
                return Trouble(why, again=False, fatal=True)
            if "insufficient_quota" in text:
                return Trouble(f"the account at {self.url} is out of credit (HTTP {status})", again=False, fatal=True)
            return Trouble(f"HTTP {status}: {said}", after=after)
        return Trouble(f"HTTP {status}: {said}", again=False)

    def _clean(self, text: str) -> str:
        return text.replace(self._hide, "***") if self._hide else text


def read_reply(text: str, job: Job) -> Answer:
    """The answer in the body of a chat completion.

    Raises:
        Trouble: the body is not what the protocol says.
    """
    try:
        body = json.loads(text)
        choice = body["choices"][0]
        content = choice["message"].get("content")
        finish = str(choice.get("finish_reason") or "stop")
        logprobs = (choice.get("logprobs") or {}).get("content")
        usage = body.get("usage") or {}
        tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Trouble(f"the server's answer is no chat completion: {_message(text)}", paid=True) from None
    if finish in BROKEN:
        raise Trouble(f"the server broke its answer off (finish_reason {finish!r})", paid=True)
    if isinstance(content, list):
        content = "".join(str(p.get("text") or "") for p in content if isinstance(p, dict))
    # Half a surrogate pair is legal in JSON, but no text that could be stored.
    words = None if content is None else str(content).encode("utf-8", "replace").decode()
    counted = all(type(t) is int and t >= 0 for t in tokens)
    if not counted:
        tokens = count_tokens(job.texts), count_tokens([words or ""])
    kept = [t for t in logprobs if isinstance(t, dict)] if isinstance(logprobs, list) else None
    return Answer(words, finish, int(tokens[0] or 0), int(tokens[1] or 0), counted, kept)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, from a number of seconds or a date.

    Args:
        value: of the header ``Retry-After``.
        now: seconds since 1970.

    Example:
        >>> retry_after("2.5", 0.0), retry_after("Thu, 01 Jan 1970 00:01:30 GMT", 30.0), retry_after("soon", 0.0)
        (2.5, 60.0, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None


def _message(text: str) -> str:
    """What a server said, short."""
    try:
        found = json.loads(text)
        error = found.get("error", found) if isinstance(found, dict) else found
        said = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError):
        said = text
    return " ".join(str(said).split())[:200] or "an empty body"
