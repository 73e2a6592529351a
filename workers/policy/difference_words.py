"""Differences of two policies in the words of a support lead, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workers.policy.differences import Difference
from workers.policy.knowledge_parts import KNOWLEDGE_WORDS
from workers.policy.report_parts import REPORT_WORDS
from workers.policy.triage_parts import TRIAGE_WORDS

SECTIONS: Mapping[str, tuple[str, str]] = {
    "limits": ("Limits", "时限"),
    "category_limits": ("Limits", "时限"),
    "limits_for": ("Limits", "时限"),
    "first_response": ("Limits", "时限"),
    "reopening": ("Re-opening", "重新打开"),
    "special_periods": ("Special periods", "特殊时期"),
    "warnings": ("Warnings", "预警"),
    "acceptance_reminders": ("Warnings", "预警"),
    "escalation": ("Escalation", "升级"),
    "calendar": ("Hours", "工作时间"),
    "calendars": ("Hours", "工作时间"),
    "calendar_for": ("Hours", "工作时间"),
    "zone": ("Hours", "工作时间"),
    "teams": ("Teams and assignment", "团队与分配"),
    "assignment": ("Teams and assignment", "团队与分配"),
    "survey": ("Survey", "满意度调查"),
    "confirmation": ("Confirmation", "客户确认"),
    "followup": ("Follow-up", "二次跟进"),
    "replies": ("Answers", "答复"),
    "review": ("Review", "标准复审"),
    "brakes": ("Brakes", "限流"),
    "waiting": ("Waiting for the customer", "等待客户"),
    "progress": ("Progress notices", "进展告知"),
    "knowledge": ("Weekly review", "每周复盘"),
    "reports": ("Reports", "报告"),
    "triage": ("Triage", "分诊"),
}
REQUESTS = ("Requests", "请求")
QUESTIONNAIRE = ("Questionnaire", "问卷")

WORDS: Mapping[str, tuple[str, str]] = {
    "name": ("name of the policy", "策略名称"),
    "title": ("title", "标题"),
    "locale": ("language", "语言"),
    "zone": ("time zone", "时区"),
    "default_priority": ("priority of a new mail", "新邮件的优先级"),
    "urging_raises": ("urging raises", "催单提升"),
    "calendar": ("calendar", "日历"),
    "calendars": ("calendar", "日历"),
    "calendar_for": ("other calendar", "其他日历"),
    "holidays": ("holidays", "节假日"),
    "years_entered_by_hand": ("years entered by hand", "手工录入的年份"),
    "around_the_clock": ("served around the clock", "全天候服务"),
    "hours": ("opening hours", "营业时间"),
    "days": ("single days", "个别日期"),
    "priorities": ("priority", "优先级"),
    "categories": ("category", "类别"),
    "label": ("label", "名称"),
    "meaning": ("meaning", "含义"),
    "aliases": ("other words", "别名"),
    "respond_by": ("to be answered by", "答复方式"),
    "kinds": ("kind", "细类"),
    "first_response": ("first response", "首次响应"),
    "plan": ("plan", "处理方案"),
    "resolution": ("resolution", "解决"),
    "expected_resolution": ("promised resolution", "承诺解决时间"),
    "acceptance": ("acceptance", "接单"),
    "category_limits": ("for category", "类别"),
    "limits_for": ("other limits", "其他时限"),
    "in_special_periods": ("in special periods too", "特殊时期同样适用"),
    "channel": ("channel", "渠道"),
    "counts": ("counts", "计为首次响应"),
    "clocks": ("clocks that begin anew", "重新计时"),
    "answer": ("answer", "答复"),
    "progress": ("progress notice", "进展通知"),
    "result": ("result", "处理结果"),
    "special_periods": ("period", "时期"),
    "first_day": ("first day", "首日"),
    "last_day": ("last day", "末日"),
    "warnings": ("warning", "预警"),
    "half_way_up_to": ("half-way for limits up to", "时限不超过此值时在一半处预警"),
    "roles": ("who is told", "通知对象"),
    "supervisor_too": ("supervisor too for", "同时通知主管"),
    "acceptance_reminders": ("reminder to accept", "接单提醒"),
    "at_part_of_response_limit": ("when this part of the response time is used", "响应时限用去此比例时"),
    "at_breach": ("at the breach", "超时当时"),
    "daily": ("daily afterwards", "此后每日"),
    "night_digest": ("night digest", "夜间汇总"),
    "every": ("without a word for", "未联系客户达"),
    "ask_before": ("handler asked before", "提前请处理人填写进展"),
    "most": ("notices at most", "最多通知次数"),
    "storm_from": ("one mail from so many breaches a minute on", "一分钟内超时达到此数时合并为一封"),
    "levels": ("level", "级别"),
    "after": ("after", "之后"),
    "urgent_after": ("after, urgent", "之后(紧急)"),
    "pauses": ("clocks that stand still", "暂停的时钟"),
    "longest": ("at most", "最长"),
    "remind_on_days": ("customer reminded on working days", "提醒客户(第几个工作日)"),
    "hold": ("hold of an answer", "答复暂缓"),
    "chat_within": ("post to the chat group within", "聊天群通知时限"),
    "reopen_within": ("a reply opens the ticket again within", "回复可重新打开工单的期限"),
    "receipts_an_hour": ("receipts an hour", "每小时回执"),
    "receipts_a_day": ("receipts a day", "每天回执"),
    "notices_an_hour": ("notices an hour", "每小时通知"),
    "notices_a_day": ("notices a day", "每天通知"),
    "collect_same_subject": ("requests of one subject before they are collected", "同一主题合并前的请求数"),
    "remind_on_day": ("reminder on working day", "提醒(第几个工作日)"),
    "task_on_day": ("task on working day", "人工任务(第几个工作日)"),
    "at_opening_plus": ("after opening time", "开门后"),
    "close_after": ("closed after", "之后关闭"),
    "delay": ("asked after", "发送延迟"),
    "periodic_delay": ("asked after, periodic services", "定期服务发送延迟"),
    "link_expires": ("link expires after", "链接有效期"),
    "edit_within": ("may be changed for", "可修改时限"),
    "sms_answer": ("answered from an SMS by", "短信作答方式"),
    "quiet_hours": ("quiet hours", "免打扰时段"),
    "fatigue_cap": ("invitations at most", "邀请上限"),
    "fatigue_days": ("within days", "天数"),
    "satisfied_from": ("satisfied from", "满意起点"),
    "fair_from": ("fair from", "一般起点"),
    "questionnaires": ("questionnaire", "问卷"),
    "dimensions": ("dimensions", "维度"),
    "open_questions": ("open question", "开放问题"),
    "ask": ("rule of asking", "调查规则"),
    "touchpoint": ("touchpoint", "触点"),
    "kind": ("kind", "细类"),
    "customer_group": ("customer group", "客户群"),
    "share": ("share asked", "抽样比例"),
    "questionnaire": ("questionnaire", "问卷"),
    "ways": ("asked by", "调查渠道"),
    "periodic": ("return visit", "定期回访"),
    "scale": ("scale", "评分级别"),
    "five": ("1 to 5", "1–5 分"),
    "three": ("three levels", "三级"),
    "own": ("own question", "自定义评分题"),
    "code": ("code", "代码"),
    "ordering": ("ordering", "售中下单"),
    "after_sales": ("after-sales", "售后服务"),
    "push": ("push", "推送"),
    "start_within": ("start within", "启动时限"),
    "reminders": ("reminders after", "提醒"),
    "start_clock": ("clock until the start", "启动计时"),
    "elapsed": ("elapsed time", "自然时间"),
    "working": ("working time", "工作时间"),
    "unreached_tries": ("supervisor hears after tries that reached nobody", "未联系上几次后告知主管"),
    "measure_within": ("measure set within", "制定措施时限"),
    "due_reminders": ("reminders before the due date", "到期前提醒"),
    "overdue_reminders": ("reminders after the due date", "到期后提醒"),
    "effect_minimum": ("effect shown from so many scores", "效果对比最少评分数"),
    "low_overall": ("low overall score up to", "总体低分上限"),
    "low_dimension": ("low other score up to", "其他低分上限"),
    "teams": ("team", "团队"),
    "default_team": ("default team", "默认团队"),
    "first_contact_owns": ("first contact stays responsible", "首问负责制"),
    "rules": ("rule", "规则"),
    "by": ("shared out by", "分配方式"),
    "round_robin": ("turns", "轮流"),
    "load": ("load", "负载"),
    "skill_then_load": ("skill, then load", "技能优先,其次负载"),
    "open_limit": ("open tickets at most", "在办工单上限"),
    "weights": ("weight of a ticket", "工单权重"),
    "in_team": ("in team", "团队内"),
    "skill": ("skill", "技能"),
    "senior": ("senior staff", "资深人员"),
    "team": ("team", "团队"),
    "category": ("category", "类别"),
    "technical_kind": ("kind", "细类"),
    "customer_level": ("customer level", "客户级别"),
    "priority": ("priority", "优先级"),
    "together_with": ("together with", "协同团队"),
    "standards_on": ("standards reviewed on", "标准复审日期"),
    "every_months": ("every months", "每隔几个月"),
    "monday": ("Monday", "周一"),
    "tuesday": ("Tuesday", "周二"),
    "wednesday": ("Wednesday", "周三"),
    "thursday": ("Thursday", "周四"),
    "friday": ("Friday", "周五"),
    "saturday": ("Saturday", "周六"),
    "sunday": ("Sunday", "周日"),
    "urgent": ("urgent", "紧急"),
    "high": ("high", "高"),
    "medium": ("medium", "中"),
    "low": ("low", "低"),
    "pre_sales": ("pre-sales", "售前咨询"),
    "after_sales_technical": ("technical problem", "售后技术"),
    "after_sales_request": ("after-sales request", "售后请求"),
    "complaint": ("complaint", "投诉建议"),
    "other": ("other", "其他"),
    "handler": ("handler", "处理人"),
    "supervisor": ("supervisor", "主管"),
    "substitute": ("substitute", "代理主管"),
    "head": ("head of department", "部门负责人"),
    "administrator": ("administrator", "管理员"),
    "customer": ("customer", "客户"),
    "email": ("e-mail", "邮件"),
    "sms": ("SMS", "短信"),
    "chat": ("chat", "在线聊天"),
    "phone": ("phone", "电话"),
    "overall": ("overall", "总体"),
    "attitude": ("attitude", "服务态度"),
    "competence": ("competence", "专业能力"),
    "speed": ("speed", "响应速度"),
    "convenience": ("convenience", "流程便捷性"),
    "solved": ("solved", "问题解决效果"),
    "default": ("default", "默认"),
    "return_visit": ("return visit", "定期回访"),
    **KNOWLEDGE_WORDS,
    **REPORT_WORDS,
    **TRIAGE_WORDS,
}
_SAID_BY_THE_SECTION = {
    "limits",
    "warnings",
    "escalation",
    "calendar",
    "assignment",
    "survey",
    "confirmation",
    "followup",
    "replies",
    "review",
    "reopening",
    "brakes",
    "waiting",
    "progress",
    "knowledge",
    "reports",
    "triage",
}


def section(difference: Difference, locale: str) -> str:
    """The heading a difference stands under."""
    first = difference.place[0]
    words = SECTIONS.get(first, REQUESTS)
    if difference.place[:2] == ("survey", "questionnaires"):
        words = QUESTIONNAIRE
    return words[_chinese(locale)]


def sentence(difference: Difference, locale: str) -> str:
    """The difference in words, without its heading: `first response, high: 4h → 2h`."""
    steps = difference.place[1:] if difference.place[0] in _SAID_BY_THE_SECTION else difference.place
    shown = [word(step, locale) for step in steps]
    where = ("," if _chinese(locale) else ", ").join(shown)
    before, after = (_value(each, locale) for each in (difference.before, difference.after))
    if difference.before is None:
        return f"{where}: {('new', '新增')[_chinese(locale)]} {after}"
    if difference.after is None:
        return f"{where}: {before} → {('left out', '取消')[_chinese(locale)]}"
    return f"{where}: {before} → {after}"


def _chinese(locale: str) -> bool:
    return locale.lower().startswith("zh")


def word(code: str, locale: str) -> str:
    """What a code of a policy file is called; the code itself where nothing is known."""
    return WORDS[code][_chinese(locale)] if code in WORDS else code


def _value(value: Any, locale: str) -> str:
    if isinstance(value, bool):
        return (("no", "否"), ("yes", "是"))[value][_chinese(locale)]
    if isinstance(value, Mapping):
        if set(value) == {"en", "zh"}:
            return f"{value['en']} / {value['zh']}"
        said = [f"{word(key, locale)} {_value(each, locale)}" for key, each in value.items() if each]
        return "; ".join(said)
    if isinstance(value, list):
        if not value:
            return "–"
        return ", ".join(_interval(each) or _value(each, locale) for each in value)
    return _length(str(value)) or word(str(value), locale)


def _interval(value: Any) -> str:
    """Opening hours, which are dumped as two times."""
    if not isinstance(value, list) or len(value) != 2:
        return ""
    opens, closes = (str(each)[:5] for each in value)
    return f"{opens}-{'24:00' if closes == '00:00' else closes}"


def _length(text: str) -> str:
    """A plain length as a file writes it: seconds are dumped, people write 30m and 2h."""
    found = re.fullmatch(r"([0-9.e+]+)s", text)
    if found is None:
        return ""
    seconds = float(found[1])
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
