"""Mails that tell of mails that came back."""


def bounce_of(message_id: str, recipient: str) -> bytes:
    """A delivery status notification as Postfix writes it (RFC 3464)."""
    lines = [
        "From: MAILER-DAEMON@mx.163.example",
        "To: support@help.example",
        "Subject: Undelivered Mail Returned to Sender",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        "I'm sorry to have to inform you that your message could not be delivered.",
        "--B",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.163.example",
        "",
        f"Final-Recipient: rfc822; {recipient}",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 User unknown",
        "",
        "--B",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {message_id}",
        "Subject: Re: Order",
        "",
        "--B--",
        "",
    ]
    return "\r\n".join(lines).encode()
