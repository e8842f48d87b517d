"""In which language and by whose clock a receiver is spoken to: what the configuration says of it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.shell.installed import installed_kinds
from watcher.config.loading import load
from watcher.core.language import PLAIN, Language, Locale, spoken
from watcher.core.rule import Context
from watcher.errors import ConfigurationError
from watcher.testing.previews import sample_events, sample_job

CONFIGURATION = """\
sources: {{s: {{kind: dlc, region: cn-hangzhou, workspaces: '268'}}}}
receivers:
  screen: {{console: {{}}{settings}}}
"""


def loaded(settings: str) -> Locale:
    text = CONFIGURATION.format(settings=settings)
    found = load(text, file="dlc.yaml", env={}, kinds=installed_kinds(), base_dir=Path())
    return found.receivers["screen"].common.locale


def test_a_receiver_has_a_language_and_a_zone() -> None:
    assert loaded(", language: zh, zone: Asia/Shanghai") == Locale(Language.ZH, ZoneInfo("Asia/Shanghai"))
    assert loaded(", zone: UTC") == Locale(Language.EN, UTC)
    assert loaded("") == PLAIN


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (", zone: Asia/Shanghia", 'there is no time zone "Asia/Shanghia"; did you mean "Asia/Shanghai"?'),
        (", zone: ../etc/passwd", 'there is no time zone "../etc/passwd"; write for example Asia/Shanghai or UTC'),
        (", zone: 8", 'there is no time zone "8"; write for example Asia/Shanghai or UTC'),
        (", language: cn", 'unknown value "cn"'),
    ],
)
def test_what_is_not_known_is_refused_where_it_is_written(settings: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(settings)
    assert "receivers.screen." in str(caught.value)
    assert told in str(caught.value)


DECLARED = """\
sources: {s: {kind: dlc, region: cn-hangzhou, workspaces: '268'}}
receivers: {screen: {console: {}}}
rules:
  - {name: mine, on: pod.evicted, summary: {en: "lost {{ pod.id }}", zh: "失去 {{ pod.id }}"}}
"""


def test_a_declared_rule_says_its_summary_in_both_languages() -> None:
    found = load(DECLARED, file="dlc.yaml", env={}, kinds=installed_kinds(), base_dir=Path())
    (rule,) = found.book.rules
    event = sample_events()["pod.evicted"]
    assert rule.summary is not None
    said = rule.summary.text(event, Context(now=event.when.observed_at, job=sample_job(event)))
    english, chinese = spoken(said), spoken(said, Locale(Language.ZH))
    assert english.startswith("lost ")
    assert chinese == english.replace("lost", "失去")
