"""`closeloop preview`: a message as it will look, from its sample facts and the operator's own templates."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from workers.cli.opening import data_folder
from workers.cli.output import DataOption, JsonOption, print_json, print_table

_WAYS = {"mail": "mail", "sms": "SMS", "chat": "chat post"}


def preview(
    message: Annotated[str, typer.Argument(help="Its name, as --list tells.", show_default=False)] = "",
    locale: Annotated[str, typer.Option("--locale", help="en or zh_CN.")] = "zh_CN",
    html: Annotated[
        bool, typer.Option("--html", help="The HTML (write it to a file, open it in a browser).")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="The plain text alone.")] = False,
    sms: Annotated[bool, typer.Option("--sms", help="The SMS of this name.")] = False,
    chat: Annotated[bool, typer.Option("--chat", help="The post to a chat group of this name.")] = False,
    every: Annotated[bool, typer.Option("--list", help="List all messages.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a message as it will look, made from its sample facts. Templates of your own are used."""
    from workers.errors import InvalidInput
    from workers.rendering import Renderer, for_browser

    overrides = data_folder(data) / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    known = {
        "mail": renderer.messages(),
        "sms": renderer.sms_messages(),
        "chat": renderer.chat_messages(),
    }
    if every:
        _list(known, as_json)
        return
    way = "sms" if sms else "chat" if chat else "mail"
    if message not in known[way]:
        raise InvalidInput(
            f"there is no {_WAYS[way]} named {message or '(nothing)'}",
            hint="closeloop preview --list names them all",
        )
    if chat:
        words = renderer.render_chat(message, locale, renderer.chat_sample(message, locale))
        _show({"message": message, "locale": locale, "chat": words}, words, as_json)
        return
    facts = renderer.sample(message, locale)
    if sms:
        words = renderer.render_sms(message, locale, facts)
        _show({"message": message, "locale": locale, "sms": words}, words, as_json)
        return
    mail = renderer.render_mail(message, locale, facts)
    page = for_browser(mail.html, mail.images)
    whole: dict[str, Any] = {
        "message": message,
        "locale": locale,
        "subject": mail.subject,
        "text": mail.text,
        "html": page,
        "images": [{"kind": image.kind, "bytes": len(image.content)} for image in mail.images],
    }
    plain = page if html else mail.text if text else f"{mail.subject}\n\n{mail.text}"
    _show(whole, plain, as_json)


def _list(known: dict[str, list[str]], as_json: bool) -> None:
    names = sorted({name for listed in known.values() for name in listed})
    rows = [{"message": name, **{way: name in listed for way, listed in known.items()}} for name in names]
    if as_json:
        print_json(rows)
        return
    shown = [(str(row["message"]), " and ".join(way for way in known if row[way])) for row in rows]
    print_table(("message", "as"), shown, "no messages")


def _show(whole: Mapping[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        print_json(whole)
    else:
        sys.stdout.write(words.rstrip("\n") + "\n")
