"""Why an attempt ended.

The surest evidence goes first (`cause_of_end`):

1. a pod of this attempt that DLC calls evicted, no more than ten minutes away from the end (`core.attempts.RELATED`);
   words about spot or preemption in the texts make it more precise;
2. the restart record: a node that DLC put on its blacklist is a node fault, else the words of its reason and error texts;
3. reason code and message of the status that ended it, from `StatusHistory`, or of the job while it is still in it;
4. a failed pod of this attempt near the end: its process failed, as far as anybody says.

The reason codes are an unpublished, open set, so words are looked for in them as in the messages (the vendor's own diagnosis looks
for "preempted" and "evicted", too). What fits none is unknown, and a stop of which no text says by whom is not a user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from watcher.core.model import RestartRecord


class AttemptCause(StrEnum):
    """Why an attempt ended."""

    EVICTED = "evicted"
    PREEMPTED = "preempted"
    """Evicted for a job that goes before it, as DLC's texts say."""
    SPOT_RECLAIMED = "spot-reclaimed"
    """Its spot instance was taken back, as DLC's texts say."""
    NODE_FAULT = "node-fault"
    PROCESS_FAILURE = "process-failure"
    USER = "user"
    COMPLETED = "completed"
    """It succeeded."""
    UNKNOWN = "unknown"


_WORDS: Final[tuple[tuple[AttemptCause, re.Pattern[str]], ...]] = (
    # the first that is found decides; reason codes are run together ("JobStoppedByUser"), hence no word boundaries
    (AttemptCause.USER, re.compile(r"by ?user|user ?(stopped|cancel)", re.IGNORECASE)),
    (AttemptCause.SPOT_RECLAIMED, re.compile(r"spot.{0,80}(reclaim|releas|recycl|interrupt)|reclaim", re.IGNORECASE)),
    (AttemptCause.PREEMPTED, re.compile(r"pre-?empt", re.IGNORECASE)),
    (AttemptCause.EVICTED, re.compile(r"evict", re.IGNORECASE)),
    (
        AttemptCause.NODE_FAULT,
        re.compile(
            r"node ?(is )?(fault|fail|not ?ready|lost|down|unreachable)|fault.{0,10}node|hardware|\bxid|fell off the bus"
            r"|\becc\b|gpu ?(lost|drop|fault)",
            re.IGNORECASE,
        ),
    ),
    (
        AttemptCause.PROCESS_FAILURE,
        re.compile(
            r"exit|traceback|segmentation|out ?of ?memory|oom|sig(kill|segv|abrt|term)|nccl|process.{0,20}fail"
            r"|container.{0,20}(fail|error)|non-?zero",
            re.IGNORECASE,
        ),
    ),
)

_TAKEN: Final = frozenset({AttemptCause.SPOT_RECLAIMED, AttemptCause.PREEMPTED})


def cause_of_end(
    *, texts: Iterable[str] = (), record: RestartRecord | None = None, evicted: bool = False, failed: bool = False
) -> AttemptCause:
    """Why an attempt ended; the module says which evidence goes first.

    Args:
        texts: reason codes and messages of its end.
        record: DLC's record of the restart.
        evicted: a pod was evicted at that time.
        failed: a pod failed at that time.
    """
    of_record, blamed = _record_texts(record)
    said, recorded = _by_words(texts), _by_words(of_record)
    if evicted:
        return next((cause for cause in (said, recorded) if cause in _TAKEN), AttemptCause.EVICTED)
    if blamed:
        return AttemptCause.NODE_FAULT
    if recorded is not AttemptCause.UNKNOWN:
        return recorded
    if said is AttemptCause.UNKNOWN and failed:
        return AttemptCause.PROCESS_FAILURE
    return said


def _record_texts(record: RestartRecord | None) -> tuple[tuple[str, ...], bool]:
    """What a record says, its reason first, and whether it blames a node. Errors that caused nothing are left out."""
    if record is None:
        return (), False
    causes = [cause for cause in record.causes if cause.triggered_restart is not False]
    texts = [record.reason]
    for cause in causes:
        texts += [cause.error_code, cause.error_message, cause.error_source]
    return tuple(texts), any(cause.node_blacklisted for cause in causes)


def _by_words(texts: Iterable[str]) -> AttemptCause:
    whole = "\n".join(texts)
    return next((cause for cause, words in _WORDS if words.search(whole)), AttemptCause.UNKNOWN)
