"""What is claimed and must not be sent after all, or not yet: every silence has its reason (promise 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone as phone_zones
from sqlalchemy import and_, or_, select

from models.bulk import among
from models.crypto import Erased, Tampered, UnknownKey
from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer
from models.surveys import Survey
from models.vocabulary import Medium, NotificationState
from models.webhooks import AppAccount
from workers.delivery.digests import DIGEST, with_lines
from workers.delivery.prepare import SURVEY_KINDS
from workers.locks import hold
from workers.promises import release, settle
from workers.suppressions import unwanted
from workers.unit_of_work import UnitOfWork

INVITATION = "csat_invitation"
QUIET_HOURS = "quiet_hours"
FATIGUE_CAP = "fatigue_cap"
NOTHING_LEFT = "nothing_left"
BY_DAY = SURVEY_KINDS | {"progress_update"}
"""What leaves by the customer's day only."""
ON_ITS_WAY = (NotificationState.CLAIMED, NotificationState.SENDING)


@dataclass(frozen=True, slots=True)
class Silence:
    """The state and reason that a message gets instead of being sent; with `until` it is only put off."""

    state: NotificationState
    reason: str
    until: datetime | None = None

    def fall(self, uow: UnitOfWork, row: Notification) -> None:
        """Give `row`, claimed in this transaction, what this silence says."""
        row.state, row.reason = self.state, self.reason
        if self.until is None:
            settle(row)
            return
        release(row)
        row.due_at = self.until
        uow.ring("delivery", row.lane, self.until)


async def silences(
    uow: UnitOfWork, rows: Sequence[Notification], channels: Container[Medium]
) -> dict[UUID, Silence]:
    """Those of `rows`, just claimed, that are too late, not live, not wanted, channelless or ill-mannered."""
    held = await unwanted(uow, rows, SURVEY_KINDS)
    ended = await _ended(uow, rows)
    told = await with_lines(uow, [row.id for row in rows if row.kind == DIGEST])
    now = uow.clock.now()
    silent: dict[UUID, Silence] = {}
    for row in rows:
        if row.expires_at is not None and row.expires_at <= now:
            silent[row.id] = Silence(NotificationState.EXPIRED, "too_late")
        elif row.customer_id is not None and uow.settings.mode == "test":
            silent[row.id] = Silence(NotificationState.HELD, "test_mode")
        elif row.deadline_id in ended:
            silent[row.id] = Silence(NotificationState.SUPPRESSED, ended[row.deadline_id])
        elif row.kind == DIGEST and row.id not in told:
            silent[row.id] = Silence(NotificationState.SUPPRESSED, NOTHING_LEFT)
        elif row.id in held:
            silent[row.id] = Silence(NotificationState.SUPPRESSED, f"suppressed_{held[row.id]}")
        elif row.channel not in channels:
            silent[row.id] = Silence(NotificationState.FAILED, "channel_not_configured")
    asking = [row for row in rows if row.kind in BY_DAY and row.customer_id and row.id not in silent]
    if asking:
        silent |= await _manners(uow, asking)
    return silent


async def _ended(uow: UnitOfWork, rows: Sequence[Notification]) -> dict[UUID | None, str]:
    """Deadlines that have ended since, and why: their notices were claimed while they were called off."""
    told_of = {row.deadline_id for row in rows if row.deadline_id is not None}
    if not told_of:
        return {}
    found = await uow.session.execute(
        select(Deadline.id, Deadline.ended_reason).where(
            among(uow.session, Deadline.id, told_of), Deadline.ended_reason.is_not(None)
        )
    )
    return {ident: reason or "" for ident, reason in found}


async def _manners(uow: UnitOfWork, rows: Sequence[Notification]) -> dict[UUID, Silence]:
    """Whoever is asked for a rating is not asked at night, nor again and again."""
    ids = {row.customer_id for row in rows}
    found = await uow.session.scalars(select(Customer).where(among(uow.session, Customer.id, ids)))
    customers = {customer.id: customer for customer in found}
    if any(row.kind == INVITATION for row in rows):
        # Another worker may be about to ask the same customer: whoever comes second sees what was decided.
        await hold(uow, (f"asking:{customer.hex}" for customer in customers))
    silent = await _tired(uow, rows, customers)
    quiet = uow.policy.survey.quiet_hours
    await uow.vault.warm(uow.session, {customer.data_key_id for customer in customers.values()})
    for row in rows:
        assert row.customer_id is not None
        over = quiet.over_at(uow.clock.now(), await _zone(uow, customers[row.customer_id]))
        if row.id not in silent and over is not None:
            silent[row.id] = Silence(NotificationState.QUEUED, QUIET_HOURS, over)
    return silent


async def _zone(uow: UnitOfWork, customer: Customer) -> ZoneInfo:
    """The customer's time zone by their phone number, else the team's."""
    team = uow.settings.timezone
    phone = ""
    if customer.phone_sealed is not None:
        try:
            sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
            phone = sealer.text(customer.phone_sealed, "customers.phone")
        except (Erased, UnknownKey, Tampered):  # the courier says what is wrong with it
            phone = ""
    return ZoneInfo(zone_of(phone, team))


def zone_of(phone: str, team: str) -> str:
    """The time zone a number (E.164) belongs to; `team`'s own where the number tells no other for certain."""
    try:
        zones = phone_zones.time_zones_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return team
    return team if team in zones or len(zones) != 1 or zones[0] == phone_zones.UNKNOWN_TIMEZONE else zones[0]


async def _tired(
    uow: UnitOfWork, rows: Sequence[Notification], customers: dict[UUID, Customer]
) -> dict[UUID, Silence]:
    """Invitations over the cap, counted by all addresses of the customer; one withdrawn does not count."""
    cap, time = uow.policy.survey.fatigue_cap
    invitations = [row for row in rows if row.kind == INVITATION]
    if not time or not invitations:
        return {}
    owners: dict[bytes, UUID] = {}
    for customer in customers.values():
        for hashed in (customer.email_hash, customer.phone_hash):
            if hashed is not None:
                owners[hashed] = customer.id
    apps = await uow.session.scalars(select(AppAccount).where(AppAccount.customer_id.in_(customers)))
    owners |= {account.account_hash: account.customer_id for account in apps}
    asked = await uow.session.execute(
        select(Notification.recipient_hash, Notification.survey_id)
        .join(Survey, Survey.id == Notification.survey_id)
        .where(Notification.recipient_hash.in_(owners), Notification.kind == INVITATION)
        .where(Notification.id.not_in([row.id for row in invitations]), Survey.state != "withdrawn")
        .where(
            or_(
                Notification.sent_at > uow.clock.now() - time,
                Notification.state.in_(ON_ITS_WAY),
                # An SMS of unknown fate may have arrived, and then it has asked.
                and_(
                    Notification.state == NotificationState.UNKNOWN,
                    Notification.created_at > uow.clock.now() - time,
                ),
            )
        )
    )
    surveys: dict[UUID, set[UUID | None]] = defaultdict(set)
    for hashed, survey_id in asked:
        surveys[owners[hashed]].add(survey_id)
    silent: dict[UUID, Silence] = {}
    for row in invitations:
        assert row.customer_id is not None
        # The same question by another way, because the first has failed, is not one more.
        if len(surveys[row.customer_id] - {row.survey_id}) >= cap:
            silent[row.id] = Silence(NotificationState.SUPPRESSED, FATIGUE_CAP)
        surveys[row.customer_id].add(row.survey_id)
    return silent
