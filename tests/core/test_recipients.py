"""What became of a message at each of its recipients."""

from __future__ import annotations

from watcher.core.recipients import (
    Acceptance,
    RecipientOutcome,
    merged,
    newly_refused,
    spell_outcomes,
    still_to_ask,
    those,
)

HAS_IT = RecipientOutcome("a@example.com", Acceptance.ACCEPTED)
NOT_NOW = RecipientOutcome("b@example.com", Acceptance.DEFERRED, "451 greylisted")
NEVER = RecipientOutcome("c@example.com", Acceptance.REFUSED, "550 no such user")
NOW_TOO = RecipientOutcome("b@example.com", Acceptance.ACCEPTED)


def test_only_those_are_asked_again_who_said_not_now_or_were_never_asked() -> None:
    names = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]
    assert still_to_ask(names, ()) == names
    assert still_to_ask(names, (HAS_IT, NOT_NOW, NEVER)) == ["b@example.com", "d@example.com"]


def test_the_last_word_counts() -> None:
    assert merged((HAS_IT, NOT_NOW), (NOW_TOO, NEVER)) == (HAS_IT, NOW_TOO, NEVER)


def test_outcomes_are_picked_by_what_was_said() -> None:
    assert those((HAS_IT, NOT_NOW, NEVER), Acceptance.REFUSED) == (NEVER,)


def test_a_refusal_is_new_once() -> None:
    assert newly_refused((HAS_IT, NEVER), ()) == (NEVER,)
    assert newly_refused((HAS_IT, NEVER), (NEVER,)) == ()


def test_in_words_all_who_lack_it_are_named_with_the_servers_answer() -> None:
    assert spell_outcomes((HAS_IT, NOW_TOO)) == ""
    assert spell_outcomes(()) == ""
    assert spell_outcomes((HAS_IT, NOT_NOW, NEVER)) == (
        "accepted by 1 of 3; for now refused: b@example.com: 451 greylisted; refused: c@example.com: 550 no such user"
    )
    assert spell_outcomes((HAS_IT, NEVER)) == "accepted by 1 of 2; refused: c@example.com: 550 no such user"
