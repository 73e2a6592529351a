"""Replies as mail programs really send them: what is new stays, what is quoted goes."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501

import pytest

from workers.intake.quotes import (
    find_tokens,
    is_forward,
    plus_pattern,
    split_reply,
    strip_tokens,
)

REPLIES = {
    "gmail-en": "Works now.\n\nOn Mon, 20 May 2024 at 10:03, Support <support@help.example> wrote:\n\n> Try again.\n",
    "gmail-en-wrapped": "Works now.\n\nOn Mon, May 20, 2024 at 10:03 AM Support Team at Help <\n"
    "support@help.example> wrote:\n\n> Try again.\n>\n> Bye",
    "gmail-zh": "Works now.\n\n客服 <support@help.example> 于2024年5月20日周一 14:30写道：\n\n> 请再试一次。\n",
    "gmail-zh-tw": "Works now.\n\n客服 <support@help.example> 於 2024年5月20日 週一 下午2:30寫道：\n\n> 請再試一次。\n",
    "apple-en": "Works now.\n\n> On 20 May 2024, at 10:03, Support <support@help.example> wrote:\n> \n> Try again.\n",
    "apple-zh": "Works now.\n\n> 在 2024年5月20日，14:30，客服 <support@help.example> 写道：\n> \n> 请再试一次。\n",
    "apple-zh-html-text": "Works now.\n\n在 2024年5月20日，下午2:30，客服 <support@help.example> 写道：\n\n请再试一次。",
    "163-old": 'Works now.\n\nAt 2024-05-20 14:30:11, "客服" <support@help.example> wrote:\n>请再试一次。\n',
    "163-zh": 'Works now.\n\n\n在 2024-05-20 14:30:11，"客服" <support@help.example> 写道：\n\n请再试一次。\n',
    "163-master": "Works now.\n\n---- 回复的原邮件 ----\n| 发件人 | 客服<support@help.example> |\n| 日期 | 2024年05月20日 |\n请再试",
    "163-master-en": "Works now.\n\n---- Replied Message ----\n| From | Support<support@help.example> |\nTry again.",
    "qq": 'Works now.\n\n\n\n------------------ 原始邮件 ------------------\n发件人: "客服" <support@help.example>;\n'
    '发送时间: 2024年5月20日(星期一) 下午2:30\n收件人: "林"<lin@qq.example>;\n主题: 回复\n\n请再试一次。',
    "qq-en": 'Works now.\n\n------------------ Original ------------------\nFrom:  "Support"<support@help.example>;\nTry',
    "foxmail": "Works now.\n\n\n \n发件人： support@help.example\n发送时间： 2024-05-20 14:30\n收件人： lin@qq.example\n主题： 报表\n请再试",
    "outlook-zh": "Works now.\n\n发件人: 客服 <support@help.example> \n发送时间: 2024年5月20日 14:30\n收件人: 林\n主题: 报表\n\n请再试",
    "outlook-en": "Works now.\n\nFrom: Support <support@help.example>\nSent: Monday, May 20, 2024 10:03 AM\nTo: Lin\n"
    "Subject: Report\n\nTry again.",
    "outlook-rule": "Works now.\n________________________________\nFrom: Support <support@help.example>\n"
    "Sent: Monday, May 20, 2024 10:03 AM\nTo: Lin\nSubject: Report\n\nTry again.",
    "outlook-bold": "Works now.\n\n*From:* Support <support@help.example>\n*Sent:* Monday, May 20, 2024\n*To:* Lin\n*Subject:* R\n\nTry",
    "outlook-old": "Works now.\n\n-----Original Message-----\nFrom: Support\nTry again.",
    "outlook-de": "Works now.\n\nVon: Support <support@help.example>\nGesendet: Montag, 20. Mai 2024 10:03\nAn: Lin\nBetreff: R\n\nNochmal",
    "outlook-fr": "Works now.\n\nDe : Support <support@help.example>\nEnvoyé : lundi 20 mai 2024 10:03\nÀ : Lin\nObjet : R\n\nEncore",
    "outlook-es": "Works now.\n\nDe: Support <support@help.example>\nEnviado: lunes, 20 de mayo de 2024\nPara: Lin\nAsunto: R\n\nOtra",
    "outlook-it": "Works now.\n\nDa: Support <support@help.example>\nInviato: lunedì 20 maggio 2024\nA: Lin\nOggetto: R\n\nAncora",
    "outlook-pl": "Works now.\n\nOd: Support <support@help.example>\nWysłano: poniedziałek, 20 maja 2024\nDo: Lin\nTemat: R\n\nJeszcze",
    "outlook-ru": "Works now.\n\nОт: Support <support@help.example>\nОтправлено: 20 мая 2024\nКому: Lin\nТема: R\n\nЕще",
    "outlook-ja": "Works now.\n\n差出人: Support <support@help.example>\n送信日時: 2024年5月20日\n宛先: Lin\n件名: R\n\nもう",
    "outlook-ko": "Works now.\n\n보낸 사람: Support <support@help.example>\n보낸 날짜: 2024년 5월 20일\n받는 사람: Lin\n제목: R\n\n다시",
    "gmail-de": "Works now.\n\nAm Mo., 20. Mai 2024 um 10:03 Uhr schrieb Support <support@help.example>:\n\n> Nochmal.",
    "thunderbird-de": "Works now.\n\nAm 20.05.24 um 10:03 schrieb Support:\n> Nochmal.",
    "gmail-fr": "Works now.\n\nLe lun. 20 mai 2024 à 10:03, Support <support@help.example> a écrit :\n\n> Encore.",
    "gmail-es": "Works now.\n\nEl lun, 20 may 2024 a las 10:03, Support (<support@help.example>) escribió:\n\n> Otra vez.",
    "gmail-it": "Works now.\n\nIl giorno lun 20 mag 2024 alle ore 10:03 Support <support@help.example> ha scritto:\n\n> Ancora.",
    "gmail-pt": "Works now.\n\nEm seg., 20 de mai. de 2024 às 10:03, Support <support@help.example> escreveu:\n\n> De novo.",
    "gmail-nl": "Works now.\n\nOp ma 20 mei 2024 om 10:03 schreef Support <support@help.example>:\n\n> Nog eens.",
    "gmail-pl": "Works now.\n\npon., 20 maj 2024 o 10:03 Support <support@help.example> napisał(a):\n\n> Jeszcze raz.",
    "gmail-ru": "Works now.\n\nпн, 20 мая 2024 г. в 10:03, Support <support@help.example>:\n\n> Еще раз.",
    "gmail-sv": "Works now.\n\nDen mån 20 maj 2024 kl 10:03 skrev Support <support@help.example>:\n\n> Igen.",
    "gmail-ja": "Works now.\n\n2024年5月20日(月) 14:30 Support <support@help.example>:\n\n> もう一度。",
    "below-the-quotation": "> Does it work?\n\nWorks now.\n",
    "signature": "Works now.\n\n-- \nLin Xiaoyu\nFinance",
    "iphone": "Works now.\n\nSent from my iPhone\n\nOn 20 May 2024, at 10:03, Support <s@help.example> wrote:\n\n> Try",
    "iphone-zh": "Works now.\n\n发自我的iPhone\n",
    "outlook-phone": "Works now.\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\n"
    "From: Support <support@help.example>\nSent: Monday, May 20, 2024 10:03:00 AM\nTo: Lin\nSubject: R\n\nTry again.",
}


@pytest.mark.parametrize("text", REPLIES.values(), ids=REPLIES.keys())
def test_only_what_the_customer_wrote_is_left(text: str) -> None:
    assert split_reply(text).text == "Works now."


@pytest.mark.parametrize("name", sorted(REPLIES.keys() - {"signature", "iphone-zh"}))
def test_a_quotation_that_was_cut_is_said_to_be(name: str) -> None:
    assert split_reply(REPLIES[name]).cut


NO_QUOTATION = [
    "On Monday my boss wrote:\nplease call them.",
    "From: the outset nothing worked.\nI tried twice.",
    "At 10:00 it stopped. Here is what the screen said: error 5",
    "Price list\nDate: tomorrow is fine\nThanks",
    ">5% of our users cannot log in.",
    "请看下面三点：\n1. 登录\n2. 支付\n3. 发票",
    "在 2024年5月20日 系统宕机了，请处理。",
    "I wrote to you on 3 May and on 4 May and nobody answered.",
    "To: whom it may concern\nSubject: none\nHello",
    "The log:\n-----\n2024-05-20 ERROR disk full",
]


@pytest.mark.parametrize("text", NO_QUOTATION)
def test_a_sentence_that_looks_like_a_quotation_stays(text: str) -> None:
    assert split_reply(text) == (text, False)


def test_answers_between_quoted_lines_are_kept_together() -> None:
    text = "On 20 May 2024, Support <s@help.example> wrote:\n> Which version?\n\n4.2\n\n> Which browser?\n\nFirefox"
    reply = split_reply(text)
    assert reply.cut
    assert reply.text == "4.2\n\n\nFirefox"


HTML_REPLIES = {
    "gmail": '<div>Works now.</div><div class="gmail_quote"><div class="gmail_attr">x</div><blockquote>old</blockquote></div>',
    "outlook-web": "<div>Works now.</div><div id='appendonsend'></div><hr><div id='divRplyFwdMsg'>From</div><div>old</div>",
    "outlook": "<p>Works now.</p><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt'>From</div><p>old</p>",
    "apple": "<div>Works now.</div><blockquote type='cite'>old</blockquote>",
    "yahoo": "<div>Works now.</div><div class='yahoo_quoted' id='yahoo_quoted_1'>old</div>",
    "thunderbird": "<p>Works now.</p><div class='moz-cite-prefix'>On x</div><blockquote type='cite' cite='mid:1'>old</blockquote>",
    "163": "<div>Works now.</div><blockquote id='isReplyContent'>old</blockquote>",
    "163-master": "<div>Works now.</div><div class='ntes-mailmaster-quote'>old</div>",
    "qq": "<div>Works now.</div><includetail><div>------------------ 原始邮件</div><div>old</div></includetail>",
    "proton": "<div>Works now.</div><div class='protonmail_quote'>old</div>",
}


@pytest.mark.parametrize("html", HTML_REPLIES.values(), ids=HTML_REPLIES.keys())
def test_a_quotation_marked_only_in_the_html_is_cut(html: str) -> None:
    assert split_reply("Works now.\n\nold", html) == ("Works now.", True)


def test_what_a_colleague_passes_on_is_the_matter_and_stays() -> None:
    text = "Please register.\n\nFrom: Zhao <z@f.example>\nSent: Monday\nTo: Wang\nSubject: Printer\n\nIt is broken."
    assert "It is broken." in split_reply(text, forwarded=True).text
    marked = "FYI\n\n---------- Forwarded message ---------\nFrom: Zhao <z@f.example>\nDate: x\nSubject: y\n\nBroken."
    assert split_reply(marked) == (marked, False)


@pytest.mark.parametrize(
    "subject", ["Fwd: x", "FW: x", "转发：发票", "轉寄: x", "WG: x", "TR : x", "[team] Fwd: x"]
)
def test_a_forward_is_known_by_its_subject(subject: str) -> None:
    assert is_forward(subject)
    assert not is_forward(f"Re: {subject}")


def test_our_reply_tokens_never_leave_in_a_quotation() -> None:
    pattern = plus_pattern(["support@help.example"])
    text = "To: Support+ABCdef234567@help.example, mailto:support%2Bxyz777%40help.example support&#43;k2k2@HELP.example"
    assert find_tokens(text, pattern) == ("abcdef234567", "xyz777", "k2k2")
    assert find_tokens(strip_tokens(text, pattern), pattern) == ()
    assert strip_tokens("support+aa22@help.example", pattern) == "support@help.example"
    assert strip_tokens("not-support+aa22@help.example", pattern) == "not-support+aa22@help.example"
    assert find_tokens("anything+x@any.example", plus_pattern([])) == ()
