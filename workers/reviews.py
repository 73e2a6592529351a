"""Standards and questionnaires are looked at again on their dates (A12, D2): those who lead are reminded."""

from __future__ import annotations

from datetime import date

from sqlalchemy import or_, select

from models.people import Staff, Team
from models.vocabulary import Role
from workers.directory import people_present
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.unit_of_work import UnitOfWork


async def remind_of_reviews(uow: UnitOfWork, first: date, last: date) -> int:
    """Tell supervisors of teams and administrators what is to be reviewed from `first` to `last` (both
    included), once for each date; gives how many mails were written.
    """
    told = 0
    for day, what in uow.policy.reviews_between(first, last):
        for person in await _leaders(uow):
            facts = {
                **house_facts(uow, person.locale or uow.settings.locale),
                "policy": uow.policy.document.title.for_locale(person.locale or uow.settings.locale),
                "day": day.isoformat(),
                "what": list(what),
                "every_months": uow.policy.document.review.every_months,
            }
            notice = Notice(
                kind="review_reminder",
                fact=day.isoformat(),
                ticket=None,
                facts=facts,
                data_key_id=uow.vault.system_key_id,
            )
            told += await notify(uow, staff_recipient(uow, person), notice) is not None
    return told


async def _leaders(uow: UnitOfWork) -> list[Staff]:
    """Each supervisor whom a team names, and the administrators; somebody who is both is told once."""
    leading = set(
        await uow.session.scalars(select(Team.supervisor_id).where(Team.supervisor_id.is_not(None)))
    )
    rows = await uow.session.scalars(
        select(Staff)
        .where(Staff.active.is_(True))
        .where(or_(Staff.id.in_(leading), Staff.role == Role.ADMINISTRATOR))
        .order_by(Staff.number)
    )
    there = {person.id for person in await people_present(uow)}
    leaders = rows.all()
    return [person for person in leaders if person.id in there] or list(leaders)
