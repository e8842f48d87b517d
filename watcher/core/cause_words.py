"""A cause that was found, for readers of every language.

The event carries English text alone, as it is on record; which pod, node and code it names stand beside it. So the sentence is
taken apart along these, and put together again in the other language. A text that does not come apart (another version wrote it) is
shown as it is. Exceptions and log lines are the program's own words and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from watcher.core.catalog import FAULTS
from watcher.core.causes import WORDS
from watcher.core.events import JobCauseFound
from watcher.core.language import Said, Text, say

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "the log of the pod that failed first names it": "最先失败的实例的日志明确指出",
        "DLC's restart record names it": "DLC 的重启记录明确指出",
        "the pod's events name it": "实例事件明确指出",
        "DLC says so of the job or the pod": "DLC 对该作业或实例如此说明",
        "it is the last fault in the log of the pod that failed first": "最先失败的实例的日志中最后一个错误",
        "the job's events name it, but not for certain of this pod": "作业事件指出，但不确定是否属于该实例",
        "DLC's restart record tells of it": "DLC 的重启记录提到",
        "the pod's events tell of it": "实例事件提到",
        "DLC's reason tells of it": "DLC 给出的原因提到",
        "the job's events tell of it": "作业事件提到",
        "it tells only that something else had died before": "只说明此前已有其他实例退出",
        "it tells only that another process had died before": "只说明此前已有其他进程退出",
        "only an exit code, or words from long before the end": "只有退出码，或结束前很久的日志",
        "only an exit code is known": "只知道退出码",
        "nothing that was read names a cause": "读到的内容都没有说明原因",
        "other pods ended in the same second, and not all their logs were read": "其他实例在同一秒结束，且其日志未全部读取",
    }
)
"""What the confidence in a cause rests on (`core.root_cause`), by its English text."""

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        134: "异常中止（SIGABRT）",
        137: "被强制终止（SIGKILL），多因内存不足",
        139: "段错误（SIGSEGV）",
        143: "被要求退出（SIGTERM）",
        245: "NCCL 超时",
        255: "MPI 无法连接某台机器，或程序自行返回",
    }
)
"""What exit codes mean (`core.signs.EXIT_CODES`)."""


def reason_in_words(because: str) -> Text:
    """What a confidence rests on; a reason that is not in the table as it is."""
    return say(because, zh=REASONS[because]) if because in REASONS else because


def cause_in_words(found: JobCauseFound) -> Text:
    """The cause in one sentence. In English it is the event's own summary, to the letter."""
    pod = "" if found.pod is None else say(" on {pod}", zh="，实例 {pod}", pod=found.pod.pod_id)
    node = say(" (node {node})", zh="（节点 {node}）", node=found.node) if found.node else ""
    code = "" if found.exit_code is None else say(", exit code {code}", zh="，退出码 {code}", code=found.exit_code)
    around = f"{pod}{node}{code}"
    words, mark, rest = found.summary.rpartition(around) if around else (found.summary, "", "")
    if mark != around:
        return found.summary
    meaning: Text = rest
    if rest and found.exit_code is not None and found.exit_code in MEANINGS:
        meaning = Said(
            ": {meaning}", "：{chinese}", (("meaning", rest.removeprefix(": ")), ("chinese", MEANINGS[found.exit_code]))
        )
    what: Text = words
    if words == WORDS[found.fault_class]:
        what = say(words, zh=FAULTS[found.fault_class])
    return say(
        "{what}{pod}{node}{code}{meaning}",
        zh="{what}{pod}{node}{code}{meaning}",
        what=what,
        pod=pod,
        node=node,
        code=code,
        meaning=meaning,
    )
