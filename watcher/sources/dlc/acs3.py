r"""Request signing, `ACS3-HMAC-SHA256`: from the parts of a request to its Authorization header.

Pure: no clock, no randomness, no network. Date and nonce are parameters, because each attempt needs new ones.

The scheme (Alibaba Cloud's V3 signature; checked byte for byte against the official SDK's signer in the tests):

    canonical request = METHOD \n path \n query \n name:value\n ... \n name;name;... \n hex SHA-256 of the body
    string to sign    = ACS3-HMAC-SHA256 \n hex SHA-256 of the canonical request
    signature         = hex HMAC-SHA256(secret, string to sign)

There is no derived key and no region or date scope. At least `host` and every `x-acs-*` header must be signed. What is signed
must be what goes on the wire: path and query are taken here exactly as they will be sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from watcher.errors import InvalidRequest

ALGORITHM: Final = "ACS3-HMAC-SHA256"
API_VERSION: Final = "2020-12-03"
DATE_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
"""Of `x-acs-date`. The server accepts 15 minutes to either side of its own clock."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What requests are signed with. Its repr shows the id only.

    Attributes:
        key_id: AccessKey ID; not a secret, it stands in every request.
        secret: AccessKey secret.
        security_token: the STS token that belongs to a temporary key, or None.
    """

    key_id: str
    secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


def percent_encode(text: str) -> str:
    """RFC 3986 encoding of UTF-8: everything but `A-Z a-z 0-9 - _ . ~` becomes %XX, so space is %20 and `*` is %2A."""
    return quote(text, safe="~", encoding="utf-8")


def canonical_query(params: Mapping[str, str]) -> str:
    """The query as signed and as sent: pairs sorted by name, both sides encoded, an empty value as `name=`."""
    return "&".join(f"{percent_encode(name)}={percent_encode(params[name])}" for name in sorted(params))


def content_sha256(body: bytes) -> str:
    """Lower-case hex SHA-256 of the body: the value of `x-acs-content-sha256`."""
    return hashlib.sha256(body).hexdigest()


def canonical_request(  # noqa: PLR0917 - in the order of the canonical request
    method: str, path: str, query: str, headers: Mapping[str, str], signed: Sequence[str], payload_hash: str
) -> str:
    """What the signature is about, as one text.

    Args:
        method: upper-case HTTP method.
        path: encoded path exactly as on the wire; "" counts as "/".
        query: canonical query exactly as on the wire, without "?".
        headers: all headers; names in any case. Values are trimmed; names that differ in case only are joined by ",".
        signed: names of the headers that are signed; one that is missing from `headers` counts as empty.
        payload_hash: `content_sha256` of the body.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers.items():
        values.setdefault(name.lower(), []).append(value.strip())
    names = sorted({name.lower() for name in signed})
    block = "".join(f"{name}:{','.join(sorted(values.get(name, [])))}\n" for name in names)
    return "\n".join((method, path or "/", query, block, ";".join(names), payload_hash))


def signature(secret: str, canonical: str) -> str:
    """Lower-case hex signature over a canonical request."""
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def authorization(  # noqa: PLR0917 - in the order of the canonical request
    key: AccessKey, method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str
) -> str:
    """The Authorization header over every header given. Leave out those that a proxy or the HTTP client may change."""
    names = sorted({name.lower() for name in headers})
    signed = signature(key.secret, canonical_request(method, path, query, headers, names, payload_hash))
    return f"{ALGORITHM} Credential={key.key_id},SignedHeaders={';'.join(names)},Signature={signed}"


def signed_headers(
    action: str,
    host: str,
    key: AccessKey,
    date: datetime,
    nonce: str,
    *,
    path: str,
    query: str = "",
    method: str = "GET",
    body: bytes = b"",
) -> dict[str, str]:
    """The complete set of signed headers for one attempt, Authorization included. A further attempt needs a new date and nonce.

    Args:
        action: API action, for example GetJob.
        host: value of the Host header: with the port when it is not the scheme's own.
        key: what to sign with; a security token is sent and signed too.
        date: now on the server's clock, aware.
        nonce: never used before under this key.
        path: encoded path as on the wire.
        query: canonical query as on the wire.
        method: upper-case HTTP method.
        body: the body's bytes.
    """
    payload_hash = content_sha256(body)
    headers = {
        "accept": "application/json",
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": payload_hash,
        "x-acs-date": date.astimezone(UTC).strftime(DATE_FORMAT),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": API_VERSION,
    }
    if key.security_token:
        headers["x-acs-accesskey-id"] = key.key_id
        headers["x-acs-security-token"] = key.security_token
    headers["Authorization"] = authorization(key, method, path, query, headers, payload_hash)
    return headers


class Signer:
    """Signs many GET requests of one action to one host under one key: what they have in common is made once.

    What it makes is what `signed_headers` makes, as lines for the wire.

    Args:
        action: API action, for example GetJob.
        host: value of the Host header.
        key: what to sign with.

    Raises:
        InvalidRequest: the key or its token cannot stand in a header; perhaps a file has more in it than the key.
    """

    def __init__(self, action: str, host: str, key: AccessKey) -> None:
        pattern = signed_headers(action, host, key, datetime.fromtimestamp(0, UTC), "", path="/")
        del pattern["Authorization"]
        if not all(value.isprintable() and value.isascii() and value == value.strip() for value in pattern.values()):
            raise InvalidRequest(
                "the access key cannot be sent: it holds spaces, line breaks or more than ASCII",
                fix="Check that the key and the token are whole and alone where they stand",
            )
        own = {"x-acs-date": "\0", "x-acs-signature-nonce": "\1"}
        block = "".join(f"{name}:{value}\n" for name, value in sorted((pattern | own).items()))
        names = ";".join(sorted(pattern))
        self._head, rest = block.split("\0")
        self._middle, self._tail = rest.split("\1")
        self._tail += f"\n{names}\n{pattern['x-acs-content-sha256']}"
        fixed = "".join(f"{name}: {value}\r\n" for name, value in pattern.items() if name not in own)
        self._fixed = f"{fixed}Authorization: {ALGORITHM} Credential={key.key_id},SignedHeaders={names},Signature="
        self._secret = key.secret.encode()

    def lines(self, date: datetime, nonce: str, path: str, query: str = "") -> str:
        """The headers of one attempt, each with its line end. A further attempt needs a new date and nonce.

        Args:
            date: now on the server's clock, in UTC.
            nonce: never used before under this key.
            path: encoded path as on the wire.
            query: canonical query as on the wire.
        """
        at = f"{date:%Y-%m-%dT%H:%M:%SZ}"
        canonical = f"GET\n{path}\n{query}\n{self._head}{at}{self._middle}{nonce}{self._tail}"
        to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signed = hmac.digest(self._secret, to_sign.encode(), "sha256").hex()
        return f"{self._fixed}{signed}\r\nx-acs-date: {at}\r\nx-acs-signature-nonce: {nonce}\r\n"
