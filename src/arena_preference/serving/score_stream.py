"""JSON lines in, JSON lines out, in order and with bounded memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from arena_preference.battles import ID, TEXT_COLUMNS
from arena_preference.formats import Format, find_format

from .bodies import Context
from .errors import RequestError, log_failure
from .scorer import Job, compare_in_batch, compare_pairs
from .service import Service

_CHUNK_LINES: Final = 256
_CHUNK_BYTES: Final = 4_000_000

#: Number of a line, and its text; None if it is too long.
Line = tuple[int, bytes | None]


class ScoreStream(Response):
    """Scores the lines of the body while they arrive.

    Starlette's own streaming response would read the body, to see whether the client has gone.
    """

    media_type = "application/x-ndjson"

    def __init__(self, service: Service, context: Context) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._service, self._context = service, context
        self._form: Format | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # It has no bound but that of the lines: some clients send everything before they read anything, and would wait
        # for ever for a service that waits for them.
        answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        producer = asyncio.create_task(self._produce(receive, answers))
        try:
            text = await answers.get()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while text is not None:
                await send({"type": "http.response.body", "body": text, "more_body": True})
                text = await answers.get()
            await producer
            await send({"type": "http.response.body", "body": b""})
        finally:
            producer.cancel()

    async def _produce(self, receive: Receive, answers: "asyncio.Queue[bytes | None]") -> None:
        """Put the answers of all chunks into the queue, and then None."""
        settings = self._service.settings
        chunk: list[Line] = []
        n_bytes, number = 0, 0
        try:
            async for line in _read_lines(receive, settings.max_line_bytes):
                number += 1
                # What follows is read all the same, or the client would not read this answer.
                if number <= settings.max_lines:
                    chunk.append((number, line))
                    n_bytes += len(line or b"")
                if len(chunk) == _CHUNK_LINES or n_bytes > _CHUNK_BYTES:
                    answers.put_nowait(await self._answer(chunk))
                    chunk, n_bytes = [], 0
            answers.put_nowait(await self._answer(chunk))
            if number > settings.max_lines:
                message = f"this line and what follows is not scored: at most {settings.max_lines} lines"
                answers.put_nowait(self._write({}, {settings.max_lines + 1: message}))
        except ClientDisconnect:
            pass
        finally:
            answers.put_nowait(None)

    async def _answer(self, chunk: list[Line]) -> bytes:
        """Answer some lines, without the empty ones."""
        errors: dict[int, str] = {}
        rows: dict[int, dict[str, Any]] = {}
        for number, line in chunk:
            if line is None:
                errors[number] = f"longer than {self._service.settings.max_line_bytes} bytes"
            elif line.strip():
                row = _parse(line)
                if isinstance(row, dict):
                    rows[number] = row
                else:
                    errors[number] = "not a JSON object"
        if rows and self._form is None:
            # A format shows in the columns and values of several rows, so the first chunk decides.
            with suppress(ValueError):
                self._form = find_format("the body", list(rows.values()))
        battles: dict[int, tuple[str, Any]] = {}
        for number, row in rows.items():
            try:
                battles[number] = self._read_battle(number, row)
            except ValueError as reason:
                errors[number] = str(reason)
        scores: dict[int, dict[str, Any]] = {}
        results = await self._score([pair for _, pair in battles.values()])
        for (number, (battle_id, _)), result in zip(battles.items(), results, strict=True):
            if isinstance(result, str):
                errors[number] = result
            else:
                scores[number] = {"id": battle_id, **dict(zip(("a", "b", "tie"), result, strict=True))}
        return self._write(scores, errors)

    async def _score(self, pairs: list[Any]) -> list[Any]:
        """Probabilities of pairs, or why there are none."""
        is_alone = self._context == "none"
        job = Job(compare_pairs if is_alone else compare_in_batch, pairs, len(pairs), alone=not is_alone)
        try:
            return list(await self._service.run_chunk(job)) if pairs else []
        except TimeoutError:
            return [f"not scored within {self._service.settings.timeout:g} seconds"] * len(pairs)
        except Exception as reason:
            if is_alone and len(pairs) > 1:
                return [result for pair in pairs for result in await self._score([pair])]
            log_failure(reason, "/v1/score")
            return ["internal error; the log of the service has its place"] * len(pairs)

    def _read_battle(self, number: int, row: dict[str, Any]) -> tuple[str, tuple[Any, Any, Any]]:
        """Id of a row, by default the number of its line, and its prompt and responses.

        Raises:
            ValueError: If it has none or several.
        """
        if self._form is None:
            raise ValueError("no known format; write prompt, response_a and response_b (docs/data.md has all formats)")
        battles = list(self._form.parse(row))
        if len(battles) != 1:
            raise ValueError(f"{len(battles)} battles; write each pair of responses into a line of its own")
        prompt, a, b = (battles[0][column] for column in TEXT_COLUMNS)
        try:
            self._service.check(prompt, response_a=a, response_b=b)
        except RequestError as reason:
            raise ValueError(reason.detail["error"]) from None
        return battles[0][ID] or str(number), (prompt, a, b)

    def _write(self, scores: Mapping[int, dict[str, Any]], errors: Mapping[int, str]) -> bytes:
        self._service.metrics.bad_lines.inc(len(errors))
        answers = {**scores, **{number: {"line": number, "error": text} for number, text in errors.items()}}
        return "".join(f"{json.dumps(answers[number])}\n" for number in sorted(answers)).encode()


async def _read_lines(receive: Receive, limit: int) -> AsyncIterator[bytes | None]:
    """Lines of a body; None for a line that is too long."""
    rest, too_long, more = b"", False, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        *lines, rest = (rest + message.get("body", b"")).split(b"\n")
        for line in lines:
            yield None if too_long or len(line) > limit else line
            too_long = False
        if len(rest) > limit:
            rest, too_long = b"", True
    if rest or too_long:
        yield None if too_long else rest


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
