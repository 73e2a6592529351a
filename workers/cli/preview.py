"""`closeloop preview`: a message as it will look, from its sample facts and the operator's own templates."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers.cli.opening import data_folder
from workers.cli.output import DataOption, JsonOption, print_json, print_table


def preview(
    message: Annotated[str, typer.Argument(help="Its name, as --list tells.", show_default=False)] = "",
    locale: Annotated[str, typer.Option("--locale", help="en or zh_CN.")] = "zh_CN",
    html: Annotated[
        bool, typer.Option("--html", help="The HTML (write it to a file, open it in a browser).")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="The plain text alone.")] = False,
    sms: Annotated[bool, typer.Option("--sms", help="The SMS of this name.")] = False,
    every: Annotated[bool, typer.Option("--list", help="List all messages.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a message as it will look, made from its sample facts. Templates of your own are used."""
    from workers.errors import InvalidInput
    from workers.rendering import Renderer

    overrides = data_folder(data) / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    mails, texts = renderer.messages(), renderer.sms_messages()
    if every:
        rows = [
            {"message": name, "mail": name in mails, "sms": name in texts}
            for name in sorted({*mails, *texts})
        ]
        if as_json:
            print_json(rows)
        else:
            shown = [
                (row["message"], " and ".join(way for way in ("mail", "sms") if row[way])) for row in rows
            ]
            print_table(("message", "as"), shown, "no messages")
        return
    if message not in (texts if sms else mails):
        raise InvalidInput(
            f"there is no {'SMS' if sms else 'mail'} named {message or '(nothing)'}",
            hint="closeloop preview --list names them all",
        )
    facts = renderer.sample(message, locale)
    if sms:
        words = renderer.render_sms(message, locale, facts)
        _show({"message": message, "locale": locale, "sms": words}, words, as_json)
        return
    mail = renderer.render_mail(message, locale, facts)
    whole = {
        "message": message,
        "locale": locale,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    }
    plain = mail.html if html else mail.text if text else f"{mail.subject}\n\n{mail.text}"
    _show(whole, plain, as_json)


def _show(whole: dict[str, str], words: str, as_json: bool) -> None:
    if as_json:
        print_json(whole)
    else:
        sys.stdout.write(words.rstrip("\n") + "\n")
