"""Mailboxes that are fetched: who fetches at present, how far each folder has been read, what is wrong."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id, reference


class Mailbox(Base):
    """One mailbox and the lease of the one process that fetches it at present.

    `address_hash` is the keyed hash of login and server, `login_hash` that of the login with its password: a
    refused login need not be waited for once the password is another one. `leased_until` and `rests_until`
    are machine time, as are all moments here. `fault` is the code of what is wrong since `fault_since`, after
    `failures` tries. `taken`: mails taken in so far; `lag_seconds`: how long the newest had lain there.
    """

    __tablename__ = "mailboxes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    address_hash: Mapped[bytes] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(300))
    login_hash: Mapped[bytes | None]
    lease_token: Mapped[UUID | None]
    leased_until: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(String(40))
    fault_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    rests_until: Mapped[datetime | None]
    taken: Mapped[int] = mapped_column(BigInteger, default=0)
    lag_seconds: Mapped[float | None]


class MailboxPosition(Base):
    """How far one folder has been read: UIDs up to `last_uid` under this UIDVALIDITY (RFC 3501 §2.3.1.1).

    `tidied_uid`: up to which UID mails have been marked or moved, where that is asked for. Of the mails
    below UID `old_below` (None: of all), which were there before the folder was first read, those that the
    server received before `not_before` are left out; None where it is read from its beginning.
    """

    __tablename__ = "mailbox_positions"
    __table_args__ = (UniqueConstraint("mailbox_id", "folder"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    mailbox_id: Mapped[UUID] = mapped_column(reference("mailboxes.id"))
    folder: Mapped[str] = mapped_column(String(500))
    uidvalidity: Mapped[int] = mapped_column(BigInteger)
    last_uid: Mapped[int] = mapped_column(BigInteger)
    tidied_uid: Mapped[int] = mapped_column(BigInteger)
    old_below: Mapped[int | None] = mapped_column(BigInteger)
    not_before: Mapped[datetime | None]
