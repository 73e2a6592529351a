"""The addresses that its mails name."""

from __future__ import annotations

from django.urls import include, path  # type: ignore[import-not-found,import-untyped,unused-ignore]

urlpatterns = [path("", include("helpdesk.urls", namespace="helpdesk"))]
