"""What templates see."""

from __future__ import annotations

import pytest

from watcher.core.shown import samples, shares


@pytest.mark.parametrize(
    ("lengths", "wanted"),
    [
        ((60.0, 0.0), (98, 2)),
        ((1.0, 1.0), (50, 50)),
        ((1.0, 999.0), (2, 98)),
        ((0.0, 0.0), (50, 50)),
        ((0.0,), (100,)),
        ((), ()),
    ],
)
def test_each_stretch_has_its_part_of_the_bar_and_can_be_seen(
    lengths: tuple[float, ...], wanted: tuple[int, ...]
) -> None:
    assert shares(lengths) == wanted


def test_a_bar_of_many_stretches_shows_each_of_them() -> None:
    assert min(shares((1e6, *([0.0] * 200)))) == 2


def test_the_samples_have_every_shape() -> None:
    shapes = samples()
    assert {(one.job is None, one.job is not None and one.job.card is None) for one in shapes} == {
        (True, False),
        (False, True),
        (False, False),
    }
    assert {one.several_jobs for one in shapes} == {one.reply for one in shapes} == {True, False}
    assert {len(one.items) > 1 for one in shapes} == {bool(one.more) for one in shapes} == {True, False}
    assert {item.job is None for one in shapes for item in one.items} == {True, False}
    assert {one.language for one in shapes} == {"en", "zh"}
    assert all(one.words["as_of"] == "as of {time}" for one in shapes)
