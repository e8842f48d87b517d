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
from typing import Any, Final

from jinja2 import PackageLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.core.catalog import phrase
from watcher.core.message import Message
from watcher.core.recipients import Outcomes
from watcher.core.rule import Severity
from watcher.notifiers.mail_text import mail_text
from watcher.notifiers.showing import show
from watcher.notifiers.text import clean, one_line

_LONGEST_SUBJECT: Final = 200
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
    shown = show(message)
    headers = {
        "Message-ID": message_id(message.id, sender.domain),
        "From": str(sender),
        "To": ", ".join(str(recipient) for recipient in recipients),
        "Subject": _subject(message.wording.get("subject", shown.subject)),
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
    notes = [
        phrase("mail-refused", message.locale, who=one.recipient, answer=one_line(one.answer, 200)) for one in refused
    ]
    text = clean(message.wording["text"]) if "text" in message.wording else mail_text(shown)
    html = clean(message.wording["html"]) if "html" in message.wording else _template().render(message=shown)
    return {"headers": headers, "text": _noted(text, notes), "html": _noted_html(html, notes)}


def _subject(text: str) -> str:
    return one_line(text, _LONGEST_SUBJECT)


def _noted(text: str, notes: list[str]) -> str:
    """The notes below the news: before the signature, where there is one."""
    if not notes:
        return text
    news, line, signature = text.rpartition("\n-- \n")
    return (
        "\n".join([news, *notes, line.removesuffix("\n") + "\n" + signature]) if line else "\n".join([text, *notes, ""])
    )


def _noted_html(html: str, notes: list[str]) -> str:
    """The notes at the page's end, whoever made the page."""
    told = "".join(
        f'<div style="padding:0 16px 16px;font-size:13px;word-break:break-word">{escape(note)}</div>' for note in notes
    )
    page, end, rest = html.rpartition("</body>")
    return f"{page}{told}{end}{rest}" if end else html + told


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
