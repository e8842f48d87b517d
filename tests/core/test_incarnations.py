from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import at, former_lives, pod, pods
from watcher.core.incarnations import lives, names, pair, pods_by_id
from watcher.core.model import PodSnapshot

ANY = settings(deadline=None, max_examples=100)


def same(one: PodSnapshot, other: PodSnapshot) -> bool:
    """The definition, word by word."""
    uids = one.uid == other.uid or not one.uid or not other.uid
    return uids and (one.created_at == other.created_at or one.created_at is None or other.created_at is None)


@ANY
@given(pods)
def test_each_life_of_a_pod_stands_once_and_the_live_one_last(each: PodSnapshot) -> None:
    chain = lives(each)
    assert chain[-1] is each
    for place, life in enumerate(chain):
        assert not any(same(life, other) for other in chain[place + 1 :])
    for entry in each.history:
        assert any(same(entry, life) for life in chain)


@ANY
@given(pods, pods)
def test_lives_are_paired_only_where_they_are_the_same_and_each_once(one: PodSnapshot, other: PodSnapshot) -> None:
    old, new = lives(one), lives(other)
    found = pair(old, new)
    assert len(found) == len(new)
    used = [id(was) for was in found if was is not None]
    assert len(set(used)) == len(used)
    assert all(was is None or same(was, life) for was, life in zip(found, new, strict=True))
    for life, was in zip(new, found, strict=True):
        if was is None:  # then nothing that it could be is left over
            assert all(id(rest) in used for rest in old if same(rest, life))


@ANY
@given(pods)
def test_every_life_is_paired_with_itself(each: PodSnapshot) -> None:
    chain = lives(each)
    assert pair(chain, chain) == chain


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (pod(uid="a"), pod(uid="a"), True),
        (pod(uid="a", created_at=at(0)), pod(uid="a", created_at=at(9)), False),
        (pod(uid="a", created_at=at(0)), pod(uid="a", created_at=None), True),
        (pod(uid="a", created_at=None), pod(uid="a", created_at=at(9)), True),
        (pod(uid="a", created_at=at(0)), pod(uid="b", created_at=at(0)), False),
        (pod(uid="", created_at=at(0)), pod(uid="a", created_at=at(0)), True),
        (pod(uid="a", created_at=at(0)), pod(uid="", created_at=at(0)), True),
        (pod(uid="", created_at=at(0)), pod(uid="", created_at=at(0)), True),
        (pod(uid="", created_at=at(0)), pod(uid="a", created_at=at(9)), False),
        (pod(uid="", created_at=None), pod(uid="a", created_at=at(9)), True),
        (pod(uid="", created_at=at(0)), pod(uid="a", created_at=None), True),
        (pod(uid="a", created_at=None), pod(uid="b", created_at=None), False),
    ],
)
def test_what_is_the_same_life(one: PodSnapshot, other: PodSnapshot, expected: bool) -> None:
    assert (pair((one,), (other,)) == (one,)) is expected
    assert (len(lives(replace(one, history=(other,)))) == 1) is expected


def test_the_surest_likeness_goes_first() -> None:
    nameless, named = pod(uid=""), pod(uid="b", created_at=at(9))
    old = (pod(uid="a", created_at=at(0)), pod(uid="b", created_at=at(9)))
    assert pair(old, (nameless, named)) == old
    assert pair((pod(uid="b"), pod(uid="", created_at=at(1))), (pod(uid="", created_at=at(1)),)) == (
        pod(uid="", created_at=at(1)),
    )


@ANY
@given(pods)
def test_no_two_lives_of_a_pod_have_one_name(each: PodSnapshot) -> None:
    called = names(lives(each))
    assert len(set(called)) == len(called)
    ordinary = [life for life in lives(each) if sum(other.uid == life.uid for other in lives(each)) == 1]
    assert {life.key.incarnation for life in ordinary} <= set(called)


def test_a_uid_that_is_repeated_names_the_oldest_life_and_with_the_creation_time_the_others() -> None:
    chain = (pod(uid="a", created_at=at(0)), pod(uid="a", created_at=at(9)), pod(uid="b", created_at=at(12)))
    assert names(chain) == ("a", f"a@{at(9)}", "b")
    assert names(chain[1:]) == ("a", "b")
    assert names(chain, ("", "a", "")) == (f"a@{at(0)}", "a", "b")


def test_lives_go_by_their_earliest_known_time() -> None:
    history = (
        pod(uid="d", created_at=at(4)),
        pod(uid="c", finished_at=at(3)),
        pod(uid="b", started_at=at(2)),
        pod(uid="a"),
    )
    assert [life.uid for life in lives(pod(uid="e", created_at=at(5), history=history))] == ["a", "b", "c", "d", "e"]


@ANY
@given(st.lists(former_lives, max_size=4), st.randoms())
def test_the_order_of_history_means_nothing(history: list[PodSnapshot], random: Random) -> None:
    mixed = list(history)
    random.shuffle(mixed)
    live = pod(uid="u9", created_at=at(99))
    uids = [[life.key for life in lives(replace(live, history=tuple(order)))] for order in (history, mixed)]
    assert uids[0] == uids[1]


def test_pods_are_found_by_their_id() -> None:
    assert pods_by_id(None) == {}
    assert pods_by_id((pod("w-0"), pod(""), pod("w-1"))) == {"w-0": pod("w-0"), "w-1": pod("w-1")}


def test_of_several_entries_with_one_id_the_youngest_lives() -> None:
    oldest = pod(uid="a", created_at=at(1), history=(pod(uid="z", created_at=at(0)),))
    middle = pod(uid="b", created_at=at(2))
    youngest = pod(uid="c", created_at=at(3))
    found = pods_by_id((middle, youngest, oldest))["w-0"]
    assert found.uid == "c"
    assert [life.uid for life in lives(found)] == ["z", "a", "b", "c"]
