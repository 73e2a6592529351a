"""Erasing customers, and the certificates of it, for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from workers.errors import NotFound
from workers.privacy import erasing
from workers.web.api.common import Calling, Given, acting
from workers.web.api.resource import Resource
from workers.web.parts import Parts, WebParts

router = Resource("", "privacy")


class ErasureWanted(Given):
    """Whether it is meant, and what it goes back to."""

    confirm: bool = Field(default=False, description="false: only count what would be removed")
    why: str = Field(default="", max_length=120, description="A reference, no name", examples=["DSR-2026-17"])


class Certificate(BaseModel):
    """What was removed of a customer, what stays and why."""

    number: str | None = Field(description="null: nothing was changed", examples=["ER202605001"])
    customer: str
    erased_at: datetime
    made_by: str | None
    why: str
    tickets: list[str]
    removed: dict[str, int] = Field(description="By table, or table and column")
    stays: list[dict[str, str]]
    keys_forgotten_by: datetime = Field(description="No running process remembers the key after this")
    backups_until: datetime = Field(description="Backups made before are deleted by then")


class CertificateRead(Certificate):
    """A certificate, for people too."""

    text: str


class ErasureList(BaseModel):
    """The newest erasures, at most 200."""

    items: list[Certificate]


@router.post("/customers/{code}/erase", summary="Erase a customer")
async def erase_customer(code: str, given: ErasureWanted, parts: Parts, calling: Calling) -> CertificateRead:
    """Without `confirm` nothing is changed. Their data key is destroyed: it cannot be undone."""
    code = code.strip().upper()
    if not (code.startswith("C") and code[1:].isdigit()):
        raise NotFound("there is no such customer", hint="codes look like C202405001")
    if not given.confirm:
        return _read(parts, await erasing.would_erase(parts.workshop, code))
    async with parts.workshop.read() as uow:
        by = await acting(uow, calling.staff)
    row = await erasing.erase(parts.workshop, code, by, why=given.why)
    return _read(parts, row.certificate)


@router.get("/erasures", summary="List erasures")
async def list_erasures(parts: Parts) -> ErasureList:
    """The newest first."""
    async with parts.workshop.read() as uow:
        rows = await erasing.certificates(uow)
    return ErasureList(items=[Certificate(**row.certificate) for row in rows])


@router.get("/erasures/{number}", summary="Read a certificate of erasure")
async def get_erasure(number: str, parts: Parts) -> CertificateRead:
    """By its number, or by the customer's code."""
    async with parts.workshop.read() as uow:
        row = await erasing.find_certificate(uow, number)
    return _read(parts, row.certificate)


def _read(parts: WebParts, certificate: dict[str, Any]) -> CertificateRead:
    settings = parts.settings
    text = erasing.as_text(certificate, settings.timezone, settings.locale)
    return CertificateRead(**certificate, text=text)
