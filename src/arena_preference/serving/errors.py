"""Answers to requests that cannot be served, and their form."""

import logging
import traceback
from typing import Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

logger = logging.getLogger(__name__)


class RequestError(HTTPException):
    """An error that the client can read: a message, the field that it is about, and when to come again."""

    detail: Any

    def __init__(self, status: int, message: str, field: str | None = None, retry_after: int | None = None) -> None:
        headers = {"Retry-After": str(retry_after)} if retry_after else None
        super().__init__(status, make_error(message, field), headers)


def make_error(message: str, field: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    return {"error": message} if field is None else {"error": message, "field": field}


def log_failure(reason: Exception, place: str) -> None:
    """Log where an unexpected error occurred, without its message, which could quote a text."""
    trace = "".join(traceback.format_tb(reason.__traceback__))
    logger.error("%s in %s\n%s", type(reason).__name__, place, trace)


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Put any HTTP error, also one of the framework, into the same form."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - for the type checker
    body = error.detail if isinstance(error.detail, dict) else make_error(str(error.detail))
    return JSONResponse(body, error.status_code, error.headers)


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """Name the fields of an invalid body, without what was in them."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    reasons = [(_name_field(reason["loc"]), reason["msg"]) for reason in error.errors()]
    return JSONResponse(make_error("; ".join(f"{field}: {text}" for field, text in reasons), reasons[0][0]), 422)


def _name_field(location: tuple[Any, ...]) -> str:
    """Name of a field, such as "responses[2]"; the body itself is "body"."""
    # The position of a fault in what is no JSON is a number.
    names = [part for part in location[1:] if not (len(location) == 2 and isinstance(part, int))]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names)
    return text.removeprefix(".") or str(location[0])
