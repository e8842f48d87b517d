"""Who may ask: verification of an `ACS3-HMAC-SHA256` request, the far side of `watcher.sources.dlc.acs3`. Pure.

What arrives is decoded and encoded anew before the signature is compared, because clients differ in how they write the same
thing: the official SDK signs a space as %20 and sends it as "+".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote, unquote_plus

from watcher.simulator.faults import Refusal
from watcher.sources.dlc.acs3 import (
    ALGORITHM,
    API_VERSION,
    DATE_FORMAT,
    AccessKey,
    canonical_request,
    content_sha256,
    percent_encode,
    signature,
)

DATE_WINDOW: Final = timedelta(minutes=15)
"""How far a request's date may be off, to either side."""

_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<key>[^,\s]+),\s*SignedHeaders=(?P<names>[^,\s]*),\s*Signature=(?P<signature>[0-9a-f]+)"
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it arrived.

    Attributes:
        method: upper case.
        path: raw, still encoded.
        query: raw, still encoded, without "?".
        headers: lower-case names.
        body: as sent.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded parts of the path."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The decoded query, in order of arrival."""
        split = (pair.partition("=") for pair in self.query.split("&") if pair)
        return tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in split)

    @property
    def params(self) -> dict[str, str]:
        """The decoded query by name; of a repeated name the last one counts."""
        return dict(self.pairs)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Which keys are good.

    Attributes:
        keys: by key id.
        expired: key ids whose security token has run out.
    """

    keys: Mapping[str, AccessKey]
    expired: frozenset[str] = frozenset()


def canonical(request: SignedRequest, names: tuple[str, ...]) -> str:
    """What the client must have signed."""
    path = "/" + "/".join(percent_encode(part) for part in request.segments)
    query = "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in sorted(request.pairs))
    payload_hash = request.headers.get("x-acs-content-sha256", "")
    return canonical_request(request.method, path, query, request.headers, names, payload_hash)


def verify(request: SignedRequest, ring: Keyring, wall: datetime, used_nonces: Container[str]) -> Refusal | None:
    """None when the request is good, else how it is refused.

    The order is that of a gateway: form, key, date, signature, token, nonce. Codes and statuses are those of the general
    documentation; what pai-dlc itself answers is not known for certain.

    Args:
        request: as it arrived.
        ring: the good keys.
        wall: real time now, aware: dates are compared with it, whatever time the scenario has.
        used_nonces: nonces seen within the date window.
    """
    headers = request.headers
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", "").strip())
    if match is None:
        return Refusal(400, "IncompleteSignature", f"The request is not signed with {ALGORITHM}.")
    names = tuple(match["names"].split(";"))
    must = {"host", "x-acs-action", "x-acs-date", "x-acs-version", "x-acs-content-sha256", "x-acs-signature-nonce"}
    missing = sorted((must | {name for name in headers if name.startswith("x-acs-")}) - set(names))
    missing += sorted(name for name in must if not headers.get(name))
    if missing:
        return Refusal(400, "IncompleteSignature", f"Missing or not signed: {', '.join(dict.fromkeys(missing))}.")
    if headers["x-acs-version"] != API_VERSION:
        return Refusal(400, "InvalidVersion", "Specified parameter Version is not valid.")
    key = ring.keys.get(match["key"])
    if key is None:
        return Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    return (
        _date_refusal(headers["x-acs-date"], wall)
        or _signature_refusal(request, key, names, match["signature"])
        or _token_refusal(headers.get("x-acs-security-token"), key, expired=key.key_id in ring.expired)
        or _nonce_refusal(headers["x-acs-signature-nonce"], used_nonces)
    )


def _date_refusal(text: str, wall: datetime) -> Refusal | None:
    try:
        date = datetime.strptime(text, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return Refusal(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
    if abs(wall - date) > DATE_WINDOW:
        return Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    return None


def _signature_refusal(request: SignedRequest, key: AccessKey, names: tuple[str, ...], given: str) -> Refusal | None:
    if request.headers["x-acs-content-sha256"] != content_sha256(request.body):
        return Refusal(400, "SignatureDoesNotMatch", "x-acs-content-sha256 is not the SHA-256 of the body.")
    wanted = canonical(request, names)
    if hmac.compare_digest(signature(key.secret, wanted), given):
        return None
    # As the real gateway does, tell the string to sign: it holds a hash only, and shows whether form or secret is wrong.
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    return Refusal(
        400,
        "SignatureDoesNotMatch",
        f"Specified signature is not matched with our calculation. server string to sign is: {ALGORITHM}\n{digest}",
    )


def _token_refusal(token: str | None, key: AccessKey, *, expired: bool) -> Refusal | None:
    if token is None and key.security_token is None:
        return None
    if token is None:
        return Refusal(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
    if token != key.security_token:
        return Refusal(
            400, "InvalidSecurityToken.MismatchWithAccessKey", "SecurityToken does not belong to the AccessKey."
        )
    if expired:
        return Refusal(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
    return None


def _nonce_refusal(nonce: str, used: Container[str]) -> Refusal | None:
    if nonce in used:
        return Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
    return None
