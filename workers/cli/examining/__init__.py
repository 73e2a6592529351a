"""What `closeloop doctor` looks at: nothing is sent, nothing changed, each finding says what to do."""

from workers.cli.examining.all_parts import examine_all

__all__ = ["examine_all"]
