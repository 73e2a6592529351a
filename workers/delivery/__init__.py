"""From a claimed notification to a sent one: composing, sending, and recording what became of it."""
