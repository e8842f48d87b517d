"""ListJobs: window, filters, order and pages over the jobs of a scenario. Pure.

Facts: without StartTime only jobs created in the last 7 days are listed; WorkspaceId left out means the default workspace,
silently; FromAllWorkspaces needs ShowOwn; JobId wins over JobIds; PageSize is 1 to 100 and PageNumber 1 to 1000; booleans come
as True and False; Tags come as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from watcher.simulator.answers import Moment, Wire, list_item
from watcher.simulator.life import State, state_at
from watcher.simulator.records import WEEK, invalid, number_of, time_of
from watcher.simulator.scenario import ScriptedJob
from watcher.simulator.specs import totals_of

Life = tuple[ScriptedJob, tuple[State, ...]]
"""A job and all its states."""

Test = Callable[[ScriptedJob, State, str], bool]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who lists: the user id behind the key, and the workspace meant when none is named."""

    user: str
    workspace: str


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))


def _like(text: str, pattern: str) -> bool:
    """Substring, ignoring case; `*` and `?` are wildcards."""
    return fnmatchcase(text.lower(), f"*{pattern.lower().replace('[', '[[]')}*")


def _payment(job: ScriptedJob) -> str:
    if job.quota:
        return "PrePaid"
    return "Spot" if any(role.spot for role in job.roles.values()) else "PostPaid"


FILTERS: Final[Mapping[str, Test]] = MappingProxyType(
    {
        "Accessibility": lambda job, _, value: job.accessibility == value,
        "Description": lambda job, _, value: _like(job.description, value),
        "DisplayName": lambda job, _, value: _like(job.name or job.id, value),
        "ImageSearch": lambda job, _, value: any(_like(role.image, value) for role in job.roles.values()),
        "JobType": lambda job, _, value: job.type == value,
        "OversoldInfo": lambda job, _, value: (job.oversold or "ForbiddenQuotaOverSold") == value.partition("-")[0],
        "PaymentType": lambda job, _, value: _payment(job) == value,
        "PipelineId": lambda job, _, value: job.pipeline == value,
        "ReasonSearch": lambda _, state, value: _like(f"{state.reason} {state.message}", value),
        "ResourceId": lambda job, _, value: job.quota == value,
        "ResourceIds": lambda job, _, value: job.quota in _names(value),
        "ResourceQuotaName": lambda job, _, value: _like(job.quota_name or job.quota, value),
        "Status": lambda _, state, value: state.status == value,
        "TemplateId": lambda job, _, value: job.template == value,
        "UserCommandSearch": lambda _job, _, value: _like("python train.py", value),
        "UserIdForFilter": lambda job, _, value: job.user == value,
        "Username": lambda job, _, value: job.user_name == value,
    }
)
"""Parameters that hold or do not hold for one job. Parameters that stand nowhere in this module are not understood and ignored."""

TIME_FIELDS: Final[Mapping[str, Callable[[ScriptedJob, State], timedelta | None]]] = MappingProxyType(
    {
        "GmtCreateTime": lambda job, _: job.submit_at,
        "GmtSubmittedTime": lambda _, state: state.submitted,
        "GmtRunningTime": lambda _, state: state.running_first,
        "GmtFinishTime": lambda _, state: state.finished,
    }
)
NUMBER_FIELDS: Final[Mapping[str, Callable[[ScriptedJob, State], float]]] = MappingProxyType(
    {
        "RequestCPU": lambda job, _: totals_of(job).cpu,
        "RequestGPU": lambda job, _: totals_of(job).gpu,
        "RequestMemory": lambda job, _: totals_of(job).memory,
        "Priority": lambda _, state: state.priority,
    }
)
_LATE: Final = timedelta(days=365_000)
SORTS: Final[Mapping[str, Callable[[ScriptedJob, State], str | timedelta]]] = MappingProxyType(
    {
        "DisplayName": lambda job, _: job.name or job.id,
        "JobType": lambda job, _: job.type,
        "Status": lambda _, state: state.status,
        "GmtCreateTime": lambda job, _: job.submit_at,
        "GmtFinishTime": lambda _, state: _LATE if state.finished is None else state.finished,
    }
)


def list_jobs(lives: Sequence[Life], params: Mapping[str, str], asker: Asker, moment: Moment) -> Wire:
    """ListJobs' body, without RequestId.

    Args:
        lives: all jobs of the scenario.
        params: the decoded query.
        asker: who asks.
        moment: now.

    Raises:
        Refused: a parameter is not as documented.
    """
    if moment.behaviour.job_ids_ignored:
        params = {name: value for name, value in params.items() if name != "JobIds"}
    size = number_of(params, "PageSize", moment.behaviour.default_page_size, 100)
    page = number_of(params, "PageNumber", 1, 1000)
    tests = _tests(params, asker, moment)
    found: list[tuple[ScriptedJob, State]] = []
    for job, told in lives:
        state = state_at(told, moment.elapsed)
        if state is not None and all(test(job, state) for test in tests):
            found.append((job, state))
    _sort(found, params)
    shown = found[(page - 1) * size : page * size]
    return {"TotalCount": len(found), "Jobs": [list_item(job, state, moment) for job, state in shown]}


def _sort(found: list[tuple[ScriptedJob, State]], params: Mapping[str, str]) -> None:
    by, order = params.get("SortBy") or "GmtCreateTime", (params.get("Order") or "desc").lower()
    if by not in SORTS:
        raise invalid("SortBy", f"it must be one of {', '.join(SORTS)}")
    if order not in ("asc", "desc"):
        raise invalid("Order", "it must be asc or desc")
    key = SORTS[by]
    found.sort(key=lambda one: (key(*one), one[0].id), reverse=order == "desc")


Bound = Callable[[ScriptedJob, State], bool]


def _tests(params: Mapping[str, str], asker: Asker, moment: Moment) -> list[Bound]:
    """All that must hold, the cheap and sharp tests first."""
    tests: list[Bound | None] = [_ids(params), *_places(params, asker), *_window(params, moment)]
    listed = moment.behaviour.status_takes_list
    tests += [
        _statuses(value) if listed and name == "Status" else _bound(test, value)
        for name, test in FILTERS.items()
        if (value := params.get(name, ""))
    ]
    return [test for test in (*tests, _tags(params), _numbers(params)) if test is not None]


def _bound(test: Test, value: str) -> Bound:
    return lambda job, state: test(job, state, value)


def _statuses(text: str) -> Bound:
    names = _names(text)
    return lambda _, state: state.status in names


def _ids(params: Mapping[str, str]) -> Bound | None:
    wanted = params.get("JobId") or params.get("JobIds") or ""
    names = frozenset((wanted,)) if params.get("JobId") else _names(wanted)
    return (lambda job, _: job.id in names) if wanted else None


def _flag(params: Mapping[str, str], name: str) -> bool:
    value = (params.get(name) or "false").lower()
    if value not in ("true", "false"):
        raise invalid(name, "it must be true or false")
    return value == "true"


def _places(params: Mapping[str, str], asker: Asker) -> list[Bound | None]:
    own, everywhere = _flag(params, "ShowOwn"), _flag(params, "FromAllWorkspaces")
    if everywhere and not own:
        raise invalid("FromAllWorkspaces", "it needs ShowOwn=true")
    workspace = params.get("WorkspaceId") or asker.workspace
    return [
        None if everywhere else lambda job, _: job.workspace == workspace,
        (lambda job, _: job.user == asker.user) if own else None,
    ]


def _window(params: Mapping[str, str], moment: Moment) -> list[Bound | None]:
    by_id = params.get("JobId") or params.get("JobIds")
    if by_id and not moment.behaviour.job_ids_limited_by_window:
        return []
    if params.get("TimeRangeField") and moment.behaviour.time_range_field_refused:
        raise invalid("TimeRangeField", "it is not supported")
    name = params.get("TimeRangeField") or "GmtCreateTime"
    if name not in TIME_FIELDS:
        raise invalid("TimeRangeField", f"it must be one of {', '.join(TIME_FIELDS)}")
    field = TIME_FIELDS["GmtCreateTime" if moment.behaviour.time_range_field_ignored else name]
    now = moment.origin + moment.elapsed
    start = time_of(params, "StartTime", now - WEEK) - moment.origin
    end = time_of(params, "EndTime", now) - moment.origin

    def within(job: ScriptedJob, state: State) -> bool:
        at = field(job, state)
        return at is not None and start <= at <= end

    return [within]


def _tags(params: Mapping[str, str]) -> Bound | None:
    text = params.get("Tags", "")
    if not text:
        return None
    try:
        tags = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("Tags", "it must be a JSON object") from None
    if not isinstance(tags, dict):
        raise invalid("Tags", "it must be a JSON object")
    return lambda job, _: all(job.tags.get(name) == value for name, value in tags.items())


def _numbers(params: Mapping[str, str]) -> Bound | None:
    name = params.get("NumericRangeField", "")
    if not name:
        return None
    if name not in NUMBER_FIELDS:
        raise invalid("NumericRangeField", f"it must be one of {', '.join(NUMBER_FIELDS)}")
    try:
        least = float(params.get("NumericRangeMin") or "-inf")
        most = float(params.get("NumericRangeMax") or "inf")
    except ValueError:
        raise invalid(name, "NumericRangeMin and NumericRangeMax are numbers") from None
    field = NUMBER_FIELDS[name]
    return lambda job, state: least <= field(job, state) <= most
