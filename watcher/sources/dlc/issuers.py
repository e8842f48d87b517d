"""How a key is had, for each kind of credentials.

Files, a credentials address and the ECS metadata address are asked here, each being one or two small GETs. The role kinds and the
default chain are the official library's work, in a worker thread: its async methods block the event loop while they refresh.
The library is imported when a kind needs it, with its metadata step off and its log handlers taken away.

Texts of exceptions from over there never go into ours: they quote answers that may hold keys.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from watcher.errors import CredentialsUnavailable
from watcher.settings import reveal
from watcher.sources.dlc.acs3 import AccessKey
from watcher.sources.dlc.settings import (
    AccessKeyCredentials,
    AnyCredentials,
    DefaultCredentials,
    EcsRamRoleCredentials,
    OidcCredentials,
    RamRoleCredentials,
    UriCredentials,
)

METADATA: Final = "http://100.100.100.200"
"""The ECS metadata service; reachable from inside an ECS instance only."""
_ROLES: Final = "/latest/meta-data/ram/security-credentials/"
_TOKEN_TTL_S: Final = 300
_CHAIN_REVIEW: Final = timedelta(minutes=20)
"""The default chain does not say when a temporary key ends. Those it obtains itself live for an hour."""
_LARGEST: Final = 64 * 1024
_NETWORK_TIMEOUT_S: Final = 5.0
_SENDABLE: Final = re.compile(r"[!-~]+")
_LOUD: Final = ("credentials", "alibabacloud-tea", "darabonba-core")


@dataclass(frozen=True, slots=True)
class Issued:
    """A key and when it ends.

    Attributes:
        key: what to sign with.
        ends_at: when it ends, or None when nobody said so.
        review_after: how soon to ask again although nobody said that it ends; None for never.
    """

    key: AccessKey
    ends_at: datetime | None = None
    review_after: timedelta | None = None


class _KeyDocument(BaseModel):
    """What a credentials address and the metadata service answer."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)

    Code: str = "Success"
    AccessKeyId: str = ""
    AccessKeySecret: str = ""
    SecurityToken: str = ""
    Expiration: datetime | None = None


async def issue(settings: AnyCredentials, proxy: str | None = None, *, metadata: str = METADATA) -> Issued:
    """Obtain a key now.

    Args:
        settings: which kind.
        proxy: for the token service (role and OIDC kinds).
        metadata: address of the ECS metadata service.

    Raises:
        CredentialsUnavailable: with what is missing; `permanent` unless the network was at fault.
    """
    match settings:
        case AccessKeyCredentials():
            return await anyio.to_thread.run_sync(_from_files, settings, abandon_on_cancel=True)
        case UriCredentials():
            return await _from_uri(settings)
        case EcsRamRoleCredentials():
            return await _from_metadata(settings, metadata)
        case DefaultCredentials():
            return await _from_library(_default_chain, "the default chain")
        case RamRoleCredentials():
            base = (await issue(settings.base, proxy, metadata=metadata)).key
            return await _from_library(partial(_assume_role, settings, base, proxy), f"AssumeRole {settings.role_arn}")
        case OidcCredentials():
            return await _from_library(partial(_oidc, settings, proxy), f"OIDC for {settings.role_arn}")


def _from_files(settings: AccessKeyCredentials) -> Issued:
    token = None
    try:
        key_id = settings.key_id or reveal(None, settings.key_id_file)
        secret = reveal(settings.secret, settings.secret_file)
        if settings.security_token is not None or settings.security_token_file is not None:
            token = reveal(settings.security_token, settings.security_token_file)
    except OSError as exc:
        raise CredentialsUnavailable(
            f"the credentials file {exc.filename} cannot be read: {exc.strerror}", fix="Put it back, or change its mode"
        ) from exc
    except UnicodeDecodeError:
        raise CredentialsUnavailable("a credentials file is not text") from None
    return Issued(_checked(key_id, secret, token, "the configured files"))


def _checked(key_id: str | None, secret: str | None, token: str | None, where: str) -> AccessKey:
    if not key_id or not secret:
        raise CredentialsUnavailable(f"{where} gave no key id or no secret")
    if not _SENDABLE.fullmatch(key_id) or not (token is None or not token or _SENDABLE.fullmatch(token)):
        raise CredentialsUnavailable(f"{where} gave a key id or token with characters that cannot be sent")
    return AccessKey(key_id, secret, token or None)


def _read_document(body: bytes, where: str) -> Issued:
    try:
        told = _KeyDocument.model_validate_json(body)
    except ValidationError:
        told = None
    if told is None or told.Code != "Success":
        raise CredentialsUnavailable(f"{where} did not answer with credentials")
    ends_at = told.Expiration
    if ends_at is not None:
        ends_at = ends_at.replace(tzinfo=UTC) if ends_at.tzinfo is None else ends_at.astimezone(UTC)
    return Issued(_checked(told.AccessKeyId, told.AccessKeySecret, told.SecurityToken, where), ends_at)


async def _ask(method: str, url: str, where: str, headers: dict[str, str] | None = None) -> bytes:
    body = b""
    try:
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=_NETWORK_TIMEOUT_S) as http,
            http.stream(method, url, headers=headers) as response,
        ):
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST:
                    raise CredentialsUnavailable(f"{where} answered with more than {_LARGEST} bytes")
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        raise CredentialsUnavailable(
            f"{where} cannot be reached ({type(exc).__name__})",
            permanent=False,
            fix="Check that this runs where that service is",
        ) from None
    if response.status_code != httpx2.codes.OK:
        raise CredentialsUnavailable(
            f"{where} answered with HTTP {response.status_code}",
            permanent=not httpx2.codes.is_server_error(response.status_code),
        )
    return body


async def _from_uri(settings: UriCredentials) -> Issued:
    where = f"the credentials address at {urlsplit(settings.url).hostname}"
    return _read_document(await _ask("GET", settings.url, where), where)


async def _from_metadata(settings: EcsRamRoleCredentials, metadata: str) -> Issued:
    where = "the ECS metadata service"
    told = await _ask(
        "PUT", f"{metadata}/latest/api/token", where, {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_TTL_S)}
    )
    headers = {"X-aliyun-ecs-metadata-token": told.decode("ascii", "replace").strip()}
    if not _SENDABLE.fullmatch(headers["X-aliyun-ecs-metadata-token"]):
        raise CredentialsUnavailable(f"{where} gave no token")
    role = settings.role_name
    if role is None:
        role = (await _ask("GET", metadata + _ROLES, where, headers)).decode("utf-8", "replace").strip()
    body = await _ask("GET", f"{metadata}{_ROLES}{quote(role, safe='')}", where, headers)
    return _read_document(body, where)


async def _from_library(obtain: Callable[[], Issued], what: str) -> Issued:
    failure: CredentialsUnavailable
    try:
        return await anyio.to_thread.run_sync(obtain, abandon_on_cancel=True)
    except CredentialsUnavailable:
        raise
    except Exception as exc:  # noqa: BLE001 - the library raises whatever its parts raise
        failure = _from_text(str(getattr(exc, "message", None) or exc), what)
    raise failure


def _from_text(text: str, what: str) -> CredentialsUnavailable:
    """Take code and status out of the library's text; the rest may quote a key."""
    status = re.search(r"http_code[:=]\s*(\d{3})", text)
    code = re.search(r'"Code"\s*:\s*"([\w.]{1,80})"', text)
    if status is None:
        empty = "unable to load credentials from any" in text
        return CredentialsUnavailable(
            f"no credentials from {what}",
            permanent=empty,
            fix="Name them under `credentials`, or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
            if empty
            else "Check the way to the token service",
        )
    return CredentialsUnavailable(
        f"no credentials from {what}: the token service answered with HTTP {status[1]}",
        permanent=not status[1].startswith("5"),
        code=code[1] if code else "",
        fix="Check the role, its trust policy and the base credentials",
    )


def _library() -> Any:
    """The official library's providers, with the metadata step off and quiet.

    It reads the environment once, when it is imported; so the switch must be set before. An `ecs_ram_role` that is named in the
    configuration does not go through the library. It also puts handlers on its loggers that write to stderr, texts of failed
    token requests included; they are taken away.
    """
    os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
    from alibabacloud_credentials import provider  # noqa: PLC0415 - 0.2 s and a hundred modules, only where needed
    from alibabacloud_credentials.utils import auth_util  # noqa: PLC0415

    auth_util.environment_ecs_metadata_disabled = "true"  # if somebody imported it before us
    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    return provider


def _issued(credentials: Any, what: str) -> Issued:
    if credentials is None:
        raise CredentialsUnavailable(f"no credentials from {what}")
    key = _checked(
        credentials.get_access_key_id(), credentials.get_access_key_secret(), credentials.get_security_token(), what
    )
    ends = credentials.get_expiration()
    return Issued(key, datetime.fromtimestamp(ends, UTC) if ends else None)


def _default_chain() -> Issued:
    told = _issued(_library().DefaultCredentialsProvider().get_credentials(), "the default chain")
    return Issued(told.key, review_after=_CHAIN_REVIEW if told.key.security_token else None)


def _http_options(proxy: str | None) -> Any:
    from alibabacloud_credentials.http import HttpOptions  # noqa: PLC0415 - as above

    return HttpOptions(proxy=proxy)


def _assume_role(settings: RamRoleCredentials, base: AccessKey, proxy: str | None) -> Issued:
    role = _library().RamRoleArnCredentialsProvider(
        access_key_id=base.key_id,
        access_key_secret=base.secret,
        security_token=base.security_token,
        role_arn=settings.role_arn,
        role_session_name=settings.session_name,
        duration_seconds=int(settings.session_length.total_seconds()),
        external_id=settings.external_id,
        sts_endpoint=settings.sts_endpoint,
        http_options=_http_options(proxy),
    )
    return _issued(role.get_credentials(), f"AssumeRole {settings.role_arn}")


def _oidc(settings: OidcCredentials, proxy: str | None) -> Issued:
    role = _library().OIDCRoleArnCredentialsProvider(
        role_arn=settings.role_arn,
        oidc_provider_arn=settings.provider_arn,
        oidc_token_file_path=str(settings.token_file),
        role_session_name=settings.session_name,
        duration_seconds=int(settings.session_length.total_seconds()),
        sts_endpoint=settings.sts_endpoint,
        http_options=_http_options(proxy),
    )
    return _issued(role.get_credentials(), f"OIDC for {settings.role_arn}")
