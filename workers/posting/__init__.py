"""From a promised delivery to a call of another system: claim, sign, post, record what became of it."""

from workers.posting.desk import Posting

__all__ = ["Posting"]
