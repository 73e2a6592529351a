"""What customers do: confirm a result by link or in words, rate by page, mail or SMS, or keep silent."""

from __future__ import annotations

import json

from ops.demo_play.acts import Acts
from ops.demo_play.parts import PARTS, Part
from ops.demo_play.people import People
from ops.demo_play.post_office import Caught, CaughtSms


class Customers:
    """The customers of all parts."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._acts: Acts = people.acts
        people.react |= {"result_feedback": self.got_result, "csat_invitation": self.got_survey}
        self._phones = {
            json.loads(part.path.read_bytes())["From"]: part for part in PARTS if part.door == "twilio"
        }

    async def got_result(self, mail: Caught, ticket: str, part: Part) -> None:
        """The result has come: some confirm it."""
        if part.confirm not in ("link", "reply"):
            return
        await self._people.pause(15)
        if part.confirm == "link":
            await self._acts.press(mail, "confirm")
        else:
            words = "问题已经解决了，谢谢" if part.chinese else "Thank you very much!"
            await self._acts.reply(mail, words, chinese=part.chinese)

    async def got_survey(self, mail: Caught, ticket: str, part: Part) -> None:
        """They are asked how it was: some say it."""
        await self._people.pause(12)
        if part.rating == "page":
            await self._acts.press(mail, "survey", overall=str(part.score), comment=part.comment)
        elif part.rating == "reply":
            await self._acts.reply(mail, str(part.score), chinese=part.chinese)

    def got_sms(self, sms: CaughtSms) -> None:
        """An SMS has come."""
        self._people.spawn(self._answer(sms))

    async def _answer(self, sms: CaughtSms) -> None:
        part = self._phones.get(sms.recipient)
        # The first SMS is the receipt; the second asks for the rating.
        if part is None or self._people.first_time(f"sms to {sms.recipient}"):
            return
        if self._people.first_time(f"rating of {sms.recipient}"):
            await self._people.pause(10)
            ident = "SM" + sms.sid[:1:-1]
            digit = [("Body", str(part.score)), ("From", sms.recipient), ("MessageSid", ident)]
            await self._acts.twilio_calls(digit)
