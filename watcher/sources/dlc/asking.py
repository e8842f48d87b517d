"""A question to lists as the parameters of ListJobs. Pure.

StartTime is always sent, as DLC's own default of seven days loses long jobs. For jobs that are asked for by id it lies before all:
whether the window holds for JobIds, too, is not known, and must not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from watcher.core.feeds import ListQuestion
from watcher.sources.dlc.acs3 import DATE_FORMAT

PAGE_SIZE: Final = 100
"""The most ListJobs gives."""
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before there was any job."""
_SORTS: Final[Mapping[str, str]] = MappingProxyType({"created": "GmtCreateTime", "finished": "GmtFinishTime"})


def params_of(question: ListQuestion, scope: Mapping[str, str], since: datetime) -> dict[str, str]:
    """The query of one request.

    Args:
        question: what is asked.
        scope: the parameters that name the list.
        since: how far back lists go where the question does not say.
    """
    begins = question.since or (EVER if question.jobs else since)
    params = {
        **scope,
        "StartTime": max(begins, EVER).astimezone(UTC).strftime(DATE_FORMAT),
        "SortBy": _SORTS[question.order],
        "Order": "desc",
        "PageSize": str(PAGE_SIZE),
        "PageNumber": str(question.page),
    }
    if question.window == "finished":
        params["TimeRangeField"] = "GmtFinishTime"
    if question.statuses:
        params["Status"] = ",".join(question.statuses)
    if question.jobs:
        params["JobIds"] = ",".join(question.jobs)
    return params
