"""Every built-in rule speaks every language: whatever one of its cases makes it say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.rules.test_cases import CASES, RULES
from watcher.core.catalog import LABELS, shown
from watcher.core.language import PLAIN, Language, Locale, Said, Text, line_of, spoken
from watcher.core.rule import Notification
from watcher.testing.cases import bind
from watcher.testing.course import Course

CHINESE = Locale(Language.ZH)
SPEAKING = [(rule, case) for rule, case in CASES if case.expected]


def sentences(text: Text) -> list[Said]:
    """A sentence and all those within it."""
    if not isinstance(text, Said):
        return []
    return [text, *(inner for _, value in text.values for inner in sentences(value))]


def said_by(rule: str, case: Any) -> list[Notification]:
    course = Course(bind(case, RULES[rule]), case.jobs)
    for step in case.course:
        course.take(step)
    return [told for _, told in course.said.values()]


@pytest.mark.parametrize(("rule", "case"), SPEAKING, ids=[f"{rule}-{case.name}" for rule, case in SPEAKING])
def test_what_a_rule_says_is_said_in_chinese_with_the_same_values(rule: str, case: Any) -> None:
    notifications = said_by(rule, case)
    assert notifications
    for told in notifications:
        wording = told.for_readers
        english, chinese = line_of(wording.headline), line_of(wording.headline, CHINESE)
        assert english == told.headline
        assert chinese != english
        assert re.search(r"[\u4e00-\u9fff]", chinese), english
        texts = (wording.headline, wording.detail, *(value for _, value in wording.facts))
        for said in (said for text in texts for said in sentences(text)):
            names = {name for name, _ in said.values}
            for sentence in (said.en, said.zh):
                assert set(re.findall(r"\{(\w+)\}", sentence)) <= names, f"{sentence} has names without values"
            assert said.zh, f"{said.en} has no Chinese"
        assert shown(wording.facts, PLAIN) == told.facts
        assert {label for label, _ in told.facts} <= set(LABELS), "labels that the catalog does not know"
        assert spoken(wording.detail) == told.detail
