"""Which items of a page need no reading: those whose text was read before, and no others, however the page is laid out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.model import JobId, SourceName
from watcher.errors import GarbledAnswer
from watcher.sources.dlc.pages import read_page
from watcher.sources.dlc.wire import ListingPage, listing_from_json

HZ = SourceName("hz")
Item = dict[str, Any]


def item(number: int = 0, **members: Any) -> Item:
    return {
        "JobId": f"dlc{number}",
        "DisplayName": f"job {number}",
        "Status": "Running",
        "Duration": 60,
        "Settings": {"Tags": {"team": "a"}},
        "JobSpecs": [{"Type": "Worker", "PodCount": 2}, {"Type": "PS", "PodCount": 1}],
        **members,
    }


def page(items: Sequence[Any], dumps: Callable[[Any], str] = json.dumps, **members: Any) -> bytes:
    return dumps({"RequestId": "R-1", "TotalCount": len(items), "Jobs": items, **members}).encode()


def read(body: bytes, known: ListingPage | None = None) -> ListingPage:
    return read_page(body, source=HZ, known=known.digests if known else {})


def ids(read_: ListingPage) -> list[str]:
    return [job.ref.job_id for job in read_.jobs]


def test_the_first_time_every_item_is_read_and_later_none_that_says_the_same() -> None:
    first = read(page([item(n) for n in range(3)]))
    assert first.jobs == listing_from_json(page([item(n) for n in range(3)]), source=HZ).jobs
    again = read(page([item(n, Duration=90 + n) for n in range(3)], RequestId="R-2", TotalCount=7), first)
    assert (again.jobs, again.unchanged, again.items, again.total) == ((), ("dlc0", "dlc1", "dlc2"), 3, 7)


def test_only_what_changed_or_is_new_is_read_wherever_it_stands() -> None:
    first = read(page([item(n) for n in range(3)]))
    later = read(page([item(9), item(0), item(1, Status="Failed"), item(2)]), first)
    assert (ids(later), later.unchanged) == (["dlc9", "dlc1"], ("dlc0", "dlc2"))
    assert set(later.digests) == {"dlc9", "dlc1"}


@pytest.mark.parametrize(
    "dumps",
    [
        json.dumps,
        lambda value: json.dumps(value, separators=(",", ":")),
        lambda value: json.dumps(value, indent=2),
        lambda value: json.dumps(value, sort_keys=True),
        lambda value: json.dumps(dict(reversed(value.items()))),
    ],
)
def test_the_layout_does_not_matter(dumps: Callable[[Any], str]) -> None:
    first = read(page([item(n) for n in range(3)], dumps))
    assert ids(first) == ["dlc0", "dlc1", "dlc2"]
    assert read(page([item(n) for n in range(3)], dumps), first).unchanged == ("dlc0", "dlc1", "dlc2")


@pytest.mark.parametrize(
    "odd",
    [
        item(1, Settings={"Tags": {"Duration": 5}}),
        item(1, Envs={"Duration": 5}),
        item(1, Duration=None) | {"Pods": [[{"Duration": 5}]]},
        item(1, IsDeleted=True),
        item(1) | {"JobId": 'a"b'},
        item(1) | {"JobId": "ü"},
    ],
)
def test_an_item_that_cannot_be_recognised_for_certain_is_always_read(odd: Item) -> None:
    body = page([item(0), odd, item(2)])
    first, whole = read(body), listing_from_json(body, source=HZ)
    assert first.jobs == whole.jobs
    again = read(body, first)
    assert again.unchanged == ("dlc0", "dlc2")
    assert again.jobs == tuple(job for job in whole.jobs if job.ref.job_id not in {"dlc0", "dlc2"})


@pytest.mark.parametrize(
    "body",
    [
        page([]),
        page([item(0), None]),
        page([item(0), {"JobId": 7}]),
        page([item(0), 5, item(1)]),
        page([[item(0)], item(1)]),
        page([item(0, HistoryPods=[1, {"JobId": "x"}])]),
        page([item(0, DisplayName='x,{"JobId": "y"')]),
        page([item(0), {"Pods": [{"JobId": "dlc0"}], **item(1)}]),
        page([item(0), {"UserCommand": '"JobId": "dlc0"', **item(1)}]),
        page([item(0)], More=[1]),
        page([item(0)], More={"Jobs": [item(1)]}),
        b'{"More": {"Jobs": [{"JobId": "a", "Status": "b"}]}, "Jobs": []}',
        b'{"Jobs": [{"JobId": "a", "Status": "b"}], "J\\u006fbs": []}',
        b'{"Jobs": null, "TotalCount": 0}',
    ],
)
def test_a_page_that_does_not_fall_into_items_is_read_as_a_whole(body: bytes) -> None:
    whole = listing_from_json(body, source=HZ)
    for found in (read(body), read(body, read(body))):
        told = {job.ref.job_id for job in found.jobs} | set(found.unchanged)
        assert told == {job.ref.job_id for job in whole.jobs}
        assert (found.items, found.unreadable, found.total) == (whole.items, whole.unreadable, whole.total)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"Jobs": [{"JobId": "a", "Status": "b"}', b'{"Jobs": 5}', b'{"TotalCount": 3}']
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(GarbledAnswer):
        read(body)


texts = st.sampled_from(
    ["Duration", "JobId", "Jobs", "a", '"', "\\", ",", "{", "}", '{"JobId": "dlc0"', "]", "\0", "ü"]
)
values = st.recursive(
    st.none() | st.integers(0, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(values, min_size=3, max_size=3), st.data())
def test_no_change_of_bytes_that_changes_the_meaning_goes_unnoticed(odd: list[Any], data: st.DataObject) -> None:
    """Whatever is done to the bytes of a page: an item that counts as unchanged reads as it read before."""
    body = page([item(number, DisplayName=str(value), Settings=value) for number, value in enumerate(odd)])
    first = read(body)
    held = {job.ref.job_id: job for job in first.jobs}
    at, cut = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 6))
    put = data.draw(
        st.sampled_from([b"", b"0", b"-", b'"', b"\\", b",", b"{", b"}", b"[", b"]", b" ", b"\0", b"[]", b"\xff"])
    )
    changed = body[:at] + put + body[at + cut :]
    try:
        whole = listing_from_json(changed, source=HZ)
    except GarbledAnswer:
        with pytest.raises(GarbledAnswer):
            read(changed, first)
        return
    found = read(changed, first)
    seen = {JobId(job.ref.job_id): job for job in found.jobs} | {job_id: held[job_id] for job_id in found.unchanged}
    assert seen == {job.ref.job_id: job for job in whole.jobs}
    assert (found.items, found.unreadable) == (whole.items, whole.unreadable)
