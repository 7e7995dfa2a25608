"""Keeps secrets out of what is written down."""

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"

_WORDS = "password|passwd|secret|token|key|credentials?"
_SECRET_NAME = re.compile(rf"(?:.*[_.-])?(?:{_WORDS})", re.IGNORECASE)
_SECRET_ARGUMENT = re.compile(rf"\b((?:[\w.-]*[_.-])?(?:{_WORDS})[=:])[^\s,'\"]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")


def list_secrets(credentials: Any) -> set[str]:
    """Give every text that stands in the credentials, at any depth. Texts that could stand anywhere are left out."""
    if isinstance(credentials, dict):
        return set().union(*(list_secrets(value) for value in credentials.values()))
    if isinstance(credentials, list):
        return set().union(*(list_secrets(value) for value in credentials))
    return {credentials} if isinstance(credentials, str) and len(credentials) >= 4 else set()


def mask_secrets(value: Any, secrets: Iterable[str]) -> Any:
    """Replace what is secret, at any depth.

    Secret are the given texts, the user of a URL, and what is called a token, key, password, secret or credential: the
    text under a mapping's key, or after ``=`` or ``:``. Numbers stay: ``max_tokens`` is none.

    Args:
        value: Any structure of mappings, lists and scalars.
        secrets: Texts that must not be written down.
    """
    if isinstance(value, dict):
        return {
            name: MASK if isinstance(item, str) and _SECRET_NAME.fullmatch(str(name)) else mask_secrets(item, secrets)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_secrets(item, secrets) for item in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, MASK)
    return _URL_USER.sub(f"{MASK}@", _SECRET_ARGUMENT.sub(rf"\g<1>{MASK}", value))
