"""The customer master as a table: its columns in Chinese or English; contacts masked unless asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.bulk import among
from models.crypto import Erased, UnknownKey
from models.people import Customer, CustomerOrder, Staff
from models.vocabulary import Medium
from workers.customers.finding import Wanted, matching
from workers.text import mask_contact, mask_name
from workers.unit_of_work import UnitOfWork, Workshop

PAGE = 500

TITLES: Mapping[str, tuple[str, ...]] = {
    "code": ("客户编号", "Customer ID", "客户ID", "code"),
    "name": ("姓名", "Name", "客户名称", "名称"),
    "email": ("邮箱", "E-mail", "电子邮箱", "邮件", "email", "mail"),
    "phone": ("手机", "Phone", "电话", "手机号", "mobile"),
    "group": ("客户群", "Group", "分组", "客户分组"),
    "level": ("等级", "Level", "客户等级"),
    "industry": ("行业", "Industry"),
    "preferred_channel": ("首选渠道", "Preferred channel", "渠道"),
    "locale": ("语言", "Language", "locale"),
    "orders": ("订单编号", "Order numbers", "订单号", "订单"),
    "created_at": ("建立时间", "Since"),
}
"""For each column its title in Chinese and in English, and what else an import understands."""

CHANNEL_WORDS: Mapping[Medium, tuple[str, str]] = {
    Medium.EMAIL: ("邮件", "E-mail"),
    Medium.SMS: ("短信", "SMS"),
    Medium.PHONE: ("电话", "Phone"),
    Medium.CHAT: ("在线聊天", "Online chat"),
    Medium.CONSOLE: ("在线", "Online"),
}
LOCALE_WORDS: Mapping[str, tuple[str, str]] = {"zh_CN": ("中文", "Chinese"), "en": ("英文", "English")}


@dataclass(frozen=True, slots=True)
class Wording:
    """In which language and time zone (IANA) a table is written; `clear` shows names and contacts."""

    locale: str
    zone: str
    clear: bool = False

    @property
    def place(self) -> int:
        """Which of two words is this language's."""
        return 0 if self.locale.startswith("zh") else 1

    def titles(self) -> list[str]:
        """The first row."""
        return [words[self.place] for words in TITLES.values()]

    def moment(self, at: datetime) -> str:
        """A moment in the team's zone, to the second."""
        return at.astimezone(ZoneInfo(self.zone)).strftime("%Y-%m-%d %H:%M:%S")


async def rows(
    workshop: Workshop, wanted: Wanted, reader: Staff | None, wording: Wording
) -> AsyncIterator[list[list[str]]]:
    """All that are wanted and `reader` may see, oldest first, some hundreds at a time.

    Each page is a transaction of its own: an export of any length keeps neither memory nor the database busy.
    """
    last: UUID | None = None
    while True:
        async with workshop.read() as uow:
            query = matching(uow, wanted, reader).order_by(Customer.id).limit(PAGE)
            if last is not None:
                query = query.where(Customer.id > last)
            found = list(await uow.session.scalars(query))
            cells = await _cells(uow, found, wording)
        if cells:
            yield cells
        if len(found) < PAGE:
            return
        last = found[-1].id


async def _cells(uow: UnitOfWork, found: Sequence[Customer], wording: Wording) -> list[list[str]]:
    await uow.vault.warm(uow.session, [row.data_key_id for row in found])
    bought: dict[UUID, list[str]] = {}
    for order in await uow.session.scalars(
        select(CustomerOrder)
        .where(among(uow.session, CustomerOrder.customer_id, [row.id for row in found]))
        .order_by(CustomerOrder.order_number)
    ):
        bought.setdefault(order.customer_id, []).append(order.order_number)
    lines = []
    for row in found:
        channel, place = row.preferred_channel, wording.place
        cells = {
            **await _contacts(uow, row, clear=wording.clear),
            "code": row.code,
            "group": row.customer_group or "",
            "level": row.level or "",
            "industry": row.industry or "",
            "preferred_channel": CHANNEL_WORDS[channel][place] if channel else "",
            "locale": LOCALE_WORDS.get(row.locale or "", ("", ""))[place],
            "orders": "; ".join(bought.get(row.id, [])),
            "created_at": wording.moment(row.created_at),
        }
        lines.append([cells[name] for name in TITLES])
    return lines


async def _contacts(uow: UnitOfWork, row: Customer, *, clear: bool) -> dict[str, str]:
    try:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    except (Erased, UnknownKey):
        return dict.fromkeys(("name", "email", "phone"), "")
    name = sealer.text(row.name_sealed, "customers.name")
    email = sealer.text(row.email_sealed, "customers.email")
    phone = sealer.text(row.phone_sealed, "customers.phone")
    if clear:
        return {"name": name, "email": email, "phone": phone}
    return {
        "name": mask_name(name) if name else "",
        "email": mask_contact(email) if email else "",
        "phone": mask_contact(phone) if phone else "",
    }
