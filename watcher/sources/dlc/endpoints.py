"""Where a region's API is, and where people look at a job."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlsplit

Network = Literal["public", "vpc"]

REGION_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
_OFFICIAL: Final = re.compile(r"pai-dlc(?:-vpc)?\.([a-z0-9-]+)\.aliyuncs\.com")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API address.

    Attributes:
        scheme: https, or http where that was allowed.
        authority: host, with the port when it is not the scheme's own: also the value of the Host header.
    """

    scheme: str
    authority: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def region(self) -> str:
        """The region id in an official name, else ""."""
        match = _OFFICIAL.fullmatch(self.authority)
        return match[1] if match else ""


def regional_endpoint(region: str, network: Network = "public") -> Endpoint:
    """The API of a region: `pai-dlc.<region>.aliyuncs.com`, or `pai-dlc-vpc...` from inside a VPC.

    The official SDK sends a few regions to a central name instead, and other official lists disagree with it; so the regional
    name is the rule here and `endpoint` in the configuration the exception.
    """
    return Endpoint("https", f"pai-dlc{'-vpc' if network == 'vpc' else ''}.{region}.aliyuncs.com")


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_endpoint(text: str, *, allow_http: bool = False) -> Endpoint:
    """Read `host`, `host:port`, `https://host` or, for this machine or with `allow_http`, `http://host:port`.

    Raises:
        ValueError: with a sentence that says what is allowed.
    """
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"the endpoint {text!r} must be a host, a host:port, or an http(s) address")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"the endpoint {text!r} has a port that is not a number from 0 to 65535") from None
    extras = parts.username is not None or parts.path not in {"", "/"} or parts.query or parts.fragment
    if not host or extras or not re.fullmatch(r"[a-z0-9.:_-]+", host):
        raise ValueError("an endpoint is a host and perhaps a port: no user, path or query")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ValueError(f"the endpoint {text!r} is not encrypted; use https, or say allow_http: true")
    shown = f"[{host}]" if ":" in host else host
    standard = {"http": 80, "https": 443}[parts.scheme]
    return Endpoint(parts.scheme, shown if port in {None, standard} else f"{shown}:{port}")


def job_console_url(region: str, workspace_id: str, job_id: str) -> str:
    """The job's page in the PAI console, or "" when the region is not known."""
    if not region:
        return ""
    workspace = f"&workspaceId={quote(workspace_id, safe='')}" if workspace_id else ""
    return (
        f"https://pai.console.aliyun.com/?regionId={quote(region, safe='')}{workspace}"
        f"#/dlc/jobs/{quote(job_id, safe='')}/overview"
    )
