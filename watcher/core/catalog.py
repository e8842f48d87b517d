"""The words that many speak in: labels, severities, phases, and what ends write around the news. Tables, in every language.

Labels go by their English text, so a rule writes `("GPUs", ...)` and is read in every language; a label that is not in the table
is shown as it is written, or may be a `Said` of its own. Sentences that a single rule speaks stand in that rule.

A test holds that every entry has both languages and the same names in both.

Long, because it is tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from watcher.core.attempt_causes import AttemptCause
from watcher.core.causes import FaultClass
from watcher.core.language import PLAIN, Language, Locale, Said, Text, Value, number_of, say, spoken, text_of
from watcher.core.model import RestartCount
from watcher.core.phases import Phase, PodPhase
from watcher.core.rule import Facts, Severity, Shown

SEVERITIES: Final[Mapping[Severity, Said]] = MappingProxyType(
    {
        Severity.INFO: Said("Info", "信息"),
        Severity.WARNING: Said("Warning", "警告"),
        Severity.CRITICAL: Said("Critical", "严重"),
    }
)

PHASES: Final[Mapping[Phase, Said]] = MappingProxyType(
    {
        Phase.PENDING: Said("waiting", "排队中"),
        Phase.STARTING: Said("starting", "启动中"),
        Phase.RUNNING: Said("running", "运行中"),
        Phase.RESTARTING: Said("restarting", "重启中"),
        Phase.STOPPING: Said("stopping", "停止中"),
        Phase.RESERVED_SUCCEEDED: Said("succeeded, kept", "已成功，保留中"),
        Phase.RESERVED_FAILED: Said("failed, kept", "已失败，保留中"),
        Phase.SUCCEEDED: Said("succeeded", "已成功"),
        Phase.FAILED: Said("failed", "已失败"),
        Phase.STOPPED: Said("stopped", "已停止"),
        Phase.UNKNOWN: Said("unknown", "未知"),
    }
)
"""A job's phase. Its raw status is DLC's word and is shown as it is."""

POD_PHASES: Final[Mapping[PodPhase, Said]] = MappingProxyType(
    {
        PodPhase.PENDING: Said("pending", "等待中"),
        PodPhase.RUNNING: Said("running", "运行中"),
        PodPhase.SUCCEEDED: Said("succeeded", "已成功"),
        PodPhase.FAILED: Said("failed", "已失败"),
        PodPhase.UNKNOWN: Said("unknown", "未知"),
    }
)

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Address": "地址",
        "Address before": "原地址",
        "Allow": "需授权",
        "Asks for": "申请实例",
        "Attempt": "运行轮次",
        "Back already": "已恢复",
        "Before": "此前",
        "Blind since": "失联起始",
        "Live jobs": "运行中作业数",
        "Oldest look": "最早一次查看",
        "Promised within": "承诺时限",
        "Requests per second": "每秒请求数",
        "Would suffice": "所需每秒请求数",
        "Too rarely since": "查看不足起始",
        "Class": "类别",
        "Confidence": "可信度",
        "Could not read": "未能读取",
        "Culprit node": "故障节点",
        "Culprit pod": "故障实例",
        "Ended": "已结束",
        "Error": "错误",
        "Escaping": "转义",
        "Error code": "错误码",
        "Error message": "错误信息",
        "Errors": "错误",
        "Event": "事件",
        "Exit code": "退出码",
        "Failed": "失败",
        "Failed pods": "失败实例",
        "First job": "首个作业",
        "First made": "最早创建",
        "GPU-hours": "GPU 时",
        "GPUs": "GPU 数",
        "GPUs held": "占用 GPU",
        "Job": "作业",
        "Jobs": "作业",
        "Last": "最近一次",
        "Last ended": "最后结束",
        "Last event": "最近事件",
        "Last line of the log": "最近日志",
        "Last seen": "最后可见",
        "Likely pre-emptor": "疑似抢占者",
        "Link": "链接",
        "Longest": "最长作业",
        "Node": "节点",
        "Node before": "原节点",
        "Nodes": "节点",
        "Nodes at fault": "故障节点",
        "Nodes now avoided": "已规避节点",
        "Not read": "未能读取",
        "Not running yet": "尚未运行",
        "On idle resources of others": "使用他人闲置资源",
        "On nodes": "所在节点",
        "Or set": "或设置",
        "Owner": "所有者",
        "Owners": "所有者",
        "Passes by itself": "能否自行恢复",
        "Phase": "阶段",
        "Pod": "实例",
        "Pods": "实例",
        "Pods are kept for": "实例保留",
        "Pods at fault": "故障实例",
        "Pods not running": "未运行实例",
        "Priority": "优先级",
        "Queuing pods": "排队实例",
        "Quota": "资源配额",
        "Ran for": "运行时长",
        "Reason": "原因",
        "Reservation": "保留",
        "Restart level": "重启级别",
        "Restart reason": "重启原因",
        "Restart took": "重启耗时",
        "Restarted": "重启范围",
        "Restarted after": "重启原因",
        "Restarts": "重启次数",
        "Receiver": "接收端",
        "What follows": "后续处理",
        "Result": "结果",
        "Role": "角色",
        "Rule": "规则",
        "Running": "运行中",
        "Running for": "已运行",
        "Running since": "运行起始",
        "Since": "起始时间",
        "Spot": "抢占式实例",
        "Status": "状态",
        "Time limit": "运行时限",
        "Took": "总耗时",
        "Stopped": "已停止",
        "Evicted pods": "被驱逐实例",
        "GPU-hours lost": "损失 GPU 时",
        "Running now": "正在运行",
        "Waiting now": "正在排队",
        "Told first": "最先通知",
        "Type": "类型",
        "User": "用户",
        "Usual": "通常",
        "What": "情况",
        "Why it failed": "失败原因",
        "Waited": "等待时长",
        "Workspace": "工作空间",
    }
)
"""The label of a fact, by its English text."""

FAULTS: Final[Mapping[FaultClass, str]] = MappingProxyType(
    {
        FaultClass.PYTHON_EXCEPTION: "Python 异常",
        FaultClass.GPU_MEMORY: "GPU 显存不足（CUDA out of memory）",
        FaultClass.HOST_MEMORY: "内存不足（OOM）",
        FaultClass.CUDA_ERROR: "CUDA 错误",
        FaultClass.NCCL_ERROR: "NCCL 通信错误",
        FaultClass.GPU_XID: "GPU 故障（Xid）",
        FaultClass.GPU_ECC: "GPU 显存故障（ECC）",
        FaultClass.SEGMENTATION_FAULT: "段错误（segmentation fault）",
        FaultClass.IMAGE_PULL: "镜像拉取失败",
        FaultClass.STORAGE: "存储故障",
        FaultClass.NODE_FAULT: "节点故障",
        FaultClass.QUOTA_EXCEEDED: "超出资源配额",
        FaultClass.PREEMPTED: "被抢占",
        FaultClass.SPOT_RECLAIMED: "抢占式实例被回收",
        FaultClass.TIME_LIMIT: "达到运行时限",
        FaultClass.USER_STOPPED: "被用户停止",
        FaultClass.EXIT_CODE: "进程异常退出",
        FaultClass.UNKNOWN: "未知",
    }
)
"""Each class of cause in Chinese; in English it is `core.causes.WORDS`."""

CAUSES: Final[Mapping[AttemptCause, Said]] = MappingProxyType(
    {
        AttemptCause.EVICTED: Said("evicted", "被驱逐"),
        AttemptCause.PREEMPTED: Said("preempted", "被抢占"),
        AttemptCause.SPOT_RECLAIMED: Said("spot-reclaimed", "抢占式实例被回收"),
        AttemptCause.NODE_FAULT: Said("node-fault", "节点故障"),
        AttemptCause.PROCESS_FAILURE: Said("process-failure", "进程失败"),
        AttemptCause.USER: Said("user", "用户操作"),
        AttemptCause.COMPLETED: Said("completed", "正常完成"),
        AttemptCause.UNKNOWN: Said("unknown", "未知"),
    }
)
"""Why an attempt ended."""

YES: Final = Said("yes", "是")
NO: Final = Said("no", "否")
PUBLIC_RESOURCES: Final = Said("none (public resources)", "无（公共资源）")
"""The quota of a job that has none."""

PHRASES: Final[Mapping[str, Said]] = MappingProxyType(
    {
        # around the news
        "and-more": Said("… and {n} more", "… 另有 {n} 条"),
        "and-more-facts": Said("… and {n} more facts", "… 另有 {n} 项"),
        "rule": Said("rule {name}", "规则 {name}"),
        "status": Said("status {status}", "状态 {status}"),
        "receiver": Said("receiver {name}", "接收端 {name}"),
        "message": Said("message {id}", "消息 {id}"),
        "open-console": Said("Open in the PAI console", "在 PAI 控制台中打开"),
        # of a message
        "title": Said("{job}: {headline}", "{job}：{headline}"),
        "title-more": Said("{job}: {headline} (+{n} more)", "{job}：{headline}（另有 {n} 条）"),
        "notices": Said("{n} notices", "{n} 条通知"),
        "notices-jobs": Said("{n} notices about {jobs} jobs", "{n} 条通知，涉及 {jobs} 个作业"),
        "away": Said("While the watcher was away, {span}: {last}", "监控离线期间（{span}）：{last}"),
        "away-before": Said(
            "While the watcher was away, {span}: {last} (before that: {before})",
            "监控离线期间（{span}）：{last}（此前：{before}）",
        ),
        "held-before": Said("{last} (before that: {before})", "{last}（此前：{before}）"),
        "by-now": Said("{last}; {status} by now", "{last}；目前为 {status}"),
        "held": Said(
            "Held until now: {n} notices, still of matter: {still}", "暂存至今的 {n} 条通知，仍需关注：{still}"
        ),
        "held-jobs": Said(
            "Held until now: {n} notices about {jobs} jobs, still of matter: {still}",
            "暂存至今的 {n} 条通知，涉及 {jobs} 个作业，仍需关注：{still}",
        ),
        "n-critical": Said("{n} critical", "{n} 条严重"),
        "n-warning": Said("{n} warning", "{n} 条警告"),
        "n-warnings": Said("{n} warnings", "{n} 条警告"),
        "comma": Said(", ", "、"),
        "nothing-loud": Said("nothing loud", "无紧要事项"),
        "more-then": Said("{n} more, then:", "另有 {n} 条，之后："),
        "more": Said("{n} more", "另有 {n} 条"),
        # of a mail
        "mail-rule": Said("rule", "规则"),
        "mail-receiver": Said("receiver", "接收端"),
        "mail-message": Said("message", "消息"),
        "mail-console": Said("Open in the PAI console", "在 PAI 控制台中打开"),
        "mail-as-of": Said("as of {time}", "截至 {time}"),
        "mail-gone": Said("DLC does not know it any more", "DLC 中已无此作业"),
        "mail-earlier": Said("{n} earlier", "此前 {n} 段"),
        "mail-reason": Said("Last reason", "最近原因"),
        "mail-more": Said("… and {n} more", "… 另有 {n} 条"),
        "mail-more-facts": Said("… and {n} more facts", "… 另有 {n} 项"),
        "mail-gpu-hours-down": Said("{ran}, {down} more lost to restarts", "{ran}，重启另损失 {down}"),
        "mail-refused": Said(
            "Not delivered to {who}, whom the mail server refuses: {answer}",
            "未能送达 {who}，邮件服务器拒收：{answer}",
        ),
        "labelled": Said("{label}: {text}", "{label}：{text}"),
        "semicolon": Said("; ", "；"),
        "span": Said("{since} to {until}", "{since} 至 {until}"),
    }
)
"""Sentences of messages and of the ends, by key."""


def phrase(key: str, locale: Locale = PLAIN, **values: Value) -> str:
    """One of `PHRASES`, spoken."""
    found = PHRASES[key]
    return spoken(Said(found.en, found.zh, tuple((name, text_of(value)) for name, value in values.items())), locale)


def severity_in(severity: Severity, locale: Locale = PLAIN) -> str:
    """How loud, in a word: `Critical`, `严重`."""
    return spoken(SEVERITIES[severity], locale)


def phase_in(phase: Phase | PodPhase, locale: Locale = PLAIN) -> str:
    """A phase in a word or two: `running`, `运行中`."""
    return spoken(PHASES[phase] if isinstance(phase, Phase) else POD_PHASES[phase], locale)


def label_in(label: Text, locale: Locale = PLAIN) -> str:
    """The label of a fact, by its English text; one that nobody knows is shown as it is written."""
    if isinstance(label, str) and locale.language is Language.ZH:
        return LABELS.get(label, label)
    return spoken(label, locale)


def shown(facts: Facts, locale: Locale = PLAIN) -> Shown:
    """Facts, spoken."""
    return tuple((label_in(label, locale), spoken(value, locale)) for label, value in facts)


def outage(down: timedelta | None, gpu_hours: float | None) -> Text:
    """How long a job was down and what that cost, to end a headline with: `, 5 m down, about 1.3 GPU-hours lost`; else ""."""
    if down is None or down < timedelta(seconds=1):
        return ""
    lost: Text = ""
    if gpu_hours is not None and gpu_hours >= 0.05:  # noqa: PLR2004 - shown as 0.1
        lost = say(", about {n} GPU-hours lost", zh="，约损失 {n} GPU 时", n=f"{gpu_hours:.1f}")
    return say(", {down} down{lost}", zh="，中断 {down}{lost}", down=down, lost=lost)


def restarts(count: RestartCount) -> Text:
    """Restarts so far, of how many: `2 of 10`, `2/10`; as it came where it cannot be read."""
    return count.text if count.used is None else number_of(count.used, count.limit)
