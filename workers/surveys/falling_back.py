"""The question for a rating did not arrive: the next way in the configured order is used, each way once."""

from __future__ import annotations

from sqlalchemy import select

from models.notifications import Notification
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import Medium
from workers.history import record
from workers.suppressions import REFUSED_BY_CUSTOMER
from workers.surveys.asking import ask_by
from workers.surveys.ways import order_for, way_to
from workers.tickets import service_of
from workers.unit_of_work import UnitOfWork

INVITATION = "csat_invitation"
BAD_ADDRESS = "suppressed_hard_bounce"
OURS = frozenset({"fatigue_cap", "erased", "key_missing", "key_broken"})


async def way_failed(uow: UnitOfWork, ticket: Ticket, message: Notification, reason: str) -> Medium | None:
    """A message about a survey has failed, come back, or must not go to its address; gives the way that is
    used instead, None when there is none, or the question was not asked by this way (any more).

    Where no order is laid down, nothing else is tried: the chase makes it a person's task in its time.
    """
    if message.kind != INVITATION or message.survey_id is None or _was_wanted(reason):
        return None
    survey = await uow.session.get_one(Survey, message.survey_id)
    waits = survey.state == "invited" and uow.clock.now() < survey.expires_at
    if not waits or survey.channel is not message.channel:
        return None
    rule = (await uow.policy_of(survey.policy_version_id)).survey.asking(await service_of(uow, ticket))
    asked = await uow.session.scalars(
        select(Notification.channel)
        .where(Notification.survey_id == survey.id, Notification.kind == INVITATION)
        .distinct()
    )
    order = await order_for(uow, ticket, rule.ways)
    way = await way_to(uow, ticket, order, used={message.channel, *asked})
    if way is None:
        return None
    facts = {"survey": survey.number, "from": message.channel.value, "to": way.value, "reason": reason}
    await record(uow, ticket, "survey_way_failed", facts=facts, notification_id=message.id)
    await ask_by(uow, ticket, survey, way)
    return way


def _was_wanted(reason: str) -> bool:
    """Whether it failed because somebody wished it so, or was asked too often: no other way may do then."""
    held_back = reason.startswith("suppressed_") and reason != BAD_ADDRESS
    return held_back or reason in REFUSED_BY_CUSTOMER or reason in OURS
