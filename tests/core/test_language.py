from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from watcher.core.codec import plain
from watcher.core.language import (
    PLAIN,
    Language,
    Length,
    Locale,
    Moment,
    Said,
    Text,
    counted,
    joined,
    length_in,
    line_of,
    number_of,
    offset_in,
    say,
    spoken,
    text_of,
    time_in,
)

AT = datetime(2026, 2, 3, 14, 3, 22, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINESE = Locale(Language.ZH, SHANGHAI)


def test_a_sentence_is_spoken_in_the_reader_s_language_and_by_their_clock() -> None:
    said = say(
        "Failed after {lived}, at {at}", zh="运行 {lived}后于 {at} 失败", lived=timedelta(hours=3, minutes=12), at=AT
    )
    assert spoken(said) == str(said) == "Failed after 3 h 12 m, at 2026-02-03 14:03 UTC"
    assert spoken(said, CHINESE) == "运行 3 小时 12 分后于 2026-02-03 22:03 UTC+8 失败"


def test_a_plain_text_and_a_sentence_without_chinese_are_the_same_for_everybody() -> None:
    assert spoken("Node melted", CHINESE) == "Node melted"
    assert spoken(say("Node {node} melted", node="n-1"), CHINESE) == "Node n-1 melted"


def test_what_stands_in_a_value_is_never_read_as_a_name() -> None:
    said = say("{job} lost {pod}", zh="{job} 失去 {pod}", job="{pod}{x}", pod="p")
    assert spoken(said) == "{pod}{x} lost p"
    assert spoken(said, CHINESE) == "{pod}{x} 失去 p"


def test_a_name_without_a_value_stays_as_it_is_written() -> None:
    assert spoken(say("{a} and {b}, {not one}", a="1")) == "1 and {b}, {not one}"


def test_sentences_are_values_too() -> None:
    said = say("Restart {n}{after}", zh="第 {n} 次重启{after}", n=2, after=say(" by a user", zh="（用户操作）"))
    assert (spoken(said), spoken(said, CHINESE)) == ("Restart 2 by a user", "第 2 次重启（用户操作）")


def test_a_line_has_no_white_space_but_single_blanks() -> None:
    assert line_of(say(" a {b} ", b="x\n\ty")) == "a x y"
    assert line_of(" a\nb ", CHINESE) == "a b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (timedelta(minutes=5), Length(timedelta(minutes=5))),
        (AT, Moment(AT)),
        (7, "7"),
        ("seven", "seven"),
        (Moment(AT, seconds=True), Moment(AT, seconds=True)),
        (Said("a"), Said("a")),
    ],
)
def test_values_become_texts(value: Text, expected: Text) -> None:
    assert text_of(value) == expected


def test_lengths_and_moments_are_english_and_utc_as_text() -> None:
    assert str(Length(timedelta(seconds=90))) == "1 m 30 s"
    assert str(Moment(AT, seconds=True)) == "2026-02-03 14:03:22 UTC"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (59, "59 s", "59 秒"),
        (60, "1 m", "1 分钟"),
        (190, "3 m 10 s", "3 分 10 秒"),
        (3600, "1 h", "1 小时"),
        (11520, "3 h 12 m", "3 小时 12 分"),
        (4 * 86400 + 3600, "4 d 1 h", "4 天 1 小时"),
        (-5, "0 s", "0 秒"),
    ],
)
def test_lengths_have_two_leading_units_in_each_language(seconds: int, english: str, chinese: str) -> None:
    length = timedelta(seconds=seconds)
    assert (length_in(length, Language.EN), length_in(length, Language.ZH)) == (english, chinese)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (UTC, "2026-02-03 14:03:22 UTC"),
        (SHANGHAI, "2026-02-03 22:03:22 UTC+8"),
        (ZoneInfo("Asia/Kolkata"), "2026-02-03 19:33:22 UTC+5:30"),
        (ZoneInfo("America/St_Johns"), "2026-02-03 10:33:22 UTC-3:30"),
        (ZoneInfo("America/Los_Angeles"), "2026-02-03 06:03:22 UTC-8"),
    ],
)
def test_times_name_their_distance_from_utc(zone: ZoneInfo, expected: str) -> None:
    assert time_in(AT, zone) == expected
    assert time_in(AT, zone, seconds=False) == expected[:16] + expected[19:]


def test_a_zone_is_named_as_it_is_at_that_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert offset_in(AT, berlin) == "UTC+1"
    assert offset_in(AT.replace(month=7), berlin) == "UTC+2"


def test_a_list_of_plain_names_is_plain() -> None:
    assert joined(["a", "b"]) == joined(["a", "b"], most=2) == "a, b"
    assert joined([]) == ""


def test_a_list_that_is_cut_says_so_in_each_language() -> None:
    listed = joined(["a", "{b}", "c", "d"], most=2)
    assert (spoken(listed), spoken(listed, CHINESE)) == ("a, {b}, 2 more", "a、{b}、另有 2 个")


def test_a_list_of_sentences_is_spoken() -> None:
    listed = joined([counted(1, "job", "jobs", "个作业"), counted(3, "pod", "pods", "个实例")])
    assert (spoken(listed), spoken(listed, CHINESE)) == ("1 job, 3 pods", "1 个作业、3 个实例")


def test_a_sentence_is_kept_as_plain_data() -> None:
    said = say("{a}", zh="{a}", a=timedelta(minutes=1), b=Moment(AT))
    assert plain(said) == {
        "en": "{a}",
        "zh": "{a}",
        "values": [["a", {"of": "PT1M"}], ["b", {"at": "2026-02-03T14:03:22Z", "seconds": False}]],
    }


def test_a_number_of_how_many() -> None:
    assert number_of(2, None) == "2"
    assert (spoken(number_of(2, 10)), spoken(number_of(2, 10), CHINESE)) == ("2 of 10", "2/10")


def test_a_clock_is_utc_where_nobody_said() -> None:
    assert (Locale().clock, CHINESE.clock) == (UTC, SHANGHAI)


def test_nobody_in_particular_is_spoken_to_in_english_and_utc() -> None:
    assert spoken(say("{at}", zh="在 {at}", at=AT), PLAIN) == "2026-02-03 14:03 UTC"
    assert time_in(AT, None) == time_in(AT, UTC)
