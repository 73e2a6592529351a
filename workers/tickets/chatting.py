"""Each new request is posted to its team's chat group; if that fails to happen in time, a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, NotificationState
from workers import deadlines
from workers.directory import people_in_roles, team_named
from workers.escalations import Telling, tell
from workers.history import record
from workers.notifications import Notice, chat_recipient, notify, staff_ticket_facts
from workers.policy import Alarm
from workers.settings.chat import ChatGroup, groups_of
from workers.unit_of_work import UnitOfWork

KIND = "chat_new_request"
LATE = "chat_not_posted"
ROOM = timedelta(seconds=60)
"""A request that was received long ago (the service was away) still gets this long to be posted in."""
PATIENCE = timedelta(seconds=1)
UNDER_WAY = (NotificationState.CLAIMED, NotificationState.SENDING)
MOST_PEOPLE = 12


async def post_to_chat(uow: UnitOfWork, ticket: Ticket, first_response: datetime | None) -> None:
    """Promise the post to each of the team's groups, and that somebody is told when it does not get out.

    Nothing happens where no group is configured. `first_response` is the limit that the post names.
    """
    if not uow.settings.chat_urls:
        return
    team = await _team(uow, ticket)
    groups = groups_of(uow.settings.chat_urls, team.name if team else "")
    if not groups:
        return
    row = await _arm(uow, ticket)
    if row is None:
        return
    people = await _responsible(uow, ticket, team)
    facts: dict[str, Any] = {
        **await staff_ticket_facts(uow, ticket),
        "people": [person.name for person in people],
        "assigned": ticket.handler_id is not None,
        "first_response_at": first_response.isoformat() if first_response else None,
    }
    for group in groups:
        await notify(uow, chat_recipient(uow, group), _notice(ticket, row, group, facts))


async def chat_posted(uow: UnitOfWork, ticket: Ticket, message: Notification) -> None:
    """A group has taken a post: once all have, what was promised is kept, at the time of the last one."""
    row = await uow.session.get(Deadline, message.deadline_id) if message.deadline_id else None
    if row is not None:
        await _meet_if_all(uow, ticket, await _posts(uow, row))


async def chat_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """The time for the post is over: whoever the roles mean hears of groups that know nothing yet.

    The posts are still tried; that they come late is seen from their times.
    """
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    posts = await _posts(uow, row)
    if any(post.state in UNDER_WAY for post in posts):
        return PATIENCE
    missing = [post for post in posts if post.sent_at is None]
    if not missing:
        await _meet_if_all(uow, ticket, posts)
        return None
    row.state, row.breached_at = DeadlineState.BREACHED, row.limit_at
    reason = missing[0].reason or "not_tried_yet"
    facts = {
        "reason": reason,
        "groups": [await _name(uow, post) for post in missing],
        "tried_on": any(post.due_at is not None for post in missing),
        "limit_at": row.limit_at.isoformat() if row.limit_at else None,
    }
    people = await tell(uow, ticket, row, alarm.roles, Telling(LATE, facts=facts))
    noted = {
        "notification": KIND,
        "staff": None,
        "reason": reason,
        "groups": facts["groups"],
        "passed_on_to": [person.number for person in people],
    }
    await record(uow, ticket, "rung_broken", facts=noted, notification_id=missing[0].id)
    return None


async def _arm(uow: UnitOfWork, ticket: Ticket) -> Deadline | None:
    policy = await uow.policy_of(ticket.policy_version_id)
    limit = ticket.received_at + policy.chat_within
    at = max(limit, uow.clock.now() + min(ROOM, policy.chat_within))
    return await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.CHAT_POST,
        fact=ticket.id,
        generation=ticket.opening,
        started_at=ticket.received_at,
        limit_at=limit,
        alarms=[Alarm(at, LATE, ("supervisor",))],
    )


def _notice(ticket: Ticket, row: Deadline, group: ChatGroup, facts: dict[str, Any]) -> Notice:
    return Notice(
        kind=KIND,
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        rung=group.number,
        facts=facts,
        lane=deadlines.lane_of(ticket),
        meets=DeadlineKind.CHAT_POST.value,
        deadline_id=row.id,
    )


async def _team(uow: UnitOfWork, ticket: Ticket) -> Team | None:
    """The ticket's team; while nobody could be given the ticket, the one that its category belongs to."""
    if ticket.team_id is not None:
        return await uow.session.get(Team, ticket.team_id)
    policy = await uow.policy_of(ticket.policy_version_id)
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    facts = (ticket.category, ticket.subkind, customer.level, ticket.priority, ticket.channel)
    rule = policy.assignment(*facts)
    return await team_named(uow, rule.team)


async def _responsible(uow: UnitOfWork, ticket: Ticket, team: Team | None) -> list[Staff]:
    """The handler; of a ticket without one the team's people and their supervisor."""
    if ticket.handler_id is not None:
        return [await uow.session.get_one(Staff, ticket.handler_id)]
    if team is None:
        return []
    found = await uow.session.scalars(
        select(Staff).where(Staff.team_id == team.id, Staff.active.is_(True)).order_by(Staff.number)
    )
    people = {person.id: person for person in found}
    above = await people_in_roles(uow, team_id=team.id, handler_id=None, roles=["supervisor"])
    people.update({person.id: person for person in above})
    return list(people.values())[:MOST_PEOPLE]


async def _posts(uow: UnitOfWork, row: Deadline) -> Sequence[Notification]:
    found = await uow.session.scalars(
        select(Notification)
        .where(Notification.deadline_id == row.id, Notification.kind == KIND)
        .order_by(Notification.id)
        .execution_options(populate_existing=True)
    )
    return found.all()


async def _meet_if_all(uow: UnitOfWork, ticket: Ticket, posts: Sequence[Notification]) -> None:
    times = [post.sent_at for post in posts if post.sent_at is not None]
    if times and len(times) == len(posts):
        await deadlines.meet(uow, ticket, DeadlineKind.CHAT_POST, max(times))


async def _name(uow: UnitOfWork, post: Notification) -> str:
    sealer = await uow.vault.sealer(uow.session, post.data_key_id)
    return sealer.text(post.recipient_sealed, "notifications.recipient")
