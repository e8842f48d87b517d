"""What a person reads when Slack will not take a message: each refusal that only a person can mend says how."""

from __future__ import annotations

import pytest

from watcher.notifiers.slack_replies import CODES, LOST, classify_answer


@pytest.mark.parametrize("code", [code for code, meaning in CODES.items() if meaning.permanent])
def test_every_refusal_for_good_comes_with_its_fix_in_words(code: str) -> None:
    refusal = classify_answer(code, 200, {}, place="Slack channel #ml")
    assert refusal.permanent
    assert len(refusal.fix) > 15, code
    assert str(refusal) == f"Slack channel #ml refused the message: {code}. {refusal.fix}"


@pytest.mark.parametrize("code", ["token_revoked", "missing_scope", "not_in_channel", "is_archived", "invalid_auth"])
def test_the_usual_ones_name_what_is_to_be_done(code: str) -> None:
    words = {
        "token_revoked": "revoked",
        "missing_scope": "chat:write",
        "not_in_channel": "/invite",
        "is_archived": "Unarchive",
    }
    assert words.get(code, "bot token") in classify_answer(code, 200, {}).fix


def test_what_ends_a_card_is_told_apart_from_what_ends_a_message() -> None:
    assert LOST.keys().isdisjoint({"token_revoked", "missing_scope", "ratelimited"})
