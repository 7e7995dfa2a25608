"""Scores requests in one thread: those that wait together are one call of the judge."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .prometheus import Metrics

if TYPE_CHECKING:
    # Takes seconds to import, and the service answers before it is loaded.
    from arena_preference.judge import Judge

#: Maps items, each of one request or a part of it, to as many results, none of which depends on another item.
Score = Callable[["Judge", Sequence[Any]], Sequence[Any]]

# Time in which clients that have just been answered send their next requests.
_RETURN_SECONDS: Final = 0.005


def compare_pairs(judge: "Judge", pairs: Sequence[Any]) -> Sequence[Any]:
    """Probabilities of pairs (prompt, a, b), each alone."""
    return judge.predict_pairs(pairs, context="none").tolist()


def compare_in_batch(judge: "Judge", pairs: Sequence[Any]) -> Sequence[Any]:
    """Probabilities of pairs (prompt, a, b), those of the same prompt in context of each other."""
    return judge.predict_pairs(pairs, context="batch").tolist()


def explain_pairs(judge: "Judge", pairs: Sequence[Any]) -> Sequence[Any]:
    """What speaks for either response of pairs (prompt, a, b)."""
    return [judge.explain(*pair) for pair in pairs]


def rank_in_batch(judge: "Judge", requests: Sequence[Any]) -> Sequence[Any]:
    """Rankings of (prompt, responses), the responses to a prompt in context of each other."""
    return judge.rank_many(requests, context="batch")


def rank_alone(judge: "Judge", requests: Sequence[Any]) -> Sequence[Any]:
    """Rankings of (prompt, responses), each pair alone."""
    return judge.rank_many(requests, context="none")


def reward_completions(judge: "Judge", requests: Sequence[Any]) -> Sequence[Any]:
    """Rewards of lists (prompts, completions, references)."""
    return [judge.reward(prompts, completions, references=references) for prompts, completions, references in requests]


class QueueFullError(Exception):
    """The queue is full."""


@dataclass(frozen=True, eq=False)
class Job:
    """What one request asks for.

    Attributes:
        score: Jobs with the same function are scored in one call, unless they are alone.
        items: Its arguments.
        n_pairs: The number of pairs in them.
        alone: Whether the job is a call of its own.
        future: Its results, one per item; a job whose future is cancelled before it begins is dropped.
    """

    score: Score
    items: Sequence[Any]
    n_pairs: int
    alone: bool = False
    future: "Future[Sequence[Any]]" = field(default_factory=Future)


class Scorer:
    """A bounded queue of jobs, and the thread that scores them."""

    def __init__(self, queue_size: int, batch_pairs: int, metrics: Metrics) -> None:
        self._queue_size, self._batch_pairs, self._metrics = queue_size, batch_pairs, metrics
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        metrics.queue_length.set_function(lambda: len(self._waiting))

    def start(self, judge: "Judge") -> None:
        """Start the thread; it begins with the jobs that are already queued."""
        self._thread = threading.Thread(target=self._run, args=(judge,), name="scorer", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue all of some jobs, or none.

        Raises:
            QueueFullError: If there is no room for all of them.
        """
        with self._changed:
            if len(self._waiting) + len(jobs) > self._queue_size:
                # Nobody waits any more for those that were cancelled.
                self._waiting = deque(job for job in self._waiting if not job.future.cancelled())
            if self._waiting and len(self._waiting) + len(jobs) > self._queue_size:
                raise QueueFullError
            self._waiting.extend(jobs)
            self._changed.notify()

    def close(self) -> None:
        """Finish the queued jobs and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _run(self, judge: "Judge") -> None:
        jobs: list[Job] = []
        while jobs := self._take(len(jobs)):
            started = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            for group in _group(started):
                self._score(judge, group)

    def _take(self, n_answered: int) -> list[Job]:
        """Return queued jobs, at least one and up to a number of pairs; none when the thread is to end."""
        with self._changed:
            # Without a moment for the clients just answered, these and those that wait would take turns, in calls of
            # half the size, and the answers would be sent while the next call holds the interpreter's lock.
            n_expected = min(n_answered + len(self._waiting), self._queue_size)
            self._changed.wait_for(lambda: len(self._waiting) >= n_expected or self._closed, _RETURN_SECONDS)
            self._changed.wait_for(lambda: self._waiting or self._closed)
            jobs: list[Job] = []
            n_pairs = 0
            while self._waiting and (not jobs or n_pairs + self._waiting[0].n_pairs <= self._batch_pairs):
                jobs.append(self._waiting.popleft())
                n_pairs += jobs[-1].n_pairs
            return jobs

    def _score(self, judge: "Judge", jobs: list[Job]) -> None:
        try:
            results = list(jobs[0].score(judge, [item for job in jobs for item in job.items]))
        except Exception as reason:
            # The fault of one job is not that of the others.
            for job in jobs if len(jobs) > 1 else ():
                self._score(judge, [job])
            if len(jobs) == 1:
                jobs[0].future.set_exception(reason)
            return
        self._metrics.count_batch(len(jobs), sum(job.n_pairs for job in jobs))
        for job in jobs:
            job.future.set_result(results[: len(job.items)])
            del results[: len(job.items)]


def _group(jobs: Iterable[Job]) -> Iterable[list[Job]]:
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job if job.alone else job.score, []).append(job)
    return groups.values()
