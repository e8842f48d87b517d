"""Reads a page of ListJobs, and only those of its items that say something new.

Theory. An item of a quiet job is the same text in every answer, but for a `Duration` that runs on. So the page is cut into the
texts of its items, and each text is recognised by a digest (`likeness`) of one that was read before; nothing of it is parsed then.

Cutting text needs no trust in its layout. The page is head + items joined by commas + tail, and it is certain that each piece is
what it is taken for: head and tail, put together, must read as an answer with an empty list of jobs; an item without a known
digest must read as one JSON object; an item with one has the bytes of a text that did. So one object after the other ends where the
cut is, by induction. Where a piece does not fit (an odd layout, an entry that is no job), the page is read as a whole (`wire`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from watcher.core.model import JobId, SourceName
from watcher.errors import GarbledAnswer
from watcher.sources.dlc import schema
from watcher.sources.dlc.likeness import PLACEHOLDER, item_digest, marked, recognisable_item
from watcher.sources.dlc.wire import ListingPage, listing_from_json, summary_of

_LIST: Final = re.compile(rb'"Jobs"\s*:\s*\[\s*')
_FIRST_MEMBER: Final = re.compile(rb'\{\s*("[0-9A-Za-z]{1,64}")\s*:')
_JOB_ID: Final = re.compile(rb'"JobId"\s*:\s*"([!#-\[\]-~]{1,256})"')
"""An id that is plain text: neither a quotation mark nor a backslash, nothing beyond ASCII."""


def read_page(body: bytes, *, source: SourceName, known: Mapping[JobId, bytes]) -> ListingPage:
    """Read one page of a ListJobs answer; items with the digest known of their job are not read but named.

    Raises:
        GarbledAnswer: not JSON, not an object, or without a list of jobs although it does not say there are none.
    """
    return _pieces_read(body, source, known) or listing_from_json(body, source=source)


def _pieces_read(body: bytes, source: SourceName, known: Mapping[JobId, bytes]) -> ListingPage | None:
    """The page, read in pieces; None when it does not fall into such."""
    begins = _LIST.search(body)
    first = _FIRST_MEMBER.match(body, begins.end()) if begins else None
    ends = body.rfind(b"]")
    if begins is None or first is None or ends < first.end():
        return None
    frame = _frame(body[: begins.end()] + body[ends:])
    if frame is None:
        return None
    jobs, unchanged, digests = [], [], {}
    items = _split(body[first.start() : ends], first[0])
    if items is None:
        return None
    for item in items:
        named = _JOB_ID.search(item)
        told = item_digest(item)
        job_id = JobId(named[1].decode("ascii")) if named else JobId("")
        if told and known.get(job_id) == told:
            unchanged.append(job_id)
            continue
        read = _item(item)
        if read is None:
            return None
        job, recognisable = read
        if job.IsDeleted:
            continue
        jobs.append(summary_of(job, source))
        if told and recognisable and job.JobId == job_id:
            digests[job_id] = told
    return ListingPage(
        jobs=tuple(jobs),
        items=len(items),
        unreadable=0,
        total=frame.TotalCount,
        unchanged=tuple(unchanged),
        digests=digests,
    )


def _split(text: bytes, opening: bytes) -> list[bytes] | None:
    """The texts of the items, which all begin with the same bytes; None where something else than a comma is between two."""
    *pieces, last = text.split(opening)[1:]
    pieces = [piece.rstrip() for piece in pieces]
    if not all(piece.endswith(b",") for piece in pieces):
        return None
    return [opening + piece for piece in (*(piece[:-1] for piece in pieces), last)]


def _item(item: bytes) -> tuple[schema.ListedJobWire, bool] | None:
    """An item, and whether it can be recognised; None when this is none."""
    told, cuts = marked(item)
    try:
        job = _MarkedWire.model_validate_json(told)
        if cuts == (job.Duration == PLACEHOLDER):  # nothing is left out but the job's own duration
            return job, True
        return schema.ListedJobWire.model_validate_json(item), recognisable_item(item)
    except ValidationError:
        return None


class _MarkedWire(schema.ListedJobWire):
    """An item with its duration as it stands."""

    Duration: Any = None


def _frame(text: bytes) -> schema.ListingWire | None:
    """The answer without its items, if that is certainly what is left: one list, by its plain name, and empty."""
    if text.count(b'"Jobs"') != 1 or b"\\" in text:
        return None
    try:
        frame = schema.read(schema.ListingWire, text, "ListJobs")
    except GarbledAnswer:
        return None
    return frame if frame.Jobs == [] else None
