"""What becomes of a clock when its ticket comes under another version of the policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MOVED, ADDED, WITHDRAWN, KEPT, ALARMS = "moved", "added", "withdrawn", "kept", "alarms"


@dataclass(frozen=True, slots=True)
class Shift:
    """What became of one clock: `what` is moved, added, withdrawn, kept (the new limit would be over
    already) or alarms (the limit is the same, who hears of it when is not). Limits are UTC.
    """

    clock: str
    what: str
    before: datetime | None
    after: datetime | None

    def facts(self) -> dict[str, str | None]:
        """As the log holds it."""
        moments = {"before": self.before, "after": self.after}
        return {
            "clock": self.clock,
            "what": self.what,
            **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        }
