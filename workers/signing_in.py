"""Sign-in of staff by mail: a link for any browser, and beside it a code for the browser that asked.

Whoever asks is told the same, in the same time: the request writes down what was typed, and an errand finds
out, outside of any answer, whether somebody with this address works here.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select

from models.access import SignIn, StaffSession
from models.base import new_id
from models.deadlines import Errand
from models.people import Staff
from models.vocabulary import Lane
from workers import links
from workers.directory import normal_email, staff_by_email
from workers.errors import Forbidden
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.unit_of_work import UnitOfWork

SIGN_IN = "sign_in"
"""The kind of the errand and of the mail, and the purpose of the link."""
LIVES = timedelta(minutes=15)
MOST_MAILS = 5
"""To one address within `LIVES`: links in those that are there still work, so nobody is locked out."""
MOST_TRIES = 5
CODE_LENGTH = 8
KEPT = timedelta(days=30)


async def ask(uow: UnitOfWork, address: str, browser: str, next_path: str) -> None:
    """Somebody wants to sign in. `browser` is the secret of the cookie; `next_path` where they wanted to go.

    Raises InvalidInput for what is no mail address; says nothing of whose it is.
    """
    email = normal_email(address.strip())
    now = uow.clock.now()
    row = SignIn(
        id=new_id(),
        browser_hash=uow.vault.token_hash(browser),
        email_hash=uow.vault.lookup("email", email),
        email_sealed=uow.vault.system_sealer().seal(email, "sign_ins.email"),
        next_path=next_path[:200],
        made_at=now,
        expires_at=now + LIVES,
    )
    await uow.add(row)
    errand = Errand(
        id=new_id(),
        key=f"{SIGN_IN}:{row.id.hex}",
        kind=SIGN_IN,
        subject_id=row.id,
        lane=Lane.URGENT,
        due_at=now,
    )
    await uow.add(errand)
    uow.ring("errands", Lane.URGENT, now)


async def answer(uow: UnitOfWork, errand: Errand) -> None:
    """The errand: mail link and code to whom the address belongs, if they work here; else do nothing."""
    await _tidy(uow)
    row = await uow.session.get(SignIn, errand.subject_id) if errand.subject_id else None
    if row is None or uow.clock.now() >= row.expires_at or row.staff_id is not None:
        return
    email = uow.vault.system_sealer().text(row.email_sealed, "sign_ins.email")
    person = await staff_by_email(uow, email)
    if person is None or await _mails_of_late(uow, row) >= MOST_MAILS:
        return
    code = "".join(secrets.choice(links.ALPHABET) for _ in range(CODE_LENGTH))
    row.staff_id = person.id
    row.code_hash = _code_hash(uow, row.id, code)
    link = {"purpose": SIGN_IN, "subject": str(row.id), "hours": LIVES.total_seconds() / 3600}
    facts = {
        **house_facts(uow, person.locale or uow.settings.locale),
        "code": f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}",
        "minutes": int(LIVES.total_seconds() // 60),
    }
    notice = Notice(
        kind=SIGN_IN,
        fact=row.id.hex,
        ticket=None,
        facts=facts,
        links={SIGN_IN: {**link, "single_use": True}},
        lane=Lane.URGENT,
        expires_at=row.expires_at,
        data_key_id=uow.vault.system_key_id,
    )
    await notify(uow, staff_recipient(uow, person), notice)


async def look(uow: UnitOfWork, token: str) -> None:
    """Whether the link would sign somebody in; writes nothing. Raises as `by_link`, but for Forbidden."""
    link = await links.find(uow, token, (SIGN_IN,))
    links.check(uow, link)
    row = await uow.session.get(SignIn, link.subject_id)
    if row is None or row.used_at is not None:
        raise links.LinkUsed("this sign-in has been used")


async def by_link(uow: UnitOfWork, token: str) -> tuple[Staff, str]:
    """Use a link up: who is signed in, and where to go. Raises NotFound, LinkUsed, LinkExpired, Forbidden."""
    link = await links.use(uow, token, (SIGN_IN,))
    row = await uow.session.get(SignIn, link.subject_id, with_for_update=True)
    if row is None or row.used_at is not None:
        raise links.LinkUsed("this sign-in has been used")
    if uow.clock.now() >= row.expires_at:
        raise links.LinkExpired("this sign-in has expired")
    person = await _person(uow, row)
    if person is None:
        raise Forbidden("this link signs nobody in any more")
    row.used_at = uow.clock.now()
    return person, row.next_path


async def by_code(uow: UnitOfWork, browser: str, typed: str) -> tuple[Staff, str] | None:
    """Sign in by the code, in the browser that asked; None: it is wrong, or the tries are used up.

    Only the newest sign-in of this browser counts. Commit even after None: the try has to be counted.
    """
    row = await uow.session.scalar(
        select(SignIn)
        .where(SignIn.browser_hash == uow.vault.token_hash(browser), SignIn.used_at.is_(None))
        .where(SignIn.expires_at > uow.clock.now())
        .order_by(SignIn.id.desc())
        .limit(1)
        .with_for_update()
    )
    if row is None or row.tries >= MOST_TRIES:
        return None
    row.tries += 1
    code = "".join(typed.split()).replace("-", "").upper()
    right = hmac.compare_digest(_code_hash(uow, row.id, code), row.code_hash or bytes(32))
    person = await _person(uow, row) if right else None
    if person is None:
        return None
    row.used_at = uow.clock.now()
    return person, row.next_path


async def _person(uow: UnitOfWork, row: SignIn) -> Staff | None:
    """Whom a sign-in is of, if they still work here under the address that the mail went to."""
    person = await uow.session.get(Staff, row.staff_id) if row.staff_id else None
    if person is None or not person.active or uow.vault.lookup("email", person.email) != row.email_hash:
        return None
    return person


def _code_hash(uow: UnitOfWork, sign_in: UUID, code: str) -> bytes:
    """Codes are short: whoever has a copy of the table must lack the key."""
    return uow.vault.lookup("sign_in_code", f"{sign_in.hex}:{code}")


async def _mails_of_late(uow: UnitOfWork, row: SignIn) -> int:
    recent = select(func.count()).where(
        SignIn.email_hash == row.email_hash,
        SignIn.staff_id.is_not(None),
        SignIn.made_at > uow.clock.now() - LIVES,
    )
    return await uow.session.scalar(recent) or 0


async def _tidy(uow: UnitOfWork) -> None:
    """What strangers typed is kept for an hour, what is over of sessions for a month."""
    now = uow.clock.now()
    hour_ago = now - timedelta(hours=1)
    for old in (
        delete(SignIn).where(SignIn.expires_at < hour_ago),
        delete(Errand).where(Errand.kind == SIGN_IN, Errand.due_at.is_(None), Errand.done_at < hour_ago),
        delete(StaffSession).where(StaffSession.expires_at < now - KEPT),
    ):
        await uow.session.execute(old.execution_options(synchronize_session=False))
