"""The e-mail notifier against a local mail server: TLS, log-in, threads, refusals, doubtful outcomes."""

from __future__ import annotations

import email.policy
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from aiosmtplib import SMTPResponseException, SMTPServerDisconnected
from pydantic import ValidationError

from watcher.core.message import Message
from watcher.core.people import Person
from watcher.core.phases import Phase
from watcher.errors import NotifierError
from watcher.notifiers.email import EmailNotifier, EmailSettings
from watcher.notifiers.mail import compose_mail, message_id, parse_address, render_mail
from watcher.notifiers.smtp_replies import Stage, classify, classify_reply
from watcher.testing.messages import HOSTILE, SAMPLES, again, job, reply
from watcher.testing.smtp import MailServer, serve_mail

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]
NOW = datetime(2026, 2, 3, 14, 5, tzinfo=UTC)


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def _certificate(name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    _authority().cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with serve_mail(MailServer()) as running:
        yield running


def _settings(server: MailServer, **more: Any) -> EmailSettings:
    plain = {
        "host": "127.0.0.1",
        "port": server.port,
        "tls": "none",
        "from": "dlc@example.com",
        "to": "oncall@example.com",
    }
    return EmailSettings.model_validate({**plain, "timeout": "5s", **more})


@asynccontextmanager
async def _notifier(server: MailServer, **more: Any) -> AsyncIterator[EmailNotifier]:
    notifier = EmailNotifier("oncall", _settings(server, **more), now=lambda: NOW)
    try:
        yield notifier
    finally:
        await notifier.aclose()


async def _send(notifier: EmailNotifier, message: Message = SINGLE) -> Any:
    return await notifier.send(notifier.render(message), message)


async def _fail(notifier: EmailNotifier, message: Message = SINGLE) -> NotifierError:
    with pytest.raises(NotifierError) as caught:
        await _send(notifier, message)
    return caught.value


# what it says


async def test_a_mail_has_all_its_headers_and_two_parts(server: MailServer) -> None:
    async with _notifier(server, to=["oncall@example.com", "Lead <lead@example.com>"]) as notifier:
        receipt = await _send(notifier)
    (mail,) = server.mails
    sent = mail.message
    assert (mail.sender, mail.recipients) == ("dlc@example.com", ("oncall@example.com", "lead@example.com"))
    assert sent["Subject"] == "[dlc] llama-70b-pretrain (dlc1vpb4vfdd2kr)"
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["List-Id"] == "dlc-watcher <team.dlc-watcher.example.com>"
    assert sent["List-Unsubscribe"] is None
    assert sent["X-Dlc-Watcher-Severity"] == "critical"
    assert sent["X-Dlc-Watcher-Rules"] == "job-failed"
    assert sent["X-Dlc-Watcher-Job"] == "hangzhou/dlc1vpb4vfdd2kr"
    assert sent["Importance"] == "high"
    assert sent["Date"].datetime == NOW
    assert sent["Message-ID"] == receipt.reference == f"<{SINGLE.id}@example.com>"
    assert sent["References"] is None
    assert [part.get_content_type() for part in sent.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert sent.get_body(("plain",)).get_content().startswith("Critical: llama-70b-pretrain: Failed after 3h12m")
    assert receipt.place == "oncall@example.com, lead@example.com"


@pytest.mark.parametrize(
    "target", ["mailto:admin@example.com?subject=no%20more", "https://example.com/unsubscribe?l=a"]
)
async def test_where_somebody_listens_a_mail_says_how_to_get_no_more(server: MailServer, target: str) -> None:
    async with _notifier(server, unsubscribe=target) as notifier:
        await _send(notifier)
    assert server.mails[0].message["List-Unsubscribe"] == f"<{target}>"


def test_each_receiver_is_a_list_of_its_own_whatever_its_name() -> None:
    address = parse_address("dlc@example.com")
    names = ["team", "Team", "te am", "值班", "值 班", "x" * 300, "x" * 301]
    ids = [
        render_mail(replace(SINGLE, receiver=name), sender=address, recipients=(address,))["headers"]["List-Id"]
        for name in names
    ]
    assert len(set(ids)) == len(names)
    assert all(re.fullmatch(r"dlc-watcher <[a-z0-9-]{1,63}\.dlc-watcher\.example\.com>", one) for one in ids)


async def test_a_mail_for_the_owner_alone_goes_to_nobody_else_and_one_that_names_them_to_all(
    server: MailServer,
) -> None:
    ann = Person(name="ann", mail="ann@example.com")
    alone = replace(SINGLE, to=ann)
    everybody = replace(SINGLE, mentions=(ann, Person(name="duty", mail="oncall@example.com")))
    async with _notifier(server) as notifier:
        first = await _send(notifier, alone)
        await _send(notifier, everybody)
    assert [mail.recipients for mail in server.mails] == [
        ("ann@example.com",),
        ("oncall@example.com", "ann@example.com"),
    ]
    assert server.mails[0].message["To"] == "ann@example.com"
    assert first.place == "ann@example.com"


async def test_mails_of_one_job_are_one_thread_with_one_subject(server: MailServer) -> None:
    async with _notifier(server) as notifier:
        root = await _send(notifier)
        later = reply(SINGLE, root.thread_reference, name="later")
        receipt = await _send(notifier, later)
        last = await _send(notifier, reply(SINGLE, receipt.thread_reference, name="last"))
    first, second, third = (mail.message for mail in server.mails)
    assert second["References"] == second["In-Reply-To"] == third["References"] == first["Message-ID"]
    assert len({first["Message-ID"], second["Message-ID"], third["Message-ID"]}) == 3
    assert first["Subject"] == second["Subject"] == third["Subject"]
    assert root.thread_reference == receipt.thread_reference == last.thread_reference == root.reference


def test_a_thread_reference_that_is_no_message_id_is_left_out() -> None:
    address = parse_address("dlc@example.com")
    odd = replace(SINGLE, thread_reference="<a@b>\r\nBcc: victim@example.com")
    headers = render_mail(odd, sender=address, recipients=(address,))["headers"]
    assert "References" not in headers
    assert "In-Reply-To" not in headers


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_adds_a_header_or_a_body(name: str) -> None:
    address = parse_address("dlc@example.com")
    plain = render_mail(SAMPLES["single"], sender=address, recipients=(address,))
    wire = render_mail(SAMPLES[f"hostile-{name}"], sender=address, recipients=(address,))
    raw = compose_mail(wire, NOW).as_bytes()
    parsed = message_from_bytes(raw, policy=email.policy.default)
    assert set(parsed.keys()) <= {*compose_mail(plain, NOW).keys(), "X-Dlc-Watcher-Job"}
    assert parsed["To"] == "dlc@example.com"
    assert parsed["Bcc"] is None
    assert raw.isascii()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("name", SAMPLES)
def test_html_holds_no_script_no_image_and_nothing_from_elsewhere(name: str) -> None:
    address = parse_address("dlc@example.com")
    html = render_mail(SAMPLES[name], sender=address, recipients=(address,))["html"]
    seen = _Tags()
    seen.feed(html)
    assert seen.tags <= {"html", "head", "meta", "title", "body", "div", "span", "table", "tr", "td", "a", "b"}
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name == "src"]
    assert all(
        value.startswith(("https://pai.console.aliyun.com/", "https://example.com/"))
        for name, value in seen.attributes
        if name == "href"
    )
    assert "url(" not in html
    assert "49" not in SAMPLES["hostile-markup"].title or "{{ 7*7 }}" in html
    assert len(html.encode()) < 102_000, "Gmail cuts off the rest"


def test_a_link_that_is_no_web_address_is_not_made() -> None:
    address = parse_address("dlc@example.com")
    bad = replace(SINGLE, items=(replace(SINGLE.items[0], job=job(url="javascript:alert(1)")),))
    assert "javascript" not in render_mail(bad, sender=address, recipients=(address,))["html"]


def test_a_message_id_is_the_same_each_time_and_safe_for_odd_ids() -> None:
    assert message_id("ab-12", "example.com") == "<ab-12@example.com>"
    odd = message_id("a>\r\nBcc: x", "example.com")
    assert odd == message_id("a>\r\nBcc: x", "example.com")
    assert odd.count(">") == 1
    assert "\n" not in odd


# TLS and log-in


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_it_logs_in_over_tls(ca_file: Path, tls: Any) -> None:
    server = MailServer(username="dlc", password="p4ss", tls=tls, tls_context=_certificate())
    async with (
        serve_mail(server),
        _notifier(server, tls=tls, username="dlc", password="p4ss", ca_file=ca_file) as notifier,
    ):
        await _send(notifier)
    assert [(mail.over_tls, mail.login) for mail in server.mails] == [(True, "dlc")]


async def test_a_server_without_starttls_gets_nothing(server: MailServer) -> None:
    async with _notifier(server, tls="starttls") as notifier:
        error = await _fail(notifier)
    assert (error.permanent, error.pauses_receiver) == (True, True)
    assert "STARTTLS" in str(error)
    assert "tls: none" in error.fix
    assert server.mails == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_of_an_unknown_authority_is_refused(tls: Any) -> None:
    server = MailServer(tls=tls, tls_context=_certificate())
    async with serve_mail(server), _notifier(server, tls=tls) as notifier:
        error = await _fail(notifier)
    assert (error.code, error.permanent, error.ambiguous) == ("certificate", False, False)
    assert "ca_file" in error.fix


async def test_a_certificate_for_another_name_is_refused(ca_file: Path) -> None:
    server = MailServer(tls="starttls", tls_context=_certificate("mail.example.com"))
    async with serve_mail(server), _notifier(server, tls="starttls", ca_file=ca_file) as notifier:
        assert (await _fail(notifier)).code == "certificate"


async def test_a_wrong_password_pauses_the_receiver_loses_no_message_and_is_not_repeated_anywhere(
    ca_file: Path,
) -> None:
    server = MailServer(username="dlc", password="right", tls="starttls", tls_context=_certificate())
    async with (
        serve_mail(server),
        _notifier(server, tls="starttls", username="dlc", password="wrong-canary", ca_file=ca_file) as notifier,
    ):
        error = await _fail(notifier)
    assert (error.code, error.permanent, error.pauses_receiver, error.ambiguous) == ("535", False, True, False)
    assert error.fix
    assert "canary" not in f"{error} {error!r} {notifier!r}"


async def test_a_log_in_that_fails_for_now_is_tried_again(server: MailServer) -> None:
    server.username, server.password = "dlc", "p"
    server.answer("AUTH", *["454 4.7.0 Temporary authentication failure"] * 3)
    async with _notifier(server, username="dlc", password="p") as notifier:
        error = await _fail(notifier)
        assert (error.permanent, error.retry_after) == (False, timedelta(seconds=60))
        await _send(notifier, again(SINGLE))
    assert len(server.mails) == 1


async def test_a_server_without_log_in_is_told_apart_from_a_wrong_password(server: MailServer) -> None:
    async with _notifier(server, username="dlc", password="p") as notifier:
        error = await _fail(notifier)
    assert (error.code, error.permanent, error.pauses_receiver) == ("not_supported", True, True)
    assert "AUTH" in str(error)


# the kept connection


async def test_one_connection_serves_many_mails(server: MailServer) -> None:
    async with _notifier(server) as notifier:
        for name in ("single", "bare", "several-jobs"):
            await _send(notifier, SAMPLES[name])
    assert (len(server.mails), server.connections) == (3, 1)


async def test_a_connection_dropped_while_idle_is_made_anew(server: MailServer) -> None:
    async with _notifier(server) as notifier:
        await _send(notifier)
        server.disconnect_all()
        await anyio.wait_all_tasks_blocked()
        await _send(notifier, SAMPLES["bare"])
    assert (len(server.mails), server.connections) == (2, 2)


async def test_a_connection_is_made_anew_after_a_failure(server: MailServer) -> None:
    server.answer("MAIL", "451 4.3.0 try later")
    async with _notifier(server) as notifier:
        await _fail(notifier)
        await _send(notifier, again(SINGLE))
    assert (len(server.mails), server.connections) == (1, 2)


# refusals


async def test_nobody_listening_is_not_doubtful() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with _notifier(MailServer(port=nobody.getsockname()[1])) as notifier:
            error = await _fail(notifier)
    assert (error.code, error.permanent, error.ambiguous) == ("connect", False, False)


@pytest.mark.parametrize(("greeting", "code"), [("421 4.3.2 too busy", "421"), ("554 5.7.1 no", "554")])
async def test_a_server_that_turns_us_away_at_the_door_is_asked_again(greeting: str, code: str) -> None:
    async with serve_mail(MailServer(greeting=greeting)) as server, _notifier(server) as notifier:
        error = await _fail(notifier)
    assert (error.code, error.permanent, error.pauses_receiver) == (code, False, True)
    assert error.retry_after is not None
    assert error.retry_after >= timedelta(seconds=60)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("told", ["421 4.3.2 shutting down", "451 4.7.1 greylisted, come back"])
async def test_a_refusal_for_now_waits_a_minute_at_least(server: MailServer, command: Any, told: str) -> None:
    server.answer(command, told)
    async with _notifier(server) as notifier:
        error = await _fail(notifier)
        assert (error.permanent, error.ambiguous) == (False, False)
        assert error.retry_after == timedelta(seconds=60)
        assert error.pauses_receiver is told.startswith("421")
        await _send(notifier, again(SINGLE))
    assert len(server.mails) == 1


@pytest.mark.parametrize(("command", "told"), [("MAIL", "550 5.7.1 not your address"), ("DATA", "554 5.7.1 spam")])
async def test_a_refusal_for_good_is_permanent(server: MailServer, command: Any, told: str) -> None:
    server.answer(command, told)
    async with _notifier(server) as notifier:
        error = await _fail(notifier)
    assert (error.permanent, error.ambiguous, error.pauses_receiver) == (True, False, False)
    assert error.fix
    assert told.partition(" ")[2] in str(error)


async def test_those_who_accept_get_it_and_those_refused_are_named(server: MailServer) -> None:
    server.refuse = {"gone@example.com": "550 5.1.1 no such user", "full@example.com": "552 5.2.2 mailbox full"}
    async with _notifier(server, to=["gone@example.com", "oncall@example.com", "full@example.com"]) as notifier:
        receipt = await _send(notifier)
    assert [mail.recipients for mail in server.mails] == [("oncall@example.com",)]
    assert receipt.note.startswith("accepted by 1 of 3; refused: gone@example.com: 550 5.1.1 no such user")
    assert "full@example.com: 552" in receipt.note
    assert receipt.place == "oncall@example.com"


async def test_when_nobody_accepts_it_is_permanent(server: MailServer) -> None:
    server.refuse = {"a@example.com": "550 no such user", "b@example.com": "550 no such user"}
    async with _notifier(server, to=["a@example.com", "b@example.com"]) as notifier:
        error = await _fail(notifier)
    assert (error.permanent, error.code) == (True, "550")
    assert "a@example.com" in str(error)
    assert "b@example.com" in str(error)
    assert server.mails == []


async def test_whoever_was_refused_for_now_gets_it_later_and_nobody_twice(server: MailServer) -> None:
    server.refuse = {"slow@example.com": "451 4.7.1 greylisted", "gone@example.com": "550 5.1.1 no such user"}
    async with _notifier(server, to=["oncall@example.com", "slow@example.com", "gone@example.com"]) as notifier:
        first = await _send(notifier)
        assert first.retry_after == timedelta(seconds=60)
        assert first.note.startswith("accepted by 1 of 3; for now refused: slow@example.com: 451")
    async with _notifier(server, to=["oncall@example.com", "slow@example.com", "gone@example.com"]) as restarted:
        second = await _send(restarted, replace(again(SINGLE), recipients=first.recipients))
        assert second.recipients == first.recipients
        del server.refuse["slow@example.com"]
        receipt = await _send(restarted, replace(again(SINGLE, attempt=3), recipients=second.recipients))
    assert [mail.recipients for mail in server.mails] == [("oncall@example.com",), ("slow@example.com",)]
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 1
    assert receipt.place == "oncall@example.com, slow@example.com"
    assert receipt.note.startswith("accepted by 2 of 3; refused: gone@example.com: 550")


async def test_when_all_say_not_now_nothing_is_kept_and_all_are_asked_again(server: MailServer) -> None:
    server.refuse = {"a@example.com": "451 4.7.1 greylisted", "b@example.com": "550 5.1.1 no such user"}
    async with _notifier(server, to=["a@example.com", "b@example.com"]) as notifier:
        error = await _fail(notifier)
        assert (error.permanent, error.retry_after, error.code) == (False, timedelta(seconds=60), "451")
        server.refuse.clear()
        await _send(notifier, again(SINGLE))
    assert [mail.recipients for mail in server.mails] == [("a@example.com", "b@example.com")]


async def test_who_was_taken_off_the_list_is_not_waited_for(server: MailServer) -> None:
    server.refuse = {"slow@example.com": "451 4.7.1 greylisted"}
    async with _notifier(server, to=["oncall@example.com", "slow@example.com"]) as notifier:
        first = await _send(notifier)
    async with _notifier(server, to=["oncall@example.com"]) as notifier:
        last = await _send(notifier, replace(again(SINGLE), recipients=first.recipients))
    assert (last.note, last.retry_after) == ("", None)
    assert len(server.mails) == 1


async def test_the_others_are_told_once_who_is_refused_for_good(server: MailServer) -> None:
    server.refuse = {"gone@example.com": "550 5.1.1 no such user", "slow@example.com": "451 4.7.1 greylisted"}
    async with _notifier(server, to=["oncall@example.com", "gone@example.com", "slow@example.com"]) as notifier:
        receipt = await _send(notifier)
        server.refuse.pop("slow@example.com")
        await _send(notifier, replace(again(SINGLE), recipients=receipt.recipients))
        await _send(notifier, replace(SAMPLES["bare"], refused_before=frozenset({"gone@example.com"})))
        await _send(notifier, replace(SAMPLES["several-jobs"], refused_before=frozenset({"left@example.com"})))
    told = [
        ["gone@example.com" in mail.message.get_body((part,)).get_content() for part in ("plain", "html")]
        for mail in server.mails
    ]
    assert told == [[True, True], [False, False], [False, False], [True, True]]


# doubtful outcomes


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
@pytest.mark.parametrize("fault", ["drop", "hang"])
async def test_an_end_before_the_text_leaves_no_doubt(server: MailServer, command: Any, fault: str) -> None:
    server.answer(command, fault)
    async with _notifier(server, timeout="1s") as notifier:
        error = await _fail(notifier)
        assert (error.ambiguous, error.permanent, error.code) == (
            False,
            False,
            "disconnected" if fault == "drop" else "timeout",
        )
        await _send(notifier, again(SINGLE))
    assert len(server.mails) == 1


@pytest.mark.parametrize("fault", ["drop", "hang", "drop_after_accept", "hang_after_accept"])
async def test_an_end_after_the_final_dot_is_doubtful_and_repeated_under_the_same_id(
    server: MailServer, fault: str
) -> None:
    server.answer("DATA", fault)
    async with _notifier(server, timeout="1s") as notifier:
        error = await _fail(notifier)
        assert (error.ambiguous, error.permanent) == (True, False)
        await _send(notifier, again(SINGLE))
    assert len(server.mails) == (2 if fault.endswith("after_accept") else 1)
    assert {mail.message["Message-ID"] for mail in server.mails} == {f"<{SINGLE.id}@example.com>"}


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.DATA])
def test_an_end_before_the_text_is_not_doubtful(stage: Stage) -> None:
    assert not classify(SMTPServerDisconnected("gone"), stage=stage, server="mail:587").ambiguous


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("code", [421, 450, 451, 452, 454, 500, 530, 534, 535, 538, 550, 551, 552, 553, 554, 571])
def test_the_first_digit_decides_and_what_is_permanent_says_how_to_mend_it(stage: Stage, code: int) -> None:
    error = classify(SMTPResponseException(code, "text"), stage=stage, server="mail:587")
    assert error.permanent is (code >= 500 and stage not in {Stage.CONNECT, Stage.AUTH})
    assert not error.ambiguous
    assert error.fix or code < 500
    assert error.retry_after is None or not error.permanent


def test_what_a_server_says_is_cleaned() -> None:
    assert "\x1b" not in str(classify_reply(550, "no\x1b[31m\r\nway", stage=Stage.RECIPIENT, server="mail:587"))


# settings


@pytest.mark.parametrize(("settings", "told"), [
    ({"from": "nobody"}, "not an e-mail address"),
    ({"from": "a@b\r\nBcc: c@d"}, "not an e-mail address"),
    ({"to": []}, "at least 1"),
    ({"to": "müller@example.com"}, "ASCII"),
    ({"to": "a@example.com, b@example.com"}, "not an e-mail address"),
    ({"host": "mail example"}, "pattern"),
    ({"port": 0}, "greater than"),
    ({"tls": "maybe"}, "starttls"),
    ({"username": "u"}, "exactly one of"),
    ({"password": "canary"}, "without a username"),
    ({"username": "u", "password": "canary", "tls": "none"}, "in the clear"),
    ({"ca_file": "/nowhere.pem"}, "no certificates"),
    ({"hots": "x"}, "Extra inputs"),
    ({"unsubscribe": "mailto:nobody"}, "not an e-mail address"),
    ({"unsubscribe": "mailto:a@b.example?subject=<x>"}, "brackets"),
    ({"unsubscribe": "http://example.com/off"}, "https"),
    ({"unsubscribe": "https://example.com/off?a='b'"}, "header"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    good = {"host": "smtp.example.com", "from": "dlc@example.com", "to": ["oncall@example.com"]}
    EmailSettings.model_validate(good)
    with pytest.raises(ValidationError) as caught:
        EmailSettings.model_validate({**good, **settings})
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("text", "spec", "name"), [
    ("a.b+c@mail.example.com", "a.b+c@mail.example.com", ""),
    ("DLC <dlc@example.com>", "dlc@example.com", "DLC"),
    ('"Doe, J." <j@example.com>', "j@example.com", "Doe, J."),
    ("值班 <oncall@example.com>", "oncall@example.com", "值班"),
])  # fmt: skip
def test_an_address_may_have_a_name(text: str, spec: str, name: str) -> None:
    address = parse_address(text)
    assert (address.addr_spec, address.display_name) == (spec, name)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a@b@c", "a b@c.example", "<a@b.example", "a@b.example>", "a..b@c.example", "x a@b.example"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        parse_address(text)


def test_tls_is_demanded_unless_it_is_turned_off_by_name() -> None:
    settings = EmailSettings.model_validate({"host": "h", "from": "a@b.example", "to": "c@d.example"})
    assert (settings.tls, settings.port, settings.to) == ("starttls", 587, ("c@d.example",))


def test_every_phase_has_its_colour() -> None:
    text = files("watcher.notifiers").joinpath("templates/mail.html.j2").read_text(encoding="utf-8")
    coloured = re.search(r"set phases = \{(.*?)\} %\}", text, re.DOTALL)
    assert coloured
    assert set(re.findall(r'"([a-z-]+)": "#', coloured[1])) == {phase.value for phase in Phase}
