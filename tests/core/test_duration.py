from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.duration import PATTERN, parse_duration, spell_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1h30m", timedelta(minutes=90)),
        (" 1h 30 m ", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1m500ms", timedelta(seconds=60.5)),
        ("0s", timedelta(0)),
    ],
)
def test_lengths_are_read_as_people_write_them(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected
    assert re.match(PATTERN, text)


@pytest.mark.parametrize("text", ["", "  ", "30", "m", "1y", "-5m", "1h,30m", "soon", "5m later", "1h m", "1e3s"])
def test_what_is_no_length_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 90s, 30m, 1h30m or 2d") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)
    assert not re.match(PATTERN, text)


@given(st.text(alphabet="0123456789.smhdw -x", max_size=8))
def test_the_published_pattern_and_the_reader_agree(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        assert not re.match(PATTERN, text)
    else:
        assert re.match(PATTERN, text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (-5, "0 s"),
        (59, "59 s"),
        (190, "3 m 10 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (7500, "2 h 5 m"),
        (7507, "2 h 5 m"),
        (4 * 86400 + 3600, "4 d 1 h"),
        (86400 + 60, "1 d"),
    ],
)
def test_lengths_are_spoken_in_two_leading_units(seconds: float, expected: str) -> None:
    assert spell_duration(timedelta(seconds=seconds)) == expected
