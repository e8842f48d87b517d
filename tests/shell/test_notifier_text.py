"""Text from jobs made safe: the laws behind every notifier's escaping."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.notifiers.slack_blocks import escape, line
from watcher.notifiers.text import block, clean, cut, link, one_line

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


@given(ANY_TEXT)
def test_cleaned_text_has_no_control_or_invisible_characters(text: str) -> None:
    assert not [m for m in clean(text) if m not in "\n\t" and unicodedata.category(m) in {"Cc", "Cf", "Zl", "Zp", "Cs"}]


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(ANY_TEXT)
def test_cleaned_text_can_be_encoded(text: str) -> None:
    clean(text).encode("utf-8")


@given(ANY_TEXT, st.integers(1, 50))
def test_one_line_is_one_line_and_no_longer_than_asked(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1


@given(ANY_TEXT, st.integers(1, 50))
def test_a_block_is_no_longer_than_asked(text: str, limit: int) -> None:
    assert len(block(text, limit)) <= limit


@given(ANY_TEXT, st.integers(10, 200))
def test_escaped_text_fits_and_is_cut_between_entities(text: str, limit: int) -> None:
    written = escape(text, limit)
    assert len(written) <= limit
    assert re.search(r"[<>]|&(?!amp;|lt;|gt;)", written) is None
    assert html.unescape(written).rstrip("…") in clean(text) + "…"


@given(st.text(max_size=100))
def test_escaped_text_reads_back_as_it_was_when_it_fits(text: str) -> None:
    written = escape(text, 10_000)
    assert written.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == clean(text)


def test_a_mention_in_a_name_is_only_text() -> None:
    assert line("<!channel> <@U1>", 100) == "&lt;!channel&gt; &lt;@U1&gt;"


def test_whole_escape_sequences_go_not_only_their_first_byte() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b]0;title\x07ok \x9b2J.") == "red ok ."


def test_cutting_shows_that_something_is_missing() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://x",
        "https://",
        "https://a b",
        'https://a"b',
        "https://a>b",
        "https://[",
        "data:text/html,x",
        "",
    ],
)
def test_only_plain_web_addresses_become_links(url: str) -> None:
    assert link(url) == ""


def test_a_console_address_becomes_a_link() -> None:
    url = "https://pai.console.aliyun.com/?regionId=cn-hangzhou#/job/detail?jobId=dlc1&workspaceId=268"
    assert link(url) == url
