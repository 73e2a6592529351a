"""The routes by which endpoints of other systems are kept; all of them are the administrators'."""

from __future__ import annotations

_OF_ALL = ("GET /webhooks", "POST /webhooks", "GET /webhooks/event-types")
_OF_ONE = (
    "GET",
    "PATCH",
    "DELETE",
    "POST secret",
    "POST test",
    "POST replay",
    "GET deliveries",
    "GET deliveries/{delivery}",
    "POST deliveries/{delivery}/replay",
)


def _whole(short: str) -> str:
    method, _, rest = short.partition(" ")
    return f"{method} /webhooks/{{ident}}" + (f"/{rest}" if rest else "")


WEBHOOKS = (*_OF_ALL, *map(_whole, _OF_ONE))
"""Method and path of each, without the beginning that all of the API share."""

ON_PAGES = (
    "GET /console/webhooks",
    "POST /console/webhooks",
    "GET /console/webhooks/{ident}",
    "GET /console/webhooks/{ident}/deliveries/{delivery}",
    "POST /console/webhooks/{ident}/{what}",
)
"""The pages of the console on the same."""
