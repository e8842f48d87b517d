from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.shares import SHARES, Turns, Use, first, served


def test_everybody_has_a_share_and_together_they_are_all() -> None:
    assert set(SHARES) == set(Use)
    assert sum(SHARES.values()) == pytest.approx(1)


def test_while_all_wait_each_gets_his_share() -> None:
    turns, given_out = Turns(), Counter[Use]()
    for _ in range(2000):
        use = first(turns, set(Use))
        turns = served(turns, use)
        given_out[use] += 1
    for use, share in SHARES.items():
        assert given_out[use] == pytest.approx(2000 * share, abs=2)


def test_what_one_does_not_want_falls_to_the_others() -> None:
    turns, given_out = Turns(), Counter[Use]()
    for _ in range(100):
        use = first(turns, {Use.ROUND, Use.NEWS})
        turns = served(turns, use)
        given_out[use] += 1
    assert given_out[Use.NEWS] > given_out[Use.ROUND] > 40


def test_nobody_saves_up_while_he_wants_nothing() -> None:
    turns = Turns()
    for _ in range(1000):
        turns = served(turns, Use.ROUND)
    row = []
    for _ in range(8):
        use = first(turns, {Use.ROUND, Use.ASIDE})
        turns = served(turns, use)
        row.append(use)
    assert row.count(Use.ASIDE) <= 3


@given(
    st.lists(st.sets(st.sampled_from(sorted(Use)), min_size=1), min_size=1, max_size=200), st.sampled_from(sorted(Use))
)
def test_nobody_starves(rounds: list[set[Use]], patient: Use) -> None:
    turns, waited = Turns(), 0
    for others in rounds:
        use = first(turns, others | {patient})
        turns = served(turns, use)
        waited = 0 if use is patient else waited + 1
        assert waited <= 1 / SHARES[patient] + len(Use)
