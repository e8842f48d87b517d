"""Switches for what nobody outside knows about DLC: each stands for an open question, with the likelier answer as default."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from watcher.settings import Settings
from watcher.simulator.faults import Refusal

NOT_FOUND_MESSAGE: Final = "The specified job is not found."


class Behaviour(Settings):
    """How this simulator answers where documentation and recordings are silent or disagree."""

    status_history: bool = True
    """Whether answers carry StatusHistory."""
    history_includes_current: bool = True
    """Whether the state a job is in stands in StatusHistory (without EndTime)."""
    history_newest_first: bool = False
    """The order of StatusHistory."""
    restart_records: bool = True
    """Whether GetJob carries RestartRecord."""
    history_pods: bool = True
    """Whether pods carry HistoryPods."""
    pod_uids: bool = True
    """False leaves every PodUid empty, as some recordings have it."""
    running_time: Literal["first", "last"] = "first"
    """Whether GmtRunningTime tells the first start or the latest."""
    list_items: Literal["thin", "full"] = "full"
    """Whether ListJobs items have Pods, StatusHistory, SubStatus, reasons, RestartTimes and GmtModifiedTime."""
    not_found_status: Literal[404, 400] = 404
    throttled_status: Literal[429, 400, 503] = 429
    throttled_code: str = "Throttling.User"
    retry_after: bool = False
    """Whether throttled answers tell how long to wait (`Retry-After`, and `x-acs-retry-after` in milliseconds)."""
    time_range_field_ignored: bool = False
    """Whether the window of a list stays on the creation time whatever TimeRangeField says."""
    time_range_field_refused: bool = False
    """Whether a list with TimeRangeField is refused with InvalidParameter, as a service would that does not know it yet."""
    job_ids_limited_by_window: bool = True
    """Whether JobId and JobIds find only jobs within the window."""
    job_ids_ignored: bool = False
    """Whether JobIds (not JobId) changes nothing: then the list shows whatever it would without."""
    status_takes_list: bool = False
    """Whether the Status filter understands a comma list."""
    default_page_size: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def not_found(self) -> Refusal:
        """The answer about a job that is not known."""
        return Refusal(self.not_found_status, "NotFound", NOT_FOUND_MESSAGE)

    @property
    def throttled(self) -> Refusal:
        """The answer to one request too many."""
        return Refusal(self.throttled_status, self.throttled_code, "Request was denied due to user flow control.")
