"""All pages of the console under one roof."""

from __future__ import annotations

from fastapi import APIRouter

from workers.web.console import home, sign_in

router = APIRouter(include_in_schema=False)
for _room in (sign_in, home):
    router.include_router(_room.router)
