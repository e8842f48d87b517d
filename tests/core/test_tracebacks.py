"""Tracebacks in logs of all sorts."""

from __future__ import annotations

import pytest

from watcher.core.tracebacks import tracebacks

PLAIN = (
    "Traceback (most recent call last):",
    '  File "train.py", line 7, in <module>',
    "    main()",
    "",
    '  File "train.py", line 3, in main',
    "    raise KeyError('x')",
    "KeyError: 'x'",
)


@pytest.mark.parametrize("mark", ["", "[rank3]: ", "2026-03-02T08:00:00Z ", "\t"])
def test_a_traceback_is_found_behind_whatever_stands_before_it(mark: str) -> None:
    lines = ("step 1", *(mark + line for line in PLAIN), mark + "bye")
    (found,) = tracebacks(lines)
    assert (found.end, found.exception, found.shown) == (7, "KeyError: 'x'", PLAIN)


def test_of_many_frames_the_last_are_shown() -> None:
    frames = [line for number in range(500 // 2) for line in (f'  File "a.py", line {number}, in f', "    f()")][:380]
    (found,) = tracebacks(("Traceback (most recent call last):", *frames, "RecursionError"))
    assert found.shown[1] == '  File "a.py", line 187, in f'
    assert len(found.shown) == 1 + 6 + 1


@pytest.mark.parametrize(
    "lines",
    [
        ("Traceback (most recent call last):",),
        ("Traceback (most recent call last):", "step 2"),
        ("Traceback (most recent call last):", "  File", "12 steps done"),
        ("Traceback (most recent call last):", *["  deeper"] * 500, "KeyError: 1"),
        ("nothing",),
    ],
)
def test_what_is_not_whole_is_none(lines: tuple[str, ...]) -> None:
    assert tracebacks(lines) == ()


def test_two_in_a_row_are_two() -> None:
    assert [one.end for one in tracebacks((*PLAIN, "During handling ...", *PLAIN))] == [6, 14]
