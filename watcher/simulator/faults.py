"""What can go wrong on request: faults as values, and which of them hits a request. Pure.

Without a matching fault a request takes its normal way. Faults strike before keys and budget are looked at, as a broken network or
a failing gateway would; the first one in the plan that fits wins. A fault may be limited to an action, a job, a span of scenario
time and a number of requests; limits combine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from watcher.settings import Duration, Settings


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: HTTP status, and the `Code` and `Message` of the error body."""

    status: int
    code: str
    message: str


class FaultKind(StrEnum):
    """The ways in which an answer can fail."""

    SERVER_ERROR = "server-error"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 - the name of a fault
    CLOCK_SKEW = "clock-skew"
    """Refused as too old or too new; the answer's Date header is off by `length`."""
    HANG = "hang"
    """Nothing comes for `length`, then the connection is reset."""
    SLOW = "slow"
    """The right answer, `length` late."""
    DRIP = "drip"
    """The right answer, one byte at a time, spread over `length`."""
    DROP = "drop"
    """Reset before the first byte of the answer."""
    RESET = "reset"
    """Reset in the middle of the body."""
    HTML = "html"
    """Status 200 with a web page, as a proxy in the way would answer."""
    WRONG_TYPES = "wrong-types"
    """Good JSON of the wrong shape: lists where texts belong, texts where lists belong."""
    TRUNCATED = "truncated"
    """The first half of the JSON, as if it were all."""
    EMPTY = "empty"
    """Status 200 and no body."""
    REDIRECT = "redirect"
    """Status 302 to a page elsewhere on this server."""
    HUGE = "huge"
    """The right answer padded to `size_bytes`."""
    GZIP_BOMB = "gzip-bomb"
    """As huge, but compressed on the wire."""
    STALE = "stale"
    """The answer of `length` ago: reads of DLC may go backwards for a moment."""


REFUSALS: Final[Mapping[FaultKind, Refusal]] = MappingProxyType(
    {
        FaultKind.SERVER_ERROR: Refusal(
            500, "InternalError", "The request processing has failed due to an unknown error."
        ),
        FaultKind.UNAVAILABLE: Refusal(503, "ServiceUnavailable", "The service is temporarily unavailable."),
        FaultKind.FORBIDDEN: Refusal(403, "Forbidden.RAM", "User not authorized to operate on the specified resource."),
        FaultKind.TOKEN_EXPIRED: Refusal(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
        FaultKind.CLOCK_SKEW: Refusal(
            400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."
        ),
    }
)
"""Faults that are an error answer. Throttled and not-found are missing: how they look is a switch of `Behaviour`."""

DEFAULT_LENGTHS: Final[Mapping[FaultKind, timedelta]] = MappingProxyType(
    {
        FaultKind.CLOCK_SKEW: timedelta(minutes=20),
        FaultKind.HANG: timedelta(minutes=5),
        FaultKind.SLOW: timedelta(seconds=2),
        FaultKind.DRIP: timedelta(minutes=1),
        FaultKind.STALE: timedelta(minutes=1),
    }
)


class Fault(Settings):
    """One fault and its limits. In YAML and JSON `lasts` is written `for`."""

    kind: FaultKind
    """What goes wrong."""
    action: str = ""
    """Only this action, for example GetJob; "" is any."""
    job: str = ""
    """Only requests about this job id; "" is any, lists included."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Only the next so many requests that fit; None is no limit."""
    at: Duration = timedelta(0)
    """From this scenario time on, measured from the scenario's start."""
    lasts: Annotated[Duration | None, Field(alias="for")] = None
    """For so long in scenario time; None is for ever."""
    length: Annotated[Duration, Field(le=timedelta(hours=1))] | None = None
    """Real time a hang, delay or drip takes; how far a skewed clock is off; how old a stale answer is (scenario time). At most
    1 h; None is a default that fits the kind."""
    size_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 64 << 20
    """Of a huge body, decoded. At most 1 GiB; it is never held in memory as a whole."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """Another HTTP status for an error answer."""
    code: str = ""
    """Another `Code` for an error answer."""
    message: str = ""
    """Another `Message` for an error answer."""

    @property
    def span(self) -> timedelta:
        """`length`, or the default of the kind."""
        return self.length if self.length is not None else DEFAULT_LENGTHS.get(self.kind, timedelta(0))

    def fits(self, action: str, job_id: str, elapsed: timedelta) -> bool:
        """Whether a request of this action about this job ("" for lists) at this scenario time is hit."""
        return (
            self.action in ("", action)
            and self.job in ("", job_id)
            and self.at <= elapsed
            and (self.lasts is None or elapsed < self.at + self.lasts)
        )

    def refusal(self, otherwise: Refusal | None = None) -> Refusal | None:
        """The error answer this fault is, with its own status, code and text where given; None when it is none."""
        base = REFUSALS.get(self.kind, otherwise)
        if base is None:
            return None
        return Refusal(self.status or base.status, self.code or base.code, self.message or base.message)


@dataclass(frozen=True, slots=True)
class Armed:
    """A fault in the plan and how often it may still strike (None: no limit)."""

    fault: Fault
    left: int | None

    @classmethod
    def of(cls, fault: Fault) -> Armed:
        """A fresh one."""
        return cls(fault, fault.count)


def strike(
    plan: Sequence[Armed], action: str, job_id: str, elapsed: timedelta
) -> tuple[Fault | None, tuple[Armed, ...]]:
    """The fault that hits this request, if any, and the plan that remains. Used-up faults leave the plan."""
    for index, armed in enumerate(plan):
        if armed.fault.fits(action, job_id, elapsed):
            if armed.left is None:
                return armed.fault, tuple(plan)
            rest = (replace(armed, left=armed.left - 1),) if armed.left > 1 else ()
            return armed.fault, (*plan[:index], *rest, *plan[index + 1 :])
    return None, tuple(plan)
