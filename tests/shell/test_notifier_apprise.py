"""The Apprise notifier: an optional extra, and failures about which nothing is known."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pydantic import ValidationError

from watcher.core.delivery import MOST_BLIND_ATTEMPTS
from watcher.notifiers import apprise
from watcher.notifiers.apprise import AppriseNotifier, AppriseSettings, classify, render_plain
from watcher.testing.messages import SAMPLES

pytestmark = pytest.mark.anyio


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    apprise._library.cache_clear()
    with pytest.raises(ValidationError, match=r"install dlc-watcher\[apprise\]") as caught:
        AppriseSettings.model_validate({"url": "json://canary.example/"})
    assert "canary" not in str(caught.value)
    apprise._library.cache_clear()


@pytest.mark.parametrize(("settings", "told"), [
    ({}, "exactly one of"),
    ({"url": "no-such-service://canary"}, "does not know"),
    ({"url": "json://h/", "body": "x"}, "Extra inputs"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ValidationError) as caught:
        AppriseSettings.model_validate(settings)
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("failure", [None, TimeoutError(), RuntimeError("canary")])
def test_every_failure_may_pass_and_is_doubtful(failure: Exception | None) -> None:
    error = classify(failure)
    assert (error.permanent, error.ambiguous) == (False, True)
    assert error.most_attempts == MOST_BLIND_ATTEMPTS
    assert "canary" not in str(error)


def test_it_is_plain_text_with_the_link_at_the_end() -> None:
    wire = render_plain(SAMPLES["single"])
    assert wire["title"] == "🔴 Critical: llama-70b-pretrain: Failed after 3h12m"
    assert wire["body"].splitlines()[-1].startswith("https://pai.console.aliyun.com/")
    assert wire["type"] == "failure"


def test_its_repr_shows_its_name_only() -> None:
    pytest.importorskip("apprise")
    settings = AppriseSettings.model_validate({"url": "json://user:canary@localhost/"})
    assert repr(AppriseNotifier("other", settings)) == "AppriseNotifier('other')"
    assert "canary" not in repr(settings)
