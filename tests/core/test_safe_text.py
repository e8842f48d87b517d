from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.safe_text import block, clean, cut, link, one_line

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


@given(ANY_TEXT)
def test_cleaned_text_has_no_control_or_invisible_characters_and_can_be_encoded(text: str) -> None:
    assert not [m for m in clean(text) if m not in "\n\t" and unicodedata.category(m) in {"Cc", "Cf", "Zl", "Zp", "Cs"}]
    assert clean(clean(text)) == clean(text)
    clean(text).encode("utf-8")


@given(ANY_TEXT, st.integers(1, 50))
def test_it_is_no_longer_than_asked_and_on_one_line_where_that_is_asked(text: str, limit: int) -> None:
    assert len(one_line(text, limit)) <= limit
    assert len(one_line(text, limit).splitlines()) <= 1
    assert len(block(text, limit)) <= limit


def test_whole_escape_sequences_go_and_line_breaks_stay_two_at_most() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b]0;title\x07ok \x9b2J.") == "red ok ."
    assert block("\na\r\n\r\r\r\rb\n", 10) == "a\n\nb"


def test_cutting_shows_that_something_is_missing() -> None:
    assert [cut("abcdef", 6), cut("abcdefg", 6)] == ["abcdef", "abcde…"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a?b=c#d", True),
        ("http://example.com", True),
        ("javascript:alert(1)", False),
        ("https://exa mple.com", False),
        ("https://example.com/<x>", False),
        ("https://[broken", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_plain_web_addresses_are_links(url: str, shown: bool) -> None:
    assert link(url) == (url if shown else "")


def test_one_line_folds_breaks_and_drops_what_cannot_be_seen() -> None:
    assert one_line(" a\n\tb\x1b[31m\u202ec\x00 ", 50) == "a bc"
    assert one_line("12345", 5) == "12345"
    assert one_line("1234 6789", 6) == "1234…"
