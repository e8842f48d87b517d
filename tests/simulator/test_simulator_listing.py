"""ListJobs over scripted jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.simulator.answers import Moment
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.life import states
from watcher.simulator.listing import Asker, Life, list_jobs
from watcher.simulator.reading import bundled, load_scenario
from watcher.simulator.records import Refused
from watcher.simulator.throttle import Bucket

ORIGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKER = Asker("2000000000000001", "268")


def lives(text: str) -> tuple[Life, ...]:
    return tuple((job, states(job)) for job in load_scenario(text).jobs)


DEMO: tuple[Life, ...] = tuple((job, states(job)) for job in bundled("demo").jobs)
OLD_AND_NEW = lives("""
made_up: true
jobs:
  - {id: old, submit_at: -8d, life: [{at: 0s, status: Running}, {at: 192h5m, status: Succeeded}]}
  - {id: new, submit_at: 0s, life: [{at: 0s, status: Running}]}
  - {id: later, submit_at: 1h, life: [{at: 0s, status: Running}]}
  - {id: elsewhere, workspace: 269, user: 3, life: [{at: 0s, status: Running}]}
  - {id: mine-elsewhere, workspace: 269, life: [{at: 0s, status: Running}]}
""")


def ask(
    jobs: tuple[Life, ...], elapsed_minutes: float = 30, switches: dict[str, Any] | None = None, **params: object
) -> dict[str, Any]:
    moment = Moment(ORIGIN, timedelta(minutes=elapsed_minutes), Behaviour(**(switches or {})))
    return list_jobs(jobs, {name: str(value) for name, value in params.items()}, ASKER, moment)


def ids(body: dict[str, Any]) -> list[str]:
    return [item["JobId"] for item in body["Jobs"]]


def test_the_default_window_leaves_out_what_was_created_before_the_last_week() -> None:
    assert ids(ask(OLD_AND_NEW)) == ["new"]
    assert ids(ask(OLD_AND_NEW, StartTime="2000-01-01T00:00:00Z")) == ["new", "old"]


def test_a_job_that_is_not_submitted_yet_or_is_deleted_is_not_listed() -> None:
    assert "later" not in ids(ask(OLD_AND_NEW))
    assert "later" in ids(ask(OLD_AND_NEW, elapsed_minutes=61))
    assert "dlc1scratch00007" in ids(ask(DEMO, elapsed_minutes=34))
    assert "dlc1scratch00007" not in ids(ask(DEMO, elapsed_minutes=35))


def test_a_list_without_workspace_means_the_default_one() -> None:
    assert ids(ask(OLD_AND_NEW, WorkspaceId="269")) == ["mine-elsewhere", "elsewhere"]
    assert ids(ask(OLD_AND_NEW, FromAllWorkspaces=True, ShowOwn=True)) == ["new", "mine-elsewhere"]
    with pytest.raises(Refused):
        ask(OLD_AND_NEW, FromAllWorkspaces=True)


def test_the_time_range_field_moves_the_window() -> None:
    window = {"StartTime": "2026-01-02T03:00:00Z", "TimeRangeField": "GmtFinishTime"}
    assert ids(ask(OLD_AND_NEW, **window)) == ["old"]
    assert ids(ask(OLD_AND_NEW, switches={"time_range_field_ignored": True}, **window)) == ["new"]


def test_job_ids_are_found_within_the_window_or_beyond_it() -> None:
    assert ids(ask(OLD_AND_NEW, JobIds="old,new,none")) == ["new"]
    assert ids(ask(OLD_AND_NEW, switches={"job_ids_limited_by_window": False}, JobIds="old,new")) == ["new", "old"]
    assert ids(ask(OLD_AND_NEW, JobId="new", JobIds="old")) == ["new"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"DisplayName": "PROD"}, {"dlc1prodllm00001", "dlc1moe128gpu006"}),
        ({"DisplayName": "prod*128"}, {"dlc1moe128gpu006"}),
        ({"Status": "Queuing"}, {"dlc1moe128gpu006"}),
        ({"JobType": "TFJob"}, {"dlc1recsys000004"}),
        ({"Tags": '{"team":"nlp","stage":"prod"}'}, {"dlc1prodllm00001", "dlc1moe128gpu006"}),
        ({"Username": "carol", "PaymentType": "PostPaid"}, {"dlc1scratch00007"}),
        ({"ResourceId": "quota-a100", "UserIdForFilter": "2000000000000002"}, set()),
        ({"ReasonSearch": "out of memory"}, {"dlc1nighteval003"}),
        ({"NumericRangeField": "RequestGPU", "NumericRangeMin": "32"}, {"dlc1prodllm00001", "dlc1moe128gpu006"}),
        ({"OversoldInfo": "AcceptQuotaOverSold-true"}, {"dlc1recsys000004"}),
    ],
)
def test_filters(params: dict[str, str], expected: set[str]) -> None:
    assert set(ids(ask(DEMO, **params))) == expected


def test_several_statuses_at_once_only_where_the_switch_says_so() -> None:
    assert ids(ask(DEMO, Status="Queuing,Failed")) == []
    both = ids(ask(DEMO, switches={"status_takes_list": True}, Status="Queuing,Failed"))
    assert set(both) == {"dlc1moe128gpu006", "dlc1nighteval003"}


@pytest.mark.parametrize(
    "params",
    [
        {"PageSize": 101}, {"PageSize": 0}, {"PageNumber": 1001}, {"PageNumber": "x"}, {"PageNumber": "-1"},
        {"StartTime": "yesterday"}, {"SortBy": "GmtModifiedTime"}, {"Order": "up"}, {"Tags": "[1"}, {"Tags": "[]"},
        {"ShowOwn": "yes"}, {"TimeRangeField": "Never"}, {"NumericRangeField": "Luck"},
        {"NumericRangeField": "RequestGPU", "NumericRangeMin": "many"},
    ],
)  # fmt: skip
def test_what_is_not_as_documented_is_refused(params: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        ask(DEMO, **params)
    assert (refused.value.refusal.status, refused.value.refusal.code) == (400, "InvalidParameter")


def test_an_empty_parameter_counts_as_not_given() -> None:
    assert ask(DEMO, PageSize="", Status="", Tags="", StartTime="", JobIds="") == ask(DEMO)


@given(
    size=st.integers(1, 100),
    order=st.sampled_from(["asc", "desc", ""]),
    by=st.sampled_from(["DisplayName", "JobType", "Status", "GmtCreateTime", "GmtFinishTime"]),
)
@settings(max_examples=60, deadline=None)
def test_the_pages_together_hold_every_job_once_and_in_order(size: int, order: str, by: str) -> None:
    pages: list[str] = []
    for number in range(1, 200):
        body = ask(MANY, PageNumber=number, PageSize=size, Order=order, SortBy=by)
        assert body["TotalCount"] == 120
        pages += ids(body)
        if len(body["Jobs"]) < size:
            break
    whole = [
        *ids(ask(MANY, PageSize=100, Order=order, SortBy=by)),
        *ids(ask(MANY, PageSize=100, PageNumber=2, Order=order, SortBy=by)),
    ]
    assert pages == whole
    assert len(set(pages)) == 120


MANY = lives("""
made_up: true
jobs:
  - {id: many, name: many, copies: 70, stagger: 1s, life: [{at: 0s, status: Running}]}
  - {id: same, name: same, copies: 50, life: [{at: 0s, status: Running}, {at: 9m, status: Failed}]}
""")


def test_a_page_of_ten_thousand_jobs_counts_them_all() -> None:
    crowd = lives("""
made_up: true
jobs:
  - {id: crowd, copies: 10000, life: [{at: 0s, status: Creating}, {at: 1m, status: Running}, {at: 2m, status: Succeeded}]}
""")
    body = ask(crowd, PageSize=100, PageNumber=50, DisplayName="crowd", Status="Succeeded")
    assert (body["TotalCount"], len(body["Jobs"])) == (10_000, 100)


def test_job_ids_may_be_ignored_and_a_time_field_ignored_or_refused() -> None:
    asked = {"StartTime": "2000-01-01T00:00:00Z", "JobIds": "new"}
    assert ids(ask(OLD_AND_NEW, **asked)) == ["new"]
    assert ids(ask(OLD_AND_NEW, switches={"job_ids_ignored": True}, **asked)) == ["new", "old"]
    window = {"TimeRangeField": "GmtFinishTime", "StartTime": "2026-01-02T03:00:00Z"}
    assert ids(ask(OLD_AND_NEW, **window)) == ["old"]
    assert ids(ask(OLD_AND_NEW, switches={"time_range_field_ignored": True}, **window)) == ["new"]
    with pytest.raises(Refused):
        ask(OLD_AND_NEW, switches={"time_range_field_refused": True}, **window)


def test_a_secret_rate_is_drawn_from_its_seed_within_its_bounds() -> None:
    rates = {Bucket.secret(2, 50, 0.0, seed=str(number)).per_second for number in range(50)}
    assert len(rates) == 50
    assert 2 <= min(rates) < 6
    assert 20 < max(rates) <= 50
    assert Bucket.secret(2, 50, 0.0, seed="7") == Bucket.secret(2, 50, 0.0, seed="7")
    assert Bucket.secret(5, 5, 0.0).per_second == pytest.approx(5)
    for lowest, highest in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="secret rate"):
            Bucket.secret(lowest, highest, 0.0)
