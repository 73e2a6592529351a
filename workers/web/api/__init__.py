"""The REST API, version 1: one file per resource; rules live in the steps, here is only their outside."""

from workers.web.api.router import RESOURCES

__all__ = ["RESOURCES"]
