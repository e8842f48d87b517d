"""The source as the poller uses it: settings, one job, lists over pages and workspaces."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from anyio.abc import SocketStream
from pydantic import ValidationError

from tests.shell.dlc_server import JOB, KEY_ID, SECRET, Answer, Asked, Peer, refusal, response, says, serving
from watcher.core.model import JobId, SourceName
from watcher.errors import GarbledAnswer, InvalidRequest, ServerFault, Throttled
from watcher.ports.source import JobSource
from watcher.sources.dlc import DlcSettings, DlcSource
from watcher.sources.dlc import source as dlc_source
from watcher.sources.dlc.endpoints import parse_endpoint
from watcher.sources.dlc.likeness import cut, digest
from watcher.sources.dlc.wire import snapshot_from_json

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def source_of(peer: Peer, **settings: object) -> DlcSource:
    told = {
        "region": "cn-hangzhou",
        "endpoint": peer.url,
        "credentials": {"kind": "access_key", "key_id": KEY_ID, "secret": SECRET},
        **settings,
    }
    return DlcSource(SourceName("hz"), DlcSettings.model_validate(told), wall=lambda: NOW)


async def permit(refused: Throttled | None = None) -> None:
    return None


# one job


async def test_a_job_is_fetched_and_its_page_is_linked() -> None:
    async with serving(says(response(200, {**JOB, "WorkspaceId": "268"}))) as peer:
        source: JobSource = source_of(peer)
        snapshot = await source.fetch(JobId("dlc1fake"))
        await source.aclose()
        await source.aclose()
    assert (snapshot.ref.source, snapshot.ref.job_id, snapshot.status) == ("hz", "dlc1fake", "Running")
    assert (snapshot.region, snapshot.observed_at) == ("cn-hangzhou", NOW)
    assert (peer.asked[0].method, peer.asked[0].target) == ("GET", "/api/v1/jobs/dlc1fake")
    assert peer.asked[0].signed_with(SECRET)
    assert source.console_url(snapshot) == (
        "https://pai.console.aliyun.com/?regionId=cn-hangzhou&workspaceId=268#/dlc/jobs/dlc1fake/overview"
    )


async def test_an_answer_that_says_the_same_is_recognised_and_any_other_is_read() -> None:
    told = [
        response(200, {**JOB, "RequestId": f"R-{number}", "Duration": number, "Status": status})
        for number, status in enumerate(("Running", "Running", "Stopping", "Running"))
    ]
    async with serving(says(*told)) as peer:
        source: JobSource = source_of(peer)
        first = await source.fetch_if_changed(JobId("dlc1fake"), b"")
        assert first is not None
        assert first.snapshot.status == "Running"
        assert await source.fetch_if_changed(JobId("dlc1fake"), first.digest) is None
        changed = await source.fetch_if_changed(JobId("dlc1fake"), first.digest)
        assert changed is not None
        assert changed.snapshot.status == "Stopping"
        again = await source.fetch_if_changed(JobId("dlc1fake"), changed.digest)
        assert again is not None
        assert again.digest == first.digest
        await source.aclose()


async def test_an_answer_that_cannot_be_recognised_is_read_every_time() -> None:
    odd = response(200, {**JOB, "Settings": {"Tags": {"Duration": 5}}})
    async with serving(says(odd)) as peer:
        source = source_of(peer)
        for _ in range(2):
            fetched = await source.fetch_if_changed(JobId("dlc1fake"), b"")
            assert fetched is not None
            assert fetched.digest == b""
            assert fetched.snapshot.settings.tags == (("Duration", "5"),)
        await source.aclose()


async def test_thousands_of_pods_are_read_in_a_thread_and_a_few_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[int] = []

    def noted(body: bytes) -> Any:
        readers.append(threading.get_ident())
        return cut(body)

    def noted_small(body: bytes) -> bytes:
        readers.append(threading.get_ident())
        return digest(body)

    monkeypatch.setattr(dlc_source, "cut", noted)
    monkeypatch.setattr(dlc_source, "digest", noted_small)
    pods = [{"PodId": f"worker-{number}", "Status": "Running", "NodeName": "n" * 20} for number in range(5000)]
    for count in (2, 5000):
        async with serving(says(response(200, {**JOB, "Pods": pods[:count]}))) as peer:
            source = source_of(peer)
            fetched = await source.fetch_if_changed(JobId("dlc1fake"), b"")
            assert fetched is not None
            assert len(fetched.snapshot.pods or ()) == count
            assert await source.fetch_if_changed(JobId("dlc1fake"), fetched.digest) is None
            await source.aclose()
    assert readers[:2] == [threading.get_ident()] * 2
    assert len(readers) == 4
    assert threading.get_ident() not in readers[2:]


async def test_of_a_large_answer_only_what_is_new_is_read_and_all_of_it_is_told() -> None:
    pods = [
        {"PodId": f"worker-{number}", "Status": "Running", "NodeName": "n" * 40, "Duration": 60}
        for number in range(2000)
    ]
    later = [{**pod, "Duration": 90} for pod in pods]
    later[7] = {**pods[7], "Status": "Failed"}
    odd = [*later, None]
    bodies = [json.dumps({**JOB, "Pods": told}).encode() for told in (pods, later, odd)]
    async with serving(says(*(response(200, body) for body in (*bodies, bodies[2][:-1])))) as peer:
        source = source_of(peer)
        for body in bodies:
            fetched = await source.fetch_if_changed(JobId("dlc1fake"), b"")
            assert fetched is not None
            plain = snapshot_from_json(body, source=SourceName("hz"), observed_at=NOW, region="cn-hangzhou")
            assert fetched.snapshot == plain
            assert fetched.digest == digest(body)
        with pytest.raises(GarbledAnswer, match="json_invalid"):
            await source.fetch_if_changed(JobId("dlc1fake"), b"")
        await source.aclose()


async def test_a_large_answer_with_a_byte_that_no_json_holds_is_garbled() -> None:
    async with serving(says(response(200, b"{" + b"\0" * 200_000 + b"}"))) as peer:
        source = source_of(peer)
        for asking in (source.fetch_if_changed(JobId("dlc1fake"), b""), source.fetch(JobId("dlc1fake"))):
            with pytest.raises(GarbledAnswer, match="json_invalid"):
                await asking
        await source.aclose()


async def test_unless_told_otherwise_an_answer_may_have_16_mib_and_no_byte_more() -> None:
    body = json.dumps(JOB).encode().ljust(16 << 20)
    async with serving(says(response(200, body), response(200, body + b" "))) as peer:
        source = source_of(peer)
        assert (await source.fetch(JobId("dlc1fake"))).status == "Running"
        with pytest.raises(GarbledAnswer, match="larger than"):
            await source.fetch(JobId("dlc1fake"))
        await source.aclose()


async def test_an_answer_about_another_job_is_refused() -> None:
    async with serving(says(response(200, JOB))) as peer:
        source = source_of(peer)
        with pytest.raises(GarbledAnswer, match="another job"):
            await source.fetch(JobId("dlc2fake"))
        await source.aclose()


@pytest.mark.parametrize("job_id", ["", ".", "..", "a/b", "x" * 257, "\ud800"])
async def test_what_cannot_be_a_job_id_is_not_asked(job_id: str) -> None:
    async with serving(says(response(200, JOB))) as peer:
        source = source_of(peer)
        with pytest.raises(InvalidRequest, match="job id"):
            await source.fetch(JobId(job_id))
        await source.aclose()
    assert peer.asked == []


def test_neither_settings_nor_source_show_a_secret() -> None:
    source = source_of(Peer(1), proxy="http://user:canary@127.0.0.1:1")
    shown = repr(source) + repr(source._settings) + source._settings.model_dump_json()
    assert SECRET not in shown
    assert "canary" not in shown


# lists


def listed(number: int, **members: object) -> dict[str, object]:
    return {"JobId": f"j{number}", "Status": "Running", **members}


def pages(choose: Callable[[dict[str, str]], tuple[list[Any], int | None]]) -> Answer:
    """Answer ListJobs by its parameters."""

    async def answer(stream: SocketStream, asked: Asked) -> None:
        params = {name: values[0] for name, values in parse_qs(asked.query).items()}
        jobs, total = choose(params)
        body = {"Jobs": jobs, "RequestId": "R"} | ({} if total is None else {"TotalCount": total})
        await stream.send(response(200, json.dumps(body)))

    return answer


def page_of(jobs: list[Any], params: dict[str, str]) -> list[Any]:
    start = 100 * (int(params["PageNumber"]) - 1)
    return jobs[start : start + 100]


def asked_params(peer: Peer) -> list[dict[str, str]]:
    return [{name: values[0] for name, values in parse_qs(asked.query).items()} for asked in peer.asked]


async def test_pages_are_read_newest_first_until_a_short_one() -> None:
    jobs = [listed(n) for n in range(230)]
    permits = []

    async def counted(refused: Throttled | None = None) -> None:
        permits.append(1)

    async with serving(pages(lambda params: (page_of(jobs, params), 230))) as peer:
        source = source_of(peer)
        listing = await source.list_jobs(counted)
        await source.aclose()
    assert [summary.ref.job_id for summary in listing.jobs] == [f"j{n}" for n in range(230)]
    assert listing.complete
    assert len(permits) == len(peer.asked) == 3
    assert asked_params(peer)[1] == {
        "StartTime": "2026-01-30T00:00:00Z",
        "SortBy": "GmtCreateTime",
        "Order": "desc",
        "PageSize": "100",
        "PageNumber": "2",
    }
    assert all(asked.signed_with(SECRET) for asked in peer.asked)


async def test_every_workspace_is_listed_and_each_job_told_once() -> None:
    def choose(params: dict[str, str]) -> tuple[list[Any], int]:
        assert (params.get("FromAllWorkspaces"), params.get("ShowOwn")) in {("true", "true"), (None, None)}
        theirs = {"1": [listed(1)], "2": [listed(2), listed(3)]}
        jobs = theirs.get(params.get("WorkspaceId", ""), [listed(3), listed(4)])
        return jobs, len(jobs)

    async with serving(pages(choose)) as peer:
        source = source_of(peer, workspaces=["1", "2", "1"], own_jobs_everywhere=True, created_within=None)
        listing = await source.list_jobs(permit)
        await source.aclose()
    assert [summary.ref.job_id for summary in listing.jobs] == ["j1", "j2", "j3", "j4"]
    assert listing.complete
    assert {params["StartTime"] for params in asked_params(peer)} == {"2000-01-01T00:00:00Z"}
    assert [params.get("WorkspaceId") for params in asked_params(peer)] == ["1", "2", None]


async def test_jobs_that_move_to_the_next_page_are_told_once() -> None:
    def choose(params: dict[str, str]) -> tuple[list[Any], int]:
        jobs = [listed(n) for n in range(150)]
        return page_of([listed(-1), *jobs] if params["PageNumber"] == "2" else jobs, params), 151

    async with serving(pages(choose)) as peer:
        source = source_of(peer)
        listing = await source.list_jobs(permit)
        await source.aclose()
    assert len(listing.jobs) == 150
    assert len({summary.ref for summary in listing.jobs}) == 150


@pytest.mark.parametrize(
    ("choose", "jobs", "complete"),
    [
        pytest.param(lambda p: ([], 0), 0, True, id="none"),
        pytest.param(lambda p: ([listed(1)], None), 1, True, id="no total"),
        pytest.param(lambda p: ([listed(1)] if p["PageNumber"] == "1" else [], 70), 1, True, id="total lies"),
        pytest.param(lambda p: (page_of([listed(n) for n in range(200)], p), 200), 200, True, id="full last page"),
        pytest.param(lambda p: ([listed(1, IsDeleted=True), listed(2)], 2), 1, True, id="deleted"),
        pytest.param(lambda p: ([listed(1), {"JobId": 7}], 2), 1, False, id="unreadable"),
        pytest.param(lambda p: ([listed(n) for n in range(100)], 500), 100, False, id="pages do not turn"),
        pytest.param(
            lambda p: (page_of([listed(n) for n in range(150)], p), 151 - int(p["PageNumber"])), 150, False, id="shrinks"
        ),
        pytest.param(
            lambda p: ([listed(100 * int(p["PageNumber"]) + n) for n in range(100)], 9000), 300, False, id="too many"
        ),
        pytest.param(
            lambda p: ([listed(50 * int(p["PageNumber"]) + n) for n in range(50)] if int(p["PageNumber"]) < 3 else [], 100),
            100, True, id="smaller pages than asked for",
        ),
    ],
)  # fmt: skip
async def test_a_pass_says_whether_it_was_complete(choose: Any, jobs: int, complete: bool) -> None:
    async with serving(pages(choose)) as peer:
        source = source_of(peer, max_pages=3)
        listing = await source.list_jobs(permit)
        await source.aclose()
    assert (len(listing.jobs), listing.complete) == (jobs, complete)
    assert len(peer.asked) <= 3


async def test_a_throttled_page_is_asked_for_again_for_as_long_as_that_is_permitted() -> None:
    first, last = ({"Jobs": [listed(n) for n in few], "TotalCount": 101} for few in (range(100), (100,)))
    throttled = refusal(429, "Throttling.User")
    told: list[Throttled | None] = []

    async def patient(refused: Throttled | None = None) -> None:
        told.append(refused)
        if len(told) > 5:
            assert refused is not None
            raise refused

    answers = (response(200, first), throttled, throttled, response(200, last))
    async with serving(says(*answers, throttled, throttled)) as peer:
        source = source_of(peer)
        listing = await source.list_jobs(patient)
        assert (len(listing.jobs), listing.complete) == (101, True)
        assert [refused is None for refused in told] == [True, True, False, False]
        assert [params["PageNumber"] for params in asked_params(peer)] == ["1", "2", "2", "2"]
        with pytest.raises(Throttled):
            await source.list_jobs(patient)
        await source.aclose()
    assert len(peer.asked) == 5


async def test_a_pass_that_fails_midway_raises() -> None:
    first = response(200, {"Jobs": [listed(n) for n in range(100)], "TotalCount": 300})
    async with serving(says(first, refusal(500, "InternalError"))) as peer:
        source = source_of(peer)
        with pytest.raises(ServerFault):
            await source.list_jobs(permit)
        await source.aclose()
    assert len(peer.asked) == 2


# settings


@pytest.mark.parametrize(
    ("told", "address", "region"),
    [
        ({"region": "cn-hangzhou"}, "https://pai-dlc.cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ({"region": "cn-hangzhou", "network": "vpc"}, "https://pai-dlc-vpc.cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ({"endpoint": "pai-dlc-vpc.cn-beijing.aliyuncs.com"}, "https://pai-dlc-vpc.cn-beijing.aliyuncs.com", "cn-beijing"),
        ({"endpoint": "127.0.0.1:81"}, "https://127.0.0.1:81", ""),
        ({"endpoint": "http://127.0.0.1:80/"}, "http://127.0.0.1", ""),
        ({"endpoint": "http://[::1]:81"}, "http://[::1]:81", ""),
        ({"endpoint": "http://dlc.internal", "allow_http": True}, "http://dlc.internal", ""),
    ],
)  # fmt: skip
def test_where_requests_go(told: dict[str, object], address: str, region: str) -> None:
    settings = DlcSettings.model_validate(told)
    assert (str(settings.address), settings.region_id) == (address, region)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({}, "region"),
        ({"region": "cn hangzhou"}, "region"),
        ({"region": "evil.example.com/"}, "region"),
        ({"endpoint": "http://pai-dlc.cn-hangzhou.aliyuncs.com"}, "not encrypted"),
        ({"endpoint": "ftp://x"}, "must be a host"),
        ({"endpoint": "https://user@x"}, "no user"),
        ({"endpoint": "x/path"}, "no user, path"),
        ({"endpoint": "x:99999"}, "port"),
        ({"endpoint": ""}, "a host"),
        ({"endpoint": "x", "network": "vpc"}, "network"),
        ({"region": "r", "timeout": "0s"}, "longer than zero"),
        ({"region": "r", "timeout": 5}, "unit"),
        ({"region": "r", "proxy": "socks5://x"}, "proxy"),
        ({"region": "r", "max_pages": 0}, "max_pages"),
        ({"region": "r", "workspace": "1"}, "workspace"),
    ],
)
def test_wrong_settings_are_refused_with_a_reason(told: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        DlcSettings.model_validate(told)


def test_without_a_region_there_is_no_link() -> None:
    source = DlcSource(SourceName("x"), DlcSettings.model_validate({"endpoint": "127.0.0.1:1"}))
    job = snapshot_from_json(json.dumps(JOB).encode(), source=source.name, observed_at=NOW)
    assert source.console_url(job) == ""
    assert parse_endpoint("h:443").authority == "h"
