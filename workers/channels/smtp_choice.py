"""Which relay a mail goes to: one that works, offers what the mail needs, and has room for it today."""

from __future__ import annotations

from workers.channels.batch import Attempt
from workers.channels.port import Outcome, Verdict
from workers.channels.smtp_pace import Pace, Wait
from workers.channels.smtp_pool import LanePool
from workers.channels.smtp_session import Mail, Session
from workers.channels.smtp_url import Relay


async def choose(
    lane: LanePool, pace: Pace, relays: frozenset[Relay], attempt: Attempt, mail: Mail
) -> Session | Outcome:
    """A session that may take the mail now; else the outcome: it has to wait, or no relay offers SMTPUTF8.

    A relay whose quota is used up overflows to the next one that has room. Raises CannotConnect.
    """
    unfit: frozenset[Relay] = frozenset()
    full: frozenset[Relay] = frozenset()
    wait: Wait | None = None
    while len(unfit) < len(relays):
        avoid = unfit | full | pace.used_up(attempt.item.lane)
        if len(avoid) == len(relays):
            if wait is not None:
                return attempt.outcome(Verdict.NOT_STARTED, wait.reason, retry_after=wait.seconds)
            avoid = unfit  # all are full as far as is known: ask once more
        session = await lane.take(avoid)
        if session.relay is None:
            return session
        if not session.reaches(mail):
            lane.give_back(session)
            unfit |= {session.relay}
            continue
        now = await turn(lane, pace, session, attempt, mail.domain)
        if now is None:
            return session
        wait = now if wait is None or now.seconds < wait.seconds else wait
        full = full | {session.relay} if now.used_up else relays
    return attempt.outcome(Verdict.REJECTED, "smtputf8_not_offered", text="no relay offers SMTPUTF8")


async def turn(lane: LanePool, pace: Pace, session: Session, attempt: Attempt, domain: str) -> Wait | None:
    """None when the mail may go, else how long it has to wait; the session is given back then."""
    if session.relay is None:
        return None
    try:
        wait = await pace.wait(session.relay, domain, attempt.item.lane)
    except BaseException:
        lane.give_back(session)
        raise
    if wait is not None:
        lane.give_back(session)
    return wait
