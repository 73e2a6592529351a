"""The reply alone, whatever language the mail program of its writer speaks."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501 - mails and quotations stand as they are sent

import pytest

from workers.intake.quotes import split_reply, unflowed

WHO = "Support <support@help.example>"
ATTRIBUTIONS = {
    "English, Gmail": f"On Mon, May 20, 2024 at 9:41 AM {WHO} wrote:",
    "English, Gmail, broken": "On Mon, May 20, 2024 at 9:41 AM Support\n<support@help.example> wrote:",
    "English, Apple": "On 20 May 2024, at 09:41, Support <support@help.example> wrote:",
    "English, Thunderbird": "On 5/20/24 09:41, Support wrote:",
    "English, Outlook app": "On May 20, 2024, 9:41 AM +0800, Support <support@help.example>, wrote:",
    "English, Yahoo": "On Monday, May 20, 2024 at 09:41:10 AM GMT+8, Support <support@help.example> wrote:",
    "English, date first": "2024-05-20 9:41 GMT+08:00 Support <support@help.example>:",
    "Chinese, Gmail": "Support <support@help.example> 于2024年5月20日周一 09:41写道：",
    "Chinese, Gmail, broken": "Support <support@help.example> 于2024年5月20日周一\n09:41写道：",
    "Chinese, Gmail, traditional": "Support <support@help.example> 於 2024年5月20日 週一 上午9:41寫道：",
    "Chinese, Apple": "在 2024年5月20日，09:41，Support <support@help.example> 写道：",
    "Chinese, 163": "在 2024-05-20 09:41:10，\"Support\" <support@help.example> 写道：",
    "Chinese, 163, at": "At 2024-05-20 09:41:10, \"Support\" <support@help.example> wrote:",
    "Chinese, NetEase Master": "---- 回复的原邮件 ----\n发件人 Support<support@help.example>\n日期 2024年05月20日 09:41",
    "Chinese, QQ": "------------------ 原始邮件 ------------------\n发件人: \"Support\" <support@help.example>;\n发送时间: 2024年5月20日(星期一) 上午9:41\n收件人: \"林\"<lin@qq.example>;\n主题: 工单",
    "Chinese, QQ, phone": "---原始邮件---\n发件人: \"Support\"<support@help.example>\n发送时间: 2024年5月20日(周一) 上午9:41\n收件人: \"林\"<lin@qq.example>;\n主题: 工单",
    "Chinese, Outlook": "发件人: Support <support@help.example>\n发送时间: 2024年5月20日 9:41\n收件人: 林 <lin@qq.example>\n主题: 工单",
    "Chinese, Outlook, traditional": "寄件者: Support <support@help.example>\n寄件日期: 2024年5月20日 上午 09:41\n收件者: 林 <lin@qq.example>\n主旨: 工單",
    "Chinese, Foxmail": "发件人： Support\n发送时间： 2024-05-20 09:41\n收件人： lin\n主题： 工单",
    "Chinese, Aliyun": "------------------------------------------------------------------\n发件人：Support <support@help.example>\n发送时间：2024年5月20日(星期一) 09:41\n收件人：林 <lin@qq.example>\n主　题：工单",
    "Chinese, Sina": "----- 原始邮件 -----\n发件人：Support <support@help.example>\n收件人：lin\n主题：工单\n日期：2024年05月20日 09点41分",
    "German, Gmail": f"Am Mo., 20. Mai 2024 um 09:41 Uhr schrieb {WHO}:",
    "German, Apple": "Am 20.05.2024 um 09:41 schrieb Support <support@help.example>:",
    "German, Thunderbird": "Am 20.05.24 um 09:41 schrieb Support:",
    "German, Outlook": "Von: Support <support@help.example>\nGesendet: Montag, 20. Mai 2024 09:41\nAn: Lin <lin@shop.example>\nBetreff: Ticket",
    "German, GMX": "Gesendet: Montag, 20. Mai 2024 um 09:41 Uhr\nVon: \"Support\" <support@help.example>\nAn: lin@shop.example\nBetreff: Ticket",
    "French, Gmail": f"Le lun. 20 mai 2024 à 09:41, {WHO} a écrit :",
    "French, Apple": "Le 20 mai 2024 à 09:41, Support <support@help.example> a écrit :",
    "French, Outlook": "De : Support <support@help.example>\nEnvoyé : lundi 20 mai 2024 09:41\nÀ : Lin <lin@shop.example>\nObjet : Ticket",
    "Spanish, Gmail": f"El lun, 20 may 2024 a las 9:41, {WHO} escribió:",
    "Spanish, Gmail, parentheses": "El lun, 20 may 2024 a las 9:41, Support (<support@help.example>) escribió:",
    "Spanish, Outlook": "De: Support <support@help.example>\nEnviado: lunes, 20 de mayo de 2024 9:41\nPara: Lin <lin@shop.example>\nAsunto: Ticket",
    "Portuguese, Gmail": f"Em seg., 20 de mai. de 2024 às 09:41, {WHO} escreveu:",
    "Portuguese, Apple": "Em 20 de mai. de 2024, à(s) 09:41, Support <support@help.example> escreveu:",
    "Portuguese, Gmail, Portugal": f"{WHO} escreveu (segunda, 20/05/2024 à(s) 09:41):",
    "Portuguese, Outlook": "De: Support <support@help.example>\nEnviado: segunda-feira, 20 de maio de 2024 09:41\nPara: Lin <lin@shop.example>\nAssunto: Ticket",
    "Italian, Gmail": f"Il giorno lun 20 mag 2024 alle ore 09:41 {WHO} ha scritto:",
    "Italian, Apple": "Il giorno 20 mag 2024, alle ore 09:41, Support <support@help.example> ha scritto:",
    "Italian, Thunderbird": "Il 20/05/24 09:41, Support ha scritto:",
    "Italian, Outlook": "Da: Support <support@help.example>\nInviato: lunedì 20 maggio 2024 09:41\nA: Lin <lin@shop.example>\nOggetto: Ticket",
    "Dutch, Gmail": f"Op ma 20 mei 2024 om 09:41 schreef {WHO}:",
    "Dutch, Apple": "Op 20 mei 2024 om 09:41 heeft Support <support@help.example> het volgende geschreven:",
    "Dutch, Outlook": "Van: Support <support@help.example>\nVerzonden: maandag 20 mei 2024 09:41\nAan: Lin <lin@shop.example>\nOnderwerp: Ticket",
    "Polish, Gmail": f"pon., 20 maj 2024 o 09:41 {WHO} napisał(a):",
    "Polish, Apple": "Wiadomość napisana przez Support <support@help.example> w dniu 20.05.2024, o godz. 09:41:",
    "Polish, Thunderbird": "W dniu 20.05.2024 o 09:41, Support pisze:",
    "Polish, Outlook": "Od: Support <support@help.example>\nWysłano: poniedziałek, 20 maja 2024 09:41\nDo: Lin <lin@shop.example>\nTemat: Ticket",
    "Russian, Gmail": f"пн, 20 мая 2024 г. в 09:41, {WHO}:",
    "Russian, Apple": "20 мая 2024 г., в 09:41, Support <support@help.example> написал(а):",
    "Russian, Thunderbird": "20.05.2024 9:41, Support пишет:",
    "Russian, Yandex": "20.05.2024, 09:41, \"Support\" <support@help.example>:",
    "Russian, Outlook": "От: Support <support@help.example>\nОтправлено: понедельник, 20 мая 2024 г. 9:41\nКому: Lin <lin@shop.example>\nТема: Ticket",
    "Russian, Mail.ru": "Понедельник, 20 мая 2024, 9:41 +03:00 от Support <support@help.example>:",
    "Swedish, Gmail": f"Den mån 20 maj 2024 kl 09:41 skrev {WHO}:",
    "Swedish, Apple": "20 maj 2024 kl. 09:41 skrev Support <support@help.example>:",
    "Swedish, Outlook": "Från: Support <support@help.example>\nSkickat: den 20 maj 2024 09:41\nTill: Lin <lin@shop.example>\nÄmne: Ticket",
    "Danish, Gmail": f"Den man. 20. maj 2024 kl. 09.41 skrev {WHO}:",
    "Danish, Outlook": "Fra: Support <support@help.example>\nSendt: 20. maj 2024 09:41\nTil: Lin <lin@shop.example>\nEmne: Ticket",
    "Norwegian, Gmail": f"man. 20. mai 2024 kl. 09:41 skrev {WHO}:",
    "Norwegian, Apple": "20. mai 2024 kl. 09:41 skrev Support <support@help.example>:",
    "Finnish, Gmail": f"ma 20. toukok. 2024 klo 9.41 {WHO} kirjoitti:",
    "Finnish, Apple": "Support <support@help.example> kirjoitti 20.5.2024 kello 9.41:",
    "Finnish, Outlook": "Lähettäjä: Support <support@help.example>\nLähetetty: maanantai 20. toukokuuta 2024 9.41\nVastaanottaja: Lin <lin@shop.example>\nAihe: Ticket",
    "Czech, Gmail": f"po 20. 5. 2024 v 9:41 odesílatel {WHO} napsal:",
    "Czech, Apple": "20. 5. 2024 v 9:41, Support <support@help.example>:",
    "Czech, Outlook": "Od: Support <support@help.example>\nOdesláno: pondělí 20. května 2024 9:41\nKomu: Lin <lin@shop.example>\nPředmět: Ticket",
    "Turkish, Gmail": "Support <support@help.example>, 20 May 2024 Pzt, 09:41 tarihinde şunu yazdı:",
    "Turkish, Outlook": "Kimden: Support <support@help.example>\nGönderildi: 20 Mayıs 2024 Pazartesi 09:41\nKime: Lin <lin@shop.example>\nKonu: Ticket",
    "Japanese, Gmail": f"2024年5月20日(月) 9:41 {WHO}:",
    "Japanese, Apple": "2024/05/20 9:41、Support <support@help.example>のメール:",
    "Japanese, Thunderbird": "On 2024/05/20 9:41, Support wrote:",
    "Japanese, Outlook": "差出人: Support <support@help.example>\n送信日時: 2024年5月20日 9:41\n宛先: Lin <lin@shop.example>\n件名: チケット",
    "Korean, Gmail": f"2024년 5월 20일 (월) 오전 9:41, {WHO}님이 작성:",
    "Korean, Apple": "2024. 5. 20. 오전 9:41, Support <support@help.example> 작성:",
    "Korean, Naver": "-----Original Message-----\nFrom: \"Support\" <support@help.example>\nTo: lin\nSent: 2024-05-20\nSubject: x",
    "Korean, Outlook": "보낸 사람: Support <support@help.example>\n보낸 날짜: 2024년 5월 20일 월요일 오전 9:41\n받는 사람: Lin <lin@shop.example>\n제목: 티켓",
    "Outlook, rule": "________________________________\nFrom: Support <support@help.example>\nSent: Monday, May 20, 2024 9:41 AM\nTo: Lin <lin@shop.example>\nSubject: Ticket",
    "Outlook, classic": "-----Original Message-----\nFrom: Support [mailto:support@help.example]\nSent: Monday, May 20, 2024 9:41 AM\nTo: Lin\nSubject: Ticket",
}  # fmt: skip # packed, to be read at a glance
SAID = "It still does not work.\n\nSecond paragraph, 第二段。"


@pytest.mark.parametrize("attribution", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS.keys())
@pytest.mark.parametrize("quoted", ["> The old words\n> more", "The old words\nmore"], ids=["marked", "bare"])
def test_the_quotation_of_every_mail_program_is_cut_off(attribution: str, quoted: str) -> None:
    reply = split_reply(f"{SAID}\n\n{attribution}\n\n{quoted}\n")
    assert (reply.text, reply.cut) == (SAID, True)


@pytest.mark.parametrize(
    "text",
    [
        "On Monday the printer was broken again.",
        "On the invoice it says: 20 EUR",
        "Am 20.05. war der Drucker wieder kaputt:\nkein Papier",
        "Le 20 mai, rien ne marche :\nc'est cassé",
        "在2024年5月20日，我下了订单：\n单号 1234",
        "发件人: 我\n内容如下",
        "20.05.2024 9:41 fiel der Strom aus:\nalles weg",
        "My boss wrote:\nplease fix it",
        "2024年5月20日 下单，单号 123：\n还没收到货",
        "Date: 20 May\nPlace: Berlin\nPlease come.",
        "I found this in the mail of lin@shop.example:\nerror 5",
        "От меня: спасибо",
        ">5% of our users see it",
    ],
)
def test_what_the_writer_says_is_left_whole(text: str) -> None:
    assert split_reply(text).text == text


def test_flowed_lines_are_joined_and_stuffing_is_taken_away() -> None:
    text = "A long line that \ngoes on here.\n From here a new one.\n-- \nLin \nShop"
    assert unflowed(text) == "A long line that goes on here.\nFrom here a new one.\n--\nLin Shop"
