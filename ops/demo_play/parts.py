"""The script: who works here, which mail of the inbox comes when and how, what its people do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

INBOX = Path(__file__).resolve().parents[1] / "demo_inbox"
ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2024, 5, 20, 9, 0, tzinfo=ZONE)
SUPPORT = "support@help.example"
SMS_NUMBER = "+15550100"

DAY_SPEED = 600
"""Monday's working hours: a second is ten minutes."""
WAIT_SPEED = 10_800
"""The 48 hours in which nobody calls back: a second is three hours."""


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member of staff; `role` as the API names it."""

    number: str
    name: str
    email: str
    role: str
    locale: str
    skills: tuple[str, ...] = ()


ADMINISTRATOR = Colleague("AD001", "Alex Chen 陈立", "alex.chen@help.example", "administrator", "en")
SUPERVISOR = Colleague("AM001", "周敏", "zhou.min@help.example", "supervisor", "zh_CN")
HEAD = Colleague("DL001", "David Liu 刘大为", "david.liu@help.example", "supervisor", "en")
AGENTS = (
    Colleague("CS001", "王芳", "wang.fang@help.example", "agent", "zh_CN"),
    Colleague("CS002", "李强", "li.qiang@help.example", "agent", "zh_CN", ("hardware",)),
    Colleague("CS003", "Sarah Miller", "sarah.miller@help.example", "agent", "en", ("software",)),
)
STAFF = (SUPERVISOR, HEAD, *AGENTS)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the inbox: when it comes (promise minutes after nine) and by which door.

    `plot` tells what the team does with it (main, ignored, phone, moved, plain, none); `confirm` how the
    customer confirms (link, reply, api, no); `rating` how it is rated (page, reply, sms, no) and `score`.
    """

    file: str
    title: str
    minute: int
    door: str
    plot: str = "plain"
    confirm: str = "link"
    rating: str = "no"
    score: int = 0
    comment: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return INBOX / self.file

    @property
    def chinese(self) -> bool:
        """Whether its people write Chinese."""
        return "_zh_" in self.file


LOW_COMMENT = "等了半天才有人理我，问题是解决了，但过程太折腾。"
THANKS = "讲得很清楚，谢谢！"

PARTS = (
    Part(
        "01_zh_technical_fault_qq.eml",
        "导出报表报错 E-5021",
        0,
        "smtp",
        "main",
        "link",
        "page",
        2,
        LOW_COMMENT,
    ),
    Part("03_en_urgent_outage.eml", "Nobody can log in, shop is down", 5, "webhook", "ignored", "no"),
    Part("02_en_complaint_gmail.eml", "Third wrong parcel in a row", 10, "webhook", rating="page", score=4),
    Part("15_zh_sms_payment.json", "付款扣了两次钱 (SMS)", 15, "twilio", "phone", "api", "sms", 5),
    Part(
        "04_zh_presales_163_gbk.eml",
        "企业版价格和试用 (GBK)",
        20,
        "smtp",
        rating="page",
        score=5,
        comment=THANKS,
    ),
    Part("08_en_out_of_office.eml", "Out of office", 25, "smtp", "none"),
    Part(
        "06_zh_gmail_forwarding_rule.eml",
        "发票抬头错误 (forwarding rule)",
        35,
        "smtp",
        rating="reply",
        score=5,
    ),
    Part("07_zh_forwarded_by_colleague.eml", "打印机驱动装不上 (Fwd)", 45, "webhook", "moved", "reply"),
    Part("10_en_reply_to_complaint.eml", "Reply to the complaint", 55, "webhook", "none"),
    Part("09_en_newsletter.eml", "Newsletter", 60, "smtp", "none"),
    Part("11_zh_apple_mail_attachments.eml", "同步失败 (attachments)", 65, "smtp"),
    Part("12_zh_raw_8bit_subject.eml", "投诉 (raw GB18030 subject)", 75, "webhook", rating="page", score=4),
    Part("16_en_sms_delivery.json", "Parcel not there (SMS)", 85, "twilio", "phone", "api", "sms", 4),
    Part("13_de_return_of_goods.eml", "Rücksendung beschädigter Ware", 95, "smtp", confirm="no"),
    Part("14_en_question.eml", "A simple question", 105, "webhook", confirm="reply"),
    Part("05_en_outlook_html_only.eml", "Change of an account (HTML only)", 115, "webhook", confirm="no"),
)
