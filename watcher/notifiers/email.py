"""E-mail over SMTP: TLS required, one kept connection, one thread for each job."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from typing import Annotated, ClassVar, Literal

import anyio
from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from pydantic import Field, SecretStr, field_validator, model_validator

from watcher import settings as _settings
from watcher.core.delivery import Receipt
from watcher.core.message import Message
from watcher.core.recipients import (
    Acceptance,
    Outcomes,
    RecipientOutcome,
    merged,
    newly_refused,
    spell_outcomes,
    still_to_ask,
    those,
)
from watcher.errors import NotifierError
from watcher.notifiers.addresses import LOOPBACK, Timeout, check_web_address, reveal_now
from watcher.notifiers.mail import compose_mail, parse_address, render_mail
from watcher.notifiers.smtp_replies import GREYLISTED, Stage, classify, classify_reply
from watcher.notifiers.text import link, one_line
from watcher.ports.notifier import Capabilities, Wire
from watcher.settings import CertificateFile, OneOrMany, SecretFile, exactly_one


class EmailSettings(_settings.Settings):
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

    unsubscribe: Annotated[str, Field(max_length=500)] | None = None
    """Where a recipient can ask to be left out, for the header List-Unsubscribe, by which mail programs show a button:
    `mailto:admin@example.com?subject=unsubscribe`, or an https address. None: no such header, as nobody would listen."""

    @field_validator("unsubscribe")
    @classmethod
    def _unsubscribe_is_target(cls, target: str | None) -> str | None:
        if target is None:
            return None
        if target.startswith("mailto:"):
            parse_address(target.removeprefix("mailto:").partition("?")[0])
            if not re.fullmatch(r"[!-;=?-~]+", target):
                raise ValueError("a mailto address has no spaces and no brackets: write %20 for a space")
            return target
        check_web_address(target, allow_http=False)
        if not link(target):
            raise ValueError("this web address cannot stand in a header: write quotes and brackets as %22, %3C, %3E")
        return target

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


class EmailNotifier:
    """Sends one mail to all recipients in one transaction. The first mail of a thread is its root, the rest refer to it."""

    kind: ClassVar[str] = "email"
    Settings: ClassVar[type[_settings.Settings]] = EmailSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="text and HTML; STARTTLS or TLS required unless turned off by name",
        threads="one for each job",
        receipt="Message-ID, and each refused recipient",
        repeats="same Message-ID; many mail systems collapse it",
        reaches="mail",
    )
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

    def __repr__(self) -> str:
        return f"EmailNotifier({self.name!r}, server={self._server!r}, to={[a.addr_spec for a in self._recipients]!r})"

    def render(self, message: Message) -> Wire:
        """Headers, text and HTML."""
        return self._rendered(message)

    def _recipients_of(self, message: Message) -> tuple[Address, ...]:
        """Who gets it: its owner alone, or all that are configured and besides them whoever is mentioned, each once."""
        if message.to is not None:
            return (parse_address(message.to.mail),)
        mentioned = (parse_address(person.mail) for person in message.mentions)
        return tuple({address.addr_spec: address for address in (*self._recipients, *mentioned)}.values())

    def _rendered(self, message: Message, refused: Outcomes = ()) -> Wire:
        return render_mail(
            message,
            sender=self._sender,
            recipients=self._recipients_of(message),
            unsubscribe=self._settings.unsubscribe or "",
            refused=refused,
        )

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """Hand it to the server, for every recipient that does not have it yet.

        A recipient refused for good is named in the receipt while the others count as done, and these are told of it once, in the
        mail itself. One refused for now stands there, too, and the message is tried again, for those only; what became of each
        recipient is kept with the message, so a restart changes nothing about that.

        Raises:
            NotifierError: nobody took it; see `watcher.notifiers.smtp_replies`.
        """
        addresses = [address.addr_spec for address in self._recipients_of(message)]
        # Who has been taken off the list since an earlier attempt is not waited for.
        before = tuple(
            one for one in message.recipients if one.acceptance is not Acceptance.DEFERRED or one.recipient in addresses
        )
        outcomes = before
        if missing := still_to_ask(addresses, before):
            async with self._lock:
                outcomes = merged(before, await self._transaction(wire, message, missing))
        if not those(outcomes, Acceptance.ACCEPTED):
            raise self._nobody(outcomes)
        headers = wire["headers"]
        return Receipt(
            reference=str(headers["Message-ID"]),
            thread_reference=str(headers.get("References", "")) or str(headers["Message-ID"]),
            place=", ".join(one.recipient for one in those(outcomes, Acceptance.ACCEPTED)),
            note=one_line(spell_outcomes(outcomes), 800),
            recipients=outcomes,
            retry_after=GREYLISTED if those(outcomes, Acceptance.DEFERRED) else None,
        )

    async def aclose(self) -> None:
        """Let go of the connection. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_connected:
            with suppress(SMTPException, OSError, TimeoutError):
                await connection.quit(timeout=5)
            connection.close()

    async def _transaction(self, wire: Wire, message: Message, missing: list[str]) -> Outcomes:
        """MAIL, RCPT for each of those missing, DATA. What became of these."""
        connection = await self._connected()
        try:
            with self._at(Stage.SENDER):
                await connection.mail(self._sender.addr_spec)
            asked = tuple([await self._ask(connection, one) for one in missing])
            taken = those(asked, Acceptance.ACCEPTED)
            if taken:
                content = compose_mail(self._with_refusals(wire, message, asked), self._now()).as_bytes()
                with self._at(Stage.DATA):
                    await connection.data(content)
        except BaseException:
            self._drop()  # a transaction broken off half-way is not worth mending
            raise
        if not taken:
            self._drop()
        return asked

    async def _ask(self, connection: SMTP, recipient: str) -> RecipientOutcome:
        """Whether the server takes it for this one. What is no answer about the recipient ends the transaction."""
        try:
            with self._at(Stage.RECIPIENT):
                await connection.rcpt(recipient)
        except NotifierError as refusal:
            if not isinstance(refusal.__cause__, SMTPResponseException) or refusal.pauses_receiver:
                raise
            acceptance = Acceptance.REFUSED if refusal.permanent else Acceptance.DEFERRED
            return RecipientOutcome(recipient, acceptance, refusal.message.rpartition(f"{Stage.RECIPIENT}: ")[2])
        return RecipientOutcome(recipient, Acceptance.ACCEPTED)

    def _with_refusals(self, wire: Wire, message: Message, asked: Outcomes) -> Wire:
        """The mail, with a note for those who get it about those whom the server refuses, once for each of them.

        Recipients are named to the server before the text is handed over, so this can stand in the very mail they do not get.
        """
        news = [one for one in newly_refused(asked, message.recipients) if one.recipient not in message.refused_before]
        return self._rendered(message, tuple(news)) if news else wire

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

    def _nobody(self, outcomes: Outcomes) -> NotifierError:
        """Nobody took it: for good when nobody may yet."""
        waits = those(outcomes, Acceptance.DEFERRED)
        said = (waits or outcomes)[0].answer
        code = said.partition(" ")[0]
        known = classify_reply(int(code) if code.isdigit() else 550, said, stage=Stage.RECIPIENT, server=self._server)
        named = one_line("; ".join(f"{one.recipient}: {one.answer}" for one in outcomes), 800)
        return NotifierError(
            f"no recipient was accepted: {named}",
            permanent=not waits,
            retry_after=GREYLISTED if waits else None,
            code=known.code,
            fix=known.fix,
        )
