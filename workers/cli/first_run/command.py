"""`closeloop init`: say once who you are, where mail comes from and how it leaves; each is tried."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.first_run.given import Given, given_by
from workers.cli.first_run.wording import say
from workers.cli.opening import data_folder
from workers.cli.output import DataOption, JsonOption, complain, print_json, print_table, verdict

if TYPE_CHECKING:
    from workers.cli.first_run.trying import Tried
    from workers.settings import Settings

WRONG = 2


def init(
    company: Annotated[str, typer.Option(help="How customers know you: the name in front of mails.")] = "",
    mail: Annotated[str, typer.Option(help="The support address that customers write to.")] = "",
    admin: Annotated[str, typer.Option(help="Mail address of the administrator.")] = "",
    admin_name: Annotated[str, typer.Option(help="Name of the administrator.")] = "",
    timezone: Annotated[str, typer.Option(help="Such as Asia/Shanghai.")] = "",
    locale: Annotated[str, typer.Option(help="zh_CN or en.")] = "",
    public_url: Annotated[str, typer.Option(help="Where links in messages lead, https://…")] = "",
    imap: Annotated[
        str,
        typer.Option(help="Fetch this mailbox: imaps://user:code@host/INBOX (@FILE: read it from there)."),
    ] = "",
    since: Annotated[
        str, typer.Option(help="Fetch mails from this day on: 2026-05-20, yesterday, or 7d.")
    ] = "",
    smtp_intake: Annotated[str, typer.Option(metavar="HOST:PORT", help="Take in forwarded mail there.")] = "",
    webhook: Annotated[
        bool, typer.Option("--webhook", help="Show how mail is posted, with a proof.")
    ] = False,
    relay: Annotated[
        str, typer.Option(help="smtp://user:code@host:587?tls=start (@FILE: read it from there).")
    ] = "",
    chat: Annotated[str, typer.Option(help="feishu://TOKEN … of the team's group (or @FILE).")] = "",
    policy: Annotated[
        str, typer.Option(help="support-response, response-tracking, after-sales or a TOML file.")
    ] = "",
    staff: Annotated[
        Path | None,
        typer.Option(help="CSV with 工号,姓名,邮箱,手机,角色,组.", exists=True, dir_okay=False),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(help="One person: NUMBER,NAME,MAIL[,ROLE[,TEAM]]; may be given several times."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try everything, write nothing.")] = False,
    untried: Annotated[
        bool, typer.Option("--untried", help="Write also what cannot be tried now, or failed.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set up, or change, this installation: asks on a terminal, or takes what the options say.

    Mailbox, relay, port and chat group are tried before anything is written; run again it shows what stands
    and changes only what is asked for. It never switches test mode off: that is closeloop go-live.
    """
    from workers.cli.first_run.questions import ask_all

    folder = data_folder(data)
    options = {"mail": mail, "company": company, "admin": admin, "timezone": timezone, "locale": locale}
    options |= {"public_url": public_url, "imap": imap, "since": since, "smtp_intake": smtp_intake}
    given = given_by(folder, {**options, "relay": relay, "chat": chat, "policy": policy})
    given = given.with_people(admin_name, staff, person or [])
    asks = not (given.changes or given.people_named or webhook or as_json) and sys.stdin.isatty()
    if not as_json:
        _show(folder)
    if asks:
        given = ask_all(folder)
        webhook = given.webhook
    settings = given.settings(folder)
    people = given.roster(settings)
    tried = [] if untried or asks else _tried(settings, given, quiet=as_json)
    failed = [each for each in tried if each.result == "bad"]
    stop = bool(failed) and not untried
    facts: dict[str, Any] = {
        "ok": not failed,
        "dry_run": dry_run,
        "tried": [each._asdict() for each in tried],
    }
    if stop or dry_run or not (given.changes or people or given.admin_name):
        _left_alone(folder, facts, settings, failed, webhook=webhook, as_json=as_json)
        if stop:
            raise typer.Exit(1)
        return
    facts |= _write(folder, given, settings, people)
    _written(folder, facts, settings, webhook=webhook, as_json=as_json)


def _tried(settings: Settings, given: Given, *, quiet: bool) -> list[Tried]:
    from workers.cli.first_run.trying import try_out

    tried = []
    for each in try_out(settings, given.changes):
        tried.append(each)
        if not quiet:
            verdict(each.result, f"{each.what}: {each.words}", each.hint)
    return tried


def _write(folder: Path, given: Given, settings: Settings, people: list[Any]) -> dict[str, Any]:
    import asyncio

    from workers.cli.audited import note
    from workers.cli.first_run.writing import write

    written = write(folder, given, settings, people)
    asyncio.run(note("init", {"data": folder}))
    return written


def _show(folder: Path) -> None:
    from workers.cli.first_run.standing import standing

    rows = standing(folder)
    if rows:
        print_table(("setting", "stands at", "said in"), rows, "")


def _left_alone(
    folder: Path,
    facts: dict[str, Any],
    settings: Settings,
    failed: list[Tried],
    *,
    webhook: bool,
    as_json: bool,
) -> None:
    from workers.cli.first_run.standing import curl_example, standing

    if as_json:
        stands = {name: words for name, words, _ in standing(folder)}
        print_json({**facts, "written": [], "stands": stands, "next": []})
        return
    if webhook:
        sys.stdout.write(curl_example(folder, settings.mail_from) + "\n")
    if failed:
        complain(
            "nothing was written: " + ", ".join(each.what for each in failed) + " did not work",
            "put it right and run the same again, or write it down untried with --untried",
        )
    else:
        verdict("good", say("unchanged"))


def _written(
    folder: Path, facts: dict[str, Any], settings: Settings, *, webhook: bool, as_json: bool
) -> None:
    from workers.cli.first_run.standing import curl_example, next_steps

    steps = next_steps(folder, settings, facts["policy_in_force"])
    if as_json:
        print_json({**facts, "next": steps})
        return
    if facts["written"]:
        verdict("good", say("written", file=facts["file"], names=", ".join(facts["written"])))
    if facts["people"]["added"] or facts["people"]["changed"]:
        verdict("good", say("people", **facts["people"]))
    if webhook:
        sys.stdout.write(curl_example(folder, settings.mail_from) + "\n")
    _tell_steps(steps)


def _tell_steps(steps: list[str]) -> None:
    from rich.cells import cell_len

    before = say("next")
    for number, step in enumerate(steps, start=1):
        sys.stdout.write(f"{before if number == 1 else ' ' * cell_len(before)} {number}. {step}\n")
