"""The message that `send-test` sends: plainly a test, shaped like real news."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from watcher.core.catalog import label_in, phrase
from watcher.core.delivery import FlushId
from watcher.core.language import PLAIN, Locale, say, spoken
from watcher.core.message import Item, JobCard, Message
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.rule import Severity

_HEADLINE: Final = say("this is a test; no job is concerned", zh="这是一条测试消息，不涉及任何作业")
_DETAIL: Final = say(
    "If you can read this, messages of dlc-watcher arrive here.",
    zh="能看到这条消息，说明 dlc-watcher 的通知可以送达这里。",
)


def trial_message(receiver: str, locale: Locale = PLAIN) -> Message:
    """A test message for this receiver, in a thread of its own."""
    ref = JobRef(SourceName("test"), JobId("dlctest000000000"))
    item = Item(
        severity=Severity.INFO,
        headline=spoken(_HEADLINE, locale),
        facts=((label_in("Receiver", locale), receiver), (label_in("Escaping", locale), "<b>&amp; *stars* `ticks`")),
        detail=spoken(_DETAIL, locale),
        at=datetime.now(UTC),
        kind="test",
        rule="send-test",
        job=JobCard(ref=ref, title="dlc-watcher test", status="Running"),
    )
    flush_id = FlushId(str(uuid4()))
    return Message(
        id=flush_id,
        receiver=receiver,
        thread_key=f"test:{flush_id}",
        thread_title="dlc-watcher test",
        thread_reference="",
        severity=item.severity,
        title=phrase("title", locale, job="dlc-watcher test", headline=item.headline),
        items=(item,),
        locale=locale,
    )
