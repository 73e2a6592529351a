"""Reports of delivery as the mail systems write them: each is recognised, and nobody's own mail is taken for one.

The samples are made by hand after what the systems send.
"""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501 - mails and quotations stand as they are sent

import pytest

from workers.intake.bounces import Bounce, read_bounce
from workers.intake.filters import classify
from workers.intake.mail import parse_mail

LOST = "lost@shop.example"

# name: (From, Subject, more headers, text, status, delayed)
REPORTS = {
    "Exim": ("Mail Delivery System <Mailer-Daemon@mx.help.example>", "Mail delivery failed: returning message to sender", f"X-Failed-Recipients: {LOST}\nAuto-Submitted: auto-replied\n",
        f"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  {LOST}\n    host mx.shop.example [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<{LOST}>:\n    550 5.1.1 User unknown\n\n------ This is a copy of the message, including all the headers. ------\n\nFrom: support@help.example\nMessage-ID: <1@help.example>\n", "5.1.1", False),
    "Exim, still trying": ("Mail Delivery System <Mailer-Daemon@mx.help.example>", "Warning: message 1abc-0002 delayed 24 hours", "Auto-Submitted: auto-replied\n",
        f"This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue.\n\nThe address to which the message has not yet been delivered is:\n\n  {LOST}\n    Delay reason: connection timed out\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.\n", "", True),
    "qmail": ("MAILER-DAEMON@mx.help.example", "failure notice", "Return-Path: <>\n",
        f"Hi. This is the qmail-send program at mx.help.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<{LOST}>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 No such user\nGiving up on 192.0.2.1.\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <1@help.example>\n", "5.1.1", False),
    "Postfix without report": ("MAILER-DAEMON@mx.help.example (Mail Delivery System)", "Undelivered Mail Returned to Sender", "",
        f"This is the mail system at host mx.help.example.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to postmaster.\n\n                   The mail system\n\n<{LOST}>: host mx.shop.example[192.0.2.1] said: 552 5.2.2 Mailbox full (in reply to RCPT TO command)\n", "5.2.2", False),
    "Exchange 5.5": ("System Administrator <postmaster@shop.example>", "Undeliverable: Your ticket", "",
        f"Your message\n\n  To:      {LOST}\n  Subject: Your ticket\n  Sent:    Mon, 20 May 2024 09:00:00 +0800\n\ndid not reach the following recipient(s):\n\n{LOST} on Mon, 20 May 2024 09:00:05 +0800\n    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=us;a= ;p=shop\n    MSEXCH:IMS:Shop:SITE:SRV 3550 (000B09B6) 550 5.1.1 unknown\n", "5.1.1", False),
    "Exchange 2016, Chinese": ("Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@shop.example>", "未送达: 您的工单", "",
        f"您的邮件无法送达以下收件人或组:\n\n{LOST}\n找不到你输入的电子邮件地址。请检查收件人的电子邮件地址，然后尝试重新发送该邮件。\n\n供管理员使用的诊断信息:\n550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup\n", "5.1.10", False),
    "Exchange, German": ("postmaster@shop.example", "Unzustellbar: Ihr Ticket", "Return-Path: <>\n",
        f"Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:\n\n{LOST}\nDie eingegebene E-Mail-Adresse konnte nicht gefunden werden.\n\nDiagnoseinformationen für Administratoren:\n550 5.1.1 RESOLVER.ADR.RecipNotFound; not found\n", "5.1.1", False),
    "Exchange, French": ("postmaster@shop.example", "Non remis : Votre ticket", "Return-Path: <>\n",
        f"Échec de la remise pour ces destinataires ou groupes :\n\n{LOST}\nL'adresse de messagerie que vous avez entrée est introuvable.\n550 5.1.1 RESOLVER.ADR.RecipNotFound\n", "5.1.1", False),
    "Exchange, Spanish": ("postmaster@shop.example", "No se puede entregar: Su ticket", "Return-Path: <>\n",
        f"No se pudo entregar el mensaje a estos destinatarios o grupos:\n\n{LOST}\n550 5.4.1 Recipient address rejected: Access denied\n", "5.4.1", False),
    "Exchange, Japanese": ("postmaster@shop.example", "配信不能: チケット", "Return-Path: <>\n",
        f"次の受信者またはグループへの配信に失敗しました:\n\n{LOST}\n550 5.1.1 RESOLVER.ADR.RecipNotFound\n", "5.1.1", False),
    "Gmail": ("Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", f"X-Failed-Recipients: {LOST}\nAuto-Submitted: auto-replied\n",
        f"\n** Address not found **\n\nYour message wasn't delivered to {LOST} because the address couldn't be found, or is unable to receive mail.\n\nThe response was:\n\n550 5.1.1 The email account that you tried to reach does not exist.\n", "5.1.1", False),
    "Gmail, waiting": ("Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Delay)", f"X-Failed-Recipients: {LOST}\n",
        f"\n** Delivery incomplete **\n\nThere was a temporary problem delivering your message to {LOST}. Gmail will retry for 46 more hours. You'll be notified if the delivery fails permanently.\n", "", True),
    "Gmail, Chinese": ("Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", f"X-Failed-Recipients: {LOST}\n",
        f"** 找不到地址 **\n\n您的邮件未送达 {LOST}，因为系统找不到该地址或该地址无法接收邮件。\n550 5.1.1 no such account\n", "5.1.1", False),
    "Yahoo": ("MAILER-DAEMON@yahoo.com", "Failure Notice", "",
        f"Sorry, we were unable to deliver your message to the following address.\n\n<{LOST}>:\nRemote host said:\n554 delivery error: dd This user doesn't have a shop.example account ({LOST}) [-5] - mta1.mail.example [RCPT_TO]\n\n--- Below this line is a copy of the message.\n", "5.0.0", False),
    "QQ": ("PostMaster@qq.com", "来自qq.com的退信", "",
        f"抱歉，您的邮件被退回来了……\n原邮件信息：\n时间 2024-05-20 09:00:00\n主题 您的工单\n收件人 {LOST}\n退信原因：\n收件人邮箱地址不存在，邮件无法送达。\nhost mx3.qq.com said: 550 Mailbox not found\n", "5.0.0", False),
    "163": ("Postmaster@163.com", "系统退信", "",
        f"抱歉，您的邮件被退回来了……\n\n收件人 {LOST} 的邮件地址不存在或被禁用\n退信代码：\n550 User not found: {LOST}\n建议解决方案：请核实收件人地址。\n", "5.0.0", False),
    "Aliyun": ("postmaster@mxhichina.com", "系统退信/System bounce", "",
        f"您发送的邮件 投递失败，收件人 {LOST}\n退信原因：\n554 RCPT (lost@shop.example) dosn't exist\nMail could not be delivered\n", "5.0.0", False),
    "Tencent company mail": ("postmaster@exmail.qq.com", "退信：您的工单", "Return-Path: <>\n",
        f"您的邮件未能成功投递给 {LOST}。\n退信原因：对方邮箱已满，550 5.2.2 mailbox full\n", "5.2.2", False),
    "Sina": ("MAILER-DAEMON@sina.com", "邮件传输失败！", "",
        f"这是一封系统退信，邮件发送失败。\n<{LOST}>: 550 no such user here\n", "5.0.0", False),
    "Amazon SES": ("MAILER-DAEMON@amazonses.com", "Delivery Status Notification (Failure)", "",
        f"An error occurred while trying to deliver the mail to the following recipients:\n{LOST}\n", "", False),
    "Lotus": ("Postmaster@shop.example", "DELIVERY FAILURE: User lost (lost@shop.example) not listed in Domino Directory", "",
        f"Your message\n\n  Subject: Your ticket\n\nwas not delivered to:\n\n  {LOST}\n\nbecause:\n\n  User lost ({LOST}) not listed in Domino Directory\n", "", False),
    "Sendmail": ("Mail Delivery Subsystem <MAILER-DAEMON@mx.help.example>", "Returned mail: see transcript for details", "Auto-Submitted: auto-generated (failure)\n",
        f"The original message was received at Mon, 20 May 2024 09:00:00 +0800\nfrom localhost [127.0.0.1]\n\n   ----- The following addresses had permanent fatal errors -----\n<{LOST}>\n    (reason: 550 5.1.1 <{LOST}>... User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to mx.shop.example.:\n>>> DATA\n<<< 550 5.1.1 <{LOST}>... User unknown\n", "5.1.1", False),
    "Courier": ("courier@mx.shop.example (Courier mail server at mx)", "NOTICE: mail delivery status.", "Return-Path: <>\n",
        f"This is a delivery status notification from mx.shop.example,\nrunning the Courier mail server.\n\nThe original message was received on Mon, 20 May 2024.\n\nUNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<{LOST}>:\n    mx.shop.example [192.0.2.1]:\n<<< 550 5.1.1 User unknown.\n", "5.1.1", False),
    "Mail.ru": ("mailer-daemon@corp.mail.example", "Mail failure.", "Return-Path: <>\n",
        f"Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n{LOST}\nuser not found\n", "", False),
    "Yandex": ("mailer-daemon@yandex.example", "Недоставленное сообщение", "Return-Path: <>\n",
        f"Это письмо отправлено почтовым сервером yandex.ru.\n\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может\nбыть отправлено одному или нескольким адресатам.\n\n<{LOST}>: 550 5.7.1 No such user!\n", "5.7.1", False),
    "T-Online": ("MAILER-DAEMON@t-online.example", "Benachrichtigung zum Übermittlungsstatus (Fehlgeschlagen)", "Return-Path: <>\n",
        f"|------------------------- Failed addresses follow: ---------------------|\n <{LOST}> ... 550 user unknown\n", "5.0.0", False),
    "Zoho": ("mailer-daemon@mail.zoho.com", "Undelivered Mail Returned to Sender", "Return-Path: <>\n",
        f"This message was created automatically by mail delivery software.\n A message that you sent could not be delivered to one or more of its recipients. This is a permanent error. \n\n {LOST}, ERROR_CODE :550, ERROR_CODE :5.1.1 user unknown\n", "5.1.1", False),
    "iCloud": ("MAILER-DAEMON@icloud.example", "Undelivered Mail Returned to Sender", "",
        f"This is the mail system at host icloud.example.\n\n<{LOST}>: user is over quota\n552 5.2.2 over quota\n", "5.2.2", False),
}  # fmt: skip # packed, to be read at a glance


def read(sender: str, subject: str, more: str, text: str) -> tuple[str, Bounce | None]:
    raw = f"From: {sender}\nTo: support@help.example\nSubject: {subject}\n{more}MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{text}"
    mail = parse_mail(raw.encode())
    traits = classify(
        mail, envelope_from=None, own_domains=["help.example"], own_addresses=["support@help.example"]
    )
    return traits.kind.value, read_bounce(mail)


@pytest.mark.parametrize(
    ("sender", "subject", "more", "text", "status", "delayed"), REPORTS.values(), ids=REPORTS.keys()
)
def test_the_report_of_every_mail_system_is_understood(
    sender: str, subject: str, more: str, text: str, status: str, delayed: bool
) -> None:
    kind, bounce = read(sender, subject, more, text)
    assert kind == "bounce"
    assert bounce is not None
    assert bounce.recipients[:1] == (LOST,)
    assert (bounce.status, bounce.is_delayed) == (status, delayed)
    assert bounce.reason


PERSONS = {
    "asks about a bounce": ("lin@shop.example", "Mail delivery failed: what shall I do?", "", "I got this: 550 5.1.1 User unknown. Your message could not be delivered. Please help."),
    "answers a bounce": ("lin@shop.example", "Re: Undelivered Mail Returned to Sender", "In-Reply-To: <1@mx>\n", "Hi, my address has changed.\n\n> This is the mail system at host mx.\n> <a@b.example>: 550 5.1.1 unknown"),
    "forwards a bounce": ("lin@shop.example", "Fwd: Delivery Status Notification (Failure)", "", "See below.\n\n---------- Forwarded message ---------\nFrom: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nDate: Mon, 20 May 2024\nSubject: Delivery Status Notification (Failure)\nTo: <lin@shop.example>\n\nYour message wasn't delivered. 550 5.1.1"),
    "asks in Chinese": ("wang@qq.example", "退信了怎么办", "", "我的邮件被退回，退信原因：收件人邮箱地址不存在，550 User not found"),
    "an undelivered parcel": ("lin@shop.example", "Delivery failed", "", "The parcel could not be delivered to the following address: High Street 5. Returned to sender."),
    "a postmaster who is a person": ("Postmaster Jones <postmaster@shop.example>", "Our new server", "", "Hello, we moved to a new mail server. Regards, Jones"),
    "a rejected claim": ("insurance@shop.example", "Claim rejected", "", "Your claim was rejected. It will not be retried."),
    "an expired order": ("orders@shop.example", "Bounce house order", "", "The bounce house was not delivered. Order 550-1234."),
    "German": ("lin@shop.example", "Unzustellbar: mein Paket", "", "Das Paket konnte nicht zugestellt werden."),
    "a delay": ("lin@shop.example", "Delivery delay", "", "My parcel is delayed. Will you keep trying?"),
    "exchange of goods": ("exchange@shop.example", "Exchange of article 550", "", "I would like to exchange it."),
}  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize(("sender", "subject", "more", "text"), PERSONS.values(), ids=PERSONS.keys())
def test_nobodys_own_mail_is_taken_for_a_report(sender: str, subject: str, more: str, text: str) -> None:
    kind, bounce = read(sender, subject, more, text)
    assert kind in ("person", "reply")
    assert bounce is None
