"""Answers that are read in pieces: they say what they say when they are read as a whole, or are left to that."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.core.model import JobId, JobSnapshot, PodSnapshot, SourceName
from watcher.errors import GarbledAnswer
from watcher.sources.dlc import many_pods
from watcher.sources.dlc.likeness import cut, recognisable
from watcher.sources.dlc.many_pods import ManyPods, Pieces
from watcher.sources.dlc.wire import snapshot_from_json

HZ, JOB, NOW = SourceName("hz"), JobId("dlc1"), datetime(2026, 3, 1, tzinfo=UTC)
Object = dict[str, Any]
Dumps = Callable[[Any], str]

LAYOUTS: list[Dumps] = [
    json.dumps,
    partial(json.dumps, separators=(",", ":")),
    partial(json.dumps, indent=2),
    partial(json.dumps, separators=(" ,\r\n", "\t: "), ensure_ascii=False),
]


def life(number: int, run: float = 0, **members: Any) -> Object:
    return {
        "PodId": f"w-{number}",
        "PodUid": f"u-{number}",
        "Type": "Worker",
        "Status": "Running",
        "PodIps": [{"InterfaceName": "eth0", "Ip": f"10.0.0.{number}"}, {"InterfaceName": "eth1"}],
        "GmtCreateTime": "2026-02-28T10:00:00Z",
        "Duration": 60 + run,
        **members,
    }


def answer(pods: Any, dumps: Dumps = json.dumps, run: int = 0, **members: Any) -> bytes:
    """Of a job, with members before and behind its pods."""
    before = {"RequestId": f"R-{run}", "JobId": JOB, "Duration": 100 + run, "UserCommand": 'echo "Pods": [{ \\'}
    behind = {"Status": "Running", "StatusHistory": [{"Status": "Creating"}, {"Status": "Running"}]}
    return dumps({**before, "Pods": pods, **behind, **members}).encode()


def whole(body: bytes) -> JobSnapshot:
    return snapshot_from_json(body, source=HZ, observed_at=NOW, region="r", asked_for=JOB)


def read(reader: ManyPods, body: bytes) -> Pieces | None:
    """The answer in pieces, which says the same as the whole; None when it is left to that."""
    pieces = cut(body)
    told = pieces and reader.read(pieces, JOB, source=HZ, observed_at=NOW, region="r")
    if told is not None:
        assert told.snapshot == whole(body)
        assert recognisable(body) or not told.recognisable
    return told


def pods_of(reader: ManyPods, body: bytes) -> Sequence[PodSnapshot]:
    """Those of an answer that is read in pieces and can be recognised."""
    told = read(reader, body)
    assert told is not None
    assert told.recognisable
    assert told.snapshot.pods is not None
    return told.snapshot.pods


@pytest.mark.parametrize("dumps", LAYOUTS)
def test_in_every_layout_only_what_says_something_new_is_read(dumps: Dumps) -> None:
    reader = ManyPods()
    former = [life(3, PodUid="u-a", Duration=7), life(3, PodUid="u-b", Duration=8)]
    pods = [life(1), life(2), life(3, HistoryPods=former), life(4, HistoryPods=[]), life(5)]
    first = pods_of(reader, answer(pods, dumps))
    later = [*pods[:1], life(2, Status="Failed"), *pods[2:]]
    second = pods_of(reader, answer(later, dumps, run=30, Priority=3))
    assert [now is was for was, now in zip(first, second, strict=True)] == [True, False, True, True, True]
    assert [pod.status for pod in second] == ["Running", "Failed", "Running", "Running", "Running"]


def test_durations_are_those_of_now() -> None:
    reader = ManyPods()
    for run in (0, 30, 30.5, 40):
        former = [life(2, PodUid="u-a", Duration=7), life(2, PodUid="u-b")]
        pods = [life(1, run), life(2, run, HistoryPods=former), life(3)]
        told = pods_of(reader, answer(pods, run=int(run)))
        assert [pod.duration.total_seconds() for pod in told if pod.duration] == [60 + run, 60 + run, 60]
        assert [past.duration.total_seconds() for past in told[1].history if past.duration] == [7, 60]


@pytest.mark.parametrize("own", [{"Duration": 5}, {"Duration": None}, {"Duration": "5"}, {}])
def test_former_lives_that_go_on_are_read_anew(own: Object) -> None:
    reader = ManyPods()
    for run in (0, 1):
        pod = {"PodId": "w-2", "HistoryPods": [life(2, run), life(2, 2 * run)], **own}
        told = pods_of(reader, answer([life(1), pod, life(3)]))
        assert [past.duration.total_seconds() for past in told[1].history if past.duration] == [60 + run, 60 + 2 * run]


def test_pods_may_come_go_and_change_places() -> None:
    reader = ManyPods()
    first = pods_of(reader, answer([life(1), life(2), life(3)]))
    second = pods_of(reader, answer([life(4), life(3), life(1)]))
    assert second[1] is first[2]
    assert second[2] is first[0]
    assert [pod.pod_id for pod in second] == ["w-4", "w-3", "w-1"]


def test_a_pod_without_any_identity_is_left_out_every_time() -> None:
    reader = ManyPods()
    for run in (0, 0, 1):
        told = pods_of(reader, answer([life(1), life(2, run, PodId="", PodUid=""), life(3)]))
        assert [pod.pod_id for pod in told] == ["w-1", "w-3"]


@pytest.mark.parametrize(
    "odd",
    [
        life(2, Labels={"Duration": 5}),
        life(2, HistoryPods=[{"HistoryPods": [{"Duration": 5}]}]),
        life(2, RequestId="x"),
        {"PodId": "w-2", 'x"Duration': 5, "Duration": 6},
    ],
)
def test_a_pod_in_which_more_than_its_durations_would_be_left_out_is_read_every_time(odd: Object) -> None:
    reader = ManyPods()
    for _ in range(2):
        told = read(reader, answer([life(1), odd, life(3)]))
        assert told is not None
        assert not told.recognisable


@pytest.mark.parametrize(
    "members", [{"Settings": {"Tags": {"Duration": 5}}}, {"Envs": {"RequestId": "x"}}, {"JobSpecs": [{"Duration": 5}]}]
)
def test_so_is_an_answer_with_such_a_member_beside_its_pods(members: Object) -> None:
    told = read(ManyPods(), answer([life(1), life(2)], **members))
    assert told is not None
    assert not told.recognisable


TWO = [life(1), life(2)]


@pytest.mark.parametrize(
    "body",
    [
        answer(None),
        answer([]),
        answer([life(1)], StatusHistory=[]),
        answer([life(1), None, life(2)]),
        answer([life(1), life(2), 5]),
        answer([life(1), life(2, NodeName="a[b"), life(3)]),
        answer({"Pods": TWO}),
        answer(TWO, Envs={"Pods": TWO}).replace(b'"Pods"', b'"P"', 1),
        answer(TWO, Pods2=TWO).replace(b'"Pods2"', b'"Pods"'),
        answer(TWO).replace(b'"Pods"', b'"\\u0050ods"'),
        answer(TWO, Status=""),
        answer(TWO, JobId="another"),
        answer(TWO)[:-1],
        answer(TWO)[: answer(TWO).rindex(b"w-2")],
        answer(TWO).replace(b'"w-2"', b'"w-2'),
        answer(TWO).replace(b'"w-2"', b'"\xff"'),
        answer(TWO).replace(b'"w-2"', b'"\\ud800"'),
        answer(TWO).replace(b'"Duration": 60', b'"Duration": 060'),
        answer(TWO).replace(b'"Duration": 60', b'"Duration": 60, "Duration" 5'),
        answer(TWO).replace(b"}, {", b"}, \v{"),
        answer(TWO) + b"}",
        b'{"Pods": [{}, {',
    ],
)
def test_what_does_not_fall_into_pieces_is_left_to_be_read_as_a_whole(body: bytes) -> None:
    assert read(ManyPods(), body) is None
    reader = ManyPods()
    pods_of(reader, answer(TWO))
    assert read(reader, body) is None


@pytest.mark.parametrize(
    "pod",
    [
        life(2, NodeName="}, {"),
        life(2, NodeName="[x]}]"),
        life(2, NodeName='\\"Pods": [{ é 机'),
        life(2, Ip=float("nan"), Type=float("inf")),
        life(2, Duration=1e99),
        life(2, Duration=-5),
        life(2, Duration=10**15),
        life(2, Duration=10**20),
        life(2, Duration=[60]),
        life(2, HistoryPods={"Duration": 5}),
        life(2, HistoryPods=[None, 5, [], life(7, Duration={})]),
        life(2, PodId=5, PodUid=True, Type=7.0, Status=None, NodeName=10**30),
        {"HistoryPods": [life(7)], "Duration": 3, "PodId": "w-2"},
        {"HistoryPods": [life(n) for n in range(70)], "PodId": "w-2"},
        {},
    ],
)
def test_odd_pods_say_the_same_either_way(pod: Object) -> None:
    for dumps in LAYOUTS:
        reader = ManyPods()
        for run in (0, 0, 5):
            read(reader, answer([life(1, run), pod, life(3)], dumps, run))


def test_deep_values_are_refused_at_the_same_depth() -> None:
    for depth in range(190, 200):
        body = answer(TWO).replace(b'"w-2"', b"[" * depth + b"]" * depth)
        try:
            whole(body)
        except GarbledAnswer:
            assert read(ManyPods(), body) is None
        else:
            assert read(ManyPods(), body) is not None


def test_the_job_that_was_read_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_pods, "MOST_PODS", 5)
    reader = ManyPods()

    def pods(job: str) -> Sequence[PodSnapshot]:
        body = answer([life(1), life(2)], JobId=job)
        pieces = cut(body)
        assert pieces is not None
        told = reader.read(pieces, JobId(job), source=HZ, observed_at=NOW, region="r")
        assert told is not None
        return told.snapshot.pods or ()

    one, other = pods("one"), pods("other")
    assert pods("one")[0] is one[0]
    assert pods("third")[0] is not one[0]  # and the other one is forgotten
    assert pods("one")[0] is one[0]
    assert pods("other")[0] is not other[0]


def test_a_job_of_more_pods_than_may_be_remembered_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_pods, "MOST_PODS", 1)
    reader = ManyPods()
    first = pods_of(reader, answer(TWO))
    assert pods_of(reader, answer(TWO))[0] is not first[0]


names = st.sampled_from(
    ["Duration", "RequestId", "PodId", "PodUid", "Status", "Pods", "HistoryPods", "Ip", 'x"Duration', "a\\", "[", "}"]
)
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | names
    | st.just("}, {")
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
lives = st.dictionaries(names, values, max_size=5)
pods = st.builds(lambda pod, id_: {**pod, "PodId": id_}, lives, st.sampled_from(["a", "b", ""])) | lives
jobs = st.lists(pods | st.just(life(1)) | st.just(life(2, HistoryPods=[life(2, 5), life(3)])) | values, max_size=4)
layouts = st.sampled_from(LAYOUTS)


@given(st.lists(st.tuples(jobs, layouts, st.dictionaries(names, values, max_size=3)), min_size=1, max_size=4))
def test_whatever_is_answered_says_the_same_in_pieces_as_in_one(answers: list[tuple[list[Any], Dumps, Object]]) -> None:
    """One after the other, so that what is known from one is met in the next."""
    reader = ManyPods()
    for told, dumps, members in answers:
        read(reader, answer([*told, life(9)], dumps, **members))
        read(reader, answer([life(9), *told, life(9)], dumps, 3))


BODY = answer([life(1), life(2, HistoryPods=[life(2, 5)]), life(3)])
edits = st.tuples(
    st.integers(0, len(BODY)),
    st.integers(0, 40),
    st.sampled_from(
        [b"", b"0", b"-", b"e", b'"', b"\\", b",", b"{", b"}", b"[", b"]", b" ", b"\v", b"\1", b"}, {", b'"x"', b"\xff"]
    ),
)


@given(st.lists(edits, min_size=1, max_size=3))
@example([(0, 0, b"")])
def test_whatever_is_done_to_the_bytes_of_an_answer_it_says_the_same_in_pieces_as_in_one(
    changes: list[tuple[int, int, bytes]],
) -> None:
    """What cannot be read as a whole is not read in pieces, either: `read` reads both."""
    reader = ManyPods()
    pods_of(reader, BODY)
    body = BODY
    for at, gone, put in changes:
        body = body[:at] + put + body[at + gone :]
    read(reader, body)
    assert read(reader, BODY) is not None
