"""All that authors of rules and notifiers may import.

A rule: a class with `name`, `on`, `severity`, `Options` and `consider`, registered as an entry point in the group
`dlc_watcher.rules`. A notifier: a class with `kind`, `Settings`, `pace`, `render`, `send` and `aclose`, registered in the group
`dlc_watcher.notifiers`. The built-in ones are registered in the same way; read them as examples.
"""

from __future__ import annotations

from watcher.core.bands import Band, TooFew, learn
from watcher.core.cohorts import Cohort, Kinship, cohort_of
from watcher.core.delivery import Receipt
from watcher.core.duration import spell_duration
from watcher.core.dwell import Dwell, Overdue, begun
from watcher.core.events import (
    DeadlinePassed,
    Event,
    JobAppeared,
    JobEvent,
    JobFailed,
    JobHistoryCorrected,
    JobPriorityChanged,
    JobReappeared,
    JobReasonChanged,
    JobRestarted,
    JobResumed,
    JobStatusChanged,
    JobStopped,
    JobSubStatusChanged,
    JobSucceeded,
    JobVanished,
    PodAppeared,
    PodEvent,
    PodEvicted,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    Provenance,
    RuleFailed,
    WatchBlind,
    WatchRecovered,
    When,
)
from watcher.core.fleet import Fleet, Happening, Member
from watcher.core.message import Item, JobCard, Message
from watcher.core.model import JobRef, JobSnapshot, PodKey, PodSnapshot, RestartCount, RestartRecord, RoleSpec
from watcher.core.phases import LIVE, RESERVED, TERMINAL, Phase, PodPhase
from watcher.core.rule import (
    Context,
    Deadline,
    Facts,
    Intent,
    NoOptions,
    Notify,
    Rule,
    RuleOptions,
    Severity,
    Silence,
)
from watcher.errors import NotifierError
from watcher.patience import Limit, Patience, Quantile, passed_over
from watcher.ports import Notifier, Wire
from watcher.settings import Duration, OneOrMany, SecretFile, Settings, exactly_one, reveal

__all__ = [
    "LIVE",
    "RESERVED",
    "TERMINAL",
    "Band",
    "Cohort",
    "Context",
    "Deadline",
    "DeadlinePassed",
    "Duration",
    "Dwell",
    "Event",
    "Facts",
    "Fleet",
    "Happening",
    "Intent",
    "Item",
    "JobAppeared",
    "JobCard",
    "JobEvent",
    "JobFailed",
    "JobHistoryCorrected",
    "JobPriorityChanged",
    "JobReappeared",
    "JobReasonChanged",
    "JobRef",
    "JobRestarted",
    "JobResumed",
    "JobSnapshot",
    "JobStatusChanged",
    "JobStopped",
    "JobSubStatusChanged",
    "JobSucceeded",
    "JobVanished",
    "Kinship",
    "Limit",
    "Member",
    "Message",
    "NoOptions",
    "Notifier",
    "NotifierError",
    "Notify",
    "OneOrMany",
    "Overdue",
    "Patience",
    "Phase",
    "PodAppeared",
    "PodEvent",
    "PodEvicted",
    "PodKey",
    "PodMoved",
    "PodPhase",
    "PodPlaced",
    "PodRestarted",
    "PodSnapshot",
    "PodStatusChanged",
    "PodVanished",
    "Provenance",
    "Quantile",
    "Receipt",
    "RestartCount",
    "RestartRecord",
    "RoleSpec",
    "Rule",
    "RuleFailed",
    "RuleOptions",
    "SecretFile",
    "Settings",
    "Severity",
    "Silence",
    "TooFew",
    "WatchBlind",
    "WatchRecovered",
    "When",
    "Wire",
    "begun",
    "cohort_of",
    "exactly_one",
    "learn",
    "passed_over",
    "reveal",
    "spell_duration",
]
