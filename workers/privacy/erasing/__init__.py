"""Erasing a customer: what each room removes (`parts`), in one transaction (`erase`), with a certificate."""

from workers.privacy.erasing.certificate import as_text, certificates, find_certificate
from workers.privacy.erasing.erase import erase, would_erase

__all__ = ["as_text", "certificates", "erase", "find_certificate", "would_erase"]
