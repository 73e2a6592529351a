"""Calls to addresses that a user may set: never into a private network, never elsewhere than was checked."""

from workers.outbound.addresses import Networks, Resolve, is_public, look_up, may_call
from workers.outbound.caller import Answer, Caller, CallFailed, CallRefused
from workers.outbound.signing import signed_headers
from workers.outbound.urls import checked_url

__all__ = [
    "Answer",
    "CallFailed",
    "CallRefused",
    "Caller",
    "Networks",
    "Resolve",
    "checked_url",
    "is_public",
    "look_up",
    "may_call",
    "signed_headers",
]
