"""The audit log: who saw and changed what, written in batches (`Trail`), sealed in a chain, verified."""

from workers.audit.entries import KINDS, Noted, write
from workers.audit.reading import Shown, Wanted, entries_of
from workers.audit.sealing import Sealing, seal
from workers.audit.standing import FAULTY, SOUND, Standing, outcome_of, standing
from workers.audit.trail import Trail
from workers.audit.verifying import Finding, Verified, verify

__all__ = [
    "FAULTY",
    "KINDS",
    "SOUND",
    "Finding",
    "Noted",
    "Sealing",
    "Shown",
    "Standing",
    "Trail",
    "Verified",
    "Wanted",
    "entries_of",
    "outcome_of",
    "seal",
    "standing",
    "verify",
    "write",
]
