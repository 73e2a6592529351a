"""What a mailbox can do and holds, and what is most likely wrong when it cannot be entered."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field

from workers.imap.faults import AUTHENTICATION, NO_FOLDER, TLS, Fault
from workers.imap.session import Session
from workers.settings.imap_url import MailboxUrl

SHOWN = ("IDLE", "ID", "MOVE", "UIDPLUS")

_PROVIDERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?:^|\.)(?:qq|foxmail)\.com$"),
        "QQ wants an authorization code (授权码) in place of the password: at mail.qq.com → 设置 → 账号 "
        "switch IMAP on and let it make a code (Exmail: 设置 → 客户端设置)",
    ),
    (
        re.compile(r"(?:^|\.)(?:163|126|yeah)\.(?:com|net)$"),
        "163 wants an authorization code (授权码) in place of the password: at mail.163.com → 设置 → "
        "POP3/SMTP/IMAP switch IMAP on and let it make a code",
    ),
    (
        re.compile(r"(?:^|\.)(?:gmail|googlemail|google)\.com$"),
        "Gmail wants an app password (16 letters): switch on two-step verification, make one at "
        "myaccount.google.com/apppasswords, and use it without the blanks",
    ),
    (
        re.compile(r"(?:^|\.)(?:office365|outlook|hotmail|live)\.com$"),
        "Microsoft has switched passwords off for IMAP (basic authentication): log in by OAuth "
        "(auth=microsoft&client=…, see Connecting a mailbox), or forward the mailbox to the SMTP listener or "
        "the webhook",
    ),
    (
        re.compile(r"(?:^|\.)(?:aliyun|mxhichina)\.com$"),
        "Aliyun: switch IMAP on for the account (its administrator may have to allow it), and use the client "
        "password (三方客户端安全密码) if the company asks for one",
    ),
)


@dataclass
class Examined:
    """What was found out about one mailbox. `fault` is a code or empty; `words` are the server's."""

    mailbox: str
    fault: str = ""
    words: str = ""
    hint: str = ""
    offers: dict[str, bool] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it can be fetched as it is configured."""
        return not self.fault and not self.missing


def examine(box: MailboxUrl) -> Examined:
    """Connect, log in, look at the folders; changes nothing. Blocks for a minute at worst."""
    found = Examined(box.name)
    sockets: list[socket.socket] = []
    try:
        session = Session.open(box, sockets.append, make_folder=False)
    except Fault as fault:
        found.fault, found.words, found.hint = fault.reason, fault.words, hint_for(box.host, fault.reason)
        return found
    try:
        found.offers = {name: name in session.capabilities for name in SHOWN}
        for folder in box.folders:
            try:
                session.open_folder(folder)
            except Fault as fault:
                if fault.reason != NO_FOLDER:
                    raise
                found.missing.append(folder)
        found.folders = session.folders()
    except Fault as fault:
        found.fault, found.words, found.hint = fault.reason, fault.words, hint_for(box.host, fault.reason)
    finally:
        session.close(politely=not found.fault)
    return found


def hint_for(host: str, reason: str) -> str:
    """What to do about a fault, as far as the provider's host name tells."""
    if reason == TLS:
        return "is tls= right for the port? A private certificate authority is named by ca=/path.pem"
    if reason != AUTHENTICATION:
        return "are host and port right, and is the way there open (firewall, proxy)?"
    for pattern, hint in _PROVIDERS:
        if pattern.search(host.lower()):
            return hint
    return (
        "are user and password right (percent-encoded in the URL), and is IMAP switched on for the account?"
    )
