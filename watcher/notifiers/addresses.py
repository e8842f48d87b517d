"""What several notifiers' settings share: web addresses, time limits, secrets that are read at the time of sending."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from watcher.errors import NotifierError
from watcher.settings import Duration, reveal

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts that are this machine, as they stand in an address."""

Timeout = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=10))]
"""How long to wait for a far side: more than nothing, at most ten minutes."""


def check_web_address(url: str, *, allow_http: bool) -> None:
    """Raise ValueError, without the address in its text, unless it is a full https address (or http where that is allowed)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("this is not a web address") from None
    if any(mark.isspace() or not mark.isprintable() for mark in url):
        raise ValueError("a web address has no spaces")
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("write a full address that begins with https://")
    if parts.username or parts.password:
        raise ValueError("a user name and password in an address are not used; leave them out")
    if parts.scheme == "http" and not allow_http:
        raise ValueError("plain http would show the message to the network: use https")


def reveal_now(value: SecretStr | None, file: Path | None, setting: str) -> str:
    """The secret at the time of sending.

    Raises:
        NotifierError: its file has gone or cannot be read; it may come back, so this is not permanent.
    """
    cause: Exception | None = None
    try:
        secret = reveal(value, file)
    except (OSError, UnicodeDecodeError) as exc:
        secret, cause = "", exc
    if not secret:
        raise NotifierError(
            f"the secret file of `{setting}` cannot be read or is empty",
            code="secret_file",
            fix="Put the file back; it is read anew for each message",
            pauses_receiver=True,
        ) from cause
    return secret
