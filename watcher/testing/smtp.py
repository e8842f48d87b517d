# ruff: noqa: N802, D102, ARG002  (aiosmtpd calls these methods, by these names and with all of that)
"""A mail server on this machine, for tests: STARTTLS or TLS, log-in, refusals on request. Needs `aiosmtpd`, a test dependency."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import warnings
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

BreakKind = Literal["drop", "hang", "drop_after_accept", "hang_after_accept"]
"""The connection is cut, or nothing more is said; the last two after the server has taken the message (after the final dot)."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it was accepted."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes
    over_tls: bool
    login: str


@dataclass(slots=True)
class MailServer:
    """The server's state, to script it and to look at what arrived.

    Attributes:
        greeting: what is said at the door in place of `220`, for example `421 4.3.2 too busy`; the connection is closed after it.
        username: who may log in, or "" for no log-in at all.
        tls: `starttls` (demanded before anything else), `tls`, or `none`.
        refuse: reply by recipient, for example `{"gone@example.com": "550 5.1.1 no such user"}`.
        mails: what was accepted, in order.
        connections: how many were opened.
    """

    greeting: str = ""
    username: str = ""
    password: str = ""
    tls: Literal["starttls", "tls", "none"] = "none"
    tls_context: ssl.SSLContext | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _answers: dict[str, deque[str]] = field(default_factory=dict)
    _open: set[Any] = field(default_factory=set)

    def answer(self, command: Literal["MAIL", "RCPT", "DATA", "AUTH"], *replies: str) -> None:
        """Answer the next such commands with these replies (or `BreakKind`s, not for AUTH), one each; afterwards as usual.

        One log-in can be several AUTH commands: aiosmtplib tries every mechanism that is offered.
        """
        self._answers.setdefault(command, deque()).extend(replies)

    def disconnect_all(self) -> None:
        """Cut all connections, as an idle time-out does."""
        for transport in list(self._open):
            transport.abort()

    def _next(self, command: str) -> str:
        waiting = self._answers.get(command)
        return waiting.popleft() if waiting else ""

    # aiosmtpd's hooks

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._next("MAIL")
        if reply:
            return await self._told(server, reply)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._next("RCPT")
        if reply:
            return await self._told(server, reply)
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self._next("DATA")
        kept, after = reply.endswith("_after_accept"), reply.removesuffix("_after_accept")
        if not reply or kept:
            self._keep(session, envelope)
        return await self._told(server, after) if reply else "250 OK queued"

    async def _told(self, server: SMTP, reply: str) -> str:
        """The reply as scripted; a break is never answered."""
        if reply == "drop":
            server.transport.abort()  # type: ignore[union-attr]  # aiosmtpd: None only before the connection is made
        if reply == "hang":
            await asyncio.sleep(30)
        return "451 never read" if reply in {"drop", "hang"} else reply

    def _keep(self, session: Session, envelope: Envelope) -> None:
        raw = envelope.original_content or b""
        login: Any = session.auth_data
        self.mails.append(
            Mail(
                sender=envelope.mail_from or "",
                recipients=tuple(envelope.rcpt_tos),
                message=email.message_from_bytes(raw, policy=email.policy.default),
                raw=raw,
                over_tls=self.tls == "tls" or session.ssl is not None,
                login=login.login.decode() if isinstance(login, LoginPassword) else "",
            )
        )

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Whether this log-in is good."""
        reply = self._next("AUTH")
        if reply:
            return AuthResult(success=False, handled=False, message=reply)
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            self.username.encode(),
            self.password.encode(),
        )
        return AuthResult(success=good, handled=False, auth_data=data)


class _Protocol(SMTP):
    """aiosmtpd's protocol, told to the server's state."""

    def __init__(self, state: MailServer) -> None:
        self._state = state
        with warnings.catch_warnings():
            # aiosmtpd warns of a log-in without STARTTLS; with `tls` it is under TLS all the same, with `none` that is the test.
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(
                state,
                hostname="mail.test",
                tls_context=state.tls_context if state.tls == "starttls" else None,
                require_starttls=state.tls == "starttls",
                auth_required=bool(state.username),
                auth_require_tls=state.tls == "starttls" or not state.username,
                authenticator=state.authenticate if state.username else None,
            )

    def connection_made(self, transport: Any) -> None:
        self._state.connections += 1
        self._state._open.add(transport)  # noqa: SLF001  (one module, one thing)
        if self._state.greeting:
            transport.write(f"{self._state.greeting}\r\n".encode())
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._state._open.discard(self.transport)  # noqa: SLF001
        if not self._state.greeting:
            super().connection_lost(error)


@asynccontextmanager
async def serve_mail(server: MailServer | None = None) -> AsyncIterator[MailServer]:
    """Run it on 127.0.0.1 on a free port, within the caller's event loop, until the block ends."""
    state = server or MailServer()
    listener = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(state), "127.0.0.1", 0, ssl=state.tls_context if state.tls == "tls" else None
    )
    state.port = listener.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        listener.close()
        state.disconnect_all()
        await asyncio.sleep(0)
