from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from watcher.core.catalog import (
    FAULTS,
    LABELS,
    PHASES,
    PHRASES,
    POD_PHASES,
    SEVERITIES,
    label_in,
    outage,
    phase_in,
    phrase,
    restarts,
    severity_in,
    shown,
)
from watcher.core.causes import FaultClass
from watcher.core.language import Language, Locale, Said, say, spoken
from watcher.core.model import RestartCount
from watcher.core.phases import Phase, PodPhase
from watcher.core.rule import Severity

CHINESE = Locale(Language.ZH)


@pytest.mark.parametrize(
    ("table", "members"),
    [(SEVERITIES, Severity), (PHASES, Phase), (POD_PHASES, PodPhase), (FAULTS, FaultClass)],
    ids=["severities", "phases", "pod phases", "faults"],
)
def test_every_member_has_its_words(table: Mapping[Any, object], members: Any) -> None:
    assert set(table) == set(members)


@pytest.mark.parametrize("table", [SEVERITIES, PHASES, POD_PHASES, PHRASES], ids=str)
def test_every_entry_has_both_languages_and_the_same_names_in_both(table: Mapping[str, Said]) -> None:
    for key, said in table.items():
        assert said.en, key
        assert said.zh, key
        assert said.en != said.zh, key
        assert sorted(names(said.en)) == sorted(names(said.zh)), key


def names(text: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", text)


def test_every_label_and_fault_has_chinese_words() -> None:
    for english, chinese in [*LABELS.items(), *FAULTS.items()]:
        assert re.search(r"[\u4e00-\u9fff]", chinese), english


def test_words_of_the_tables_are_spoken() -> None:
    assert (severity_in(Severity.CRITICAL), severity_in(Severity.CRITICAL, CHINESE)) == ("Critical", "严重")
    assert (phase_in(Phase.RUNNING), phase_in(Phase.RUNNING, CHINESE)) == ("running", "运行中")
    assert (phase_in(PodPhase.FAILED), phase_in(PodPhase.FAILED, CHINESE)) == ("failed", "已失败")
    assert (phrase("notices", n=3), phrase("notices", CHINESE, n=3)) == ("3 notices", "3 条通知")


def test_a_label_goes_by_its_english_text_and_one_that_nobody_knows_stays() -> None:
    assert (label_in("Quota"), label_in("Quota", CHINESE)) == ("Quota", "资源配额")
    assert label_in("Flux", CHINESE) == "Flux"
    assert label_in(say("Flux", zh="通量"), CHINESE) == "通量"


def test_facts_are_spoken_with_their_labels() -> None:
    facts = (("Quota", "gold"), ("Restarts", restarts(RestartCount.parse("2/10"))))
    assert shown(facts) == (("Quota", "gold"), ("Restarts", "2 of 10"))
    assert shown(facts, CHINESE) == (("资源配额", "gold"), ("重启次数", "2/10"))


@pytest.mark.parametrize(("text", "expected"), [("2/10", "2 of 10"), ("2", "2"), ("many", "many"), ("", "")])
def test_restarts_are_told_as_far_as_they_can_be_read(text: str, expected: str) -> None:
    count = RestartCount.parse(text)
    assert str(restarts(count)) == str(count) == expected


@pytest.mark.parametrize(
    ("down", "lost", "english", "chinese"),
    [
        (None, None, "", ""),
        (timedelta(milliseconds=900), 3.0, "", ""),
        (timedelta(minutes=5), None, ", 5 m down", "，中断 5 分钟"),
        (timedelta(minutes=5), 0.04, ", 5 m down", "，中断 5 分钟"),
        (timedelta(minutes=5), 1.34, ", 5 m down, about 1.3 GPU-hours lost", "，中断 5 分钟，约损失 1.3 GPU 时"),
    ],
)
def test_an_outage_ends_a_headline(down: timedelta | None, lost: float | None, english: str, chinese: str) -> None:
    told = outage(down, lost)
    assert (spoken(told), spoken(told, CHINESE)) == (english, chinese)
