"""What a mail provider is given to hand back: a header with the notification's id for its delivery events.

Needed where a provider replaces our Message-ID and our return path. It goes out only for providers whose
webhooks are set up (CLOSELOOP_EMAIL_HOOKS); they take it off again before the mail leaves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from uuid import UUID

_HEADERS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        # https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-attach-data
        "mailgun": (("X-Mailgun-Variables", '{"closeloop": "%s"}'),),
        # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments
        "sendgrid": (("X-SMTPAPI", '{"unique_args": {"closeloop": "%s"}}'),),
        # https://postmarkapp.com/support/article/1125-custom-metadata-faq ; without KeepID it replaces the id
        "postmark": (("X-PM-Metadata-closeloop", "%s"), ("X-PM-KeepID", "true")),
        # https://mailchimp.com/developer/transactional/docs/smtp-integration/#x-mc-metadata
        "mandrill": (("X-MC-Metadata", '{"closeloop": "%s"}'),),
        # https://developers.sparkpost.com/api/smtp/
        "sparkpost": (("X-MSYS-API", '{"metadata": {"closeloop": "%s"}}'),),
        # https://developers.brevo.com/docs/transactional-webhooks
        "brevo": (("X-Mailin-custom", "%s"),),
        # https://dev.mailjet.com/smtp-relay/custom-headers/
        "mailjet": (("X-MJ-CustomID", "%s"),),
    }
)


def echo_headers(hooks: Iterable[str], notification_id: UUID) -> tuple[tuple[str, str], ...]:
    """Names and values of these headers for one mail; `hooks` are CLOSELOOP_EMAIL_HOOKS."""
    schemes = dict.fromkeys(hook.partition("://")[0] for hook in hooks)
    found = (pair for scheme in schemes for pair in _HEADERS.get(scheme, ()))
    return tuple((name, form.replace("%s", notification_id.hex)) for name, form in found)
