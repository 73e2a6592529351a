"""The questions on a terminal: each shows what stands, and Enter keeps it. Nothing is written meanwhile.

Each answer is looked at when it is given, and ways in and out are tried at once: what is wrong is asked
again, and nothing that was typed before is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from urllib.parse import quote

from workers.cli.first_run.asking import agreed, ask, ask_code, ask_hidden
from workers.cli.first_run.given import Given, given_by
from workers.cli.first_run.policies import print_policies
from workers.cli.first_run.wording import say
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
NO_LOGIN = "-"

Options = dict[str, str]


def ask_all(folder: Path) -> Given:
    """Ask for everything a first run needs, one after the other. Ctrl-C leaves all as it was."""
    console().print(say("how"))
    options = _who(folder)
    admin_name = ask("admin_name_again" if _stands(folder, "ADMIN") else "admin_name")
    options |= {
        "timezone": ask("timezone", _stands(folder, "TIMEZONE") or "Asia/Shanghai", check=_is("zone")),
        "locale": ask("locale", _stands(folder, "LOCALE") or "zh_CN", check=_is("locale")),
        "public_url": ask("public_url", _stands(folder, "PUBLIC_URL"), check=_is("public_url")),
    }
    way = _way(folder)
    options |= _mail_in(folder, options, way)
    options |= _relay(folder, options)
    options |= _chat(folder, options)
    print_policies(options["locale"])
    options["policy"] = ask("policy", _stands(folder, "POLICY") or "support-response", check=_is_policy)
    found = replace(given_by(folder, options), webhook=way == "webhook")
    return _only_new(folder, replace(_people(folder, found), admin_name=admin_name))


def _who(folder: Path) -> Options:
    name, address = parseaddr(_stands(folder, "MAIL_FROM"))
    admin = _stands(folder, "ADMIN")
    return {
        "company": ask("company", name),
        "mail": ask("mail", address, check=_is("address"), needed=True),
        "admin": ask("admin", admin, check=_is("address"), needed=True),
    }


def _way(folder: Path) -> str:
    """How mail comes in; who was here before and fetches or forwards nothing is taken to post it."""
    stands = "webhook" if _stands(folder, "MAIL_FROM") else "imap"
    stands = "forward" if _stands(folder, "SMTP_INTAKE") else stands
    stands = "imap" if _stands(folder, "IMAP_URL") else stands
    return ask("way", stands, check=lambda text: "" if text in WAYS else say("no_way"))


def _mail_in(folder: Path, options: Options, way: str) -> Options:
    if way == "forward":
        stands = _stands(folder, "SMTP_INTAKE") or "0.0.0.0:8025"
        return _tried(folder, options, lambda: {"smtp_intake": ask("listen", stands, check=_is("listening"))})
    if way != "imap" or (_stands(folder, "IMAP_URL") and not agreed("imap_change", default=False)):
        return {}
    return _tried(folder, options, lambda: _mailbox(options["mail"]))


def _mailbox(address: str) -> Options:
    host = ask("imap_host", IMAP_HOSTS.get(address.rpartition("@")[2].lower(), ""), needed=True)
    url = host
    if not _is_whole(host):
        login = f"{quote(ask('imap_user', address, needed=True), safe='')}:{quote(ask_code(), safe='')}"
        url = f"imaps://{login}@{host}/INBOX"
    return {"imap": url, "since": ask("since", "yesterday", check=_is_day)}


def _relay(folder: Path, options: Options) -> Options:
    keeps = bool(_stands(folder, "SMTP_URL")) and not agreed("relay_change", default=False)
    sender = {name: options[name] for name in ("company", "mail")}
    if keeps and _works(folder, options, sender):  # it may not send for an address that is new
        return {}
    return _tried(folder, options, lambda: _relay_url(options["mail"]))


def _relay_url(address: str) -> Options:
    host = ask("relay")
    if not host or _is_whole(host):
        return {"relay": host}
    port = ask("relay_port", "465", check=_is_port)
    user = ask("relay_user", address)
    tls = "implicit" if port == "465" else "none" if port == "25" else "start"
    if user == NO_LOGIN:
        return {"relay": f"smtp://{host}:{port}?tls={tls}"}
    return {"relay": f"smtp://{quote(user, safe='')}:{quote(ask_code(), safe='')}@{host}:{port}?tls={tls}"}


def _chat(folder: Path, options: Options) -> Options:
    stands = _stands(folder, "CHAT_URLS")
    return _tried(folder, options, lambda: {"chat": ask_hidden("chat", stands)})


def _tried(folder: Path, options: Options, asked: Callable[[], Options]) -> Options:
    """What was asked, once it works; asked again if it does not, or left as it was by who gives up."""
    while True:
        more = asked()
        if not any(more.values()) or _works(folder, {**options, **more}, more):
            return more
        if not agreed("again", default=True):
            return {}


def _works(folder: Path, options: Mapping[str, str], tried: Mapping[str, str]) -> bool:
    """Try what was just said; say what came of it."""
    from workers.cli.first_run.trying import try_out
    from workers.errors import CloseloopError

    try:
        given = _only_new(folder, given_by(folder, options))
        wanted = set(given_by(folder, tried).changes) & set(given.changes)
        results = list(try_out(given.settings(folder), wanted))
    except CloseloopError as error:
        verdict("bad", error.message, error.hint)
        return False
    for each in results:
        verdict(each.result, f"{each.what}: {each.words}", each.hint)
    return all(each.result != "bad" for each in results)


def _people(folder: Path, given: Given) -> Given:
    """The given with a CSV's people, or with those that are named one by one."""
    wrong = partial(_wrong_people, folder, given)
    path = ask("staff", check=lambda text: _no_file(text) or wrong(replace(given, staff=_path(text))))
    if path:
        return replace(given, staff=_path(path))
    persons: tuple[str, ...] = ()
    while text := ask("person", check=lambda text: wrong(replace(given, persons=(text,)))):
        persons += (text,)
    return replace(given, persons=persons)


def _wrong_people(folder: Path, given: Given, asked: Given) -> str:
    """What is wrong with these people, or nothing."""
    from models.vocabulary import Role
    from workers.errors import CloseloopError

    try:
        settings = given.settings(folder)
        people = asked.roster(settings)
    except CloseloopError as error:
        return f"{error.message}{f' ({error.hint})' if error.hint else ''}"
    wrong = any(each.email == settings.admin and each.role is not Role.ADMINISTRATOR for each in people)
    return say("own_address") if wrong else ""


def _only_new(folder: Path, given: Given) -> Given:
    """Without what stands already: only what was changed is tried and written."""
    new: Mapping[str, str] = {
        name: value for name, value in given.changes.items() if value != _stands(folder, name)
    }
    return replace(given, changes=new)


def _stands(folder: Path, name: str) -> str:
    from workers.settings import known_settings

    full = f"CLOSELOOP_{name}"
    return os.environ.get(full) or known_settings(folder).get(full, "")


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _is_whole(text: str) -> bool:
    """Whether a URL was given, or the file that holds one, where a host would have done."""
    return "://" in text or text.startswith("@")


SAID = {
    "address": "no_address",
    "zone": "no_zone",
    "locale": "no_locale",
    "public_url": "no_url",
    "listening": "no_place",
}
"""What is said where the settings would not take an answer."""


def _is(kind: str) -> Callable[[str], str]:
    """A check by what the settings will take."""

    def check(text: str) -> str:
        from workers.settings import values

        try:
            getattr(values, kind)(text)
        except ValueError:
            return say(SAID[kind], text=text[:64])
        return ""

    return check


def _is_port(text: str) -> str:
    return "" if text.isdecimal() and 0 < int(text) < 65536 else say("no_number")


def _is_day(text: str) -> str:
    from workers.cli.first_run.given import with_since
    from workers.errors import InvalidInput

    try:
        with_since("imaps://h", text, "UTC")
    except InvalidInput as error:
        return str(error)
    return ""


def _is_policy(text: str) -> str:
    from workers.errors import PolicyError
    from workers.policy import load_policy

    try:
        load_policy(text)
    except PolicyError as error:
        return say("no_policy", text=text[:64], wrong=error.message)
    return ""


def _no_file(text: str) -> str:
    return "" if _path(text).is_file() else say("no_file")
