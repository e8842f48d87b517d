"""Who is measured: ways to ask DLC about many jobs, behind one small interface."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

KEY_ID, SECRET = "bench-key-id", "bench-key-secret"
"""Made up. The static mode checks no signature; every peer signs all the same, as it must in earnest."""

EXPECTED_STATUS = "Running"
"""What the static mode says of every job."""


class BenchFailed(Exception):
    """The run is worthless; the message says why."""


@dataclass(frozen=True)
class Site:
    """What a peer is pointed at.

    Attributes:
        scheme: http or https.
        authority: host and port.
        ca_file: who vouches for the certificate; used with https only.
        job_ids: the jobs of one sweep.
        concurrent: how many polls may be under way at once.
    """

    scheme: str
    authority: str
    ca_file: Path
    job_ids: Sequence[str]
    concurrent: int

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def first_ids(self) -> Sequence[str]:
        """Enough polls to open every connection."""
        return self.job_ids[: self.concurrent]

    def tls(self) -> ssl.SSLContext | None:
        """A client's TLS context that trusts the bench's certificate, or None for plain HTTP."""
        return ssl.create_default_context(cafile=str(self.ca_file)) if self.scheme == "https" else None


class Peer(Protocol):
    """One way to poll.

    Attributes:
        name: as the table calls it.
        asks: about how many jobs a sweep asks.
    """

    name: str
    asks: int

    async def warm(self) -> None:
        """Open the connections; not measured."""
        ...

    async def sweep(self) -> int:
        """Ask about so many jobs, check each answer, and return how many were asked about."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads."""
        ...


def expect(asked: str, job_id: str | None, status: str | None) -> None:
    """Compare what a poll saw with what is there.

    Raises:
        BenchFailed: another job or another status.
    """
    if job_id != asked or status != EXPECTED_STATUS:
        raise BenchFailed(f"asked about {asked}, expected it {EXPECTED_STATUS}, and saw {job_id} {status}")
