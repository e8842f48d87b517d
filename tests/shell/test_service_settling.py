"""What has settled is not walked over by the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from watcher.service.settling import FULL_AFTER, LONG_S, LongCollections, settled_memory, short_collections


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    callbacks = list(gc.callbacks)
    gc.unfreeze()
    yield
    gc.callbacks[:] = callbacks
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_during_a_load_and_all_of_it_is_taken_out_after() -> None:
    with settled_memory():
        assert not gc.isenabled()
        loaded = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(loaded)
    walked_over = {id(thing) for thing in gc.get_objects()}
    assert walked_over.isdisjoint(map(id, loaded))


def test_it_is_on_again_when_a_load_fails() -> None:
    with pytest.raises(ValueError, match="unreadable"), settled_memory():
        raise ValueError("unreadable")
    assert gc.isenabled()


def test_a_service_leaves_the_collector_as_it_found_it() -> None:
    before, thresholds = list(gc.callbacks), gc.get_threshold()
    with short_collections():
        assert gc.get_threshold() == (*thresholds[:2], FULL_AFTER)
        with settled_memory():
            loaded = [[number] for number in range(1000)]
        gc.disable()
    assert gc.isenabled()
    assert (gc.callbacks, gc.get_threshold()) == (before, thresholds)
    assert gc.get_freeze_count() == 0
    assert any(thing is loaded for thing in gc.get_objects())


def test_long_collections_are_heard_of_once_while_a_service_runs() -> None:
    before = len(gc.callbacks)
    with short_collections(), short_collections():
        assert len(gc.callbacks) == before + 1
    assert len(gc.callbacks) == before


@pytest.mark.parametrize(
    ("generation", "took_s", "out"), [(2, 2 * LONG_S, True), (2, LONG_S / 2, False), (1, 1.0, False)]
)
def test_what_a_long_full_collection_left_is_taken_out(generation: int, took_s: float, out: bool) -> None:
    now = [5.0]
    collections = LongCollections(lambda: now[0])
    collections("start", {"generation": generation})
    now[0] += took_s
    collections("stop", {"generation": generation})
    assert (gc.get_freeze_count() > 0) is out
