"""The message that `send-test` sends: plainly a test, shaped like real news."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from watcher.core.delivery import FlushId
from watcher.core.message import Item, JobCard, Message
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.rule import Severity


def trial_message(receiver: str) -> Message:
    """A test message for this receiver, in a thread of its own."""
    ref = JobRef(SourceName("test"), JobId("dlctest000000000"))
    item = Item(
        severity=Severity.INFO,
        headline="this is a test; no job is concerned",
        facts=(("Receiver", receiver), ("Escaping", "<b>&amp; *stars* `ticks`")),
        detail="If you can read this, messages of dlc-watcher arrive here.",
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
        title=f"dlc-watcher test: {item.headline}",
        items=(item,),
    )
