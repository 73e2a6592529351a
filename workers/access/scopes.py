"""What a key of the API may be used for."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """A kind of use. None includes another: a key gets each that it needs."""

    READ = "read"
    WRITE = "write"
    INTAKE = "intake"
    REPORTS = "reports"
    ADMINISTER = "administer"
    ACT_FOR_OTHERS = "act_for_others"
