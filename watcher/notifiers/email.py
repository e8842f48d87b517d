"""E-mail over SMTP: TLS required, one kept connection, one thread for each job."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

import anyio
from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from pydantic import Field, SecretStr, field_validator, model_validator

from watcher import settings as _settings
from watcher.core.delivery import FlushId, Receipt
from watcher.core.message import Message
from watcher.errors import NotifierError
from watcher.notifiers.addresses import LOOPBACK, Timeout, reveal_now
from watcher.notifiers.mail import compose_mail, parse_address, render_mail
from watcher.notifiers.smtp_replies import GREYLISTED, Stage, classify
from watcher.notifiers.text import one_line
from watcher.ports import Wire
from watcher.settings import CertificateFile, OneOrMany, SecretFile, exactly_one

_MOST_REMEMBERED: Final = 1000


class EmailSettings(_settings.ReceiverSettings):
    """An e-mail receiver."""

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")]
    """Name or address of the mail server that takes submissions."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """587 for submission with STARTTLS, 465 with `tls: tls`."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` and `tls` are demanded, never tried and given up. `none` sends in the clear and must be said by name."""
    from_: str = Field(alias="from")
    """Sender: `dlc@example.com`, or `DLC <dlc@example.com>`."""
    to: Annotated[OneOrMany, Field(min_length=1, max_length=100)]
    """One address or several. Each refused one is named; the others still get theirs."""
    username: str | None = None
    """Name to log in with. Left out: no log-in."""
    password: SecretStr | None = None
    """Prefer `password_file`, or `${VARIABLE}`."""
    password_file: SecretFile | None = None
    """Read anew for each connection."""
    timeout: Timeout = timedelta(seconds=60)
    """For each step. Servers answer a wrong password slowly on purpose, and scan a message before they take it."""
    local_hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9.\[\]:-]{1,255}$")] | None = None
    """The name to greet with (EHLO); None for this machine's own."""
    ca_file: CertificateFile | None = None
    """Certificates of the authorities to trust (PEM), in place of this machine's; for a server with a private one."""

    @field_validator("from_")
    @classmethod
    def _from_is_address(cls, text: str) -> str:
        return str(parse_address(text))

    @field_validator("to")
    @classmethod
    def _to_are_addresses(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(parse_address(text)) for text in texts))

    @model_validator(mode="after")
    def _whole_log_in(self) -> EmailSettings:
        if self.username is None:
            if self.password is not None or self.password_file is not None:
                raise ValueError("a password without a username: give both or neither")
            return self
        exactly_one(self, "password_file", "password")
        if self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError("with tls: none the password would cross the network in the clear: use starttls or tls")
        return self


@dataclass(slots=True)
class _Progress:
    """Who has a message already, and who refused it for good; kept while the others are tried again."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, NotifierError] = field(default_factory=dict)


class EmailNotifier:
    """Sends one mail to all recipients in one transaction. The first mail of a thread is its root, the rest refer to it."""

    kind: ClassVar[str] = "email"
    Settings: ClassVar[type[_settings.Settings]] = EmailSettings
    pace: timedelta = timedelta(0)
    """Servers say 4xx when they want it slower."""

    def __init__(
        self, name: str, settings: EmailSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name, self._settings, self._now = name, settings, now
        self._sender = parse_address(settings.from_)
        self._recipients = tuple(parse_address(text) for text in settings.to)
        self._server = f"{settings.host}:{settings.port}"
        self._connection: SMTP | None = None
        self._tls: ssl.SSLContext | None = None
        self._lock = anyio.Lock()
        self._progress: dict[FlushId, _Progress] = {}

    def __repr__(self) -> str:
        return f"EmailNotifier({self.name!r}, server={self._server!r}, to={[a.addr_spec for a in self._recipients]!r})"

    def render(self, message: Message) -> Wire:
        """Headers, text and HTML."""
        return render_mail(message, sender=self._sender, recipients=self._recipients)

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """Hand it to the server, for every recipient that does not have it yet.

        A recipient refused for good is named in the receipt's note while the others count as done. One refused for now makes the
        delivery be tried again, and then only those still missing get it (as long as this process lives; after a restart all do,
        under the same Message-ID).

        Raises:
            NotifierError: see `watcher.notifiers.smtp_replies`.
        """
        async with self._lock:
            progress = self._progress.pop(message.id, _Progress())
            try:
                deferred = await self._transaction(wire, progress)
            except NotifierError as failure:
                if not failure.permanent:
                    self._remember(message.id, progress)
                raise
            if deferred:
                self._remember(message.id, progress)
                raise self._still_missing(progress, deferred)
        return self._receipt(wire, progress)

    async def aclose(self) -> None:
        """Let go of the connection. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_connected:
            with suppress(SMTPException, OSError, TimeoutError):
                await connection.quit(timeout=5)
            connection.close()

    async def _transaction(self, wire: Wire, progress: _Progress) -> dict[str, NotifierError]:
        """MAIL, RCPT for each missing recipient, DATA. Fills `progress`, returns who was refused for now."""
        missing = [
            address.addr_spec
            for address in self._recipients
            if address.addr_spec not in progress.accepted and address.addr_spec not in progress.refused
        ]
        content = compose_mail(wire, self._now()).as_bytes()
        connection = await self._connected()
        try:
            with self._at(Stage.SENDER):
                await connection.mail(self._sender.addr_spec)
            taken, deferred = await self._name_recipients(connection, missing, progress)
            if taken:
                with self._at(Stage.DATA):
                    await connection.data(content)
                progress.accepted += taken
        except BaseException:
            self._drop()  # a transaction broken off half-way is not worth mending
            raise
        if not taken:
            self._drop()
        if not progress.accepted and not deferred:
            raise self._nobody(progress)
        return deferred

    async def _name_recipients(
        self, connection: SMTP, missing: list[str], progress: _Progress
    ) -> tuple[list[str], dict[str, NotifierError]]:
        taken: list[str] = []
        deferred: dict[str, NotifierError] = {}
        for recipient in missing:
            try:
                with self._at(Stage.RECIPIENT):
                    await connection.rcpt(recipient)
            except NotifierError as refusal:
                if not isinstance(refusal.__cause__, SMTPResponseException) or refusal.pauses_receiver:
                    raise
                (progress.refused if refusal.permanent else deferred)[recipient] = refusal
            else:
                taken.append(recipient)
        return taken, deferred

    async def _connected(self) -> SMTP:
        """The kept connection if it still answers, else a new one."""
        if self._connection is not None:
            if self._connection.is_connected:
                # One question first: servers drop idle connections, and found out here it costs nothing.
                with suppress(SMTPException, OSError, TimeoutError):
                    await self._connection.noop()
                    return self._connection
            self._drop()
        settings = self._settings
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=settings.ca_file)
        connection = SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout.total_seconds(),
            local_hostname=settings.local_hostname,
            use_tls=settings.tls == "tls",
            start_tls=False,  # done below as a step of its own; None would mean "if it happens to be offered"
            tls_context=self._tls,
        )
        try:
            with self._at(Stage.CONNECT):
                await connection.connect()
                await connection.ehlo()
            if settings.tls == "starttls":
                with self._at(Stage.STARTTLS):
                    await connection.starttls()
            if settings.username is not None:
                password = reveal_now(settings.password, settings.password_file, "password_file")
                with self._at(Stage.AUTH):
                    await connection.login(settings.username, password)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _at(self, stage: Stage) -> Iterator[None]:
        """Translate what goes wrong inside, knowing what was being done."""
        try:
            yield
        except (SMTPException, OSError, TimeoutError, ValueError) as exc:
            # Of a refused log-in not even the chain is kept: what a server says there can repeat what it was given.
            raise classify(exc, stage=stage, server=self._server) from (None if stage is Stage.AUTH else exc)

    def _remember(self, message_id: FlushId, progress: _Progress) -> None:
        if progress.accepted or progress.refused:
            while len(self._progress) >= _MOST_REMEMBERED:
                self._progress.pop(next(iter(self._progress)))
            self._progress[message_id] = progress

    def _nobody(self, progress: _Progress) -> NotifierError:
        first = next(iter(progress.refused.values()))
        return NotifierError(
            f"no recipient was accepted: {_spell(progress.refused)}", permanent=True, code=first.code, fix=first.fix
        )

    def _still_missing(self, progress: _Progress, deferred: dict[str, NotifierError]) -> NotifierError:
        return NotifierError(
            f"accepted by {len(progress.accepted)} of {len(self._recipients)}; "
            f"for now refused: {_spell(deferred)}"
            + (f"; refused: {_spell(progress.refused)}" if progress.refused else ""),
            retry_after=GREYLISTED,
            code=next(iter(deferred.values())).code,
        )

    def _receipt(self, wire: Wire, progress: _Progress) -> Receipt:
        reference = str(wire["headers"]["Message-ID"])
        root = str(wire["headers"].get("References", "")) or reference
        note = ""
        if progress.refused:
            note = (
                f"accepted by {len(progress.accepted)} of {len(self._recipients)}; refused: {_spell(progress.refused)}"
            )
        return Receipt(reference=reference, thread_reference=root, place=", ".join(progress.accepted), note=note)


def _spell(refusals: dict[str, NotifierError]) -> str:
    return one_line(
        "; ".join(
            f"{who}: {refusal.message.rpartition(f'{Stage.RECIPIENT}: ')[2]}" for who, refusal in refusals.items()
        ),
        600,
    )
