"""Pure helpers for words that people read: masks, durations in words, one-line texts. No rows, no clock."""

from workers.text.masking import (
    contact_tail,
    mask_contact,
    mask_customer_id,
    mask_email,
    mask_free_text,
    mask_identity,
    mask_known,
    mask_name,
    mask_phone,
)
from workers.text.words import ERASED, bare_subject, duration_words, excerpt, one_line

__all__ = [
    "ERASED",
    "bare_subject",
    "contact_tail",
    "duration_words",
    "excerpt",
    "mask_contact",
    "mask_customer_id",
    "mask_email",
    "mask_free_text",
    "mask_identity",
    "mask_known",
    "mask_name",
    "mask_phone",
    "one_line",
]
