"""What a refusal of DLC means: a table over `Code` and HTTP status, and the error made from it.

Theory. Alibaba Cloud products do not agree on statuses: throttling comes with 400, 429 or 503, and an unknown *access key* comes
with 404, as an unknown *job* does. So the `Code` decides first, exact names before patterns, and the status only when there is
no Code that we know. Without a Code it may not have been DLC who answered (a proxy, a load balancer); so a bare status proves
nothing about a job or a key: a bare 404 is a garbled answer, and what has no Code that we know is never permanent.

Codes and statuses: Alibaba Cloud's general error documentation and the official DLC skill texts; no recorded refusal of pai-dlc
itself was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from watcher.errors import (
    AuthRefused,
    ClockSkewed,
    Forbidden,
    GarbledAnswer,
    InvalidRequest,
    JobNotFound,
    ServerFault,
    SourceError,
    Throttled,
)


class Refusal(StrEnum):
    """Why DLC refused, as far as it changes what we do."""

    THROTTLED = "throttled"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - a name, not a token
    KEY_REFUSED = "key-refused"
    CLOCK_SKEWED = "clock-skewed"
    NONCE_USED = "nonce-used"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    INVALID = "invalid"
    SERVER_FAULT = "server-fault"
    GARBLED = "garbled"


CODES: Final[tuple[tuple[str, Refusal], ...]] = (
    # The first that fits wins. Patterns are globs over the lower-case Code.
    ("throttling*", Refusal.THROTTLED),
    ("toomanyrequests*", Refusal.THROTTLED),
    ("flowcontrol*", Refusal.THROTTLED),
    ("signaturenonceused", Refusal.NONCE_USED),
    ("illegaltimestamp*", Refusal.CLOCK_SKEWED),
    ("invalidtimestamp.expired", Refusal.CLOCK_SKEWED),
    ("requesttimetooskewed", Refusal.CLOCK_SKEWED),
    ("invalidsecuritytoken*", Refusal.TOKEN_REFUSED),  # .Expired, .Malformed, .MismatchWithAccessKey
    ("securitytoken*expired", Refusal.TOKEN_REFUSED),
    ("expiredtoken*", Refusal.TOKEN_REFUSED),
    ("invalidaccesskeyid*", Refusal.KEY_REFUSED),  # .NotFound comes with 404: never a missing job
    ("inactiveaccesskey*", Refusal.KEY_REFUSED),
    ("signaturedoesnotmatch", Refusal.KEY_REFUSED),
    ("incompletesignature", Refusal.KEY_REFUSED),
    ("invalidsignature*", Refusal.KEY_REFUSED),
    ("missingaccesskeyid", Refusal.KEY_REFUSED),
    ("missingsecuritytoken", Refusal.KEY_REFUSED),
    ("forbidden*", Refusal.FORBIDDEN),  # .RAM, .AccessDenied
    ("accessdenied*", Refusal.FORBIDDEN),
    ("nopermission*", Refusal.FORBIDDEN),
    ("permissiondenied*", Refusal.FORBIDDEN),
    ("unauthorized*", Refusal.FORBIDDEN),
    ("notauthorized*", Refusal.FORBIDDEN),
    ("notfound", Refusal.NOT_FOUND),
    ("*job*notfound*", Refusal.NOT_FOUND),
    ("*notfound*job*", Refusal.NOT_FOUND),
    ("*job*notexist*", Refusal.NOT_FOUND),
    ("resource*notfound*", Refusal.NOT_FOUND),
    ("entity*notexist*", Refusal.NOT_FOUND),
    ("*notfound*", Refusal.INVALID),  # of an action, version, region, workspace: not of the job
    ("invalid*", Refusal.INVALID),
    ("missing*", Refusal.INVALID),
    ("malformed*", Refusal.INVALID),
    ("badrequest*", Refusal.INVALID),
    ("unsupported*", Refusal.INVALID),
    ("internal*", Refusal.SERVER_FAULT),
    ("service*unavailable*", Refusal.SERVER_FAULT),
    ("*timeout*", Refusal.SERVER_FAULT),
    ("*busy*", Refusal.SERVER_FAULT),
    ("unknownerror", Refusal.SERVER_FAULT),
)

STATUSES: Final[Mapping[int, Refusal]] = MappingProxyType(
    {
        400: Refusal.INVALID,
        401: Refusal.KEY_REFUSED,
        403: Refusal.FORBIDDEN,
        404: Refusal.GARBLED,  # nobody said what was not found
        408: Refusal.SERVER_FAULT,
        429: Refusal.THROTTLED,
    }
)
"""For answers whose Code says nothing. By hundreds otherwise: 4xx invalid, 5xx server fault, everything else garbled."""

_HUNDREDS: Final = {4: Refusal.INVALID, 5: Refusal.SERVER_FAULT}
_ERRORS: Final[Mapping[Refusal, type[SourceError]]] = MappingProxyType(
    {
        Refusal.THROTTLED: Throttled,
        Refusal.TOKEN_REFUSED: AuthRefused,
        Refusal.KEY_REFUSED: AuthRefused,
        Refusal.NONCE_USED: ServerFault,  # refused twice with a fresh nonce: not ours
        Refusal.FORBIDDEN: Forbidden,
        Refusal.NOT_FOUND: JobNotFound,
        Refusal.INVALID: InvalidRequest,
        Refusal.SERVER_FAULT: ServerFault,
        Refusal.GARBLED: GarbledAnswer,
    }
)
_FIXES: Final[Mapping[Refusal, str]] = MappingProxyType(
    {
        Refusal.TOKEN_REFUSED: "Give credentials that are still valid",
        Refusal.KEY_REFUSED: "Check the key id and the secret",
        Refusal.FORBIDDEN: "Allow this identity {rights}, and give it a role in the workspace",
    }
)
_LONGEST_WAIT: Final = timedelta(hours=1)
_MESSAGE_LENGTH: Final = 400
_LARGEST_ERROR: Final = 256 * 1024


def refusal_of(status: int, code: str) -> Refusal:
    """Classify an answer that is not a success. Total: every status and code has a meaning."""
    refusal = _by_code(code)
    # A server that fails does not prove that something is missing.
    unproven = refusal is Refusal.NOT_FOUND and status // 100 != 4  # noqa: PLR2004 - 4xx
    return _by_status(status) if refusal is None or unproven else refusal


def _by_code(code: str) -> Refusal | None:
    told = code.strip().casefold()
    return next((refusal for pattern, refusal in CODES if fnmatchcase(told, pattern)), None)


def _by_status(status: int) -> Refusal:
    return STATUSES.get(status) or _HUNDREDS.get(status // 100, Refusal.GARBLED)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The members of DLC's error body that we use; "" when absent. `message` is cleaned of what must not be repeated."""

    code: str = ""
    message: str = ""
    request_id: str = ""


_JSON: Final[TypeAdapter[Any]] = TypeAdapter(JsonValue)
_CANONICAL: Final = re.compile(
    r"[\s,;.:]*(?:the\s+)?(?:server(?:'s)?\s+)?(?:string[ _]?to[ _]?sign|canonical).*", re.IGNORECASE | re.DOTALL
)
_HEX_DIGEST: Final = re.compile(r"\b[0-9a-fA-F]{40,}\b")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_TOKEN: Final = re.compile(r"[^\w.:-]+")


def clean(message: str, secrets: Iterable[str] = ()) -> str:
    """A server's sentence, fit to be shown: without canonical strings, digests, control characters and the given secrets."""
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    message = _HEX_DIGEST.sub("***", _CANONICAL.sub("", message))
    return _CONTROL.sub(" ", message).strip()[:_MESSAGE_LENGTH]


def read_error_body(body: bytes, secrets: Iterable[str] = ()) -> ErrorBody:
    """Read `{"Code", "Message", "RequestId"}`, in upper or lower case spelling; anything else gives an empty body."""
    if len(body) > _LARGEST_ERROR:
        return ErrorBody()
    try:
        told = _JSON.validate_json(body)
    except ValidationError:
        return ErrorBody()
    if not isinstance(told, dict):
        return ErrorBody()

    def member(*names: str) -> str:
        return next((value for name in names if isinstance(value := told.get(name), str) and value), "")

    return ErrorBody(
        code=_TOKEN.sub("", member("Code", "code"))[:100],
        message=clean(member("Message", "message"), secrets),
        request_id=_TOKEN.sub("", member("RequestId", "requestId", "request_id", "RequestID"))[:64],
    )


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the server wants us to wait: `x-acs-retry-after` (ms), else Retry-After (seconds or a date); at most an hour."""
    wait: timedelta | None = None
    if (text := headers.get("x-acs-retry-after", "").strip()).isascii() and text.isdigit():
        wait = timedelta(milliseconds=int(text[:12]))
    elif (text := headers.get("retry-after", "").strip()).isascii() and text.isdigit():
        wait = timedelta(seconds=int(text[:9]))
    elif (at := server_time(headers, "retry-after")) is not None:
        wait = at - (server_time(headers) or now)
    return None if wait is None or wait < timedelta(0) else min(wait, _LONGEST_WAIT)


def server_time(headers: Mapping[str, str], name: str = "date") -> datetime | None:
    """An HTTP date header as an aware datetime, or None when absent or unreadable."""
    try:
        time = parsedate_to_datetime(headers.get(name, ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def error_from(
    status: int,
    headers: Mapping[str, str],
    body: ErrorBody,
    *,
    action: str,
    now: datetime,
    about_job: str = "",
    offset: timedelta | None = None,
) -> SourceError:
    """The error that an answer other than 200 stands for.

    Args:
        status: HTTP status.
        headers: the answer's headers, looked up in lower case.
        body: what `read_error_body` made of the body.
        action: the API action that was asked.
        now: our time, for a Retry-After given as a date when the answer has no date of its own.
        about_job: the job id asked about; "" when the question was not about one job, and then nothing is "not found".
        offset: server clock minus ours.
    """
    refusal = refusal_of(status, body.code)
    request_id = body.request_id or _TOKEN.sub("", headers.get("x-acs-request-id", ""))[:64]
    if refusal is Refusal.NOT_FOUND and not (about_job and request_id):
        refusal = Refusal.INVALID if request_id else Refusal.GARBLED
    if refusal is Refusal.CLOCK_SKEWED:
        message = "DLC refused the request's date"
        return ClockSkewed(message, offset=offset, code=body.code, request_id=request_id)
    wait = retry_after(headers, now)
    return _ERRORS[refusal](
        _sentence(refusal, status, body, action, about_job),
        retry_after=wait,
        code=body.code,
        request_id=request_id,
        fix=_FIXES.get(refusal, "").format(rights=_rights(action)),
        permanent=False if _by_code(body.code) is None else None,
    )


def _rights(action: str) -> str:
    """What RAM must allow: the two rights without which nothing works, or the one more that this action takes."""
    return "paidlc:GetJob and paidlc:ListJobs" if action in {"GetJob", "ListJobs"} else f"paidlc:{action}"


def _sentence(refusal: Refusal, status: int, body: ErrorBody, action: str, about_job: str) -> str:
    said = f": {body.message.rstrip('.')}" if body.message else ""
    match refusal:
        case Refusal.THROTTLED:
            return f"DLC throttles this account ({action}, HTTP {status}){said}"
        case Refusal.TOKEN_REFUSED:
            return f"DLC did not accept the security token (HTTP {status}){said}"
        case Refusal.KEY_REFUSED:
            return f"DLC did not accept the access key or its signature (HTTP {status}){said}"
        case Refusal.FORBIDDEN:
            return f"{action} is forbidden (HTTP {status}){said}"
        case Refusal.NOT_FOUND:
            return f"DLC does not know the job {about_job}{said}"
        case Refusal.SERVER_FAULT | Refusal.NONCE_USED:
            return f"DLC failed to answer {action} (HTTP {status}){said}"
        case Refusal.GARBLED if 300 <= status < 400:  # noqa: PLR2004 - 3xx
            return f"{action} was answered with a redirect (HTTP {status}), which is not followed"
        case _:
            return f"{action} was answered with HTTP {status}{said}"
