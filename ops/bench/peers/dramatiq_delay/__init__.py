"""dramatiq with a delay per message: a peer of the deadlines."""
