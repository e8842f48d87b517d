"""Which answers say the same: what runs on is left out, and nothing else is, wherever it stands and whatever it is named."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from watcher.core.model import JobSnapshot, SourceName
from watcher.errors import GarbledAnswer
from watcher.sources.dlc.likeness import digest, recognisable
from watcher.sources.dlc.wire import snapshot_from_json

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def read(body: bytes) -> JobSnapshot:
    return snapshot_from_json(body, source=SourceName("s"), observed_at=NOW)


def timeless(job: JobSnapshot) -> JobSnapshot:
    """Without what runs on."""
    pods = job.pods and tuple(
        replace(pod, duration=None, history=tuple(replace(life, duration=None) for life in pod.history))
        for pod in job.pods
    )
    return replace(job, duration=None, pods=pods)


def answer(run: int = 0, **members: Any) -> bytes:
    """An answer of a job with a pod that has lived before, so many seconds on."""
    former = {"PodId": "p0", "PodUid": "u0", "Status": "Failed", "Duration": 7 + run}
    pod = {"PodId": "p0", "PodUid": "u1", "Status": "Running", "Duration": 60.5 + run, "HistoryPods": [former]}
    job = {
        "RequestId": f"R-{run}",
        "JobId": "dlc1",
        "Status": "Running",
        "Duration": 100 + run,
        "UserCommand": 'echo "Duration": 5, "RequestId": "x" \\',
        "Settings": {"Tags": {"team": "a"}},
        "Pods": [pod],
    }
    return json.dumps(job | members).encode()


def test_what_runs_on_is_not_a_change() -> None:
    assert recognisable(answer())
    assert digest(answer(0)) == digest(answer(1)) == digest(answer(10**12)) != b""


@pytest.mark.parametrize("text", ["-1", "0", "0.5", "1e3", "12.25E-2"])
def test_every_usual_number_is_one(text: str) -> None:
    body = answer().replace(b'"Duration": 100', b'"Duration": ' + text.encode())
    assert digest(body) == digest(answer())
    assert recognisable(body)


@pytest.mark.parametrize(
    "text", ["null", '"5"', "05", "1.", "5 5", "5x", "", "NaN", "1" * 5000, "1e999", "[]", "-", "5,5", '5, "x": 1']
)
def test_another_sort_of_duration_is_a_change(text: str) -> None:
    assert digest(answer().replace(b'"Duration": 100', b'"Duration": ' + text.encode())) != digest(answer())


@pytest.mark.parametrize("text", ["5", "null", '"a b"', '"\\u0041"', '"a\\"', '"' + "a" * 65 + '"', '"\x00"'])
def test_another_sort_of_request_id_is_a_change(text: str) -> None:
    assert digest(answer().replace(b'"R-0"', text.encode())) != digest(answer())


def test_a_duration_does_not_become_a_request_id() -> None:
    one = b'{"JobId": "j", "Status": "s", "Duration": 5}'
    other = b'{"JobId": "j", "Status": "s", "RequestId": "x"}'
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"Settings": {"Tags": {"Duration": 5}}},
        {"Settings": {"Tags": {"RequestId": "x"}}},
        {"Settings": {"Tags": {'x"Duration': 5}}},
        {"Envs": {"a\\": 1, "RequestId": "x"}},
        {"Pods": [{"PodId": "p", "RequestId": "x"}]},
        {"Pods": [[{"Duration": 5}]]},
        {"Pods": {"Duration": 5}},
        {"Pods": [{"PodId": "p", "HistoryPods": [{"PodId": "p", "HistoryPods": [{"Duration": 5}]}]}]},
        {"JobSpecs": [{"Duration": 5}]},
    ],
)
def test_an_answer_with_such_a_member_elsewhere_is_always_read(elsewhere: dict[str, Any]) -> None:
    assert not recognisable(answer(**elsewhere))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b'{"Duration": 5',
        b'{"Duration": 5, "Duration": 6}',
        b'{"Pods": [{"Duration": 5}], "Pods": []}',
        b'{"Durat\\u0069on": 5, "Tags": {"Duration": 5}}',
        b"[" * 100_000,
        b'{"Duration": 100000000000000000000000000}',
    ],
)
def test_what_is_odd_is_always_read(body: bytes) -> None:
    assert not recognisable(body)


def test_what_holds_the_mark_has_no_digest() -> None:
    assert digest(answer().replace(b'"R-0"', b"\0")) == b""


def test_the_byte_that_ends_a_number_counts() -> None:
    assert digest(b'{"Duration": 5}') != digest(b'{"Duration": 5]')


names = st.sampled_from(
    ["Duration", "RequestId", "PodId", "Status", "Pods", "HistoryPods", "Tags", 'x"Duration', "a\\"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
jobs = st.dictionaries(st.sampled_from(["Duration", "RequestId", "Pods", "Settings", "Envs"]), values, max_size=5)


@given(jobs, st.data())
@example({"Settings": {"Tags": {"Duration": 5}}}, None)
def test_no_change_of_bytes_that_changes_the_meaning_goes_unnoticed(members: dict[str, Any], data: Any) -> None:
    """Whatever is done to the bytes of a recognisable answer: with the same digest it reads the same, but for what runs on."""
    body = json.dumps({"JobId": "j", "Status": "Running", **members}).encode()
    if data is None:
        assert not recognisable(body)
        return
    assume(recognisable(body))
    at = data.draw(st.integers(0, len(body)))
    cut = data.draw(st.integers(0, 4))
    put = data.draw(
        st.sampled_from([b"", b"0", b"1", b"-", b".", b"e", b'"', b"\\", b",", b"}", b" ", b"\0", b'"x"', b"\xff"])
    )
    changed = body[:at] + put + body[at + cut :]
    if digest(changed) != digest(body):
        return
    assert timeless(read(changed)) == timeless(read(body))
    assert recognisable(changed)


@given(st.integers(0, len(answer()) - 1), st.integers(1, 255))
def test_every_single_byte_outside_of_what_runs_on_counts(place: int, turned: int) -> None:
    body = answer()
    own = [match.span(1) for match in re.finditer(rb'(?<!\\)"(?:Duration|RequestId)": ("R-0"|[0-9.]+)', body)]
    assert len(own) == 4
    assume(not any(start <= place < end for start, end in own))
    changed = bytearray(body)
    changed[place] ^= turned
    if digest(bytes(changed)) == digest(body):
        pytest.fail(f"{body[place : place + 1]!r} became {changed[place : place + 1]!r}")


def test_a_garbled_answer_is_never_taken_for_the_known_one() -> None:
    for place in range(len(answer())):
        changed = answer()[:place] + answer()[place + 1 :]
        if digest(changed) == digest(answer()):
            try:
                read(changed)
            except GarbledAnswer:
                pytest.fail(f"without byte {place} it is no answer")
