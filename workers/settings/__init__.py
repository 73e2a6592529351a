"""Settings (CLOSELOOP_*), and the secrets an installation makes for itself."""

from workers.settings.load import Settings, load_settings
from workers.settings.own_secrets import ensure_secrets, known_secrets
from workers.settings.own_settings import known_settings, write_settings

__all__ = [
    "Settings",
    "ensure_secrets",
    "known_secrets",
    "known_settings",
    "load_settings",
    "write_settings",
]
