"""A message as an e-mail: a text and an HTML part, one thread for each job. Pure.

The subject is the thread's and never changes, because mail programs and phones make threads of equal subjects as much as of
`References`. What happened stands in the first line of the text, which is what a preview shows; how loud it is, in headers that
filters can use.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from html import escape
from itertools import accumulate
from typing import Any, Final

from jinja2 import PackageLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.core.message import Item, JobCard, Message
from watcher.core.recipients import Outcomes
from watcher.core.rule import Severity
from watcher.notifiers.text import MARKS, WORDS, block, link, one_line, several_jobs, utc

_MOST_ITEMS: Final = 40
_MOST_TEXT: Final = 40_000
"""Characters of all items together, escaped. Gmail cuts off what is longer than 102 kB, markup included."""
_MOST_FACTS: Final = 20
_MOST_FACTS_AMONG: Final = 6
_VALUE: Final = 400
_VALUE_AMONG: Final = 120
_DETAIL_ALONE: Final = 6000
_DETAIL_AMONG: Final = 600
_LONGEST_SUBJECT: Final = 160
_ADDRESS: Final = re.compile(
    r"(?P<open>(?P<name>[^<>@]*)<)?"
    r"(?P<user>[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@(?P<domain>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?(open)>)"
)
_MESSAGE_ID: Final = re.compile(r"<[A-Za-z0-9._+=-]{1,120}@[A-Za-z0-9.-]{1,120}>")


def parse_address(text: str) -> Address:
    """`dlc@example.com`, or `DLC <dlc@example.com>`, as an address.

    Raises:
        ValueError: it is not one plain address, or not in ASCII (such need SMTPUTF8, which many servers lack).
    """
    match = _ADDRESS.fullmatch(text.strip()) if text.isprintable() else None
    if match is None:
        raise ValueError(
            f"{one_line(text, 80)!r} is not an e-mail address; write name@example.com, in ASCII, one for each entry"
        )
    name = one_line((match["name"] or "").strip().strip('"'), 100)
    return Address(display_name=name, username=match["user"], domain=match["domain"])


def message_id(message_id: str, domain: str) -> str:
    """The `Message-ID`: the same on every attempt, and nothing in it but characters that every server takes."""
    local = (
        message_id
        if re.fullmatch(r"[A-Za-z0-9-]{1,64}", message_id)
        else hashlib.sha256(message_id.encode()).hexdigest()
    )
    return f"<{local}@{domain}>"


def render_mail(
    message: Message,
    *,
    sender: Address,
    recipients: tuple[Address, ...],
    unsubscribe: str = "",
    refused: Outcomes = (),
) -> Mapping[str, Any]:
    """The mail as headers, text and HTML; `Date` is added when it is sent.

    Args:
        message: what it says.
        sender: for `From`, and for the domain of its ids.
        recipients: for `To`.
        unsubscribe: where a recipient can ask to be left out (`mailto:` or `https:`), or "".
        refused: recipients whom the server refuses for good, to be told to the others.
    """
    headers = {
        "Message-ID": message_id(message.id, sender.domain),
        "From": str(sender),
        "To": ", ".join(str(recipient) for recipient in recipients),
        "Subject": f"[dlc] {one_line(message.thread_title, _LONGEST_SUBJECT)}",
        "List-Id": _list_id(message.receiver, sender.domain),  # RFC 2919: what filters and mute buttons go by
        "Auto-Submitted": "auto-generated",  # RFC 3834: no vacation notices back, please
        "X-Auto-Response-Suppress": "All",  # the same for Exchange
        "X-Dlc-Watcher-Severity": message.severity.value,
        "X-Dlc-Watcher-Rules": _words(item.rule for item in message.items),
        "X-Dlc-Watcher-Kinds": _words(item.kind for item in message.items),
    }
    if unsubscribe:
        headers["List-Unsubscribe"] = f"<{unsubscribe}>"  # RFC 2369
    if message.job is not None:
        headers["X-Dlc-Watcher-Job"] = one_line(str(message.job.ref), 120)
    if message.severity is Severity.CRITICAL:
        headers["Importance"] = "high"
    if _MESSAGE_ID.fullmatch(message.thread_reference):
        headers["In-Reply-To"] = headers["References"] = message.thread_reference
    view = _view(message) | {"refused": [(one.recipient, one_line(one.answer, 200)) for one in refused]}
    return {"headers": headers, "text": _text(view), "html": _template().render(view)}


def _list_id(receiver: str, domain: str) -> str:
    """One list for each receiver: a name in words, and one made of what a host name may have."""
    label = re.sub(r"[^a-z0-9]+", "-", receiver.lower()).strip("-")[:40]
    if label != receiver:  # two names must not become one list
        label = f"{label}-{hashlib.sha256(receiver.encode()).hexdigest()[:8]}".lstrip("-")
    return f"dlc-watcher <{label}.dlc-watcher.{domain}>"


def _words(words: Any) -> str:
    return one_line(", ".join(dict.fromkeys(words)), 200)


def compose_mail(wire: Mapping[str, Any], date: datetime) -> EmailMessage:
    """The mail itself. Quoted-printable throughout, so that it passes servers that take seven bits only."""
    mail = EmailMessage(policy=SMTP)
    for name, value in wire["headers"].items():
        mail[name] = value
    mail["Date"] = format_datetime(date)
    mail.set_content(wire["text"], cte="quoted-printable")
    mail.add_alternative(wire["html"], subtype="html", cte="quoted-printable")
    return mail


@cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("watcher.notifiers", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("mail.html.j2")


def _view(message: Message) -> dict[str, Any]:
    """What both parts show, cleaned and cut."""
    alone = len(message.items) == 1
    named = several_jobs(message)
    items = _those_that_fit([_item(item, named=named, alone=alone) for item in message.items[:_MOST_ITEMS]])
    return {
        "title": one_line(message.title, 300),
        "severity": message.severity.value,
        "word": WORDS[message.severity],
        "mark": MARKS[message.severity],
        "job": _job(message.job),
        "alone": alone,
        "items": items,
        "more": len(message.items) - len(items),
        "receiver": one_line(message.receiver, 80),
        "id": one_line(message.id, 80),
    }


def _those_that_fit(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of them, as many as the mail has room for, one at least."""
    lengths = (len(escape(repr(item))) for item in items)
    return [item for item, total in zip(items, accumulate(lengths), strict=True) if total <= _MOST_TEXT] or items[:1]


def _item(item: Item, *, named: bool, alone: bool) -> dict[str, Any]:
    most, longest = (_MOST_FACTS, _VALUE) if alone else (_MOST_FACTS_AMONG, _VALUE_AMONG)
    return {
        "severity": item.severity.value,
        "word": WORDS[item.severity],
        "mark": MARKS[item.severity],
        "at": utc(item.at),
        "headline": one_line(item.headline, 300),
        "job": _job(item.job) if named else None,
        "facts": [(one_line(label, 60), one_line(value, longest)) for label, value in item.facts[:most]],
        "more_facts": max(0, len(item.facts) - most),
        "detail": block(item.detail, _DETAIL_ALONE if alone else _DETAIL_AMONG),
        "rule": one_line(item.rule, 80),
    }


def _job(job: JobCard | None) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "title": one_line(job.title, 150),
        "url": link(job.url),
        "ref": one_line(str(job.ref), 120),
        "status": one_line(job.status, 60),
        "facts": [(one_line(label, 60), one_line(value, 200)) for label, value in job.facts[:_MOST_FACTS]],
    }


def _text(view: Mapping[str, Any]) -> str:
    lines = [f"{view['word']}: {view['title']}", ""]
    for item in view["items"]:
        lines += _text_item(item, alone=view["alone"])
    if view["more"]:
        lines += [f"... and {view['more']} more", ""]
    if view["job"]:
        lines += _text_job(view["job"])
    lines += [f"Not delivered to {who}, whom the mail server refuses: {answer}" for who, answer in view["refused"]]
    # "-- " on a line of its own begins a signature, which mail programs show dimmed.
    return "\n".join([*lines, "-- ", f"dlc-watcher, receiver {view['receiver']}, message {view['id']}", ""])


def _text_item(item: Mapping[str, Any], *, alone: bool) -> list[str]:
    about = f"{item['job']['title']}: " if item["job"] else ""
    lines = [item["at"] if alone else f"{item['at']}  [{item['word']}]  {about}{item['headline']}"]
    width = max((len(label) for label, _ in item["facts"]), default=0) + 1
    lines += [f"  {label + ':':<{width}} {value}" for label, value in item["facts"]]
    if item["more_facts"]:
        lines.append(f"  ... and {item['more_facts']} more facts")
    lines += [f"  {line}".rstrip() for line in item["detail"].split("\n")] if item["detail"] else []
    if item["job"] and item["job"]["url"]:
        lines.append(f"  {item['job']['url']}")
    return [*lines, f"  (rule {item['rule']})", ""]


def _text_job(job: Mapping[str, Any]) -> list[str]:
    rows = [("Job", f"{job['title']} ({job['ref']})"), ("Status", job["status"]), *job["facts"], ("Link", job["url"])]
    shown = [(label, value) for label, value in rows if value]
    width = max(len(label) for label, _ in shown) + 1
    return [*(f"{label + ':':<{width}} {value}" for label, value in shown), ""]
