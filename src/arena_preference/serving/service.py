"""The judge behind the endpoints: checks requests, queues them, and waits for their results."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request

from arena_preference.judge.turns import read_battle

from .errors import RequestError
from .prometheus import Metrics
from .scorer import Job, QueueFullError, Scorer
from .settings import ServiceSettings

if TYPE_CHECKING:
    from arena_preference.judge import Judge

logger = logging.getLogger(__name__)

_CLIENT_GONE: Final = 499
_RETRY_SECONDS: Final = 1
_POLL_SECONDS: Final = 0.05


class Service:
    """One judge, its queue and its limits."""

    def __init__(self, judge: "Judge | Callable[[], Judge]", settings: ServiceSettings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self._source = judge
        self._judge: Judge | None = None
        self.state = "loading"
        self._scorer = Scorer(settings.queue_size, settings.batch_pairs, metrics)

    def start(self) -> None:
        """Load the judge in a thread, so that the process can say that it lives."""
        threading.Thread(target=self._load, name="load", daemon=True).start()

    def close(self) -> None:
        """Finish the queued jobs."""
        self._scorer.close()

    def _load(self) -> None:
        try:
            judge = self._source() if callable(self._source) else self._source
        except Exception as reason:
            self.state = "failed"
            logger.error("The model could not be loaded: %s", reason)
            return
        self._scorer.start(judge)
        self._judge, self.state = judge, "ready"
        logger.info("The model of run %s is loaded", judge.manifest.run_id)

    def get_judge(self) -> "Judge":
        """Return the judge; raises ``RequestError`` until it is loaded."""
        if self._judge is None:
            raise RequestError(503, f"the model is not ready: {self.state}", retry_after=_RETRY_SECONDS)
        return self._judge

    def check(self, prompt: Any, **responses: Any) -> None:
        """Reject a prompt or responses that the judge could not read, and texts that are too long.

        Raises:
            RequestError: With the name of the field.
        """
        for name, value in {"prompt": prompt, **responses}.items():
            if (n := _count_characters(value)) > self.settings.max_characters:
                raise RequestError(413, f"{name}: {n} characters; at most {self.settings.max_characters}", name)
        for name, parts in {"prompt": {}, **{name: {name: value} for name, value in responses.items()}}.items():
            try:
                read_battle(prompt, **parts)
            except (TypeError, ValueError) as reason:
                raise RequestError(422, str(reason), name) from None

    def check_pairs(self, n_pairs: int, field: str) -> None:
        """Reject a request of too many pairs."""
        if n_pairs > self.settings.max_pairs:
            raise RequestError(
                422, f"{field}: {n_pairs} pairs of responses to a prompt; at most {self.settings.max_pairs}", field
            )

    async def run(self, request: Request, *jobs: Job) -> list[Sequence[Any]]:
        """Results of jobs of one request.

        Raises:
            RequestError: If the queue is full, or the client has gone or has waited too long.
        """
        self.get_judge()
        try:
            self._scorer.submit(jobs)
        except QueueFullError:
            raise RequestError(
                429, f"the queue is full: {self.settings.queue_size} requests are waiting", retry_after=_RETRY_SECONDS
            ) from None
        results = asyncio.gather(*(asyncio.wrap_future(job.future) for job in jobs))
        gone = asyncio.ensure_future(_wait_until_gone(request))
        either: set[asyncio.Future[Any]] = {results, gone}
        try:
            done, _ = await asyncio.wait(either, timeout=self.settings.timeout, return_when=asyncio.FIRST_COMPLETED)
            if results in done:
                return await results
        finally:
            # What has not begun is dropped.
            results.cancel()
            gone.cancel()
        if gone in done:
            raise RequestError(_CLIENT_GONE, "the client has closed the connection")
        raise RequestError(504, f"not scored within {self.settings.timeout:g} seconds", retry_after=_RETRY_SECONDS)

    async def run_chunk(self, job: Job) -> Sequence[Any]:
        """Results of a part of a stream, which waits for room in the queue.

        Raises:
            TimeoutError: If it has waited too long.
        """
        async with asyncio.timeout(self.settings.timeout):
            while True:
                try:
                    self._scorer.submit([job])
                except QueueFullError:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    return await asyncio.wrap_future(job.future)


def _count_characters(value: Any, depth: int = 4) -> int:
    """Characters of a text, turns or messages; what lies deeper than the blocks of a message is none of these."""
    if isinstance(value, str):
        return len(value)
    if not (depth and isinstance(value, list | dict)):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return sum(_count_characters(part, depth - 1) for part in parts)


async def _wait_until_gone(request: Request) -> None:
    """Return when the client closes the connection; the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
