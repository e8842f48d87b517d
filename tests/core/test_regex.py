from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.regex import LONGEST, compile_regex


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("prod-[0-9]+", "prod-12", True),
        ("prod-[0-9]+", "prod-12x", False),
        ("prod-[0-9]+", "a prod-12", False),
        ("a|b", "ab", False),
        ("a|b", "b", True),
        ("(?i)PROD", "prod", True),
        ("", "", True),
        ("", "x", False),
        ("a", "a\n", False),
        ("a.b", "a\nb", False),
        ('say "hi"\\\\', 'say "hi"\\', True),
        ("zug \u00fc\\p{Han}", "zug \u00fc\u4e2d", True),
        (".*", "half \ud83d of a pair", True),
    ],
)
def test_an_expression_is_about_the_whole_value(text: str, value: str, expected: bool) -> None:
    assert compile_regex(text).matches(value) is expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(", "missing )"),
        ("a)|(b", "unexpected )"),
        ("[z-a]", "invalid character class range: z-a"),
        ("a(?=b)", "invalid perl operator: (?="),
        (r"(a)\1", "invalid escape sequence: \\1"),
        (r"a{1001}", "invalid repetition size"),
        (r"\Qabc", "missing )"),
        ("half \ud83d", "halves of characters"),
        ("x" * (LONGEST + 1), f"at most {LONGEST} characters"),
    ],
)
def test_what_is_no_expression_or_needs_backtracking_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        compile_regex(text)


def test_an_expression_that_backtracking_would_never_finish_ends_in_steps_like_the_value_s_length() -> None:
    # Python's own `re` needs about 2^40 steps for this one.
    assert compile_regex("(a+)+b").matches("a" * 40) is False
    assert compile_regex("(a|aa)+").matches("a" * 100_000) is True


@given(st.text(alphabet="ab", max_size=8), st.sampled_from(["a*", "a+b", "(ab)*", "[ab]{2,3}", "a|b|", "b?a?b?"]))
def test_on_what_both_understand_it_agrees_with_python(value: str, text: str) -> None:
    assert compile_regex(text).matches(value) is bool(re.fullmatch(text, value))


@given(st.text(max_size=20))
def test_whatever_is_written_is_an_expression_or_refused_in_words(text: str) -> None:
    with suppress(ValueError):
        assert compile_regex(text).matches("") in {True, False}
        return
    with pytest.raises(ValueError, match="this is no regular expression"):
        compile_regex(text)
