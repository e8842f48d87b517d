from __future__ import annotations

from typing import Any

import pytest

from tests.core.strategies import happening
from watcher.core import root_cause
from watcher.core.cause_words import MEANINGS, REASONS, cause_in_words, reason_in_words
from watcher.core.causes import WORDS, Confidence, FaultClass
from watcher.core.events import EventId, JobCauseFound
from watcher.core.language import Language, Locale, spoken
from watcher.core.model import PodKey
from watcher.core.signs import EXIT_CODES

CHINESE = Locale(Language.ZH)
POD = PodKey("worker-0", "u1")


def found(summary: str, fault: FaultClass = FaultClass.HOST_MEMORY, **members: Any) -> JobCauseFound:
    return happening(
        JobCauseFound,
        explains=EventId("e"),
        fault_class=fault,
        confidence=Confidence.HIGH,
        summary=summary,
        **{"pod": None, "node": "", "exit_code": None, **members},
    )


@pytest.mark.parametrize(
    ("event", "chinese"),
    [
        (found("out of memory"), "内存不足（OOM）"),
        (
            found("out of memory on worker-0 (node n1), exit code 137", pod=POD, node="n1", exit_code=137),
            "内存不足（OOM），实例 worker-0（节点 n1），退出码 137",
        ),
        (
            found(f"out of memory on worker-0, exit code 137: {EXIT_CODES[137][1]}", pod=POD, exit_code=137),
            "内存不足（OOM），实例 worker-0，退出码 137：被强制终止（SIGKILL），多因内存不足",
        ),
        (
            found("ValueError: bad {shape} on worker-0", FaultClass.PYTHON_EXCEPTION, pod=POD),
            "ValueError: bad {shape}，实例 worker-0",
        ),
        (found("storage, exit code 9 or so", FaultClass.STORAGE, exit_code=9), "存储故障，退出码 9 or so"),
        (found("written otherwise", pod=POD), "written otherwise"),
        (found(""), ""),
    ],
)
def test_a_cause_is_told_in_every_language_and_in_english_to_the_letter(event: JobCauseFound, chinese: str) -> None:
    told = cause_in_words(event)
    assert spoken(told) == event.summary
    assert spoken(told, CHINESE) == chinese


def test_every_reason_and_every_meaning_of_a_code_has_chinese_words() -> None:
    believed = {because for _, because in root_cause.BELIEF.values()}
    assert believed <= set(REASONS)
    assert set(MEANINGS) == set(EXIT_CODES)
    assert set(WORDS) == set(FaultClass)


def test_a_reason_that_nobody_knows_is_shown_as_it_is() -> None:
    assert spoken(reason_in_words("the stars"), CHINESE) == "the stars"
    assert spoken(reason_in_words("only an exit code is known"), CHINESE) == "只知道退出码"
    assert str(reason_in_words("only an exit code is known")) == "only an exit code is known"
