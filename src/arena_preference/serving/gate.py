"""Everything that holds for all requests: access, size, headers, metrics, and a log without texts."""

import hmac
import logging
import time
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import RequestError, log_failure, make_error
from .prometheus import Metrics
from .settings import ServiceSettings

logger = logging.getLogger(__name__)

SCORE: Final = "/v1/score"
#: Health, the page and what describes the service: nothing about the model, and a browser sends no token for a page.
OPEN_PATHS: Final = frozenset({"/health", "/", "/page.js", "/page.css", "/docs", "/docs.js", "/openapi.json"})
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_CLIENT_GONE: Final = 499


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._names = settings.accepted_names
        self._token = settings.token.get_secret_value().encode() if settings.token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), _CLIENT_GONE
        headers = Headers(scope=scope)

        async def send_safely(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            app = self._refuse(scope["path"], headers) or self._app
            await app(scope, self._limit(scope["path"], receive), send_safely)
        except Exception as reason:
            log_failure(reason, _find_route(scope))
            if status != _CLIENT_GONE:
                # The answer has begun: only a broken connection says that it is not whole.
                raise RuntimeError("An answer could not be completed; the error is logged above.") from None
            await JSONResponse(make_error("internal error; the log of the service has its place"), 500)(
                scope, receive, send_safely
            )
        finally:
            seconds = time.perf_counter() - start
            self._metrics.count_request(_find_route(scope), status, seconds)
            logger.info("%s %s %d %.0f ms", scope["method"], _find_route(scope), status, 1000 * seconds)

    def _refuse(self, path: str, headers: Headers) -> JSONResponse | None:
        """The answer to a request that the application is not to see."""
        # A page of another site can address a service on loopback, under its own name after DNS rebinding or directly.
        if self._names is not None and not (
            _read_host(headers.get("host", "")) in self._names
            and ("origin" not in headers or _read_host(headers["origin"]) in self._names)
        ):
            message = "Host or Origin is no name of this service; address it as 127.0.0.1, or allow the name"
            return JSONResponse(make_error(message), 403)
        if self._token and path not in OPEN_PATHS:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if not (scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode("latin-1"), self._token)):
                message = "missing or wrong token; send it as Authorization: Bearer TOKEN"
                return JSONResponse(make_error(message), 401, {"WWW-Authenticate": "Bearer"})
        length = headers.get("content-length", "0")
        if path != SCORE and length.isdecimal() and int(length) > self._settings.max_body_bytes:
            return JSONResponse(self._make_size_error().detail, 413)
        return None

    def _limit(self, path: str, receive: Receive) -> Receive:
        """Stop reading a body that is too long, whatever its header says."""
        if path == SCORE:
            return receive
        n_bytes = 0

        async def receive_limited() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._settings.max_body_bytes:
                raise self._make_size_error()
            return message

        return receive_limited

    def _make_size_error(self) -> RequestError:
        return RequestError(413, f"body: at most {self._settings.max_body_bytes} bytes", "body")


def _read_host(text: str) -> str | None:
    """Host of a header, with or without scheme and port."""
    try:
        return urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None


def _find_route(scope: Any) -> str:
    """The route's pattern: a path that the client made up is no label, and might be a text."""
    return getattr(scope.get("route"), "path", "other")
