"""The questions on a terminal: each shows what stands, and Enter keeps it. Nothing is written meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import quote

import typer

from workers.cli.first_run.given import Given, given_by
from workers.cli.first_run.policies import print_policies
from workers.cli.output import console, verdict

IMAP_HOSTS = {
    "qq.com": "imap.qq.com",
    "foxmail.com": "imap.qq.com",
    "163.com": "imap.163.com",
    "126.com": "imap.126.com",
    "aliyun.com": "imap.aliyun.com",
    "gmail.com": "imap.gmail.com",
}
"""Where providers keep their mailboxes; a guess that is only offered."""
WAYS = ("imap", "forward", "webhook", "none")


def ask_all(folder: Path, given: Given) -> Given:
    """Ask for everything a first run needs, one after the other. Ctrl-C leaves all as it was."""
    console().print("Enter keeps what stands in brackets; Ctrl-C leaves everything as it was.")
    name, address = parseaddr(_stands(folder, "MAIL_FROM"))
    options = {
        "company": _ask("Company, as customers know it", name),
        "mail": _ask("Support address that customers write to", address, check=_is_address),
        "admin": _ask(
            "Your own mail address (the administrator)", _stands(folder, "ADMIN"), check=_is_address
        ),
    }
    admin_name = _ask("Your name", "")
    options |= {
        "timezone": _ask("Time zone", _stands(folder, "TIMEZONE") or "Asia/Shanghai", check=_is_zone),
        "locale": _ask("Language: zh_CN or en", _stands(folder, "LOCALE") or "zh_CN", check=_is_locale),
    }
    options["public_url"] = _ask(
        "Where people will reach the pages, https://…; empty: only on this machine for now",
        _stands(folder, "PUBLIC_URL"),
    )
    options |= _mail_in(folder, options["mail"])
    options |= _relay(folder, options["mail"])
    options["chat"] = _secret("Chat group (feishu://TOKEN …; empty: none)", _stands(folder, "CHAT_URLS"))
    print_policies(options["locale"])
    options["policy"] = _ask("Policy", _stands(folder, "POLICY") or "support-response", check=_is_policy)
    found = given_by(folder, options)
    return _only_new(folder, replace(_people(found), admin_name=admin_name))


def _mail_in(folder: Path, address: str) -> dict[str, str]:
    stands = "imap" if _stands(folder, "IMAP_URL") else "forward" if _stands(folder, "SMTP_INTAKE") else ""
    way = _ask(
        "Mail comes in by imap (fetched), forward (to our SMTP port), webhook, or none yet",
        stands or "imap",
        check=lambda text: "" if text in WAYS else f"one of {', '.join(WAYS)}",
    )
    if way == "forward":
        return {"smtp_intake": _ask("Listen at", _stands(folder, "SMTP_INTAKE") or "0.0.0.0:8025")}
    if way != "imap":
        return {}
    if _stands(folder, "IMAP_URL") and not typer.confirm("Change the mailbox?", default=False):
        return {}
    host = _ask("IMAP server", IMAP_HOSTS.get(address.rpartition("@")[2].lower(), ""))
    user = _ask("Login", address)
    code = typer.prompt("Password or authorization code 授权码 (not shown)", hide_input=True)
    since = _ask(
        "Fetch mails from which day on (2026-05-20, yesterday, 7d; empty: only new ones)", "yesterday"
    )
    login = f"{quote(user, safe='')}:{quote(code, safe='')}"
    return {"imap": f"imaps://{login}@{host}/INBOX", "since": since}


def _relay(folder: Path, address: str) -> dict[str, str]:
    stands = bool(_stands(folder, "SMTP_URL"))
    if stands and not typer.confirm("Change the relay?", default=False):
        return {}
    host = _ask("Relay (SMTP server) that mails leave by; empty: none yet", "")
    if not host:
        return {}
    port = _ask("Port", "465", check=lambda text: "" if text.isdecimal() else "a number")
    user = _ask("Login; empty: none", address)
    tls = "implicit" if port == "465" else "none" if port == "25" else "start"
    if not user:
        return {"relay": f"smtp://{host}:{port}?tls={tls}"}
    code = typer.prompt("Password or authorization code 授权码 (not shown)", hide_input=True)
    return {"relay": f"smtp://{quote(user, safe='')}:{quote(code, safe='')}@{host}:{port}?tls={tls}"}


def _people(given: Given) -> Given:
    path = _ask(
        "Staff: a CSV file with 工号,姓名,邮箱,手机,角色,组; empty: one by one",
        "",
        check=lambda text: "" if not text or Path(text).expanduser().is_file() else "there is no such file",
    )
    if path:
        return replace(given, staff=Path(path).expanduser())
    persons = []
    while text := _ask("One person: NUMBER,NAME,MAIL[,ROLE[,TEAM]]; empty: nobody more", ""):
        persons.append(text)
    return replace(given, persons=tuple(persons))


def _only_new(folder: Path, given: Given) -> Given:
    """Without what stands already: only what was changed is tried and written."""
    new: Mapping[str, str] = {
        name: value for name, value in given.changes.items() if value != _stands(folder, name)
    }
    return replace(given, changes=new)


def _stands(folder: Path, name: str) -> str:
    import os

    from workers.settings import known_settings

    full = f"CLOSELOOP_{name}"
    return os.environ.get(full) or known_settings(folder).get(full, "")


def _ask(question: str, stands: str, *, check: Callable[[str], str] | None = None) -> str:
    while True:
        said = str(typer.prompt(question, default=stands, show_default=bool(stands))).strip()
        wrong = check(said) if check and said else ""
        if not wrong:
            return said
        verdict("bad", wrong)


def _secret(question: str, stands: str) -> str:
    shown = f"{question}{' [kept]' if stands else ''}"
    return str(typer.prompt(shown, default=stands, show_default=False, hide_input=True)).strip()


def _is_address(text: str) -> str:
    return _wrong("address", text)


def _is_zone(text: str) -> str:
    return _wrong("zone", text)


def _is_locale(text: str) -> str:
    return _wrong("locale", text)


def _wrong(kind: str, text: str) -> str:
    """What is wrong with it, as the settings will say, or nothing."""
    from workers.settings import values

    try:
        getattr(values, kind)(text)
    except ValueError as error:
        return f"{text[:64]} {error}"
    return ""


def _is_policy(text: str) -> str:
    from workers.errors import PolicyError
    from workers.policy import load_policy

    try:
        load_policy(text)
    except PolicyError as error:
        return error.message
    return ""
