"""The policy in force: which version, since when, by whom, and how many open tickets are judged by others."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from workers.in_force import judged_by_others, latest_change
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/policy", "policy")


class PolicyShown(BaseModel):
    """The policy that new tickets are judged by."""

    name: str = Field(examples=["support-response"])
    digest: str = Field(description="SHA-256 of what it says, in hex; remarks do not count")
    change: int | None = Field(description="Number of the change that put it in force, counted from 1")
    since: datetime | None = Field(description="When it was put in force (UTC)")
    origin: str | None = Field(description="`start`: a process found it in its file; `apply`: by a person")
    made_by: str | None = Field(description="Who applied it")
    reason: str | None = Field(description="Why, in that person's words")
    judged_by_others: int = Field(description="Tickets not closed that another version still judges")


@router.get("", summary="Look at the policy in force")
async def get_policy(parts: Parts) -> PolicyShown:
    """It changes by `closeloop policy apply`."""
    async with parts.workshop.read() as uow:
        change = await latest_change(uow.session)
        version = change.version_id if change else uow.policy_version_id
        policy = await uow.policy_of(version)
        others = await judged_by_others(uow.session, version)
    return PolicyShown(
        name=policy.name,
        digest=policy.digest,
        change=change.number if change else None,
        since=change.at if change else None,
        origin=change.origin if change else None,
        made_by=change.made_by if change else None,
        reason=change.reason if change else None,
        judged_by_others=others,
    )
