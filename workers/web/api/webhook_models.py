"""How endpoints of other systems and their log look from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from models.webhooks import WebhookState
from workers.web.api.common import Given, Page
from workers.web.api.values import Moment

_NAME = Field(min_length=1, max_length=64, examples=["warehouse"])
_URL = Field(min_length=8, max_length=2000, examples=["https://hooks.example.com/closeloop"])
_EVENTS = Field(
    max_length=100, description='Types of events; `"*"`: all', examples=[["ticket.opened", "ticket.breached"]]
)
_TEAM = Field(max_length=64, description="Only what happens to this team's tickets; null: to all")
_PUSH = Field(description="Messages to customers' apps go out by it")


class EndpointWanted(Given):
    """A new endpoint."""

    name: str = _NAME
    url: str = _URL
    events: list[str] = _EVENTS
    push: bool = Field(default=False, description="Messages to customers' apps go out by it")
    team: str | None = Field(default=None, max_length=64, description="Only this team's tickets; null: all")


class EndpointChange(Given):
    """What is to be changed; what is left out stays."""

    name: str = Field(default="", min_length=1, max_length=64)
    url: str = Field(default="", min_length=8, max_length=2000)
    events: list[str] = Field(default=[], max_length=100)
    push: bool = Field(default=False)
    team: str | None = Field(default=None, max_length=64, description="null: all teams")
    active: bool = Field(default=True, description="false: it hears nothing until it is switched on again")


class SecretWanted(Given):
    """How a secret is replaced."""

    keep_old_hours: int = Field(
        default=24, ge=0, le=168, description="So long the old secret signs too; 0: it has become known"
    )


class ReplayWanted(Given):
    """What is to be told once more."""

    since: Moment
    until: Moment
    delivered: bool = Field(default=False, description="What had arrived, too")


class EndpointShown(BaseModel):
    """An endpoint, without its secrets."""

    id: UUID
    name: str = _NAME
    url: str = _URL
    events: list[str] = _EVENTS
    push: bool = _PUSH
    team: str | None = _TEAM
    active: bool
    disabled_reason: str | None = Field(
        description="`gone` (it answered 410), `failing` (for three days), `by_staff`"
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="The first of the tries in a row that failed")
    delivered_at: datetime | None = Field(description="When it last took something, to the minute")
    secrets: int = Field(description="How many secrets are valid now")
    made_by: str | None = Field(description="Staff number; null: at the command line")
    made_at: datetime
    version: int


class EndpointMade(EndpointShown):
    """A new endpoint with its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw7dGvQ1xY3Zk="])


class SecretMade(BaseModel):
    """A new secret, which is shown this once."""

    secret: str
    secrets: int = Field(description="How many are valid now")


class EndpointList(BaseModel):
    """All endpoints, the newest first."""

    items: list[EndpointShown]


class TypeShown(BaseModel):
    """A type of event."""

    name: str
    says: str
    example: dict[str, Any]


class TypeList(BaseModel):
    """All types of events there are."""

    items: list[TypeShown]


class DeliveryShown(BaseModel):
    """One event on its way to one endpoint."""

    id: UUID
    event: str = Field(description="`webhook-id`, the same on every try and to every endpoint")
    type: str
    ticket: str | None
    state: WebhookState
    reason: str | None
    made_at: datetime
    delivered_at: datetime | None
    next_try_at: datetime | None = Field(description="When it is tried again at the earliest")
    tries: int
    replays: int


class DeliveryPage(Page):
    """Deliveries of one endpoint."""

    items: list[DeliveryShown]


class TryShown(BaseModel):
    """One try."""

    started_at: datetime
    finished_at: datetime | None
    outcome: str | None = Field(description="delivered, failed, gone, unknown; null: under way")
    reason: str | None
    code: int | None
    text: str | None = Field(description="The first words of the answer, addresses and numbers masked")
    seconds: float | None


class DeliveryDetail(DeliveryShown):
    """One delivery with its body and all tries."""

    body: dict[str, Any]
    attempts: list[TryShown]


class Replayed(BaseModel):
    """How many deliveries were asked for again."""

    replayed: int
    more: bool = Field(description="There are more in this range: ask again from where it ended")
