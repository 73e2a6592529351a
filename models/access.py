"""Who may come in: sign-ins that wait for their mail, sessions in browsers, and keys of the API."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id, reference


class SignIn(Base):
    """Somebody typed an address, theirs or not: whose it is, the errand finds out, outside the answer.

    `email_sealed` is what was typed, under the installation's own key; `browser_hash` belongs to the cookie
    of the browser that asks, `code_hash` to the code that is typed there. `tries` counts typed codes.
    """

    __tablename__ = "sign_ins"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    email_hash: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    email_sealed: Mapped[bytes]
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    next_path: Mapped[str] = mapped_column(String(200), default="")
    tries: Mapped[int] = mapped_column(default=0)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class StaffSession(Base):
    """A browser in which a member of staff is signed in; only the hash of its token is kept.

    `expires_at` is final, however much it is used. `browser` is what the browser calls itself, cut short.
    """

    __tablename__ = "staff_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    staff_id: Mapped[UUID] = mapped_column(reference("staff.id"), index=True)
    made_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    browser: Mapped[str] = mapped_column(String(120), default="")


class ApiKey(Base):
    """A key of the API, kept as its hash; `hint` is how it begins, so that people can tell keys apart.

    It belongs to a member of staff, whose role bounds it, or to a system (`staff_id` empty). `made_by` is
    empty when it was made at the command line.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hint: Mapped[str] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON, default=list)
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    made_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
