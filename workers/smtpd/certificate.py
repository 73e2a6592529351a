"""The certificate that STARTTLS shows, read again when it has been renewed."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import structlog

from workers.errors import SettingsError
from workers.settings import Settings

LOOK_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Certificate:
    """A certificate chain and its key, as PEM files, whoever renews them.

    Raises SettingsError when they cannot be used at the start; later a broken renewal is logged and the old
    certificate stays.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self._looked = time.monotonic()
        try:
            self._stamps, self._context = self._load()
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"the certificate of the SMTP intake cannot be used: {error}",
                hint="CLOSELOOP_SMTP_INTAKE_CERT and …_KEY name PEM files that this process may read",
            ) from error

    def context(self) -> ssl.SSLContext:
        """The context for a handshake now; looks at most once a minute whether the files are new ones."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            try:
                if self._stamps != self._stamp():
                    self._stamps, self._context = self._load()
                    log.info("smtp_certificate_renewed")
            except (OSError, ssl.SSLError) as error:
                log.error("smtp_certificate_not_renewed", error=str(error))  # noqa: TRY400 - its words suffice
        return self._context

    def _load(self) -> tuple[tuple[int, ...], ssl.SSLContext]:
        stamps = self._stamp()
        # Not into the one that is in use: a chain whose key is not there yet would take the place of the old.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return stamps, context

    def _stamp(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in self._files)


def certificate_of(settings: Settings) -> Certificate | None:
    """The configured certificate; None when mail comes in clear. Raises SettingsError."""
    if settings.smtp_intake_cert is None or settings.smtp_intake_key is None:
        return None
    return Certificate(settings.smtp_intake_cert, settings.smtp_intake_key)
