"""What the team does: agents answer by mail, link and API; the supervisor approves, forgets, makes good."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from ops.demo_play.parts import AGENTS, HEAD, SUPERVISOR, Colleague, Part
from ops.demo_play.people import People
from ops.demo_play.post_office import Caught

BY_EMAIL = {person.email: person for person in AGENTS}
ANSWERS = {
    True: "您好，我们已经在查，一小时内给您结果。\n\n#note 内部：先查日志，再联系仓库",
    False: "Hello, I am looking into it and will be back within the hour.\n\n#note ask the warehouse first",
}
MAIN_ANSWER = "您好，报表错误已经收到，我正在处理，今天内给您答复。\n\n#note 内部：又是磁盘满了，别告诉客户"
PLAN = {"text": "先清理导出服务的临时目录，再补导出今天的报表。", "plan": True, "tell_customer": True}
LATE_PLAN = {"text": "Roll back last night's release, then restart the login service.", "plan": True}
RESULTS = {
    True: {
        "cause": "服务器磁盘写满",
        "solution": "已清理并扩容，现在可以正常使用",
        "precautions": "如再出现，请保留错误代码",
    },
    False: {
        "cause": "A mistake on our side",
        "solution": "Put right today",
        "precautions": "Keep the number",
    },
}
TRIAGE = {"priority": "urgent", "category": "技术故障", "subkind": "software"}
CALLED_BACK = {"text": "已致电客户道歉，说明原因并承诺改进。", "reached": True}
VERDICT = {"met": True, "note": "告警已上线，客户表示满意"}


class Team:
    """Agents, supervisor and head of department."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._acts = people.acts
        self._alert: Caught | None = None
        people.react |= {
            "assignment": self.assigned,
            "transfer": self.took_over,
            "escalation_request": self.asked_to_approve,
            "breach": self.heard_of_breach,
            "low_score_alert": self.heard_of_low_score,
            "followup_overdue": self.heard_of_missed_followup,
        }

    async def assigned(self, mail: Caught, ticket: str, part: Part) -> None:
        """An agent has a new request."""
        agent = BY_EMAIL.get(mail.recipient)
        if agent is None or not self._people.first_time(f"assigned {ticket}"):
            return
        if part.plot == "ignored":
            await self._people.pause(3)
            await self._api(f"/tickets/{ticket}", SUPERVISOR, TRIAGE, method="PATCH")
            return
        await self._people.pause(22)
        if part.plot == "moved":
            to = next(one for one in AGENTS if one is not agent)
            given = {"to": to.number, "reason": "驱动和硬件问题，由硬件同事处理"}
            await self._api(f"/tickets/{ticket}/transfer", agent, given)
        elif part.plot == "phone":
            await self._by_phone(ticket, agent)
        elif part.plot == "main":
            await self._main_plot(mail, ticket, agent)
        else:
            await self._answer_and_resolve(mail, ticket, part, agent)

    async def took_over(self, mail: Caught, ticket: str, part: Part) -> None:
        """An agent takes over from a colleague."""
        agent = BY_EMAIL.get(mail.recipient)
        if agent is not None and self._people.first_time(f"took over {ticket}"):
            await self._people.pause(15)
            await self._answer_and_resolve(mail, ticket, part, agent)

    async def asked_to_approve(self, mail: Caught, ticket: str, part: Part) -> None:
        """The supervisor approves a request for more time."""
        await self._people.pause(12)
        await self._acts.press(mail, "approve", note="同意，请每天更新进展。")

    async def heard_of_breach(self, mail: Caught, ticket: str, part: Part) -> None:
        """Nobody reacts until the head of department hears of it; then the handler does, late."""
        if mail.recipient != HEAD.email or not self._people.first_time(f"acknowledged {ticket}"):
            return
        await self._people.pause(6)
        await self._acts.press(mail, "acknowledge")
        await self._people.pause(5)
        number = (await self._acts.stage.api("GET", f"/tickets/{ticket}"))["handler"]
        agent = next(one for one in AGENTS if one.number == number)
        call = {"channel": "phone", "evidence": "call-7001", "note": "rang back, apologised for the delay"}
        await self._api(f"/tickets/{ticket}/first-response", agent, call)
        await self._api(f"/tickets/{ticket}/progress", agent, LATE_PLAN)
        await self._people.pause(20)
        await self._api(f"/tickets/{ticket}/resolve", agent, RESULTS[part.chinese])

    async def heard_of_low_score(self, mail: Caught, ticket: str, part: Part) -> None:
        """The supervisor keeps the alert for later, and forgets it."""
        if mail.recipient == SUPERVISOR.email:
            self._alert = mail

    async def heard_of_missed_followup(self, mail: Caught, ticket: str, part: Part) -> None:
        """When it has been escalated once more, the supervisor takes it, calls back and sees it through."""
        alert = self._alert
        if alert is None or not self._escalated(ticket) or not self._people.first_time(f"saw {ticket}"):
            return
        await self._people.pause(20)
        await self._acts.press(mail, "acknowledge")
        await self._acts.press(alert, "take_followup")
        known = await self._acts.stage.api("GET", f"/followups?ticket={ticket}")
        path = f"/followups/{known['items'][0]['id']}"
        await self._api(f"{path}/contact", SUPERVISOR, CALLED_BACK)
        due = self._acts.stage.clock.now() + timedelta(days=30)
        measure = {"cause": "process", "term": "short", "department": "技术部", "due_at": due.isoformat()}
        await self._api(f"{path}/measure", SUPERVISOR, {**measure, "measure": "磁盘使用率达到八成即告警"})
        await self._people.pause(30)
        await self._api(f"{path}/evaluate", SUPERVISOR, VERDICT)

    def _escalated(self, ticket: str) -> bool:
        rows = self._acts.ledger.rows(
            "SELECT e.facts FROM ticket_entries e JOIN tickets t ON t.id = e.ticket_id"
            " WHERE e.kind = 'escalated' AND t.number = ?",
            ticket,
        )
        return any(json.loads(row["facts"])["clock"] == "followup_start" for row in rows)

    async def _answer_and_resolve(self, mail: Caught, ticket: str, part: Part, agent: Colleague) -> None:
        chinese = agent.locale == "zh_CN"
        await self._acts.reply(mail, ANSWERS[part.chinese], name=agent.name, chinese=chinese)
        await self._people.pause(45)
        await self._api(f"/tickets/{ticket}/resolve", agent, RESULTS[part.chinese])

    async def _by_phone(self, ticket: str, agent: Colleague) -> None:
        """An SMS customer is rung up; the result is told on the phone, too, and confirmed there."""
        call = {"channel": "phone", "evidence": f"call-{ticket[-4:]}", "note": "客户已接通"}
        await self._api(f"/tickets/{ticket}/first-response", agent, call)
        await self._people.pause(30)
        await self._api(f"/tickets/{ticket}/resolve", agent, RESULTS[True])
        await self._people.pause(5)
        await self._api(f"/tickets/{ticket}/feedback", agent, {"evidence": f"call-{ticket[-4:]}-2"})
        await self._api(f"/tickets/{ticket}/confirm", agent, {"solved": True})

    async def _main_plot(self, mail: Caught, ticket: str, agent: Colleague) -> None:
        """Answered by mail with an internal note, accepted by link, planned, prolonged, resolved."""
        await self._acts.reply(mail, MAIN_ANSWER, name=agent.name)
        await self._people.pause(8)
        await self._acts.press(mail, "accept")
        await self._people.pause(12)
        await self._api(f"/tickets/{ticket}/progress", agent, PLAN)
        await self._people.pause(10)
        until = (self._acts.stage.clock.now() + timedelta(days=5)).isoformat()
        more = {"reason": "需要供应商提供补丁", "resources": "供应商二线支持", "until": until}
        await self._api(f"/tickets/{ticket}/escalate", agent, more)
        await self._people.pause(40)
        await self._api(f"/tickets/{ticket}/resolve", agent, RESULTS[True])

    async def _api(self, path: str, by: Colleague, body: dict[str, Any], *, method: str = "POST") -> None:
        await self._acts.stage.api(method, path, body, by=by.number)
