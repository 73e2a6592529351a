"""Push to customers' apps and official accounts 公众号: whose account is whose, and by which endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import or_, select

from models.notifications import Notification
from models.people import Customer
from models.tickets import Ticket
from models.webhooks import AppAccount, WebhookEndpoint
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork, Workshop
from workers.webhooks.endpoints import secrets_of, url_of


@dataclass(frozen=True, slots=True)
class Target:
    """Where a push is posted, and by what it is signed."""

    host: str
    tls: bool
    url: str = field(repr=False)
    secrets: Sequence[str] = field(repr=False)


ACCOUNT = "app_accounts.account"
LONGEST = 128


async def set_account(uow: UnitOfWork, customer: Customer, account: str | None) -> None:
    """Write down by what the team's app knows this customer (an openid, a user id); None: not any more.

    Raises InvalidInput.
    """
    row = await uow.session.get(AppAccount, customer.id, with_for_update=True)
    if not account:
        if row is not None:
            await uow.session.delete(row)
        return
    words = account.strip()
    if not words.isprintable() or not words.isascii() or " " in words or not 1 <= len(words) <= LONGEST:
        raise InvalidInput("this is no account of an app", hint=f"ASCII without blanks, at most {LONGEST}")
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    sealed, hashed = sealer.seal(words, ACCOUNT), uow.vault.lookup("app", words)
    if row is None:
        row = AppAccount(customer_id=customer.id, made_at=uow.clock.now())
        uow.session.add(row)
    row.account_sealed, row.account_hash = sealed, hashed
    await uow.session.flush()


async def account_of(uow: UnitOfWork, customer: Customer) -> str:
    """The customer's account, '' when there is none. Raises Erased."""
    found = await _account(uow, customer)
    if found is None:
        return ""
    row, data_key_id = found
    sealer = await uow.vault.sealer(uow.session, data_key_id)
    return sealer.text(row.account_sealed, ACCOUNT)


async def push_endpoints(uow: UnitOfWork, team_id: UUID | None) -> Sequence[WebhookEndpoint]:
    """The endpoints by which a message about a team's ticket goes out: the team's own first, then the others,
    the oldest first.
    """
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.active.is_(True),
        WebhookEndpoint.push.is_(True),
        WebhookEndpoint.deleted_at.is_(None),
        or_(WebhookEndpoint.team_id.is_(None), WebhookEndpoint.team_id == team_id),
    )
    found = (await uow.session.scalars(query.order_by(WebhookEndpoint.id))).all()
    return sorted(found, key=lambda row: row.team_id is None)


async def push_targets(workshop: Workshop, notification_id: UUID) -> Sequence[Target]:
    """Where this message is posted to, the best place first."""
    async with workshop.read() as uow:
        team_id = await uow.session.scalar(
            select(Ticket.team_id)
            .join(Notification, Notification.ticket_id == Ticket.id)
            .where(Notification.id == notification_id)
        )
        rows = await push_endpoints(uow, team_id)
        valid = await secrets_of(uow, [row.id for row in rows])
        return [
            Target(row.host, (url := url_of(uow, row)).startswith("https:"), url, valid[row.id])
            for row in rows
            if valid[row.id]
        ]


async def can_push(uow: UnitOfWork, customer: Customer, team_id: UUID | None) -> bool:
    """Whether this customer can be reached by their app."""
    if await _account(uow, customer) is None:
        return False
    return bool(await push_endpoints(uow, team_id))


async def _account(uow: UnitOfWork, customer: Customer) -> tuple[AppAccount, UUID] | None:
    """The customer's account and the key it is sealed under: their own, else that of one who was merged into
    them.
    """
    found = await uow.session.execute(
        select(AppAccount, Customer.data_key_id)
        .join(Customer, Customer.id == AppAccount.customer_id)
        .where(or_(Customer.id == customer.id, Customer.merged_into_id == customer.id))
        .order_by(Customer.id != customer.id, AppAccount.made_at.desc())
        .limit(1)
    )
    row = found.first()
    return (row[0], row[1]) if row is not None else None
