"""dramatiq as the bell: brokers, lanes with threads of their own, and ringing that never holds anybody up."""

from workers.broker.brokers import is_alive, let_go
from workers.broker.inside import InProcessBroker
from workers.broker.lanes import ActorLoop, actor_loop, make_broker, make_workers
from workers.broker.ringer import Ringer, messages

__all__ = [
    "ActorLoop",
    "InProcessBroker",
    "Ringer",
    "actor_loop",
    "is_alive",
    "let_go",
    "make_broker",
    "make_workers",
    "messages",
]
