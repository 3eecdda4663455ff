"""Many questions at a time: in order, within the budget, kept as they are answered, stopped when it is pointless."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from foils.errors import JudgeError
from foils.models.llm_wire import Job, Sender
from foils.models.questions import NOT_ASKED, Answer

FAILURES_IN_A_ROW = 10
UNUSABLE_AT_FIRST = 20

Usable = Callable[[Answer], bool]


class Round:
    """Sends jobs from several threads, keeps each answer as it arrives, and stops when it is pointless to go on.

    Args:
        sender: asks one question.
        keep: stores what arrived; called in the thread that got it, before anything else.
        usable: whether an answer can be read.
        advance: shows progress.
    """

    def __init__(
        self,
        sender: Sender,
        keep: Callable[[Job, Answer], None],
        usable: Usable,
        advance: Callable[[int], None],
        answered: Callable[[], bool],
    ) -> None:
        self.sender, self.keep, self.usable, self.advance, self.answered = sender, keep, usable, advance, answered
        self.stop = threading.Event()
        sender.gate.wait = self.stop.wait
        self.found: dict[str, Answer] = {}
        self.failed = self.refused = self.unread = 0
        self.readable = False

    def run(self, jobs: Sequence[Job], workers: int) -> dict[str, Answer]:
        """Answers by key."""
        waiting = list(reversed(jobs))
        running: dict[Future[Answer], Job] = {}
        with ThreadPoolExecutor(workers, thread_name_prefix="foils-llm") as pool:
            try:
                while waiting or running:
                    refused = self._fill(pool, waiting, running, workers)
                    if refused and not running:
                        self.found |= {j.key: Answer(None, NOT_ASKED, error="the budget is spent") for j in waiting}
                        self.sender.account.note(refused=len(waiting))
                        break
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take(running.pop(future), future.result())
            except BaseException:
                # Leaving the pool waits for what is in flight: it is paid, and its threads keep it.
                self.stop.set()
                raise
        if self.found and all(a.finish == "failed" for a in self.found.values()):
            raise JudgeError(f"{self.sender.url} answers nothing: {next(iter(self.found.values())).error}")
        return self.found

    def _fill(self, pool: ThreadPoolExecutor, waiting: list[Job], running: dict[Future[Answer], Job], n: int) -> bool:
        """Start jobs, in order; true if the budget refused one: it may fit when those in flight are booked."""
        while waiting and len(running) < n:
            worst = self.sender.worst(waiting[-1])
            if worst is None:
                return True
            job = waiting.pop()
            running[pool.submit(self._one, job, worst)] = job
        return False

    def _one(self, job: Job, worst: float) -> Answer:
        answer = self.sender.send(job, worst)
        self.keep(job, answer)
        return answer

    def _take(self, job: Job, answer: Answer) -> None:
        self.found[job.key] = answer
        self.advance(1)
        self.failed = self.failed + 1 if answer.finish == "failed" else 0
        if self.failed >= FAILURES_IN_A_ROW:
            raise JudgeError(
                f"{self.sender.url} left {self.failed} questions in a row without an answer, the last one: "
                f"{answer.error}; what is answered is kept, the same command goes on"
            )
        self.refused += answer.finish == "refused"
        # Where the model has answered before, these may be the few that it never takes, asked once more.
        if self.refused == FAILURES_IN_A_ROW and answer.finish == "refused" and not self.answered():
            raise JudgeError(
                f"{self.sender.url} takes none of the first {self.refused} questions, the last one: {answer.error}; "
                "another model, or other decoding (max_tokens, extra) may help"
            )
        if answer.arrived and not self.readable:
            self.readable = self.usable(answer)
            self.unread += not self.readable
            if self.unread >= UNUSABLE_AT_FIRST and not self.readable:
                shown = " ".join((answer.text or answer.finish).split())[:80]
                raise JudgeError(
                    f"none of the first {self.unread} answers of {self.sender.url} can be read, the last one begins "
                    f"{shown!r}; another model, or other decoding (max_tokens, extra) is needed"
                )
