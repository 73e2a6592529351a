"""The composition root: settings become an installation, an installation becomes processes."""

from workers.boot.installation import Installation, migrate_database, need_broker
from workers.boot.processes import (
    Doors,
    run_imap,
    run_scheduler,
    run_smtpd,
    run_up,
    run_web,
    run_worker,
    web_loop,
)

__all__ = [
    "Doors",
    "Installation",
    "migrate_database",
    "need_broker",
    "run_imap",
    "run_scheduler",
    "run_smtpd",
    "run_up",
    "run_web",
    "run_worker",
    "web_loop",
]
