"""How the times of an event become sharper than "between two looks", where DLC tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from watcher.core.events import Provenance, When

CLOCK_LEEWAY: Final = timedelta(minutes=2)
"""How far DLC's clock and ours may differ for a time of theirs to lie "between two looks" of ours."""


def between(earlier: datetime, moment: datetime, later: datetime) -> bool:
    """Whether a time of DLC's can lie between two looks of ours."""
    return earlier - CLOCK_LEEWAY <= moment <= later + CLOCK_LEEWAY


def second(moment: datetime) -> datetime:
    """That moment as DLC would tell it: its times are whole seconds."""
    return moment.replace(microsecond=0)


def dated(when: When, moment: datetime | None) -> When:
    """It happened at this moment, by DLC; as it was, where DLC does not tell."""
    return when if moment is None else replace(when, occurred_at=moment, provenance=Provenance.REPORTED)


def no_later_than(when: When, moment: datetime | None) -> When:
    """It had happened by this moment, by DLC. A look that did not show it by then was behind, and bounds nothing."""
    if moment is None or moment >= when.observed_at:
        return when
    behind = when.not_before is not None and when.not_before >= moment
    return replace(when, not_before=None if behind else when.not_before, not_after=moment)
