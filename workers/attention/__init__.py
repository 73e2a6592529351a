"""What a person must look at now: somebody was not told, an event cannot be read, a message stays."""

from workers.attention.item import Item, Look, Looked, What
from workers.attention.looking import LOOKS, look_around

__all__ = ["LOOKS", "Item", "Look", "Looked", "What", "look_around"]
