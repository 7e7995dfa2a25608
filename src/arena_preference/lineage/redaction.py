"""Keeps secrets out of manifests."""

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"

_WORDS = "password|passwd|secret|token|key|credentials?"
_SECRET_NAME = re.compile(rf"(?:.*[_.-])?(?:{_WORDS})", re.IGNORECASE)
_SECRET_ARGUMENT = re.compile(rf"\b((?:[\w.-]*[_.-])?(?:{_WORDS})[=:])[^\s,'\"]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")


def list_secrets(credentials: Any) -> set[str]:
    """Return all texts in the credentials except those below four characters, which are too common to be replaced."""
    if isinstance(credentials, dict | list):
        values = credentials.values() if isinstance(credentials, dict) else credentials
        return set().union(*map(list_secrets, values))
    return {credentials} if isinstance(credentials, str) and len(credentials) >= 4 else set()


def redact(value: Any, secrets: Iterable[str]) -> Any:
    """Return a copy in which ``***`` replaces secrets at any depth.

    Secrets are the given texts, the user of a URL, and texts named token, key, password, secret or credential: under
    such a key of a mapping, or after such a word and ``=`` or ``:``. Numbers such as ``max_tokens`` are kept.
    """
    if isinstance(value, dict):
        return {
            name: MASK if isinstance(item, str) and _SECRET_NAME.fullmatch(str(name)) else redact(item, secrets)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, secrets) for item in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, MASK)
    return _URL_USER.sub(f"{MASK}@", _SECRET_ARGUMENT.sub(rf"\g<1>{MASK}", value))
