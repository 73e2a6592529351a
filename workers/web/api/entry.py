"""What stands before each route of the API: the key's scope, the role of who acts, and whose ticket it is."""

from __future__ import annotations

from fastapi import Request

from models.access import ApiKey
from models.people import Staff
from models.vocabulary import Role
from workers.access import Scope, agent_may, key_of, needs_noting, note_use
from workers.errors import Forbidden
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import acting
from workers.web.auditing import reached
from workers.web.middleware import FoundKey, opened_by
from workers.web.parts import Parts, WebParts
from workers.web.rules import Rule, rule_of


async def find_key(parts: WebParts, words: str) -> FoundKey | None:
    """The key with these words, and whose it is; None when it opens nothing. Notes now and then its use."""
    async with parts.workshop.read() as uow:
        found = await key_of(uow, words)
        noting = found is not None and needs_noting(uow, found[0])
    if found is not None and noting:
        async with parts.workshop.begin() as uow:
            await note_use(uow, found[0].id)
    return found


async def may_pass(request: Request, parts: Parts) -> None:
    """A dependency of all API routes. Raises Forbidden by the one table of rules (`workers.web.rules`)."""
    key, owner = opened_by(request)
    notes = reached(request)
    notes.key_id, notes.staff_id = key.id if key else None, owner.id if owner else None
    rule = rule_of(request.method, request.scope["route"].path)
    named = request.headers.get("x-acting-staff", "").strip()
    if key is not None:
        _check_scope(key, rule)
        if named and named not in _names(owner) and Scope.ACT_FOR_OTHERS not in key.scopes:
            raise Forbidden("this key may not act for others", hint="leave X-Acting-Staff out")
    if not named and owner is None:
        return  # a system, or the key of the settings: it acts as the administrator
    async with parts.workshop.read() as uow:
        person = await acting(uow, named or (owner.number if owner else ""))
        notes.staff_id = person.id
        await _check_person(uow, person, rule, dict(request.path_params))


def _names(owner: Staff | None) -> tuple[str, ...]:
    return (owner.number, owner.email) if owner is not None else ()


def _check_scope(key: ApiKey, rule: Rule) -> None:
    if rule.scope is not None and rule.scope.value not in key.scopes:
        raise Forbidden(
            f"this key lacks the scope {rule.scope.value}", hint="an administrator can make another"
        )


async def _check_person(uow: UnitOfWork, person: Staff, rule: Rule, path: dict[str, str]) -> None:
    if rule.roles is not None and person.role not in rule.roles:
        raise Forbidden(f"this is not for the role {person.role.value}", hint="ask a supervisor")
    if person.role is not Role.AGENT or rule.owns is None:
        return
    name = next(iter(path.values()))
    if not await agent_may(uow, person, rule.owns.value, name):
        raise Forbidden("agents see their own tickets only")
