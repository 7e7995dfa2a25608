"""Runs the application."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from .app import create_app
from .settings import ServiceSettings

if TYPE_CHECKING:
    from arena_preference.judge import Judge


def serve(judge: "Judge | Callable[[], Judge]", settings: ServiceSettings | None = None) -> None:
    """Serve until a signal ends it: SIGTERM and SIGINT finish the requests that have come.

    Args:
        judge: A judge, or a function that loads one while the process already answers ``/health``.
        settings: Address, access and limits.

    Raises:
        Exception: What ``judge`` raised.
    """
    settings = settings or ServiceSettings()
    failures: list[Exception] = []

    def load() -> "Judge":
        try:
            return judge() if callable(judge) else judge
        except Exception as reason:
            failures.append(reason)
            server.should_exit = True
            raise

    config = uvicorn.Config(
        create_app(load, settings),
        host=settings.host,
        port=settings.port,
        # Its own lines quote the path with the query, which may be a text.
        access_log=False,
        log_config=None,
        log_level="info",
        server_header=False,
        timeout_graceful_shutdown=int(settings.timeout) + 1,
    )
    server = uvicorn.Server(config)
    server.run()
    if failures:
        raise failures[0]
