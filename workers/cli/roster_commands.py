"""`closeloop staff` and `closeloop team`: who works here, and whom escalations climb to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json, print_table

if TYPE_CHECKING:
    from models.people import Staff, Team
    from workers.people import Person
    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork


def staff_add(
    number: Annotated[str, typer.Argument(help="Staff number, such as CS001.")],
    name: Annotated[str, typer.Argument(help="Name as customers see it.")],
    email: Annotated[str, typer.Argument(help="Company mail address.")],
    role: Annotated[str, typer.Option(help="agent, supervisor, quality or administrator.")] = "agent",
    team: Annotated[str, typer.Option(help="Team, made if there is none of this name.")] = "",
    phone: Annotated[str, typer.Option(help="Phone number.")] = "",
    skills: Annotated[str, typer.Option(help="Skills, separated by commas (software, hardware …).")] = "",
    locale: Annotated[str, typer.Option(help="Language of their mails: en or zh_CN.")] = "",
    senior: Annotated[bool, typer.Option("--senior", help="Gets what rules give to senior staff.")] = False,
    open_limit: Annotated[
        int, typer.Option(min=0, max=1000, help="No new ticket with so many in progress (0: no limit).")
    ] = 0,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a person, or change the one with this number."""
    from workers.cli.roster import make_person
    from workers.directory import region_of

    settings = find_settings(data)
    values = {"number": number, "name": name, "email": email, "role": role, "team": team}
    values |= {"phone": phone, "skills": skills, "locale": locale, "senior": "yes" if senior else ""}
    values["open_limit"] = str(open_limit or "")
    person = make_person(values, region=region_of(settings.timezone), domains=settings.staff_domains)
    result = asyncio.run(_write(settings, [person], dry_run=False, tick=lambda: None))
    if as_json:
        print_json(result)
    else:
        console().print(f"{person.number} {person.name}: {'added' if result['added'] else 'changed'}")


def staff_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List everybody, with team and role."""
    rows = asyncio.run(_people(find_settings(data)))
    if as_json:
        print_json(rows)
        return
    shown = [
        (row["number"], row["name"], row["email"], row["role"], row["team"], "" if row["active"] else "left")
        for row in rows
    ]
    print_table(("number", "name", "mail", "role", "team", ""), shown, "nobody yet: closeloop staff add …")


def staff_import(
    file: Annotated[
        Path, typer.Argument(help="CSV with 工号,姓名,邮箱,手机,角色,组.", exists=True, dir_okay=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add or change everybody in a CSV. One wrong row, and nothing is done at all."""
    from workers.cli.roster import read_roster
    from workers.directory import region_of

    settings = find_settings(data)
    roster = read_roster(
        file.read_bytes(), region=region_of(settings.timezone), domains=settings.staff_domains
    )
    if roster.mistakes:
        mistakes = [{"line": line, "mistake": words} for line, words in roster.mistakes]
        if as_json:
            print_json({"ok": False, "mistakes": mistakes})
        else:
            told = "\n".join(f"line {each['line']}: {each['mistake']}" for each in mistakes)
            complain(f"{len(mistakes)} rows of {file.name} are wrong; nothing was done\n{told}")
        raise typer.Exit(2)
    result = _with_progress(settings, roster.people, dry_run=dry_run, quiet=as_json)
    if as_json:
        print_json({"ok": True, "dry_run": dry_run, **result})
        return
    verb = "would be" if dry_run else "were"
    console().print(
        f"{result['added']} people {verb} added, {result['changed']} changed, in {result['teams']} teams"
    )


def team_add(
    name: Annotated[str, typer.Argument(help="Name, as the policy's assignment rules use it.")],
    supervisor: Annotated[str, typer.Option(help="Staff number of the supervisor.")] = "",
    substitute: Annotated[str, typer.Option(help="Who stands in for the supervisor.")] = "",
    head: Annotated[str, typer.Option(help="Head of department.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a team, or change whom its escalations climb to."""
    ladder = {"supervisor": supervisor, "substitute": substitute, "head": head}
    row = asyncio.run(_write_team(find_settings(data), name.strip(), ladder))
    if as_json:
        print_json(row)
    else:
        console().print(f"team {row['name']}: " + ", ".join(f"{key} {row[key] or '–'}" for key in ladder))


def team_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the teams, and whom their escalations climb to."""
    rows = asyncio.run(_teams(find_settings(data)))
    if as_json:
        print_json(rows)
        return
    shown = [(row["name"], row["members"], row["supervisor"], row["substitute"], row["head"]) for row in rows]
    print_table(("team", "members", "supervisor", "substitute", "head"), shown, "no teams yet")


STAFF: Mapping[str, Callable[..., Any]] = {"add": staff_add, "list": staff_list, "import": staff_import}
TEAM: Mapping[str, Callable[..., Any]] = {"add": team_add, "list": team_list}


def _with_progress(
    settings: Settings, people: Sequence[Person], *, dry_run: bool, quiet: bool
) -> dict[str, int]:
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("importing", total=len(people))
        return asyncio.run(_write(settings, people, dry_run=dry_run, tick=lambda: progress.advance(task)))


async def _write(
    settings: Settings, people: Sequence[Person], *, dry_run: bool, tick: Callable[[], None]
) -> dict[str, int]:
    """Write all of them in one transaction, or with `dry_run` none."""
    result = {"added": 0, "changed": 0, "teams": len({person.team for person in people if person.team})}
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        for person in people:
            result["added" if await put_person(uow, person) else "changed"] += 1
            tick()
        if dry_run:
            await uow.session.rollback()
    return result


async def put_person(uow: UnitOfWork, person: Person) -> bool:
    """Enter or change one person, and their team if it is new; gives whether the person is new.

    Raises what `workers.people` raises.
    """
    from sqlalchemy import select

    from models.people import Staff
    from workers.people import add_person, change_person

    team = await _team(uow, person.team)
    known = await uow.session.scalar(select(Staff).where(Staff.number == person.number))
    if known is None:
        row = await add_person(uow, replace(person, team=team.name))
    else:
        changes = {name: value for name, value in asdict(person).items() if name != "number"}
        if person.team is None:
            del changes["team"]
        row = await change_person(uow, person.number, changes)
    await _lead_if_nobody_does(uow, row)
    return known is None


async def _team(uow: UnitOfWork, name: str | None) -> Team:
    """The team of this name (the policy's default one for none), made if it is new."""
    from sqlalchemy import select

    from models.people import Team
    from workers.people import add_team

    wanted = name or uow.policy.default_team
    team = await uow.session.scalar(select(Team).where(Team.name == wanted))
    return team or await add_team(uow, wanted[:64], {})


async def _lead_if_nobody_does(uow: UnitOfWork, person: Staff) -> None:
    """The first supervisor of a team becomes the one its escalations climb to, the second the substitute."""
    from models.people import Team
    from models.vocabulary import Role

    if person.role is not Role.SUPERVISOR or person.team_id is None:
        return
    team = await uow.session.get_one(Team, person.team_id)
    holders = (team.supervisor_id, team.substitute_id, team.head_id)
    if team.supervisor_id is None:
        team.supervisor_id = person.id
    elif team.substitute_id is None and person.id not in holders:
        team.substitute_id = person.id


async def _people(settings: Settings) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from models.people import Staff, Team

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        names = {team.id: team.name for team in await uow.session.scalars(select(Team))}
        return [
            {
                "number": row.number,
                "name": row.name,
                "email": row.email,
                "phone": row.phone,
                "role": row.role.value,
                "team": names.get(row.team_id) if row.team_id else None,
                "skills": row.skills,
                "locale": row.locale,
                "senior": row.senior,
                "open_limit": row.open_limit,
                "active": row.active,
            }
            for row in await uow.session.scalars(select(Staff).order_by(Staff.number))
        ]


async def _teams(settings: Settings) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from models.people import Staff, Team

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        people = {row.id: row for row in await uow.session.scalars(select(Staff))}
        return [
            {
                "name": team.name,
                "members": sum(person.team_id == team.id for person in people.values()),
                **{
                    role: people[holder].number if (holder := getattr(team, f"{role}_id")) in people else None
                    for role in ("supervisor", "substitute", "head")
                },
            }
            for team in await uow.session.scalars(select(Team).order_by(Team.id))
        ]


async def _write_team(settings: Settings, name: str, ladder: dict[str, str]) -> dict[str, Any]:
    from workers.errors import InvalidInput
    from workers.people import change_team

    if not name:
        raise InvalidInput("a team needs a name")
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        await _team(uow, name)
        await change_team(uow, name[:64], {role: number for role, number in ladder.items() if number})
    return next(row for row in await _teams(settings) if row["name"] == name[:64])
