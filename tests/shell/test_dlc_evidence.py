"""Events and logs as DLC would answer them: asked with one request, read with tolerance, spelt as the official SDK spells them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs

import pytest
from alibabacloud_pai_dlc20201203 import models
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.dlc_server import KEY_ID, SECRET, Peer, refusal, response, says, serving
from watcher.core.model import JobId, SourceName
from watcher.errors import Forbidden, GarbledAnswer, InvalidRequest, JobNotFound, ServerFault
from watcher.simulator import DEMO_KEY, Simulator, SimulatorServer, bundled
from watcher.sources.dlc import DlcSettings, DlcSource
from watcher.sources.dlc.wire import LONGEST_LINE, MOST_TEXT, lines_from_json

pytestmark = pytest.mark.anyio

JOB, POD = JobId("dlc1fake"), "dlc1fake-worker-0"
SINCE = datetime(2026, 3, 2, 16, 0, tzinfo=timezone(timedelta(hours=8)))

Ask = Callable[[DlcSource], Awaitable[tuple[str, ...]]]
ASKS: dict[str, tuple[Ask, str, dict[str, str], Any, Any]] = {
    # what is asked, path, query, the SDK's request with the same, its response
    "GetJobEvents": (
        lambda source: source.job_events(JOB, since=SINCE, most=7),
        "/api/v1/jobs/dlc1fake/events",
        {"MaxEventsNum": "7", "StartTime": "2026-03-02T08:00:00Z"},
        models.GetJobEventsRequest(max_events_num=7, start_time="2026-03-02T08:00:00Z"),
        models.GetJobEventsResponseBody(events=["a", "b"], job_id="dlc1fake", request_id="R"),
    ),
    "GetPodEvents": (
        lambda source: source.pod_events(JOB, POD, "u-1", since=SINCE, most=10**6),
        "/api/v1/jobs/dlc1fake/pods/dlc1fake-worker-0/events",
        {"MaxEventsNum": "10000", "PodUid": "u-1", "StartTime": "2026-03-02T08:00:00Z"},
        models.GetPodEventsRequest(max_events_num=10000, pod_uid="u-1", start_time="2026-03-02T08:00:00Z"),
        models.GetPodEventsResponseBody(events=["a", "b"], job_id="dlc1fake", pod_id=POD, pod_uid="u-1", request_id="R"),
    ),
    "GetPodLogs": (
        lambda source: source.pod_logs(JOB, POD, "u-1", since=SINCE),
        "/api/v1/jobs/dlc1fake/pods/dlc1fake-worker-0/logs",
        {"MaxLines": "2000", "PodUid": "u-1", "StartTime": "2026-03-02T08:00:00Z"},
        models.GetPodLogsRequest(max_lines=2000, pod_uid="u-1", start_time="2026-03-02T08:00:00Z"),
        models.GetPodLogsResponseBody(
            logs=["a", "b"], job_id="dlc1fake", pod_id=POD, pod_uid="u-1", request_id="R",
            container_info=models.ContainerInfo(main_container="main", sidecar_containers=[]),
        ),
    ),
}  # fmt: skip


def source_of(url: str, key_id: str = KEY_ID, secret: str = SECRET) -> DlcSource:
    credentials = {"kind": "access_key", "key_id": key_id, "secret": secret}
    told = {"region": "cn-hangzhou", "endpoint": url, "credentials": credentials}
    return DlcSource(SourceName("hz"), DlcSettings.model_validate(told))


async def asked_of(peer: Peer, ask: Ask) -> tuple[str, ...]:
    source = source_of(peer.url)
    try:
        return await ask(source)
    finally:
        await source.aclose()


@pytest.mark.parametrize("action", ASKS)
async def test_one_signed_request_spelt_as_the_sdk_spells_it(action: str) -> None:
    ask, path, query, request, answer = ASKS[action]
    async with serving(says(response(200, answer.to_map()))) as peer:
        assert await asked_of(peer, ask) == ("a", "b")
    (sent,) = peer.asked
    assert sent.headers["x-acs-action"] == action
    assert sent.signed_with(SECRET)
    assert sent.path == path
    assert {name: values[0] for name, values in parse_qs(sent.query).items()} == query
    assert {name: str(value) for name, value in request.to_map().items()} == query


@pytest.mark.parametrize("action", ASKS)
async def test_nothing_is_added_that_was_not_asked_for(action: str) -> None:
    asks: dict[str, Ask] = {
        "GetJobEvents": lambda source: source.job_events(JOB),
        "GetPodEvents": lambda source: source.pod_events(JOB, POD),
        "GetPodLogs": lambda source: source.pod_logs(JOB, POD, most=0),
    }
    async with serving(says(response(200, {}))) as peer:
        assert await asked_of(peer, asks[action]) == ()
    assert "StartTime" not in peer.asked[0].query
    assert "PodUid" not in peer.asked[0].query


@pytest.mark.parametrize("action", ASKS)
async def test_a_missing_right_is_named(action: str) -> None:
    async with serving(says(refusal(403, "Forbidden.RAM", "not authorized"))) as peer:
        with pytest.raises(Forbidden) as refused:
            await asked_of(peer, ASKS[action][0])
    assert f"Allow this identity paidlc:{action}" in str(refused.value)
    assert refused.value.permanent


async def test_other_refusals_are_the_usual_leaves() -> None:
    for status, code, leaf in [(503, "ServiceUnavailable", ServerFault), (404, "NotFound", JobNotFound)]:
        async with serving(says(refusal(status, code, "no"))) as peer:
            with pytest.raises(leaf):
                await asked_of(peer, ASKS["GetPodLogs"][0])


@pytest.mark.parametrize("pod_id", ["", "..", "a/b", "x" * 300, "\ud800"])
async def test_what_cannot_be_a_pod_id_is_not_asked(pod_id: str) -> None:
    async with serving(says(response(200, {}))) as peer:
        with pytest.raises(InvalidRequest, match="pod id"):
            await asked_of(peer, lambda source: source.pod_logs(JOB, pod_id))
    assert peer.asked == []


def read(told: object, action: str = "GetPodLogs", most: int = 100, pod_uid: str = "") -> tuple[str, ...]:
    return lines_from_json(json.dumps(told).encode(), action=action, most=most, pod_uid=pod_uid)


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        ({"Logs": ["a", "b\nc"]}, ("a", "b", "c")),
        ({"Logs": ["a", 1, None, {"Content": "d"}, {}, ["x"]]}, ("a", "d")),
        ({"Logs": None}, ()),
        ({"Logs": "a"}, ()),
        ({}, ()),
        ({"Events": ["a"]}, ()),
    ],
)
def test_lines_of_all_shapes(told: object, lines: tuple[str, ...]) -> None:
    assert read(told) == lines


def test_the_last_lines_are_kept_within_limits() -> None:
    assert read({"Events": [str(number) for number in range(9)]}, "GetJobEvents", 2) == ("7", "8")
    assert read({"Logs": ["x" * 9_999]}) == ("x" * LONGEST_LINE,)
    many = read({"Logs": ["y" * 1_999] * 1_000}, most=10_000)
    assert len(many) == MOST_TEXT // 2_000


@pytest.mark.parametrize("body", [b"", b"[]", b"no", b'"text"'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(GarbledAnswer):
        lines_from_json(body, action="GetPodLogs", most=1)


def test_an_answer_about_another_incarnation_is_refused() -> None:
    with pytest.raises(GarbledAnswer, match="another incarnation"):
        read({"Logs": ["a"], "PodUid": "u-2"}, pod_uid="u-1")
    assert read({"Logs": ["a"], "PodUid": ""}, pod_uid="u-1") == ("a",)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["Logs", "Events", "PodUid", "Content", "x"]), inner), max_leaves=12))  # fmt: skip
def test_no_json_makes_it_raise_anything_but_garbled_answer(told: object) -> None:
    with contextlib.suppress(GarbledAnswer):
        assert all(isinstance(line, str) for line in read(told, pod_uid="u"))


async def test_the_simulator_answers_our_source_as_it_answers_the_sdk() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    clock = {"now": now}
    simulator = Simulator(bundled("demo"), clock=lambda: clock["now"])
    clock["now"] = now + timedelta(minutes=45)
    async with SimulatorServer(simulator) as server:
        source = source_of(server.url, DEMO_KEY.key_id, DEMO_KEY.secret)
        job = await source.fetch(JobId("dlc1prodllm00001"))
        pod = (job.pods or ())[0]
        events = await source.job_events(job.ref.job_id)
        assert any("evicted" in line for line in events)
        assert await source.pod_events(job.ref.job_id, pod.pod_id, pod.uid) != ()
        now_lines = await source.pod_logs(job.ref.job_id, pod.pod_id, pod.uid, most=3)
        before = await source.pod_logs(job.ref.job_id, pod.pod_id, pod.history[0].uid, most=3)
        assert (len(now_lines), len(before)) == (3, 3)
        assert now_lines != before
        late = await source.pod_logs(job.ref.job_id, pod.pod_id, pod.uid, since=clock["now"] - timedelta(seconds=31))
        assert len(late) <= 2
        await source.aclose()
