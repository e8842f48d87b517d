from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.strategies import REF, at, job
from watcher.core.card import status_card
from watcher.core.delivery import BACKOFF, LONGEST_RETRY_AFTER, Receipt
from watcher.core.living import (
    MOST_REPLIES,
    OVERDUE,
    UPDATE_EVERY,
    CardLoss,
    LivingCard,
    fingerprint,
    given_up,
    may_update,
    overdue,
    posted,
    put_off,
    replied,
    root_for,
    updated,
    view,
)

RECEIPT = Receipt(reference="171.1", thread_reference="171.1", place="C1")


def begun() -> LivingCard:
    return root_for(None, "team", REF, "#ml", at(0))


def standing() -> LivingCard:
    return posted(begun(), RECEIPT, "a", at(1))


def test_the_first_news_begins_a_card() -> None:
    card = begun()
    assert (card.receiver, card.job, card.target, card.generation) == ("team", REF, "#ml", 1)
    assert (card.attempt, card.first_attempt_at, card.reference) == (1, at(0), "")
    assert not card.stands
    assert not card.behind


def test_a_root_that_may_stand_there_already_is_tried_again_under_the_same_id() -> None:
    again = root_for(begun(), "team", REF, "#ml", at(9))
    assert (again.attempt, again.first_attempt_at, again.id) == (2, at(0), begun().id)


def test_a_root_that_stands_is_used_as_it_is() -> None:
    assert root_for(standing(), "team", REF, "#ml", at(9)) == standing()
    assert standing().stands
    assert (standing().posted_at, standing().place, standing().next_at) == (at(1), "C1", at(1) + UPDATE_EVERY)


def test_a_root_that_an_earlier_attempt_left_shows_what_was_so_then_and_is_behind_at_once() -> None:
    found = posted(begun(), replace(RECEIPT, earlier=True), "a", at(1))
    assert found.stands
    assert may_update(found, at(1))
    shown = updated(found, "a", at(2))
    assert not shown.behind
    assert shown.next_at == at(2) + UPDATE_EVERY


@pytest.mark.parametrize(
    ("held", "target", "why"),
    [
        (given_up(standing(), CardLoss.DELETED), "#ml", CardLoss.DELETED),
        (given_up(standing(), CardLoss.FROZEN), "#other", CardLoss.FROZEN),
        (standing(), "#other", CardLoss.MOVED),
        (replace(standing(), replies=MOST_REPLIES), "#ml", CardLoss.FULL),
    ],
    ids=lambda one: one.value if isinstance(one, CardLoss) else "",
)
def test_a_lost_root_is_followed_by_another_that_names_it(held: LivingCard, target: str, why: CardLoss) -> None:
    held = replace(held, news=5)
    new = root_for(held, "team", REF, target, at(100))
    assert (new.generation, new.previous, new.previous_place, new.why) == (2, "171.1", "C1", why)
    assert (new.reference, new.attempt, new.first_attempt_at, new.replies) == ("", 1, at(100), 0)
    assert (new.target, new.news, new.lost) == (target, 5, None)
    assert new.id != held.id
    again = root_for(new, "team", REF, target, at(105))
    assert (again.generation, again.attempt, again.previous) == (2, 2, "171.1")


def test_a_root_that_never_stood_may_be_posted_elsewhere() -> None:
    moved = root_for(begun(), "team", REF, "#other", at(9))
    assert (moved.generation, moved.target, moved.why) == (1, "#other", None)


def test_it_is_behind_while_there_is_news_it_does_not_show() -> None:
    card = replace(standing(), news=3)
    assert card.behind
    assert not may_update(card, at(1))
    assert may_update(card, card.next_at)
    assert not overdue(card, card.next_at)
    assert overdue(card, card.next_at + OVERDUE)
    shown = updated(card, "b", at(20))
    assert (shown.behind, shown.shown, shown.next_at) == (False, "b", at(20) + UPDATE_EVERY)
    assert not may_update(shown, at(999))
    assert not overdue(shown, at(999))
    assert updated(card, "a", at(20)).next_at == at(20), "nothing was sent, so nothing need be waited for"


def test_a_lost_card_is_never_behind() -> None:
    assert not given_up(replace(standing(), news=3), CardLoss.DELETED).behind


def test_updates_that_fail_come_again_later_and_later() -> None:
    card = put_off(standing(), None, at(10))
    assert (card.next_at, card.failures) == (at(10) + BACKOFF[1], 1)
    for _ in BACKOFF:
        card = put_off(card, None, at(10))
    assert card.next_at == at(10) + BACKOFF[-1]
    assert put_off(standing(), timedelta(minutes=3), at(10)).next_at == at(10) + timedelta(minutes=3)
    assert put_off(standing(), timedelta(days=3), at(10)).next_at == at(10) + LONGEST_RETRY_AFTER
    assert updated(card, "b", at(20)).failures == 0
    assert given_up(card, CardLoss.DELETED).failures == 0


def test_replies_are_counted() -> None:
    assert replied(replied(standing())).replies == 2


def test_what_an_end_is_given_to_show() -> None:
    card = status_card(job())
    first = view(begun(), card, at(5))
    assert (first.id, first.reference, first.attempt, first.since) == (begun().id, "", 1, at(0))
    later = view(standing(), card, at(5))
    assert (later.reference, later.place, later.receiver) == ("171.1", "C1", "team")
    bare = LivingCard(receiver="team", job=REF, target="#ml", next_at=at(0))
    assert (view(bare, card, at(5)).since, view(bare, card, at(5)).attempt) == (at(5), 1)


def test_a_fingerprint_tells_what_is_shown_apart_and_not_when() -> None:
    card = status_card(job())
    assert fingerprint(card) == fingerprint(status_card(job(), as_of=at(500)))
    assert fingerprint(card) != fingerprint(status_card(job("Restarting")))
