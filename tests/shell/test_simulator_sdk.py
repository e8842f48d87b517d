"""The official SDK's client against the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread
import pytest
from alibabacloud_pai_dlc20201203 import models
from alibabacloud_pai_dlc20201203.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from watcher.simulator import DEMO_KEY, Simulator, SimulatorServer, bundled
from watcher.simulator.answers import Moment, get_job, list_item
from watcher.simulator.life import state_at, states
from watcher.sources.dlc.acs3 import AccessKey

pytestmark = pytest.mark.anyio
STS = AccessKey("stskeyid", "stssecret", "a+token/with=odd signs")
JOB = "dlc1prodllm00001"


class Hour:
    """A scenario that is always as far as this."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    clock = Hour()
    simulator = Simulator(bundled("demo"), clock=clock, keys=(DEMO_KEY, STS))
    clock.now += timedelta(minutes=45)
    async with SimulatorServer(simulator) as running:
        yield running


def client(server: SimulatorServer, key: AccessKey) -> Any:
    config = Config(
        access_key_id=key.key_id,
        access_key_secret=key.secret,
        security_token=key.security_token,
        endpoint=server.endpoint,
        protocol="http",
    )
    return Client(config)


@pytest.mark.parametrize("key", [DEMO_KEY, STS], ids=["plain", "sts"])
async def test_get_job_and_list_jobs_work_with_right_keys(server: SimulatorServer, key: AccessKey) -> None:
    sdk = client(server, key)
    job = (await anyio.to_thread.run_sync(lambda: sdk.get_job(JOB, models.GetJobRequest(need_detail=True)))).body
    assert (job.status, job.restart_times, job.display_name) == ("Running", "1/10", "prod-llm-pretrain")
    assert [len(pod.history_pods) for pod in job.pods] == [1, 1, 1, 1]
    assert job.restart_record[0].reason == "NodeNotReady"
    assert job.status_history[-1].status == "Running"
    request = models.ListJobsRequest(
        display_name="prod llm*", page_size=3, page_number=1, show_own=True, tags={"team": "nlp"}, workspace_id="268",
        start_time="2000-01-01T00:00:00Z", sort_by="GmtCreateTime", order="asc",
    )  # fmt: skip
    listed = (await anyio.to_thread.run_sync(lambda: sdk.list_jobs(request))).body
    assert listed.total_count == 0  # a space and a wildcard arrive as they were meant: no name fits
    request.display_name = "PROD*"
    listed = (await anyio.to_thread.run_sync(lambda: sdk.list_jobs(request))).body
    assert [job.display_name for job in listed.jobs] == ["prod-llm-pretrain", "prod-moe-128gpu"]


@pytest.mark.parametrize("key", [DEMO_KEY, STS], ids=["plain", "sts"])
async def test_the_async_client_works_too(server: SimulatorServer, key: AccessKey) -> None:
    sdk = client(server, key)
    assert (await sdk.get_job_async(JOB, models.GetJobRequest())).body.job_id == JOB
    listed = (await sdk.list_jobs_async(models.ListJobsRequest(page_size=100, job_ids=f"{JOB},none"))).body
    assert [job.job_id for job in listed.jobs] == [JOB]


async def test_events_and_logs_work(server: SimulatorServer) -> None:
    sdk = client(server, DEMO_KEY)
    pod = f"{JOB}-worker-1"
    events = await anyio.to_thread.run_sync(
        lambda: sdk.get_job_events(JOB, models.GetJobEventsRequest(max_events_num=500))
    )
    assert any("evicted" in line for line in events.body.events)
    pod_events = await anyio.to_thread.run_sync(lambda: sdk.get_pod_events(JOB, pod, models.GetPodEventsRequest()))
    assert pod_events.body.pod_id == pod
    logs = await anyio.to_thread.run_sync(lambda: sdk.get_pod_logs(JOB, pod, models.GetPodLogsRequest(max_lines=3)))
    assert len(logs.body.logs) == 3


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (AccessKey("nobody", "x"), "InvalidAccessKeyId.NotFound"),
        (AccessKey(DEMO_KEY.key_id, "wrong"), "SignatureDoesNotMatch"),
        (AccessKey(STS.key_id, STS.secret, "another"), "InvalidSecurityToken.MismatchWithAccessKey"),
        (AccessKey(STS.key_id, STS.secret), "MissingSecurityToken"),
    ],
)
async def test_wrong_keys_are_refused(server: SimulatorServer, key: AccessKey, code: str) -> None:
    sdk = client(server, key)
    for ask in (lambda: sdk.get_job(JOB, models.GetJobRequest()), lambda: sdk.list_jobs(models.ListJobsRequest())):
        with pytest.raises(Exception) as refused:  # noqa: PT011 - the SDK's exception classes differ by status
            await anyio.to_thread.run_sync(ask)
        assert getattr(refused.value, "code", None) == code


async def test_a_missing_job_is_told_as_such(server: SimulatorServer) -> None:
    sdk = client(server, DEMO_KEY)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the SDK's exception classes differ by status
        await anyio.to_thread.run_sync(lambda: sdk.get_job("dlcnone", models.GetJobRequest()))
    assert getattr(refused.value, "code", None) == "NotFound"
    assert getattr(refused.value, "status_code", None) == 404


def unknown_keys(told: Any, known: Any, path: str = "") -> list[str]:
    """Members of an answer that the SDK's schema does not have, found by their loss on a way through its models."""
    if isinstance(told, dict) and isinstance(known, dict):
        lost = [f"{path}.{name}" for name in told if name not in known]
        return lost + [
            one for name in told if name in known for one in unknown_keys(told[name], known[name], f"{path}.{name}")
        ]
    if isinstance(told, list) and isinstance(known, list):
        return [one for a, b in zip(told, known, strict=True) for one in unknown_keys(a, b, f"{path}[]")]
    return [] if told == known else [path]


@pytest.mark.parametrize("minute", [0, 5, 36, 45, 90])
async def test_every_member_we_tell_is_spelt_as_in_the_sdks_schema(minute: int) -> None:
    clock = Hour()
    simulator = Simulator(bundled("demo"), clock=clock)
    clock.now += timedelta(minutes=minute)
    moment = Moment(simulator.origin, simulator.elapsed)
    for job in simulator.scenario.jobs:
        state = state_at(states(job), simulator.elapsed)
        if state is not None:
            for told, model in (
                (get_job(job, state, moment), models.GetJobResponseBody()),
                (list_item(job, state, moment), models.JobItem()),
            ):
                assert unknown_keys(told, model.from_map(told).to_map()) == []
