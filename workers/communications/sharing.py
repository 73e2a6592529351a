"""A record is shared with a supervisor or a team within 24 hours (row C2)."""

from __future__ import annotations

from models.communications import Communication
from models.people import Staff, Team
from workers.communications import reminding
from workers.communications.changing import may_change
from workers.communications.entries import note
from workers.directory import people_in_roles, people_present
from workers.errors import InvalidInput
from workers.notifications import Notice, notify, staff_recipient
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork


async def share(
    uow: UnitOfWork,
    row: Communication,
    by: Staff,
    *,
    team: Team | None = None,
    person: Staff | None = None,
    words: str = "",
) -> int:
    """Share with a team, a person, or (neither given) the handler's supervisor; gives how many were told.

    Those see the record from now on. Raises Forbidden, and InvalidInput for a team where nobody is present.
    """
    may_change(row, by)
    people = await _readers(uow, row, team, person)
    if not people:
        raise InvalidInput("nobody of this team is present", hint="share it with a person")
    now = uow.clock.now()
    facts = {"in_time": now <= row.recorded_at + reminding.SHARE_WITHIN, "team": team.name if team else None}
    said = {"note": words.strip()} if words.strip() else None
    for one in people if team is None else [None]:
        await note(
            uow,
            row,
            "shared",
            by,
            facts=facts,
            words=said,
            shared_staff_id=one.id if one else None,
            shared_team_id=team.id if team else None,
        )
    row.shared_at = row.shared_at or now
    row.version += 1
    await reminding.shared(uow, row)
    told = 0
    for reader in people:
        told += await _tell(uow, row, by, reader, words)
    return told


async def _readers(
    uow: UnitOfWork, row: Communication, team: Team | None, person: Staff | None
) -> list[Staff]:
    if person is not None:
        return [person]
    if team is not None:
        return list(await people_present(uow, team.id))
    handler = await uow.session.get_one(Staff, row.handler_id)
    return await people_in_roles(uow, team_id=handler.team_id, handler_id=None, roles=("supervisor",))


async def _tell(uow: UnitOfWork, row: Communication, by: Staff, reader: Staff, words: str) -> bool:
    facts = {**await reminding.record_facts(uow, row, reader), "by": by.name, "note": mask_free_text(words)}
    notice = Notice(
        kind="communication_shared",
        fact=row.id.hex,
        ticket=None,
        generation=row.version,
        facts=facts,
        data_key_id=row.data_key_id,
    )
    return await notify(uow, staff_recipient(uow, reader), notice) is not None
