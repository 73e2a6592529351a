"""Django's settings for the peer: as its documentation recommends, tuned to be fast."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

_database = urlsplit(os.environ["PEER_DATABASE_URL"])
_host, _port = os.environ["PEER_SMTP"].split(":")

SECRET_KEY = "bench"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path[1:],
        "USER": _database.username,
        "HOST": _database.hostname,
        "PORT": _database.port,
    }
}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "NAME": "django",
        "OPTIONS": {"builtins": ["ops.bench.peers.django_post_office.filters"]},
    }
]
EMAIL_HOST, EMAIL_PORT = _host, int(_port)
POST_OFFICE = {
    "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
    "BATCH_SIZE": int(os.environ.get("PEER_BATCH", "100")),
    "THREADS_PER_PROCESS": int(os.environ.get("PEER_THREADS", "5")),
    "LOG_LEVEL": 2,  # a log row per mail, sent or failed: the attempt
}
