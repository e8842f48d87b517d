from __future__ import annotations

from tests.core.strategies import NOW
from watcher.core.interventions import Action, Intervention


def test_the_word_names_what_who_and_why() -> None:
    def word(action: Action, comment: str = "") -> str:
        return Intervention(at=NOW, action=action, subjects=("d1",), author="ann", comment=comment).word

    assert word(Action.RETRY, "token renewed") == "taken up again by ann: token renewed"
    assert [word(action) for action in Action] == ["taken up again by ann", "dropped by ann", "enabled by ann"]
