"""What an SMTP server's answers mean for a delivery, as tables. Pure.

Codes: RFC 5321 section 4.2, RFC 4954 section 6 (authentication), RFC 3207 (STARTTLS). The first digit decides: 4 may pass, 5 will
not. Everything below is what a person should do about it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from aiosmtplib import (
    SMTPConnectError,
    SMTPNotSupported,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from watcher.errors import NotifierError
from watcher.notifiers.text import one_line


class Stage(StrEnum):
    """How far a delivery had come when it failed."""

    CONNECT = "connecting"
    STARTTLS = "starting TLS"
    AUTH = "logging in"
    SENDER = "naming the sender"
    RECIPIENT = "naming a recipient"
    DATA = "sending the message"


GREYLISTED: Final = timedelta(seconds=60)
"""Least wait after a 4xx answer: greylisting servers count an earlier return as impatience."""

_BUSY: Final = 421
_FIRST_PERMANENT: Final = 500

_ABOUT_THE_CONNECTION: Final = frozenset({Stage.CONNECT, Stage.STARTTLS, Stage.AUTH})
"""Stages that say nothing about the message: what fails there, fails for all."""

_MENDED_MEANWHILE: Final = frozenset({Stage.CONNECT, Stage.AUTH})
"""Stages at which a refusal for good is one of the receiver, for as long as nobody mends it, and not of the message."""

_LACKING: Final = frozenset({Stage.STARTTLS, Stage.AUTH})
"""Where aiosmtplib says with its plainest exception that the server lacks the extension."""

_FIX: Final[Mapping[tuple[Stage, int], str]] = {
    (Stage.AUTH, 530): "The server wants TLS before the log-in: set tls: starttls or tls: tls",
    (Stage.AUTH, 534): "The server wants another way to log in: some providers ask for an app password",
    (
        Stage.AUTH,
        535,
    ): "Check username and password; some providers ask for an app password instead of the account's own",
    (Stage.AUTH, 538): "The server wants TLS before the log-in: set tls: starttls or tls: tls",
    (Stage.SENDER, 530): "The server wants a log-in: set username and password_file",
    (Stage.SENDER, 550): "The server does not let this account send as the receiver's `from`",
    (Stage.SENDER, 553): "The server does not let this account send as the receiver's `from`",
    (
        Stage.RECIPIENT,
        550,
    ): "The server knows no such mailbox, or does not relay to it: check `to`, and whether a log-in is needed",
    (Stage.RECIPIENT, 551): "The mailbox is elsewhere: check `to`",
    (Stage.RECIPIENT, 552): "The mailbox is full",
    (Stage.RECIPIENT, 553): "The server does not take this address: check `to`",
    (Stage.RECIPIENT, 554): "The server does not relay to this address: check `to`, and whether a log-in is needed",
    (Stage.DATA, 552): "The server finds the message too large",
    (
        Stage.DATA,
        554,
    ): "The server's policy refuses the message, often as spam: ask its administrator to let the sender through",
}
_STAGE_FIX: Final[Mapping[Stage, str]] = {
    Stage.CONNECT: "The server does not talk to this machine: check host and port, and ask its administrator",
    Stage.STARTTLS: "Use tls: tls (usually port 465), or say tls: none if the network is yours",
    Stage.AUTH: "Check username and password",
    Stage.SENDER: "Check the receiver's `from`",
    Stage.RECIPIENT: "Check the receiver's `to`",
    Stage.DATA: "The server's policy refuses the message: ask its administrator",
}


def classify(failure: BaseException, *, stage: Stage, server: str) -> NotifierError:
    """What an exception on the way means.

    Args:
        failure: what aiosmtplib, or the network under it, raised.
        stage: what was being done.
        server: host and port, for the sentence.
    """
    if isinstance(failure, SMTPResponseException):
        return classify_reply(failure.code, failure.message, stage=stage, server=server)
    if is_certificate(failure):
        # Not permanent: certificates expire at night and are renewed in the morning, and the messages should still be there.
        return NotifierError(
            f"the TLS certificate of {server} was not accepted",
            code="certificate",
            fix="Renew it, or check its name, `ca_file`, and this machine's clock",
            pauses_receiver=True,
        )
    if isinstance(failure, SMTPNotSupported) or (stage in _LACKING and not _is_lost(failure)):
        return _not_supported(stage, server)
    return _lost(failure, stage, server)


def _not_supported(stage: Stage, server: str) -> NotifierError:
    lacks = "no log-in (AUTH) that we know" if stage is Stage.AUTH else "no STARTTLS"
    fix = "Leave out username and password, or log in over TLS" if stage is Stage.AUTH else _STAGE_FIX[Stage.STARTTLS]
    return NotifierError(
        f"{server} offers {lacks}", permanent=True, code="not_supported", fix=fix, pauses_receiver=True
    )


def _is_lost(failure: BaseException) -> bool:
    return isinstance(failure, SMTPConnectError | SMTPServerDisconnected | SMTPTimeoutError | OSError)


def _lost(failure: BaseException, stage: Stage, server: str) -> NotifierError:
    late = isinstance(failure, TimeoutError)
    if stage is Stage.CONNECT:
        fix = "Check host, port and the network; with port 465 set tls: tls, with 587 tls: starttls"
        return NotifierError(f"{server} cannot be reached", code="timeout" if late else "connect", fix=fix)
    told = f"{server} did not answer in time" if late else f"the connection to {server} broke"
    return NotifierError(
        f"{told} while {stage}",
        # After the final dot nobody knows. The repeat carries the same Message-ID, by which many servers tell a copy.
        ambiguous=stage is Stage.DATA,
        code="timeout" if late else "disconnected",
    )


def classify_reply(code: int, text: str, *, stage: Stage, server: str) -> NotifierError:
    """What a reply means. Its text is repeated, in one cleaned line, except at the log-in."""
    words = "" if stage is Stage.AUTH else one_line(text, 200)
    told = f"{server} refused while {stage}: {code} {words}".rstrip()
    if code < _FIRST_PERMANENT:
        return NotifierError(
            told,
            retry_after=GREYLISTED,
            code=str(code),
            pauses_receiver=code == _BUSY or stage in _ABOUT_THE_CONNECTION,
        )
    return NotifierError(
        told,
        # A server that turns us away at the door or refuses the log-in says nothing about the message. It waits, and the receiver
        # with it: a password is mended within the day, as a certificate is, and the fallback is told meanwhile what waits.
        permanent=stage not in _MENDED_MEANWHILE,
        retry_after=timedelta(minutes=5) if stage is Stage.CONNECT else None,
        code=str(code),
        fix=_FIX.get((stage, code), _STAGE_FIX[stage]),
        pauses_receiver=stage in _ABOUT_THE_CONNECTION,
    )


def is_certificate(failure: BaseException | None) -> bool:
    """Whether a certificate that did not verify is at the bottom of it."""
    while failure is not None:
        if isinstance(failure, ssl.SSLCertVerificationError):
            return True
        failure = failure.__cause__ or failure.__context__
    return False
