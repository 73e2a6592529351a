"""Requests in a name whose own domain disowns them: taken in, told of, and never answered by themselves."""

from __future__ import annotations

from dataclasses import replace

from workers import tickets
from workers.intake.authentication import dmarc_failed
from workers.intake.mail import InboundMail
from workers.intake.store import Event
from workers.unit_of_work import UnitOfWork

DMARC_FAILED = "dmarc_failed"
"""Among the reasons of `filters.classify`: some server on the way says so, though perhaps none of ours."""
SENDER_DISOWNED = "sender_disowned"


def disowned_by(uow: UnitOfWork, event: Event, mail: InboundMail) -> bool:
    """Whether the mail failed DMARC for its From domain, as the provider or a trusted server says."""
    return dmarc_failed(mail.headers, event.envelope.get("verdicts"), uow.settings.auth_servers)


def doubted(uow: UnitOfWork, request: tickets.Request) -> tickets.Request:
    """The request without an automatic answer, which would go to whom the forger names; the team reads why
    above the customer's words.
    """
    told = f"{_mark(uow)}\n\n{request.description}"
    return replace(request, silence=SENDER_DISOWNED, description=told)


def _mark(uow: UnitOfWork) -> str:
    if uow.settings.locale.startswith("zh"):
        return "〔发件人未通过 DMARC 验证，可能是冒名邮件，系统未自动回复。请核实对方身份后再答复〕"
    return (
        "[The sender's address failed its DMARC check and may be forged; nothing was answered automatically. "
        "Make sure who wrote this before you answer.]"
    )
