"""The SMTP door: a mailbox forwards its mail there, or a domain's MX record points to it."""

from workers.smtpd.door import SmtpIntake

__all__ = ["SmtpIntake"]
