"""The peer: django-helpdesk's mail import from a local mailbox, as its command `get_email` does it.

    python -m ops.bench.peers.django_helpdesk fill MAILBOX    tables, one queue, its owner
    python -m ops.bench.peers.django_helpdesk take MAILBOX    waits for SIGUSR1, then imports what is there
    python -m ops.bench.peers.django_helpdesk count           tickets and mails told, as JSON

With PEER_SILENT no mail is rendered: its templates are taken away, and helpdesk passes over what has none.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable

import django

OWNER = "agent@bench.example.com"
TEAM = "support@bench.example.com"


def main(work: str, *mailbox: str) -> None:
    """Do one of the three."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ops.bench.peers.django_helpdesk.settings"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    logging.disable(logging.WARNING)
    django.setup()
    works: dict[str, Callable[..., None]] = {"fill": fill, "take": take, "count": count}
    works[work](*mailbox)


def fill(mailbox: str) -> None:
    """Make the tables, one agent, and the queue that reads MAILBOX and gives its tickets to the agent."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from helpdesk.models import EmailTemplate, Queue

    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("agent", OWNER, is_staff=True)
    Queue.objects.create(
        title="Support",
        slug="CS",
        email_address=TEAM,
        default_owner=owner,
        allow_email_submission=True,
        email_box_type="local",
        email_box_local_dir=mailbox,
        email_box_interval=0,
    )
    if os.environ.get("PEER_SILENT"):
        EmailTemplate.objects.all().delete()


def take(mailbox: str) -> None:
    """Wait for the start signal, import with the function behind its command, stay."""
    from django.db import connection
    from helpdesk.email import process_email

    connection.ensure_connection()
    signal.sigwait({signal.SIGUSR1})
    process_email(quiet=True)
    signal.pause()


def count() -> None:
    """Print what it has made."""
    from helpdesk.models import FollowUp, FollowUpAttachment, Ticket

    made = {model.__name__: model.objects.count() for model in (Ticket, FollowUp, FollowUpAttachment)}
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
