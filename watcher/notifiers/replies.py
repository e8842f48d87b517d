"""Reading what HTTP answers wish for. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def seconds(headers: Mapping[str, str], now: datetime | None = None) -> timedelta | None:
    """The wish in `Retry-After` (RFC 9110, 10.2.3): seconds, or a date when `now` is given; None when absent or not readable."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        length = float(text)
    except ValueError:
        return None if now is None else _until(text, now)
    return timedelta(seconds=min(length, 86_400.0)) if math.isfinite(length) and length >= 0 else None


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(timedelta(0), (date if date.tzinfo else date.replace(tzinfo=UTC)) - now)


def longer(first: timedelta | None, second: timedelta | None) -> timedelta | None:
    """The longer of the two, None standing for no wish."""
    return max((wish for wish in (first, second) if wish is not None), default=None)
