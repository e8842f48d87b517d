"""What a request asks for: its path taken apart, its body read with a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watcher.simulator.gate import SignedRequest
from watcher.simulator.wires import Receive, Scope

MOST_BODY: Final = 64 << 10
"""Bytes of a body that are read; what follows is dropped, so such a request fails its signature."""

_ACTIONS: Final[Mapping[tuple[str, ...], str]] = {
    ("api", "v1", "jobs"): "ListJobs",
    ("api", "v1", "jobs", ""): "GetJob",
    ("api", "v1", "jobs", "", "events"): "GetJobEvents",
    ("api", "v1", "jobs", "", "pods", "", "events"): "GetPodEvents",
    ("api", "v1", "jobs", "", "pods", "", "logs"): "GetPodLogs",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a path asks for; "" for what is not in it."""

    action: str = ""
    job_id: str = ""
    pod_id: str = ""


def action_of(segments: tuple[str, ...]) -> Target:
    """Action, job id and pod id of a decoded path."""
    pattern = tuple("" if index in (3, 5) else part for index, part in enumerate(segments))
    job_id, pod_id = ("".join(segments[index : index + 1]) for index in (3, 5))
    return Target(_ACTIONS.get(pattern, ""), job_id, pod_id)


async def request_of(scope: Scope, receive: Receive) -> SignedRequest:
    """The request behind an ASGI scope."""
    body, more = b"", True
    while more and len(body) <= MOST_BODY:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return SignedRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii", "replace"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body[:MOST_BODY],
    )
