"""What a user may say about a DLC source in the configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from watcher.settings import CertificateFile, Duration, OneOrMany, SecretFile, Settings, SourceSettings, exactly_one
from watcher.sources.dlc.endpoints import REGION_PATTERN, Endpoint, Network, parse_endpoint, regional_endpoint


class AccessKeyCredentials(Settings):
    """An AccessKey pair, permanent or with its STS token. Files are read anew when they change."""

    kind: Literal["access_key"]
    key_id: Annotated[str, Field(min_length=1)] | None = None
    key_id_file: SecretFile | None = None
    secret: SecretStr | None = None
    """Prefer `secret_file`, or `${VARIABLE}`, over the secret itself."""
    secret_file: SecretFile | None = None
    security_token: SecretStr | None = None
    """The STS token, when the pair is a temporary one."""
    security_token_file: SecretFile | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> AccessKeyCredentials:
        exactly_one(self, "key_id", "key_id_file")
        exactly_one(self, "secret", "secret_file")
        if self.security_token is not None or self.security_token_file is not None:
            exactly_one(self, "security_token", "security_token_file")
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """The files a change of which means a new key."""
        return tuple(f for f in (self.key_id_file, self.secret_file, self.security_token_file) if f is not None)


class EcsRamRoleCredentials(Settings):
    """The RAM role of the ECS instance this runs on, asked from the metadata address. Only ever asked when named like this."""

    kind: Literal["ecs_ram_role"]
    role_name: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")] | None = None
    """Name of the role; without it the metadata service is asked for the name first."""


class UriCredentials(Settings):
    """An address that hands out temporary keys, as in PAI's own containers."""

    kind: Literal["uri"]
    url: str

    @model_validator(mode="after")
    def _is_http(self) -> UriCredentials:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must be an http or https address")
        return self


class DefaultCredentials(Settings):
    """The official chain: environment, OIDC from the environment, `~/.aliyun/config.json`, `~/.alibabacloud/credentials.ini`,
    ALIBABA_CLOUD_CREDENTIALS_URI. Without its ECS metadata step, which must be named: `kind: ecs_ram_role`.
    """  # noqa: D205 - one sentence

    kind: Literal["default"] = "default"


SessionLength = Annotated[Duration, Field(ge=timedelta(minutes=15), le=timedelta(hours=12))]
BaseCredentials = Annotated[
    AccessKeyCredentials | EcsRamRoleCredentials | UriCredentials | DefaultCredentials, Field(discriminator="kind")
]


class RamRoleCredentials(Settings):
    """A RAM role taken on with other credentials (AssumeRole)."""

    kind: Literal["ram_role"]
    role_arn: Annotated[str, Field(pattern=r"^acs:ram::\d+:role/.+$")]
    base: BaseCredentials = DefaultCredentials()
    """The credentials that may take on the role."""
    session_name: Annotated[str, Field(pattern=r"^[\w.@-]{2,64}$")] = "dlc-watcher"
    session_length: SessionLength = timedelta(hours=1)
    """How long one temporary key lives. At most what the role allows, which is an hour unless somebody changed it."""
    external_id: str | None = None
    sts_endpoint: str = "sts.aliyuncs.com"
    """Host of the STS service; `sts-vpc.<region>.aliyuncs.com` from inside a VPC."""


class OidcCredentials(Settings):
    """A RAM role taken on with an OIDC token, as RRSA does in ACK clusters."""

    kind: Literal["oidc"]
    role_arn: Annotated[str, Field(pattern=r"^acs:ram::\d+:role/.+$")]
    provider_arn: Annotated[str, Field(pattern=r"^acs:ram::\d+:oidc-provider/.+$")]
    token_file: SecretFile
    session_name: Annotated[str, Field(pattern=r"^[\w.@-]{2,64}$")] = "dlc-watcher"
    session_length: SessionLength = timedelta(hours=1)
    sts_endpoint: str = "sts.aliyuncs.com"


AnyCredentials = Annotated[
    AccessKeyCredentials
    | EcsRamRoleCredentials
    | UriCredentials
    | DefaultCredentials
    | RamRoleCredentials
    | OidcCredentials,
    Field(discriminator="kind"),
]


class DlcSettings(SourceSettings):
    """One region of PAI-DLC under one identity."""

    kind: Literal["dlc"] = "dlc"
    """`dlc`: PAI-DLC through its API."""
    region: Annotated[str, Field(pattern=REGION_PATTERN)] | None = None
    """Region id, for example cn-hangzhou. Needed unless `endpoint` is given."""
    endpoint: str | None = None
    """`host`, `host:port` or an https address, instead of the region's own. http is for this machine, or with `allow_http`."""
    network: Network = "public"
    """vpc asks the region's private address, pai-dlc-vpc. Not every region is known to have one."""
    allow_http: bool = False
    """Lets `endpoint` be unencrypted on another machine: answers hold your jobs' commands and environment."""
    credentials: AnyCredentials = DefaultCredentials()
    """Whose key signs the requests, by `kind`: access_key, ram_role, ecs_ram_role, oidc, uri, or default (the official chain)."""
    workspaces: OneOrMany = ()
    """Workspace ids to list. Without any, DLC lists the account's default workspace only, and does not say so."""
    own_jobs_everywhere: bool = False
    """Also list this identity's own jobs in every workspace."""
    created_within: Duration | None = timedelta(days=30)
    """How far back ListJobs looks, by creation time. DLC's own default of 7 days loses long jobs; every job ever made would be
    hundreds of pages a pass. A job that is watched already is never lost by its age, since GetJob decides about it; an older one
    is found by naming its id in `select.jobs`. null lists everything since 2000."""
    max_pages: Annotated[int, Field(ge=1, le=1000)] = 100
    """Pages of 100 jobs per workspace and pass; when there are more, what was not listed is not taken for gone."""
    timeout: Duration = timedelta(seconds=10)
    """The longest one request may take from start to last byte, however slowly it drips."""
    connect_timeout: Duration = timedelta(seconds=5)
    """The longest that connecting alone may take, TLS included."""
    ca_file: CertificateFile | None = None
    """Certificates of the authorities to trust (PEM), in place of this machine's; for a proxy that opens TLS."""
    max_body_bytes: Annotated[int, Field(ge=65_536, le=1_073_741_824)] = 16 * 1024 * 1024
    """The largest answer accepted, after decompression. 5000 pods are about half of the default."""
    proxy: SecretStr | None = None
    """http(s) address of a proxy. The proxy variables of the environment are not looked at for DLC requests."""

    @model_validator(mode="after")
    def _reachable(self) -> DlcSettings:
        if self.region is None and self.endpoint is None:
            raise ValueError("give a region (for example cn-hangzhou) or an endpoint")
        if self.endpoint is not None and self.network != "public":
            raise ValueError("network says which of the region's addresses to use; an endpoint names one already")
        if not self.timeout or not self.connect_timeout:
            raise ValueError("timeout and connect_timeout must be longer than zero")
        if self.proxy is not None:
            parts = urlsplit(self.proxy.get_secret_value())
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("proxy must be an http or https address")
        _ = self.address
        return self

    @property
    def address(self) -> Endpoint:
        """Where requests go."""
        if self.endpoint is not None:
            return parse_endpoint(self.endpoint, allow_http=self.allow_http)
        return regional_endpoint(self.region or "", self.network)

    @property
    def account(self) -> str:
        """Whose request budget is drawn on, and where: DLC counts requests for each account and region. No secret is in it.

        A role names its account. Of other credentials only equal ones are known to belong to the same account.
        """
        role = getattr(self.credentials, "role_arn", "")
        told = role.split(":")[3] if role else self.credentials.model_dump_json(exclude={"secret", "security_token"})
        return f"{self.region_id or self.address} {told}"

    @property
    def region_id(self) -> str:
        """The region as given, else as an official endpoint names it, else ""."""
        return self.region or self.address.region
