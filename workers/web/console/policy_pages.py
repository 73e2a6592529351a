"""The policy in force: which version since when, by whom and why, and what each changed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.keys import PolicyChange, PolicyVersion
from workers.errors import NotFound
from workers.in_force import judged_by_others
from workers.policy.difference_words import section, sentence
from workers.policy.differences import differences
from workers.unit_of_work import UnitOfWork
from workers.web.console import sheet
from workers.web.console.cookies import LANGUAGE, read_cookie
from workers.web.console.door import Visiting
from workers.web.console.sheet import Section, Sheet, Table, Word, label, lines, link, moment, text
from workers.web.pages import page_locale
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

POLICY = "/console/policy"
MOST = 100
HIGHEST = 2**31 - 1


@router.api_route(POLICY, methods=["GET", "HEAD"])
async def policy(request: Request, parts: Parts, visit: Visiting) -> Response:
    """All changes, the newest first; it is changed by `closeloop policy apply`."""
    async with parts.workshop.read() as uow:
        found = await uow.session.execute(
            select(PolicyChange, PolicyVersion.name, PolicyVersion.digest)
            .join(PolicyVersion, PolicyVersion.id == PolicyChange.version_id)
            .order_by(PolicyChange.number.desc())
            .limit(MOST)
        )
        changes = [(row[0], row[1], row[2]) for row in found]
        others = await judged_by_others(uow.session, changes[0][0].version_id) if changes else 0
    rows: list[list[Word]] = [
        [
            link(f"{POLICY}/{change.number}", text(change.number)),
            moment(change.at),
            text(f"{name} {digest[:12]}"),
            label(change.origin, "policy_origin"),
            text(change.made_by),
            text(change.reason),
        ]
        for change, name, digest in changes
    ]
    heads = ("number", "since", "version", "how", "by", "why")
    table = Table(caption=label("policy"), heads=[label(each) for each in heads], rows=rows)
    intro = [label("policy_intro"), label("policy_others", count=others)]
    page = Sheet(title=label("policy"), url=POLICY, sections=[Section(intro=intro, table=table)])
    return sheet.show_sheet(request, visit, page)


@router.api_route(f"{POLICY}/{{number}}", methods=["GET", "HEAD"])
async def change(request: Request, number: int, parts: Parts, visit: Visiting) -> Response:
    """What one change altered against the version before it, and the text of its version."""
    chosen = read_cookie(request, parts.settings, LANGUAGE)
    locale = page_locale(request, chosen or visit.person.locale)
    async with parts.workshop.read() as uow:
        this = await _change(uow, number)
        before = await _before(uow, number)
        found = []
        if before is not None:
            old, new = await uow.policy_of(before.version_id), await uow.policy_of(this.version_id)
            found = [(section(each, locale), sentence(each, locale)) for each in differences(old, new)]
        version = await uow.session.get_one(PolicyVersion, this.version_id)
    pairs = [
        (label("since"), moment(this.at)),
        (label("version"), text(f"{version.name} {version.digest[:12]}")),
        (label("how"), label(this.origin, "policy_origin")),
        (label("by"), text(this.made_by)),
        (label("why"), text(this.reason)),
    ]
    table = Table(
        caption=label("changed"),
        heads=[label("part"), label("changed")],
        rows=[[text(part), text(words)] for part, words in found],
        empty=label("first_version" if before is None else "nothing_changed"),
    )
    page = Sheet(
        title=label("policy_change", number=number),
        url=f"{POLICY}/{number}",
        back=(POLICY, label("policy")),
        sections=[
            Section(pairs=pairs),
            Section(title=label("changed"), table=table),
            Section(title=label("policy_text"), intro=[lines(version.text)]),
        ],
    )
    return sheet.show_sheet(request, visit, page)


async def _change(uow: UnitOfWork, number: int) -> PolicyChange:
    row = await uow.session.get(PolicyChange, number) if 0 < number <= HIGHEST else None
    if row is None:
        raise NotFound("there is no such change of the policy")
    return row


async def _before(uow: UnitOfWork, number: int) -> PolicyChange | None:
    return await uow.session.scalar(
        select(PolicyChange).where(PolicyChange.number < number).order_by(PolicyChange.number.desc()).limit(1)
    )
