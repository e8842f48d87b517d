from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, at, events, happening
from watcher.core import events as ev
from watcher.core.model import PodKey, SourceName


def test_an_id_is_a_uuid_made_from_what_happened() -> None:
    made = ev.deterministic_id("job.restarted", REF, 2)
    assert UUID(made).version == 5
    assert made == "dc2c655c-8b34-5076-bb3f-60491e772fcf", "stored ids must stay what they are across versions"


@given(
    st.lists(st.text(alphabet="ab/", max_size=3), max_size=3), st.lists(st.text(alphabet="ab/", max_size=3), max_size=3)
)
def test_different_facts_have_different_ids(one: list[str], other: list[str]) -> None:
    same = "\x1f".join(one) == "\x1f".join(other)
    assert (ev.deterministic_id(*one) == ev.deterministic_id(*other)) is same


def test_the_best_single_time_is_when_it_happened_else_when_we_saw_it() -> None:
    assert ev.When(observed_at=at(9), occurred_at=at(3)).at == at(3)
    assert ev.When(observed_at=at(9), not_before=at(0)).at == at(9)


def test_kinds_are_spelled_as_the_configuration_spells_them() -> None:
    assert ev.kind_of(ev.PodEvicted) == "pod.evicted"
    assert {ev.kind_of(event_type) for event_type in ev.EVENT_TYPES} == ev.KINDS
    assert all(kind.count(".") == 1 for kind in ev.KINDS)


def test_the_list_of_types_is_the_union() -> None:
    assert set(ev.EVENT_TYPES) == set(ev.Event.__args__)


@settings(deadline=None, max_examples=60)
@given(events)
def test_an_event_tells_what_it_is_about(event: ev.Event) -> None:
    about_job, about_pod = ev.job_of(event), ev.pod_of(event)
    names = {member.name for member in fields(event)}
    assert (about_job is not None) == ("job" in names)
    assert (about_pod is not None) == ("pod" in names)


def test_an_event_about_the_watcher_is_about_no_job() -> None:
    blind = happening(ev.WatchBlind, source=SourceName("s"), since=NOW, permanent=True, error="no")
    assert ev.job_of(blind) is None
    assert ev.job_of(happening(ev.RuleFailed, rule="r", event_id=ev.EventId("e"), error="x", job=None)) is None
    assert ev.pod_of(blind) is None
    assert ev.pod_of(happening(ev.PodPlaced)) == PodKey("w-0", "u1")


def test_a_fact_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        happening(ev.PodPlaced).node = "n2"
