"""The names of the commands and of their labelled lines in both languages, and how a time is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from models.vocabulary import NoRequest
from workers.policy import Limit
from workers.tickets import Unconfirmed

_NAMES = {
    "accept": "accept 接单 受理",
    "ack": "ack acknowledge acknowledged 收到 知悉 已知悉 由我处理 我来处理",
    "progress": "progress update log 进展 进度 跟进",
    "inform": "inform tell 告知 告知客户 通知客户",
    "plan": "plan 方案 处理方案 计划",
    "extend": "extend extension 延期 延长 申请延期",
    "transfer": "transfer handover hand-over 转接 转交 转派 转给 转接给 转交给",
    "escalate": "escalate escalation 升级 升级申请 申请升级",
    "resolve": "resolve resolved result 解决 已解决 结果",
    "priority": "priority 优先级",
    "category": "category 分类 类别 类型",
    "phone": "phone call called 电话 已致电 致电",
    "junk": "junk spam dismiss not-a-ticket not-a-request 垃圾 垃圾邮件 不是工单 非工单 忽略",
    "ticket": "ticket request not-junk 是工单 恢复工单",
    "wait": "wait waiting pending hold on-hold pause 等待 等待客户 等待客户回复 等客户 待客户回复 挂起 暂停",
    "resume": "resume resumed continue unpause 恢复 恢复处理 恢复计时 继续 继续处理 客户已回复",
    "unconfirmed": "unconfirmed not-confirmed 未确认 未确认原因",
    "close": "close 关闭 关单",
    "note": "note notes 备注 内部备注 内部",
    "help": "help commands 帮助 指令",
}
NAMES: Mapping[str, str] = MappingProxyType(
    {each: name for name, words in _NAMES.items() for each in words.split()}
)
"""What is written after the number sign (NFKC, case folded) → the command."""

ONE_LINE = frozenset({"accept", "ack", "priority", "category", "resume", "close", "help"})
"""Commands that end with their line; the others go on until an empty line."""

_LABELS = {
    "resolve": {
        "cause": "cause reason 原因 问题原因 故障原因",
        "solution": "solution measures measure fix 解决方案 解决 解决措施 措施 处理措施 处理 方案",
        "precautions": "precautions precaution notes 注意事项 注意 预防 预防措施",
    },
    "escalate": {
        "reason": "reason 原因 理由",
        "resources": "resources resource support need needs 资源 所需资源 所需支持 支持",
        "time": "time until 时间 新时间 延期",
    },
}
LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        command: {each: name for name, words in fields.items() for each in words.split()}
        for command, fields in _LABELS.items()
    }
)
"""For each command with labelled lines: what stands before the colon → the field."""
DEFAULT_FIELD: Mapping[str, str] = MappingProxyType({"resolve": "solution", "escalate": "reason"})

_REASONS = {
    NoRequest.ADVERTISEMENT: "advertisement advert ad spam 广告 推广 垃圾邮件",
    NoRequest.WRONG_ADDRESS: "wrong wrong_address 发错 误发",
    NoRequest.AUTOMATIC: "automatic 自动 自动邮件",
    NoRequest.DUPLICATE: "duplicate double 重复",
    NoRequest.TEST: "test 测试",
}
NO_REQUEST: Mapping[str, NoRequest] = MappingProxyType(
    {each: reason for reason, words in _REASONS.items() for each in words.split()}
)
"""The first word after `#junk` → why it is no request."""

_WHY_NOT = {
    Unconfirmed.UNREACHABLE: "unreachable unreached 无法联系 联系不上 未接通",
    Unconfirmed.NEEDS_FOLLOWUP: "followup follow-up needs_followup 需跟进 待跟进",
    Unconfirmed.SYSTEM_MAINTENANCE: "maintenance system_maintenance 系统维护中 系统维护",
    Unconfirmed.THIRD_PARTY: "third_party third-party vendor 第三方 等待第三方",
    Unconfirmed.DECLINED: "declined 不愿确认 拒绝确认",
    Unconfirmed.OTHER: "other 其他",
}
NOT_CONFIRMED: Mapping[str, Unconfirmed] = MappingProxyType(
    {each: reason for reason, words in _WHY_NOT.items() for each in words.split()}
)
"""The first word after `#unconfirmed` → why the customer has not confirmed the result."""

BARE_ACK = frozenset(
    {
        "收到",
        "知悉",
        "已知悉",
        "由我处理",
        "我来处理",
        "ack",
        "acknowledged",
        "i take care of it",
        "i'll take it",
    }
)
"""What acknowledges a mail about a breach as the only words of the answer, without a number sign."""

BLANKS = " \t\r\xa0\u3000\u200b\ufeff"
LONGEST_DAYS = 366
_HEAD = re.compile(r"[#＃]([^\W\d_]{1,40}(?:[-_][^\W\d_]{1,40}){0,3})")
_LABEL = re.compile(r"([^\W\d_]{1,20})[ \t\xa0\u3000]{0,4}[:：]")
_TIME = re.compile(
    r"(\d{1,6})[ \t\xa0\u3000]{0,4}(?:"
    r"(?P<wd>(?:wd|work(?:ing)?[ -]?days?|business[ -]?days?)(?![^\W\d_])|个?工作日)"
    r"|(?P<h>(?:hours?|hrs?|h)(?![^\W\d_])|个?小时|个?钟头?)"
    r"|(?P<m>(?:minutes?|mins?|m)(?![^\W\d_])|分钟|分))(?:[之以]?内)?",
    re.IGNORECASE,
)


class Head(NamedTuple):
    """The beginning of a line with a number sign: the command (None: unknown) and what follows it."""

    name: str | None
    rest: str


def plain(word: str) -> str:
    """A word as it is compared: full-width letters made narrow (NFKC), case folded."""
    return unicodedata.normalize("NFKC", word).casefold()


def head_of(line: str) -> Head | None:
    """What a line that begins with `#` or `＃` and a word asks for; None for any other line.

    "#5 is broken" asks for nothing. After a blank ("# accept") only known names count, so that a heading or a
    list stays words.
    """
    bare = line.strip(BLANKS)
    if bare[:1] not in ("#", "＃"):
        return None
    tight = bare[0] + bare[1:].lstrip(BLANKS)
    found = _HEAD.match(tight)
    if found is None:
        return None
    name = NAMES.get(plain(found[1]))
    if name is None and tight != bare:
        return None
    return Head(name, trimmed(tight[found.end() :]))


def trimmed(words: str) -> str:
    """Words without the blanks, colons and commas that set them off."""
    return words.lstrip(BLANKS + ":：,，;；、—-").rstrip(BLANKS)


def field_of(command: str, line: str) -> tuple[str, str] | None:
    """The field that a labelled line ("cause: …", "原因：…") gives to this command, and its words."""
    labels = LABELS.get(command)
    found = _LABEL.match(line.lstrip(BLANKS)) if labels else None
    if labels is None or found is None:
        return None
    field = labels.get(plain(found[1]))
    return (field, line.lstrip(BLANKS)[found.end() :].strip(BLANKS)) if field else None


def fields_of(command: str, words: str) -> dict[str, str]:
    """The labelled lines of a command as fields; lines without a label carry on the one before."""
    current = DEFAULT_FIELD[command]
    found: dict[str, list[str]] = {}
    for line in words.split("\n"):
        labelled = field_of(command, line)
        if labelled is not None:
            current, line = labelled
        found.setdefault(current, []).append(line.strip(BLANKS))
    return {field: "\n".join(lines).strip() for field, lines in found.items()}


def time_of(words: str) -> tuple[Limit, str] | None:
    """The time at the beginning ("4h", "90 minutes", "3wd", "4小时", "3个工作日") and the words after it.

    It means what the same time means in a policy (see `workers.policy.limits`): up to eight hours are working
    time. None when there is none, or one of more than a year.
    """
    found = _TIME.match(words)
    if found is None:
        return None
    unit = next(name for name, text in found.groupdict().items() if text)
    number = int(found[1])
    if not 0 < number <= LONGEST_DAYS * {"wd": 1, "h": 24, "m": 1440}[unit]:
        return None
    return Limit.parse(f"{number}{unit}"), trimmed(words[found.end() :])
