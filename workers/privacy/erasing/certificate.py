"""The certificate of an erasure: what was removed, what stays and why, when backups have forgotten it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.people import Customer
from models.privacy import Erasure
from workers.errors import NotFound
from workers.privacy.erasing.subject import Subject
from workers.text import mask_free_text, one_line
from workers.unit_of_work import UnitOfWork

STAYS: Sequence[tuple[str, str, str]] = (
    (
        "tickets, ticket_entries, deadlines",
        "times, states, verdicts and who did what: the team's own work; no words, no name",
        "时间、状态、判定与经办人：团队自身的工作记录；不含文字和姓名",
    ),
    (
        "surveys, survey_answers, followups",
        "scores, which nobody can lead back to a person any more",
        "评分，已无法追溯到个人",
    ),
    (
        "notifications, delivery_attempts, receipts",
        "that messages were sent, when, and what became of them; without an address or text",
        "消息的发送时间与结果；不含地址和内容",
    ),
    (
        "customers",
        "the code, group and level, so that counts stay right; no name, no contact",
        "客户编号、分组与等级，以保持统计正确；不含姓名和联系方式",
    ),
    (
        "suppressions",
        "keyed hashes of addresses whose owner refused messages, so that the refusal holds",
        "客户本人拒收的地址的密钥散列，使拒收继续有效",
    ),
    (
        "sealed values",
        "bytes that nothing opens any more: their key was destroyed",
        "已无法解密的密文：其密钥已销毁",
    ),
)
WITHIN = timedelta(minutes=1)
"""So long a running process may still remember a destroyed key."""


def written(
    uow: UnitOfWork, subject: Subject, number: str | None, removed: Mapping[str, int], why: str
) -> dict[str, Any]:
    """The certificate as JSON: codes, counts and times (ISO 8601, UTC)."""
    backups = subject.at + timedelta(days=uow.settings.keep_backups_days)
    return {
        "number": number,
        "customer": subject.customer.code,
        "erased_at": subject.at.isoformat(),
        "made_by": subject.by.number if subject.by else None,
        "why": mask_free_text(one_line(why))[:120],
        "tickets": [ticket.number for ticket in subject.tickets],
        "removed": {name: count for name, count in sorted(removed.items()) if count},
        "stays": [{"tables": tables, "why": en, "why_zh": zh} for tables, en, zh in STAYS],
        "keys_forgotten_by": (subject.at + WITHIN).isoformat(),
        "backups_until": backups.isoformat(),
    }


async def certificates(uow: UnitOfWork, limit: int = 200) -> Sequence[Erasure]:
    """The newest erasures."""
    return list(await uow.session.scalars(select(Erasure).order_by(Erasure.id.desc()).limit(limit)))


async def find_certificate(uow: UnitOfWork, number: str) -> Erasure:
    """The erasure with this number, or of the customer with this code. Raises NotFound."""
    text = number.strip().upper()
    whose = select(Customer.id).where(Customer.code == text).scalar_subquery()
    row = await uow.session.scalar(
        select(Erasure).where((Erasure.number == text) | (Erasure.customer_id == whose))
    )
    if row is None:
        raise NotFound("there is no such certificate", hint="closeloop erasures lists them")
    return row


def as_text(certificate: Mapping[str, Any], zone: str, locale: str) -> str:
    """The certificate for people, in their language, with times in the team's zone."""
    words = _ZH if locale.startswith("zh") else _EN
    head = words["title"] if certificate["number"] else words["dry"]
    lines = [f"{head} {certificate['number'] or ''}".strip(), ""]
    facts = (
        ("customer", certificate["customer"]),
        ("at", _local(certificate["erased_at"], zone)),
        ("by", certificate["made_by"] or words["command_line"]),
        ("why", certificate["why"]),
        ("tickets", ", ".join(certificate["tickets"])),
    )
    lines += [f"{words[name]}: {value}" for name, value in facts if value]
    lines += ["", words["removed"]]
    lines += [f"  {name}: {count}" for name, count in certificate["removed"].items()]
    lines += ["", words["stays"]]
    why = "why_zh" if words is _ZH else "why"
    lines += [f"  {one['tables']}: {one[why]}" for one in certificate["stays"]]
    lines += ["", f"{words['backups']} {_local(certificate['backups_until'], zone)}"]
    return "\n".join(lines) + "\n"


def _local(moment: str, zone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).isoformat(sep=" ", timespec="minutes")


_EN = {
    "title": "Certificate of erasure",
    "dry": "What an erasure would remove (nothing was changed)",
    "customer": "Customer",
    "at": "Erased at",
    "by": "By",
    "command_line": "command line",
    "why": "Reason",
    "tickets": "Tickets",
    "removed": "Removed, by table",
    "stays": "What stays, and why",
    "backups": "Backups made before hold the key until they are deleted, by",
}
_ZH = {
    "title": "删除证明",
    "dry": "删除将移除的内容（未作任何更改）",
    "customer": "客户编号",
    "at": "删除时间",
    "by": "经办人",
    "command_line": "命令行",
    "why": "原因",
    "tickets": "工单",
    "removed": "已移除（按数据表）",
    "stays": "保留内容及原因",
    "backups": "此前的备份仍含密钥，将不迟于此时间删除：",
}
