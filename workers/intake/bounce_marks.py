"""The words of delivery reports: who sends them, what they call themselves, what they say."""

import re

# Names by which only mail systems write; "postmaster" and the like are people now and then.
DAEMON = re.compile(
    r"(?:mailer-?daemon|mail-daemon|mdaemon|maildeliverysystem|mail\.?delivery|mail-?system|scanmail|ndr|"
    r"microsoftexchange[0-9a-f]{20,40})(?:[+.\\-].{0,80})?(?:@|\Z)",
    re.IGNORECASE,
)
PERHAPS_DAEMON = re.compile(
    r"(?:postmaster|bounces?|exchange|nobody|\"?system administrator\"?)(?:[+.\\-].{0,80})?(?:@|\Z)",
    re.IGNORECASE,
)
# Phrases only programs begin with.
MACHINE = re.compile(
    r"^(?:[-*~=| ]{0,20})(?:this (?:message|e-?mail|report) (?:was|is|has been) (?:an )?(?:created |"
    r"generated )?automatic|"
    r"this is an automat(?:ed|ically)|message from interscan|(?:non-)?delivery report|failed recipients|"
    r"non-?delivery (?:report|notification)|delivery failure|the email below could not be delivered|"
    r"your (?:message|mail) (?:to <[^<>]{3,200}> was automatically rejected|with subject: .{0,200}$|"
    r"cannot be delivered)|"
    r"could not deliver message to the following recipient|votre message n['’]a pas p[uû] [eê]tre)",
    re.IGNORECASE | re.MULTILINE,
)
SUBJECT = re.compile(
    r"(?:undeliver|failed mail|mail (?:failed|error|not delivered)|failure delivery|"
    r"processing error|delivery warning|user unknown|"
    r"邮件传输失败|not (?:yet )?been delivered|mail delivery (?:fail|system|problem|status)|"
    r"delivery (?:status notification|"
    r"failure|has failed|notification|"
    r"report|error|problem)|failure notice|returned mail|mail (?:delivery )?failure|nondeliverable|"
    r"non[- ]?deliver|"
    r"(?:mail|message) could not be delivered|message (?:could not be|not) delivered|"
    r"could not (?:send|deliver)|message (?:you sent|status)|"
    r"warning: (?:message|could)|"
    r"delayed mail|message delayed|delivery delay|rejected|returned to sender|bounce|"
    r"auto-response: undeliver|"
    r"退信|系统退信|投递失败|发送失败|未送达|无法送达|無法傳遞|傳送失敗|邮件被退回|退回|延迟|"
    r"unzustellbar|nicht zugestellt|zustellung|non remis|échec|retourné|no se puede entregar|"
    r"no entregado|devuelto|"
    r"non recapitabile|impossibile recapitare|não entregue|falha na entrega|onbestelbaar|"
    r"niet bezorgd|niedostarcz|"
    r"недоставлен|не доставлено|配信不能|配達|전송 실패|반송)",
    re.IGNORECASE,
)
PHRASE = re.compile(
    r"(?:which your message was addressed|"
    r"cannot be delivered|not (?:be )?delivered|invalid final delivery|no valid recipients|"
    r"delivery problems|"
    r"no matches to nameserver|error was detected while|has been returned because|failed recipient|"
    r"could not deliver|"
    r"automatically rejected|pas pu [eê]tre d|delivery of email to|无法发送|無法送達|has reached our|"
    r"this is the (?:mail system|qmail-send)|could not be delivered|couldn['’]t be delivered|"
    r"was not delivered|not been delivered|"
    r"undeliverable|delivery (?:has )?failed|permanent (?:fatal )?errors?|unable to deliver|"
    r"wasn['’]t able to deliver|"
    r"address (?:not found|rejected|couldn)|user unknown|unknown user|no such user|"
    r"mailbox (?:unavailable|full|not found)|"
    r"over quota|exceeds? (?:its |the )?(?:allowed|maximum|allocated) (?:size|quota|space)|"
    r"not a valid (?:user|recipient|mailbox|address)|"
    r"recipient(?:'s)? (?:address )?(?:rejected|unknown)|does not exist|"
    r"returned to (?:you|sender)|"
    r"the following (?:address|recipient|message)|delivery to the following|message will be retried|"
    r"will (?:be|continue) "
    r"(?:retried|to try|trying)|"
    r"无法(?:发送|投递|送达)|未能(?:发送|投递|送达)|退信原因|退信|投递失败|被退回|"
    r"收件人(?:邮箱)?(?:地址)?不存在|用户不存在|邮箱已满|"
    r"konnte nicht zugestellt|n['’]a pas (?:pu|été)|no (?:se )?pudo|non è stato possibile|"
    r"não (?:foi|pôde)|не (?:удалось|может быть))",
    re.IGNORECASE,
)
DELAYED = re.compile(
    r"(?:\bdelayed?\b|still (?:being )?(?:try|retr)|will (?:continue to (?:try|be)|keep trying|"
    r"be retried|retry)|just a warning|you do not need to "
    r"resend|no action is required|延迟|稍后重试|继续尝试|warning message only)",
    re.IGNORECASE,
)
GIVEN_UP = re.compile(
    r"(?:failed permanently|(?<!fails )permanent|giving up|given up|gave up|too long|"
    r"will not be retried|expired)",
    re.IGNORECASE,
)
# A header of the mail that came back, as reports repeat it in their text.
QUOTED_HEADER = re.compile(
    r"[\s>|*]{0,20}(?:from|to|cc|reply-to|sender|return-path|message-id|subject|date|sent|von|an|de|para|"
    r"发件人|主题|日期|时间)[ \t]{0,10}[:：]",
    re.IGNORECASE,
)
ORIGINAL = re.compile(
    r"^[ \t>*-]*(?:-{2,}[ \t]*)?(?:below this line is a copy|this is a copy of the message|"
    r"original message|the header of the|"
    r"(?:return|returned) message|included is a copy|message headers follow|原始邮件|原邮件|received: )",
    re.IGNORECASE | re.MULTILINE,
)
