"""Address, token and limits of the service."""

import ipaddress
import os
from typing import Final

from pydantic import Field, SecretStr, model_validator

from arena_preference.config import Config

TOKEN_VARIABLE: Final = "ARENA_PREFERENCE_TOKEN"  # noqa: S105 - the name of a variable
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def _read_token() -> SecretStr | None:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return SecretStr(token) if token else None


class ServiceSettings(Config):
    """Where the service listens, who may use it, and how much it accepts.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: What clients send as ``Authorization: Bearer TOKEN``; by default from ``ARENA_PREFERENCE_TOKEN``.
        allow_anonymous: Whether an address that other machines reach may be used without a token.
        allowed_hosts: Further names by which clients reach a service on loopback, such as that of a proxy.
        queue_size: Requests in the queue; further ones are answered with 429.
        batch_pairs: Pairs that are scored in one call at most, unless a single request has more.
        timeout: Seconds after which a request is answered with 504.
        max_body_bytes: Size of a body; that of ``/v1/score`` is limited by lines.
        max_characters: Length of a prompt or a response.
        max_pairs: Pairs of one request; n responses to a prompt are n (n - 1) / 2 pairs.
        max_lines: Lines of a body of ``/v1/score``.
        max_line_bytes: Size of such a line.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token: SecretStr | None = Field(default_factory=_read_token)
    allow_anonymous: bool = False
    allowed_hosts: tuple[str, ...] = ()
    queue_size: int = Field(default=64, ge=1)
    batch_pairs: int = Field(default=1024, ge=1)
    timeout: float = Field(default=30.0, gt=0)
    max_body_bytes: int = Field(default=4_000_000, ge=1)
    max_characters: int = Field(default=200_000, ge=1)
    max_pairs: int = Field(default=5_000, ge=1)
    max_lines: int = Field(default=100_000, ge=1)
    max_line_bytes: int = Field(default=1_000_000, ge=1)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def accepted_names(self) -> frozenset[str] | None:
        """Names by which a client may address the service; None if any."""
        if not self.is_loopback:
            return None
        return frozenset(name.lower() for name in (*_LOOPBACK_NAMES, self.host, *self.allowed_hosts))

    @model_validator(mode="after")
    def _check_access(self) -> "ServiceSettings":
        if not (self.is_loopback or self.token or self.allow_anonymous):
            raise ValueError(
                f"host {self.host} can be reached from other machines, and there is no token. Set the environment "
                f"variable {TOKEN_VARIABLE}, listen on 127.0.0.1, or allow anonymous clients (allow_anonymous)."
            )
        return self
