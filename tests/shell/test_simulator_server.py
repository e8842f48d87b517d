"""The simulator on a port: what HTTP clients see of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from uuid import uuid4

import anyio
import httpx2
import pytest

from watcher.simulator import (
    DEMO_KEY,
    Behaviour,
    Fault,
    Simulator,
    SimulatorServer,
    SpeedUp,
    StaticApp,
    bundled,
    load_scenario,
)
from watcher.sources.dlc.acs3 import AccessKey, canonical_query, signed_headers

pytestmark = pytest.mark.anyio
JOB = "dlc1cleanrun0001"


def date_of(answer: httpx2.Response) -> datetime:
    return parsedate_to_datetime(answer.headers["date"])


class Hands:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Bench:
    simulator: Simulator
    server: SimulatorServer
    clock: Hands
    http: httpx2.AsyncClient

    async def ask(self, path: str = f"/api/v1/jobs/{JOB}", action: str = "GetJob", *, key: AccessKey = DEMO_KEY, nonce: str = "",
                  date: datetime | None = None, **params: object) -> httpx2.Response:  # fmt: skip
        query = canonical_query({name: str(value) for name, value in params.items()})
        now, once = date or datetime.now(UTC), nonce or uuid4().hex
        headers = signed_headers(action, self.server.endpoint, key, now, once, path=path, query=query)
        return await self.http.get(f"{self.server.url}{path}{'?' if query else ''}{query}", headers=headers)

    def fault(self, kind: str, **more: Any) -> None:
        self.simulator.inject(Fault.model_validate({"kind": kind, "count": 1, **more}))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = Hands()
    simulator = Simulator(bundled("clean-run"), clock=clock)
    clock.now += timedelta(minutes=5)
    async with SimulatorServer(simulator) as server, httpx2.AsyncClient(timeout=5) as http:
        yield Bench(simulator, server, clock, http)


async def test_a_job_is_told_at_the_scenarios_time(bench: Bench) -> None:
    first = await bench.ask()
    assert first.status_code == 200
    assert first.json()["Status"] == "Running"
    bench.clock.now += timedelta(minutes=40)
    second = await bench.ask(NeedDetail=True)
    assert second.json()["Status"] == "Succeeded"
    assert first.json()["RequestId"] != second.json()["RequestId"] == second.headers["x-acs-request-id"]
    assert abs(datetime.now(UTC) - date_of(second)) < timedelta(seconds=5)


async def test_lists_events_and_logs_are_answered(bench: Bench) -> None:
    listed = (await bench.ask("/api/v1/jobs", "ListJobs", PageSize=5, ShowOwn=True, Tags="{}")).json()
    assert (listed["TotalCount"], listed["Jobs"][0]["JobId"]) == (1, JOB)
    assert "pod.appeared" in "".join((await bench.ask(f"/api/v1/jobs/{JOB}/events", "GetJobEvents")).json()["Events"])
    pod = f"/api/v1/jobs/{JOB}/pods/{JOB}-worker-0"
    assert (await bench.ask(f"{pod}/events", "GetPodEvents")).json()["PodId"] == f"{JOB}-worker-0"
    assert len((await bench.ask(f"{pod}/logs", "GetPodLogs", MaxLines=2)).json()["Logs"]) == 2


async def test_errors_have_the_common_body(bench: Bench) -> None:
    answer = await bench.ask("/api/v1/jobs/dlcnone")
    assert answer.status_code == 404
    body = answer.json()
    assert set(body) == {"RequestId", "HostId", "Code", "Message"}
    assert (body["Code"], body["HostId"]) == ("NotFound", bench.server.endpoint)
    assert (await bench.ask("/api/v1/jobs", "ListJobs", PageSize=500)).json()["Code"] == "InvalidParameter"
    assert (await bench.ask("/api/v1/tokens", "GetToken")).json()["Code"] == "InvalidAction.NotFound"
    assert (await bench.ask(action="ListJobs")).json()["Code"] == "InvalidAction"
    assert (await bench.ask(f"/api/v1/jobs/{JOB}/pods/nope/logs", "GetPodLogs")).json()["Code"] == "NotFound"


async def test_signatures_are_checked(bench: Bench) -> None:
    assert (await bench.ask(nonce="once")).status_code == 200
    assert (await bench.ask(nonce="once")).json()["Code"] == "SignatureNonceUsed"
    assert (await bench.ask(date=datetime.now(UTC) - timedelta(minutes=16))).json()[
        "Code"
    ] == "InvalidTimeStamp.Expired"
    wrong = await bench.ask(key=AccessKey(DEMO_KEY.key_id, "wrong"))
    assert (wrong.status_code, wrong.json()["Code"]) == (400, "SignatureDoesNotMatch")
    assert (await bench.http.get(f"{bench.server.url}/api/v1/jobs")).json()["Code"] == "IncompleteSignature"
    assert next(asked.code for asked in bench.simulator.requests) == ""


async def test_a_token_expires_and_new_keys_are_good(bench: Bench) -> None:
    old, new = AccessKey("sts", "secret", "token-1"), AccessKey("sts", "secret", "token-2")
    bench.simulator.set_keys(old)
    assert (await bench.ask(key=old)).status_code == 200
    bench.simulator.expire_token("sts")
    assert (await bench.ask(key=old)).json()["Code"] == "InvalidSecurityToken.Expired"
    bench.simulator.set_keys(new)
    assert (await bench.ask(key=new)).status_code == 200


async def test_deleted_and_future_jobs_are_not_found() -> None:
    clock = Hands()
    simulator = Simulator(bundled("deletion"), clock=clock, behaviour=Behaviour(not_found_status=400))
    async with SimulatorServer(simulator) as server, httpx2.AsyncClient() as http:
        bench = Bench(simulator, server, clock, http)
        path = "/api/v1/jobs/dlc1deletion0001"
        assert (await bench.ask(path)).status_code == 200
        clock.now += timedelta(minutes=20)
        gone = await bench.ask(path)
        assert (gone.status_code, gone.json()["Code"]) == (400, "NotFound")


async def test_one_request_too_many_is_throttled_and_told_how_long_to_wait() -> None:
    simulator = Simulator(
        bundled("clean-run"), requests_per_second=2, behaviour=Behaviour(throttled_status=503, retry_after=True)
    )
    async with SimulatorServer(simulator) as server, httpx2.AsyncClient() as http:
        bench = Bench(simulator, server, Hands(), http)
        answers = [await bench.ask() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 503, 503]
        assert answers[3].json()["Code"] == "Throttling.User"
        assert answers[3].headers["retry-after"] == "1"
        assert 0 < int(answers[3].headers["x-acs-retry-after"]) <= 500


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("server-error", 500, "InternalError"),
        ("unavailable", 503, "ServiceUnavailable"),
        ("throttled", 429, "Throttling.User"),
        ("forbidden", 403, "Forbidden.RAM"),
        ("not-found", 404, "NotFound"),
        ("token-expired", 400, "InvalidSecurityToken.Expired"),
        ("clock-skew", 400, "InvalidTimeStamp.Expired"),
    ],
)
async def test_faults_that_are_error_answers(bench: Bench, kind: str, status: int, code: str) -> None:
    bench.fault(kind)
    answer = await bench.ask()
    assert (answer.status_code, answer.json()["Code"]) == (status, code)
    assert (await bench.ask()).status_code == 200
    assert [(asked.status, asked.code, asked.fault) for asked in bench.simulator.requests] == [
        (status, code, kind),
        (200, "", ""),
    ]


async def test_an_error_fault_can_be_worded_otherwise(bench: Bench) -> None:
    bench.fault("server-error", status=502, code="Odd", message="odd")
    answer = await bench.ask()
    assert (answer.status_code, answer.json()["Code"], answer.json()["Message"]) == (502, "Odd", "odd")


async def test_a_skewed_clock_shows_in_the_date_header(bench: Bench) -> None:
    bench.fault("clock-skew", length="30m")
    date = date_of(await bench.ask())
    assert timedelta(minutes=29) < date - datetime.now(UTC) < timedelta(minutes=31)


async def test_garbage_in_good_order(bench: Bench) -> None:
    for kind in ("html", "empty", "redirect", "truncated", "wrong-types"):
        bench.fault(kind)
    html, empty, redirect, truncated, wrong = [await bench.ask() for _ in range(5)]
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html")
    assert (empty.status_code, empty.content) == (200, b"")
    assert (redirect.status_code, redirect.headers["location"]) == (302, "/elsewhere")
    with pytest.raises(json.JSONDecodeError):
        truncated.json()
    assert wrong.json()["JobId"] == [JOB]
    assert isinstance(wrong.json()["Pods"], str)


async def test_connections_break_before_and_within_an_answer(bench: Bench) -> None:
    bench.fault("drop")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await bench.ask()
    bench.fault("reset")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await bench.ask()
    assert (await bench.ask()).status_code == 200
    assert [asked.status for asked in bench.simulator.requests] == [0, 200, 200]


async def test_a_reset_comes_after_the_head_and_half_the_body(bench: Bench) -> None:
    bench.fault("reset")
    path = f"/api/v1/jobs/{JOB}"
    headers = signed_headers("GetJob", bench.server.endpoint, DEMO_KEY, datetime.now(UTC), "n", path=path)
    got = b""
    async with bench.http.stream("GET", bench.server.url + path, headers=headers) as answer:
        assert answer.status_code == 200
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):  # noqa: PT012 - the loop is what raises
            async for chunk in answer.aiter_raw():
                got += chunk
        assert 0 < len(got) < int(answer.headers["content-length"])


async def test_a_hang_ends_with_a_broken_connection_or_when_the_client_leaves(bench: Bench) -> None:
    bench.fault("hang", length="200ms")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await bench.ask()
    bench.fault("hang", length="1h")
    with pytest.raises(TimeoutError), anyio.fail_after(0.2):
        await bench.ask()
    assert (await bench.ask()).status_code == 200


async def test_slow_and_dripping_answers_are_right_in_the_end(bench: Bench) -> None:
    for kind in ("slow", "drip"):
        bench.fault(kind, length="200ms")
        started = time.monotonic()
        assert (await bench.ask()).json()["JobId"] == JOB
        assert time.monotonic() - started >= 0.19


async def test_huge_bodies_are_streamed_plain_and_packed(bench: Bench) -> None:
    bench.fault("huge", size_bytes=3_000_000)
    assert len((await bench.ask()).content) == 3_000_000
    bench.fault("gzip-bomb", size_bytes=3_000_000)
    bomb = await bench.ask()
    assert bomb.json()["JobId"] == JOB
    assert len(bomb.content) > 3_000_000
    assert bomb.num_bytes_downloaded < 100_000


async def test_a_stale_answer_is_that_of_before(bench: Bench) -> None:
    bench.clock.now += timedelta(minutes=29)
    assert (await bench.ask()).json()["Status"] == "Succeeded"
    bench.fault("stale", length="5m")
    assert (await bench.ask()).json()["Status"] == "Running"
    assert (await bench.ask()).json()["Status"] == "Succeeded"


async def test_faults_of_the_script_come_at_their_time() -> None:
    clock = Hands()
    scenario = load_scenario(
        "made_up: true\njobs: [{id: a, life: [{at: 0s, status: Running}]}]\nfaults: [{kind: unavailable, at: 1m, for: 1m}]\n"
    )
    simulator = Simulator(scenario, clock=clock)
    async with SimulatorServer(simulator) as server, httpx2.AsyncClient() as http:
        bench = Bench(simulator, server, clock, http)
        seen = []
        for _ in range(3):
            seen.append((await bench.ask("/api/v1/jobs/a")).status_code)
            clock.now += timedelta(minutes=1)
        assert seen == [200, 503, 200]


async def test_control_over_http(bench: Bench) -> None:
    url = f"{bench.server.url}/_simulator"
    assert (
        await bench.http.post(f"{url}/faults", json={"kind": "html", "action": "GetJob", "count": 1})
    ).status_code == 201
    refused = await bench.http.post(f"{url}/faults", json={"kind": "earthquake"})
    assert (refused.status_code, "kind" in refused.text) == (400, True)
    assert (await bench.http.post(f"{url}/faults", content=b"{")).status_code == 400
    assert (await bench.http.get(f"{url}/faults")).json() == [
        {"kind": "html", "action": "GetJob", "count": 1, "left": 1}
    ]
    await bench.ask()
    (asked,) = (await bench.http.get(f"{url}/requests")).json()
    assert (asked["action"], asked["job_id"], asked["status"], asked["fault"]) == ("GetJob", JOB, 200, "html")
    happened = (await bench.http.get(f"{url}/truth")).json()
    assert [one["new"] for one in happened if one["kind"] == "job.status_changed"] == [
        "Queuing",
        "EnvPreparing",
        "Running",
    ]
    assert happened[0]["at"] == "2026-01-02T03:04:05+00:00"
    await bench.http.post(f"{url}/faults", json={"kind": "hang"})
    assert (await bench.http.delete(f"{url}/faults")).json() == []
    assert (await bench.http.get(f"{url}/nothing")).status_code == 404
    assert bench.simulator.counts == {"GetJob": 1}


async def test_control_is_for_loopback_clients_only() -> None:
    simulator = Simulator(bundled("clean-run"))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "raw_path": b"/_simulator/requests", "query_string": b"", "headers": []}
    await simulator({**scope, "client": ("192.0.2.7", 1)}, receive, send)
    assert sent[0]["status"] == 403


async def test_stopping_breaks_off_what_hangs_and_leaves_no_task() -> None:
    simulator = Simulator(bundled("clean-run"))
    simulator.inject(Fault.model_validate({"kind": "hang", "length": "1h"}))
    before = len(asyncio.all_tasks())
    async with httpx2.AsyncClient() as http:
        async with SimulatorServer(simulator) as server:
            asking = asyncio.create_task(Bench(simulator, server, Hands(), http).ask())
            while not simulator.requests:
                await anyio.sleep(0.01)
            started = time.monotonic()
        assert time.monotonic() - started < 2
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            await asking
        with pytest.raises(httpx2.ConnectError):
            await http.get(server.url)
    assert len(asyncio.all_tasks()) == before


async def test_a_taken_port_is_an_error_of_the_system(bench: Bench) -> None:
    with pytest.raises(OSError, match="in use"):
        async with SimulatorServer(bench.simulator, bench.server.port):
            pass


async def test_it_runs_in_a_thread_too() -> None:
    simulator = Simulator(bundled("clean-run"))
    async with SimulatorServer(simulator, thread=True) as server, httpx2.AsyncClient() as http:
        assert (await Bench(simulator, server, Hands(), http).ask()).json()["Status"] == "Creating"


async def test_static_jobs_are_answered_and_listed_once_each() -> None:
    app = StaticApp(25, pods=3)
    async with SimulatorServer(app) as server, httpx2.AsyncClient() as http:
        one = (await http.get(f"{server.url}/api/v1/jobs/{app.job_ids[7]}")).json()
        assert (one["JobId"], one["Status"], len(one["Pods"])) == (app.job_ids[7], "Running", 3)
        assert one["Pods"][1]["PodId"] == f"{app.job_ids[7]}-worker-0"
        seen = []
        for page in (1, 2, 3):
            body = (await http.get(f"{server.url}/api/v1/jobs?PageSize=10&PageNumber={page}&StartTime=x")).json()
            assert body["TotalCount"] == 25
            seen += [item["JobId"] for item in body["Jobs"]]
        assert tuple(seen) == app.job_ids
        assert (await http.get(f"{server.url}/api/v1/jobs/none")).status_code == 404


async def test_static_jobs_are_listed_by_their_ids_and_none_of_them_has_finished() -> None:
    app = StaticApp(25, list_items="full")
    async with SimulatorServer(app) as server, httpx2.AsyncClient() as http:
        wanted = f"{app.job_ids[3]},none,{app.job_ids[20]}"
        body = (await http.get(f"{server.url}/api/v1/jobs?JobIds={wanted}&PageSize=100")).json()
        assert [item["JobId"] for item in body["Jobs"]] == [app.job_ids[3], app.job_ids[20]]
        assert body["TotalCount"] == 2
        assert body["Jobs"][0]["Pods"][0]["PodId"].startswith(app.job_ids[3])
        finished = (await http.get(f"{server.url}/api/v1/jobs?TimeRangeField=GmtFinishTime&StartTime=x")).json()
        assert (finished["TotalCount"], finished["Jobs"]) == (0, [])


@pytest.mark.parametrize("status", [400, 429, 503])
async def test_a_secret_rate_throttles_beyond_a_number_that_nobody_is_told(status: Literal[400, 429, 503]) -> None:
    simulator = Simulator(
        bundled("clean-run"), requests_per_second=(2, 4), seed="one", behaviour=Behaviour(throttled_status=status)
    )
    async with SimulatorServer(simulator) as server, httpx2.AsyncClient() as http:
        bench = Bench(simulator, server, Hands(), http)
        answers = [await bench.ask() for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 4 <= len(refused) <= 6
    assert {(answer.status_code, answer.json()["Code"]) for answer in refused} == {(status, "Throttling.User")}


def test_a_clock_can_run_faster() -> None:
    clock = SpeedUp(3600, datetime(2026, 1, 1, tzinfo=UTC))
    first = clock()
    time.sleep(0.01)
    assert clock() - first >= timedelta(seconds=36)


async def test_answers_on_a_kept_connection_do_not_wait_for_a_delayed_acknowledgement(bench: Bench) -> None:
    took = []
    for _ in range(31):
        started = time.perf_counter()
        await bench.ask()
        took.append(time.perf_counter() - started)
    assert sorted(took)[15] < 0.035
