"""The part `webhooks` of /openapi.json (OpenAPI 3.1 §4.8.1): what is called at the endpoints of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.webhooks import EVENTS, PUSH, example_of

_HEADERS: Mapping[str, str] = {
    "webhook-id": "The same on every try: do a thing once for each id",
    "webhook-timestamp": "When this try was made, in seconds since 1970",
    "webhook-signature": "One or more `v1,<base64>`, by each valid secret (standardwebhooks.com)",
}
_ANSWERS: Mapping[str, str] = {
    "2XX": "Taken; nothing is read but the status",
    "410": "The endpoint wants no more: it is switched off",
    "default": "Not taken: it is tried again, for three days",
}
PUSHED: Mapping[str, Any] = {
    "type": PUSH,
    "version": 1,
    "timestamp": "2026-03-02T02:00:00Z",
    "data": {
        "message": "csat_invitation",
        "locale": "zh_CN",
        "text": "【客服团队】您好，工单 CS202603020001 已处理完毕，请评价本次服务：https://support.example.com/s/…",
        "links": {"survey": "https://support.example.com/s/…"},
        "ticket": "CS202603020001",
        "to": "oA1b2C3d4",
    },
}


def webhooks_described() -> dict[str, Any]:
    """Each type of event with its call and an example."""
    described = {each.name: _call(each.name, each.says, example_of(each)) for each in EVENTS}
    said = "A message for a customer's app or official account; `to` is the account. 2xx: you pass it on"
    return {**described, PUSH: _call(PUSH, said, PUSHED)}


def _call(name: str, says: str, example: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": f"webhook_{name.replace('.', '_')}",
            "summary": says,
            "tags": ["webhooks"],
            "parameters": [
                {
                    "name": header,
                    "in": "header",
                    "required": True,
                    "description": words,
                    "schema": {"type": "string"},
                }
                for header, words in _HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _schema(name, example), "example": example}},
            },
            "responses": {status: {"description": words} for status, words in _ANSWERS.items()},
        }
    }


def _schema(name: str, example: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "version", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "version": {"const": 1, "description": "Rises when a field changes its meaning or goes"},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "properties": {key: _of(value) for key, value in example["data"].items()},
            },
        },
    }


def _of(value: Any) -> dict[str, Any]:
    """The schema of a value like this one; what may be lacking may be null."""
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {key: _of(each) for key, each in value.items()}}
    kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "string"
    return {"type": [kind, "null"]}
