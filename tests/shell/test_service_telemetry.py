"""Logs: slugs with flat fields, without secrets and without power over a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from watcher.service.telemetry import HIDDEN, log, redact, set_up_logging

SECRETS = [
    "LTAI5tFakeFakeFakeFake01",
    "xoxb-1111111111-2222222222-abcdefghijkl",
    "xapp-1-A0000000000-1111111111111-abcdef",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "https://hooks.slack.com/services/T000/B000/XXXXXXXX",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlLW9mLWl0",
]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    set_up_logging("debug", "json", stream)
    yield stream
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_has_the_shape_of_a_secret_is_hidden_wherever_it_stands(secret: str) -> None:
    told = redact(f"could not use '{secret}', giving up")
    assert secret not in told
    assert HIDDEN in told
    assert told.startswith("could not use '")
    assert told.endswith("', giving up")


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://watcher:hunter2pass@db.example/watcher", "hunter2pass"),
        ("http://:onlyapassword@proxy:3128", "onlyapassword"),
        ("smtp://me:with:colons@mail.example", "with:colons"),
    ],
)
def test_passwords_in_urls_are_hidden_and_the_host_stays(url: str, password: str) -> None:
    told = redact(f"cannot reach {url}")
    assert password not in told
    assert url.rpartition("@")[2] in told


@pytest.mark.parametrize(
    "plain",
    ["http://127.0.0.1:9464/readyz", "job dlc1prodllm00001 is Running", "https://a.example/x?mail=me@b.example"],
)
def test_what_is_no_secret_stays(plain: str) -> None:
    assert redact(plain) == plain


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "smtp_passwd",
        "secret",
        "client_secret",
        "token",
        "Authorization",
        "Cookie",
        "api_key",
        "access_key_id",
    ],
)
def test_fields_named_like_secrets_are_hidden_whatever_they_hold(logged: io.StringIO, name: str) -> None:
    log.info("something", **{name: "perfectly innocent"})
    assert lines(logged)[0][name] == HIDDEN


def test_a_line_is_one_json_object_with_flat_fields(logged: io.StringIO) -> None:
    log.info("delivered", receiver="team", attempt=2, note="two\nlines \x1b[31m", late=None, first=True, delay=0.5)
    (line,) = lines(logged)
    assert (line["event"], line["level"], line["receiver"], line["attempt"]) == ("delivered", "info", "team", 2)
    assert all(isinstance(value, str | int | float | bool | None) for value in line.values())
    assert "\x1b" not in logged.getvalue()
    assert str(line["at"]).endswith("Z")


def test_secrets_inside_other_values_are_hidden_too(logged: io.StringIO) -> None:
    log.warning("odd", error=ValueError(f"bad {SECRETS[0]}"), given=[SECRETS[1]], told={"a": SECRETS[2]})
    for secret in SECRETS[:3]:
        assert secret not in logged.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_is_told_without_local_variables_and_without_secrets(form: str) -> None:
    stream = io.StringIO()
    set_up_logging("info", form, stream)  # type: ignore[arg-type]
    canary = "canary" * 3

    def refuse() -> None:
        raise ValueError(f"refused {SECRETS[3]} {len(canary)}")

    try:
        refuse()
    except ValueError:
        log.exception("notifier_raised", receiver="team")
    finally:
        structlog.reset_defaults()
    told = stream.getvalue()
    assert "ValueError: refused" in told
    assert "test_service_telemetry.py" in told
    assert SECRETS[3] not in told
    assert "canarycanary" not in told


def test_readable_lines_do_not_obey_control_characters() -> None:
    stream = io.StringIO()
    set_up_logging("info", "console", stream)
    log.info("look_failed", job="hz/\x1b[2Jdlc1", error="first\nsecond \x9b31m \u202e")
    structlog.reset_defaults()
    assert not set(stream.getvalue()) & set("\x1b\x9b\u202e")
    assert stream.getvalue().count("\n") == 1


def test_a_level_is_the_least_that_is_written() -> None:
    stream = io.StringIO()
    set_up_logging("warning", "json", stream)
    log.info("quiet")
    log.error("loud")
    structlog.reset_defaults()
    assert [line["event"] for line in lines(stream)] == ["loud"]
